"""Two processes score a causal and a masked model on 13 rows, which do not come out even, and get what one process gets."""

import json
import subprocess
import sys

import pytest
from lesson_runs import needs_tool
from torchrun_env import torchrun_environment

PROGRAM = """
import json, sys
import torch
from datasets import Dataset
from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel
from course_nlp.training import start_accelerator
from course_nlp.wikitext import lm_compare

accelerator = start_accelerator()
torch.manual_seed(0)
models = {
    "causal": GPT2LMHeadModel(GPT2Config(vocab_size=60, n_positions=32, n_embd=32, n_layer=1, n_head=2)),
    "masked": BertForMaskedLM(BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)),
}
draw = torch.Generator().manual_seed(0)
ids = torch.randint(5, 60, (13, 32), generator=draw)
hidden = torch.rand(ids.shape, generator=draw) < torch.linspace(0.1, 0.6, 13)[:, None]  # rows differ in their targets
chunks = {
    "causal": Dataset.from_dict({"input_ids": ids.tolist(), "labels": ids.tolist()}),
    "masked": Dataset.from_dict({"input_ids": ids.masked_fill(hidden, 4).tolist(), "labels": ids.masked_fill(~hidden, -100).tolist()}),
}
table = lm_compare(models, chunks, batch_size=4)
if accelerator.is_main_process:
    with open(sys.argv[1], "w") as file:
        json.dump({"processes": accelerator.num_processes, "table": table.to_dict("index")}, file)
accelerator.end_training()
"""


@pytest.fixture(scope="module", autouse=True)
def gloo():
    """Need torch with gloo, the backend for CPUs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_gloo_available()):
        needs_tool("gloo", "this build of torch cannot run on several processes; install torch from PyPI")


def scores(folder, launcher):
    """Run the program under a launcher and return what it wrote."""
    folder.mkdir()
    (folder / "program.py").write_text(PROGRAM)
    env = torchrun_environment()
    env |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, *launcher, str(folder / "program.py"), str(folder / "out.json")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads((folder / "out.json").read_text())


def test_counts_are_equal_and_losses_agree_on_an_uneven_last_batch(tmp_path):
    one = scores(tmp_path / "one", [])
    two = scores(tmp_path / "two", ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"])
    assert (one["processes"], two["processes"]) == (1, 2)
    for name, mine in one["table"].items():
        other = two["table"][name]
        for count in ("objective", "tokens", "targets"):
            assert mine[count] == other[count]
        for figure in ("loss", "perplexity"):
            assert other[figure] == pytest.approx(mine[figure], rel=1e-6)
    assert one["table"]["causal"]["targets"] == 13 * 31
