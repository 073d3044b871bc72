"""Masked language models scored by two processes: the counts of one process exactly, its perplexity to six decimals."""

import json
import os
import socket
import sys

import pytest
from distributed.test_distributed import free_port, together

SCRIPT = '''
"""Train a tiny masked model for a few steps, score it on 13 rows of fixed masks, and write what came out."""

import json
import sys

import torch
from torch.utils.data import DataLoader
from transformers import BertConfig, BertForMaskedLM

from course_nlp.masking import masked_rows, masked_scores
from course_nlp.training import evaluate_loop, fit_loop, start_accelerator

accelerator = start_accelerator()
torch.manual_seed(0)
sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
dropout = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
model = BertForMaskedLM(BertConfig(vocab_size=40, max_position_embeddings=32, **sizes, **dropout))
draw = torch.Generator().manual_seed(1)


def rows(count):
    """Return rows of 16 tokens with one to nine targets each, so that batches differ in targets."""
    out = []
    for i in range(count):
        ids = torch.randint(5, 40, (16,), generator=draw)
        labels, chosen = torch.full((16,), -100), torch.randperm(16, generator=draw)[: 1 + i % 9]
        labels[chosen] = ids[chosen]
        ids[chosen] = 4
        out.append({"input_ids": ids, "labels": labels})
    return out


train = DataLoader(rows(24), batch_size=8 // accelerator.num_processes)  # a step is one of 8 rows either way
held_out = DataLoader(rows(13), batch_size=4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
before = evaluate_loop(model, accelerator.prepare(held_out), accelerator, masked_rows, progress=False)
history = fit_loop(model, optimizer, (train, held_out), accelerator, 1, eval_fn=masked_rows, on_eval=masked_scores, progress=False)
if accelerator.is_main_process:
    said = {"processes": accelerator.num_processes, "rows": {name: value.tolist() for name, value in before.items()},
            "before": masked_scores(before), "after": history[-1]["eval"]}
    with open(sys.argv[1], "w") as out:
        json.dump(said, out)
accelerator.end_training()
'''


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """Return what one process and what two processes wrote."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_gloo_available()):
        pytest.skip("this build of torch cannot run on several processes")
    folder = tmp_path_factory.mktemp("two")
    (folder / "score.py").write_text(SCRIPT)
    foreign = ("ACCELERATE_", "MASTER_", "TORCHELASTIC_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    env |= {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": loopback, "CUDA_VISIBLE_DEVICES": ""}
    rendezvous = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}")
    one = [sys.executable, str(folder / "score.py"), str(folder / "one.json")]
    two = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *rendezvous, str(folder / "score.py"), str(folder / "two.json")]
    for command in (one, two):
        together([command], env, folder)
    return [json.loads((folder / f"{name}.json").read_text()) for name in ("one", "two")]


def test_two_processes_did_run(said):
    assert [result["processes"] for result in said] == [1, 2]


@pytest.mark.known_error("c09")
def test_each_row_is_scored_once_and_in_order(said):
    """13 rows in batches of 4: the sampler hands some out twice, and they must not count."""
    one, two = said
    assert two["rows"]["targets"] == one["rows"]["targets"] == [1 + i % 9 for i in range(13)]
    assert two["rows"]["correct"] == one["rows"]["correct"]
    assert two["rows"]["loss"] == pytest.approx(one["rows"]["loss"], abs=1e-5)


@pytest.mark.parametrize("when", ["before", "after"])
def test_scores_are_those_of_one_process(said, when):
    one, two = said
    assert two[when]["targets"] == one[when]["targets"] == sum(1 + i % 9 for i in range(13))
    assert two[when]["accuracy"] == one[when]["accuracy"]
    assert two[when]["perplexity"] == pytest.approx(one[when]["perplexity"], rel=1e-6)
    assert two["after"]["loss"] != two["before"]["loss"]
