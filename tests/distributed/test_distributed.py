"""The named-entity recipe under torchrun: two processes of one machine, and two machines' agents, give what one process gives."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, replace

import numpy as np
import pytest
from full.real_shapes import SHAPES, fill
from lesson_runs import needs_tool
from safetensors.numpy import load_file

from course_nlp.hub_store import Store
from course_nlp.recipe_encoders import NER
from course_nlp.stand_ins import NER_TAGS

TIMEOUT = 150  # seconds for all processes of a run together
SHORT = ("--batch-size", "8", "--epochs", "6", "--lr", "0.02")  # 50 rows: 36 steps, enough to learn a few names
TOLERANCE = 1e-6


@pytest.fixture(scope="module", autouse=True)
def torchrun():
    """Need torch with gloo, the backend for CPUs."""
    import torch.distributed as dist

    if not (dist.is_available() and dist.is_gloo_available()):
        needs_tool("gloo", "this build of torch cannot run on several processes; install torch from PyPI")


def few_words():
    """Return rows with CoNLL's columns that a tiny model can learn: few words, names of one and of two, all lengths mixed."""
    rng, out = np.random.default_rng(0), {}
    names = {"PER": ["ada", "bell"], "LOC": ["rome", "oslo"], "ORG": ["acme corp", "fiat works"]}
    for split, count in (("train", 50), ("validation", 13), ("test", 11)):
        out[split] = []
        for number in range(count):
            tokens, tags = [], []
            for kind in rng.permutation(list(names))[: rng.integers(1, 4)]:
                words = names[kind][rng.integers(2)].split() + ["the", "film", "near", "."][: rng.integers(1, 5)]
                tokens += words
                tags += [NER_TAGS.index(f"{'BI'[i]}-{kind}") if i < 1 + (kind == "ORG") else 0 for i in range(len(words))]
            out[split].append({"id": str(number), "tokens": tokens, "ner_tags": tags, **dict.fromkeys(("pos_tags", "chunk_tags"), [0] * len(tags))})
    return out


@pytest.fixture(scope="module")
def world(stand_in_cache, tmp_path_factory):
    """Serve what the recipe asks for at scale `full`, small, and yield the environment for it."""
    from course_nlp.hub import serve

    root = tmp_path_factory.mktemp("hub")
    checkpoint, dataset = NER.originals
    fill(Store(root), [checkpoint])
    Store(root).seed("datasets", dataset, replace(SHAPES[dataset], rows=few_words).files())
    foreign = ("COURSE_NLP_", "HF_", "ACCELERATE_", "MASTER_", "TORCHELASTIC_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    clean |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "GLOO_SOCKET_IFNAME": loopback}
    with serve(root) as server:
        home = tmp_path_factory.mktemp("home")
        yield clean | {"HF_ENDPOINT": server.url, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1", "COURSE_NLP_SCALE": "full"}


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
    """What a run of the recipe left behind."""

    report: dict  # metrics.json
    weights: dict[str, np.ndarray]  # the merged model
    said: str


def recipe(out):
    """Return the arguments of python for a short run of the recipe."""
    return ["-m", "course_nlp.recipes", NER.name, "--output-dir", str(out), *SHORT]


def one_process(out):
    """Return the command for the recipe by itself."""
    return [[sys.executable, *recipe(out)]]


def two_processes(out):
    """Return the command for two processes under one agent."""
    rendezvous = ("--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_port()}")
    return [[sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", *rendezvous, *recipe(out)]]


def two_agents(out):
    """Return the commands for two agents that meet, as on two machines, with a process each."""
    rendezvous = ("--rdzv-backend", "static", "--master-addr", "127.0.0.1", "--master-port", str(free_port()))
    nodes = ("--nnodes", "2", "--nproc-per-node", "1")
    agents = [(*nodes, "--node-rank", str(rank), *rendezvous) for rank in range(2)]
    return [[sys.executable, "-m", "torch.distributed.run", *agent, *recipe(out)] for agent in agents]


@pytest.fixture(scope="module")
def ran(world, tmp_path_factory):
    """Return a function that runs the recipe in one of the three ways, once each."""
    done = {}

    def result(way):
        if way not in done:
            folder = tmp_path_factory.mktemp(way.__name__)
            said = together(way(folder / "out"), world, folder)
            report = json.loads((folder / "out" / "metrics.json").read_text())
            done[way] = Result(report, load_file(folder / "out" / "model.safetensors"), said)
        return done[way]

    return result


def test_the_rows_do_not_come_out_even():
    """Otherwise nothing below would tell `gather_for_metrics` from `gather`, or a mean over tokens from a mean of means."""
    rows = few_words()
    assert len(rows["validation"]) % 2 and len(rows["test"]) % 2 and len(rows["train"]) % 8
    assert len({len(row["tokens"]) for row in rows["train"]}) > 5


def test_one_process_learns_something(ran):
    report = ran(one_process).report
    losses = [step["loss"] for step in report["history"]]
    assert report["processes"] == 1 and len(losses) == 36 and losses[-1] < 0.6 * losses[0]
    assert 0.2 < report["test"]["figures"]["entity F1"] < 1  # equal figures would say little if they were all 0, or all 1


@pytest.mark.parametrize("way", [two_processes, two_agents])
def test_metrics_are_those_of_one_process(way, ran):
    one, two = ran(one_process).report, ran(way).report
    assert two["processes"] == 2
    for split in ("validation", "test"):
        assert two[split]["rows"] == one[split]["rows"]
        assert two[split]["figures"] == pytest.approx(one[split]["figures"], abs=TOLERANCE)
    assert two["test"]["sample"] == pytest.approx(one["test"]["sample"], abs=TOLERANCE)


@pytest.mark.parametrize("way", [two_processes, two_agents])
def test_each_step_is_that_of_one_process(way, ran):
    """The same rows in the same steps, and a loss that is the mean over the tokens of both processes."""
    one, two = ran(one_process).report["history"], ran(way).report["history"]
    assert [step["targets"] for step in two] == [step["targets"] for step in one]
    assert [step["lr"] for step in two] == [step["lr"] for step in one]
    for first, second in zip(one, two, strict=True):
        assert second["loss"] == pytest.approx(first["loss"], abs=1e-5)
        assert second["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("way", [two_processes, two_agents])
def test_weights_differ_by_rounding_only(way, ran):
    one, two = ran(one_process).weights, ran(way).weights
    assert set(one) == set(two)
    apart = max(float(np.abs(one[name] - two[name]).max()) for name in one)
    print(f"\nlargest difference of a weight, {way.__name__}: {apart:.1e}")
    assert apart < 1e-3


def test_one_table_is_printed(ran):
    for way in (two_processes, two_agents):
        assert ran(way).said.count("baseline on test") == 1
