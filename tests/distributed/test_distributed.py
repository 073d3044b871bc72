"""Recipes under torchrun: two processes of one machine, and two machines' agents, give what one process gives.

Which recipe runs in which way by default, and which in the campaign only, stands in RUNS; its toy world is in recipe_worlds.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass

import numpy as np
import pytest
from lesson_runs import needs_tool
from recipe_worlds import WORLDS, few_words, report_of, served
from safetensors.numpy import load_file

TIMEOUT = 150  # seconds for all processes of a run together
TOLERANCE = 1e-6
DRIFT = 2e-2  # a trained figure that is no count may differ by this share: sums are rounded in another order at each step


@pytest.fixture(scope="module", autouse=True)
def torchrun(stand_in_cache):
    """Need torch with gloo, the backend for CPUs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_gloo_available()):
        needs_tool("gloo", "this build of torch cannot run on several processes; install torch from PyPI")


# --- processes that end, whatever happens


def free_port():
    """Return a port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def stop(process):
    """End a process and all that it started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:  # all of them have ended
        pass
    process.wait()


def together(commands, env, folder):
    """Run commands side by side, each in a process group of its own, until all have ended or one has failed."""
    logs = [folder / f"{n}.log" for n in range(len(commands))]
    started = []
    try:
        for command, log in zip(commands, logs, strict=True):
            with log.open("wb") as out:
                started.append(subprocess.Popen(command, env=env, cwd=folder, stdout=out, stderr=out, start_new_session=True))
        until = time.monotonic() + TIMEOUT
        while any(process.poll() is None for process in started):
            if time.monotonic() > until or any(process.poll() for process in started):
                break
            time.sleep(0.1)
        codes = [process.poll() for process in started]
    finally:
        for process in started:
            stop(process)
    said = "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-4000:]}" for log in logs)
    assert codes == [0] * len(commands), f"exit codes {codes} (None: not ended after {TIMEOUT} s, or stopped with the others)\n{said}"
    return said


# --- the runs


@dataclass(frozen=True)
class Result:
    """What a run of a recipe left behind."""

    report: dict  # metrics.json
    weights: dict[str, np.ndarray]  # the whole model
    said: str


def one_process(recipe):
    """Return the command for a recipe by itself."""
    return [[sys.executable, *recipe]]


def two_processes(recipe):
    """Return the command for two processes under one agent."""
    rendezvous = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}")
    return [[sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *rendezvous, *recipe]]


def two_agents(recipe):
    """Return the commands for two agents that meet, as on two machines, with a process each."""
    rendezvous = ("--rdzv-backend", "static", "--master-addr", "127.0.0.1", "--master-port", str(free_port()))
    nodes = ("--nnodes", "2", "--nproc-per-node", "1")
    agents = [(*nodes, "--node-rank", str(rank), *rendezvous) for rank in range(2)]
    return [[sys.executable, "-m", "torch.distributed.run", *agent, *recipe] for agent in agents]


DEFAULT = {("ner", two_processes), ("ner", two_agents), ("mlm", two_agents)}  # all others in the campaign
RUNS = [
    pytest.param(name, way, marks=() if (name, way) in DEFAULT else pytest.mark.campaign, id=f"{name}-{way.__name__}")
    for name in WORLDS
    for way in (two_processes, two_agents)
]
each_run = pytest.mark.parametrize(("name", "way"), RUNS)


@pytest.fixture(scope="module")
def ran(tmp_path_factory):
    """Return a function that runs a recipe in one of the three ways, once each."""
    done = {}

    def result(name, way):
        if (name, way) not in done:
            folder = tmp_path_factory.mktemp(f"{name}-{way.__name__}")
            recipe = ["-m", "course_nlp.recipes", name, "--output-dir", str(folder / "out"), *WORLDS[name].arguments]
            with served(name, folder) as env:
                said = together(way(recipe), env, folder)
            done[name, way] = Result(report_of(folder / "out"), load_file(folder / "out" / "model.safetensors"), said)
        return done[name, way]

    return result


def test_the_rows_do_not_come_out_even():
    """Otherwise nothing below would tell `gather_for_metrics` from `gather`, or a mean over tokens from a mean of means."""
    rows = few_words()
    assert len(rows["validation"]) % 2 and len(rows["test"]) % 2 and len(rows["train"]) % 8
    assert len({len(row["tokens"]) for row in rows["train"]}) > 5


