"""The evaluation of a tiny writer, run on one process and on two."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tiny_seq2seq import tiny_tokenizer, trained_marian
from torchrun_env import torchrun_environment

HERE = Path(__file__).parent
TWO = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")


def run_on_one_and_two(folder):
    """Return what the evaluation found on one process, on two, and on two without dropping the repeated rows."""
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
