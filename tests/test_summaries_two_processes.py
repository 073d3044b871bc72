"""Summaries scored by ROUGE on two processes, with an uneven last batch: every row once, and the score of one process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from seq2seq_worker import ROWS
from tiny_seq2seq import tiny_tokenizer, trained_marian
from torchrun_env import torchrun_environment

from course_nlp.metrics import rouge

HERE = Path(__file__).parent
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return what the evaluation gathered on one process, on two, and on two with the rows that the sampler repeats."""
    folder = tmp_path_factory.mktemp("two")
    trained_marian(tiny_tokenizer()).save_pretrained(folder / "model")
    env = torchrun_environment() | {"PYTHONPATH": os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])}
    found = {}
    for name, python, gather in (("one", (), "once"), ("two", TWO, "once"), ("two, all rows", TWO, "every row")):
        out = folder / f"{name}.json"
        command = [sys.executable, *python, str(HERE / "seq2seq_worker.py"), str(folder / "model"), str(out), gather]
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        found[name] = json.loads(out.read_text())
    return found


def score(report):
    """Return ROUGE of what a run gathered."""
    return rouge(report["pred"], report["ref"])


@pytest.mark.known_error("c02")
def test_every_row_is_scored_once_and_rouge_is_that_of_one_process(reports):
    one, two = reports["one"], reports["two"]
    assert two["processes"] == 2 and len(ROWS) % 8 != 0
    assert len(two["pred"]) == len(ROWS) and two["ref"] == [target for _, target in ROWS]
    for name, value in score(two).items():
        assert value == pytest.approx(score(one)[name], abs=1e-6), name
    assert 0.1 < score(one)["rouge2"] < 0.99  # neither hopeless nor perfect: repeated rows would show


def test_the_check_can_fail(reports):
    wrong = reports["two, all rows"]
    assert len(wrong["pred"]) > len(ROWS)
    assert abs(score(wrong)["rouge2"] - score(reports["one"])["rouge2"]) > 1e-3