def test_one_process_learns_something(ran):
    report = ran("ner", one_process).report
    losses = [step["loss"] for step in report["history"]]
    assert report["processes"] == 1 and len(losses) == 36 and losses[-1] < 0.6 * losses[0]
    assert 0.2 < report["test"]["figures"]["entity F1"] < 1  # equal figures would say little if they were all 0, or all 1


@each_run
def test_metrics_are_those_of_one_process(name, way, ran):
    one, two = ran(name, one_process).report, ran(name, way).report
    assert (one["processes"], two["processes"]) == (1, 2)
    exact = name == "ner"  # its figures count entities
    for split in ("validation", "test"):
        assert two[split]["rows"] == one[split]["rows"]
        near = {"abs": TOLERANCE} if exact else {"rel": DRIFT}
        assert two[split]["figures"] == pytest.approx(one[split]["figures"], **near)
    if "before" in one["test"]:  # the same weights on both sides, so the same figures
        assert two["test"]["before"] == pytest.approx(one["test"]["before"], rel=TOLERANCE)
    assert two["test"]["baseline"] == one["test"]["baseline"]


@each_run
def test_each_step_is_that_of_one_process(name, way, ran):
    """The same rows in the same steps, and a loss that is the mean over the targets of both processes."""
    one, two = ran(name, one_process).report["history"], ran(name, way).report["history"]
    assert [step["targets"] for step in two] == [step["targets"] for step in one]
    assert [step["lr"] for step in two] == [step["lr"] for step in one]
    for first, second in list(zip(one, two, strict=True))[:12]:
        assert second["loss"] == pytest.approx(first["loss"], abs=1e-5)
        assert second["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-3)


@each_run
def test_weights_differ_by_rounding_only(name, way, ran):
    one, two = ran(name, one_process).weights, ran(name, way).weights
    assert set(one) == set(two)
    apart = max(float(np.abs(one[key].astype(float) - two[key].astype(float)).max()) for key in one)
    print(f"\nlargest difference of a weight, {name}, {way.__name__}: {apart:.1e}")
    assert apart < 1e-2


@each_run
def test_one_table_is_printed(name, way, ran):
    assert ran(name, way).said.count("baseline on test") == 1


# --- streams


SHARES = '''
import json, sys
import torch
from datasets import load_dataset
from course_nlp.recipe_core import stream_loader, stream_rows
from course_nlp.training import _epoch, _Place, start_accelerator

accelerator = start_accelerator(cpu=True)
rows = load_dataset("parquet", data_files=sys.argv[1].split(","), split="train", streaming=True)
loader = stream_loader(stream_rows(rows, accelerator, seed=0), lambda rows: {"number": torch.tensor([row["number"] for row in rows])}, 4, accelerator)
seen = []
for epoch in (1, 2):
    batches = _epoch(loader, 1, _Place(epoch), accelerator, strict=True)
    seen.append([batch["number"].tolist() for group in batches for batch in group])
json.dump(seen, open(f"{sys.argv[2]}-{accelerator.process_index}.json", "w"))
accelerator.end_training()
'''


@pytest.mark.parametrize("files", [1, pytest.param(2, marks=pytest.mark.campaign)])
def test_a_stream_is_shared_out_and_each_text_read_once(tmp_path, files):
    """An odd number of rows, 2 to a batch on each process: nothing twice, another order each epoch, as many steps on both."""
    from datasets import Dataset
    from recipe_worlds import clean_environment

    (tmp_path / "shares.py").write_text(SHARES)
    rows, count = [], 45
    for n in range(files):
        rows.append(tmp_path / f"rows{n}.parquet")
        Dataset.from_dict({"number": list(range(count))[n::files]}).to_parquet(rows[-1])
    arguments = ["shares.py", ",".join(map(str, rows)), "seen"]
    together(two_processes(arguments), clean_environment() | {"HF_HUB_OFFLINE": "1"}, tmp_path)
    seen = [json.loads((tmp_path / f"seen-{rank}.json").read_text()) for rank in range(2)]
    for epoch in range(2):
        first, second = (seen[rank][epoch] for rank in range(2))
        numbers = [number for batch in first + second for number in batch]
        assert len(first) == len(second) == 11 and len(numbers) == len(set(numbers)) == 44
    assert seen[0][0] != seen[0][1]
