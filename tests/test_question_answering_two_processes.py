"""Start and end logits gathered on two processes with an uneven last batch: the same windows, answers and scores as on one."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_question_answering import tiny_model
from torchrun_env import torchrun_environment

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Return what the evaluation found on one process and on two."""
    folder = tmp_path_factory.mktemp("two")
    tiny_model(7).save_pretrained(folder / "model")
    paths = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    found = {}
    for name, python in (("one", ()), ("two", ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"))):
        out = folder / f"{name}.json"
        command = [sys.executable, *python, str(HERE / "qa_worker.py"), str(folder / "model"), str(out)]
        env = torchrun_environment() | {"PYTHONPATH": paths}
        done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-3000:]
        found[name] = json.loads(out.read_text())
    return found


def test_the_windows_do_not_come_out_even(reports):
    assert reports["one"]["processes"] == 1 and reports["two"]["processes"] == 2
    assert reports["one"]["windows"] % 8 and reports["two"]["all"] > reports["two"]["windows"] == reports["two"]["gathered"]


def test_counts_and_answers_are_exactly_those_of_one_process(reports):
    for name in ("windows", "gathered", "answers", "candidates"):
        assert reports["two"][name] == reports["one"][name]


def test_scores_are_those_of_one_process(reports):
    assert 0 < reports["one"]["f1"] < 100
    for name in ("exact_match", "f1", "sum"):
        assert reports["two"][name] == pytest.approx(reports["one"][name], abs=1e-6 if name != "sum" else 1e-3)
