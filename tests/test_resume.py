"""A training that is killed and taken up again ends, bit for bit, where it would have ended anyway."""

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from resumable import Redrawn, Stream, hide, pad, rows, train
from safetensors.torch import load_file
from torch.utils.data import DataLoader, RandomSampler

from course_nlp.checkpoints import Checkpoints, checkpoint_path, checkpoint_steps
from course_nlp.training import fit_loop

TESTS = Path(__file__).resolve().parent


@pytest.fixture(autouse=True)
def one_thread():
    """Run torch with one thread, so that sums are added in one order."""
    torch.set_num_threads(1)


class Stopped(Exception):
    """The lights went out."""


def stop_after(batches):
    """Return a function that raises when it is called once more than `batches` times."""
    left = iter(range(batches))

    def each_step(loss):
        if next(left, None) is None:
            raise Stopped

    return each_step


def assert_same(one, two):
    (model, history), (other, expected) = one, two
    assert history == expected
    for (name, ours), theirs in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(ours, theirs), name


WAYS = {
    "plain": {},
    "accumulated, with an odd last group": {"accum": 4},
    "masks drawn anew": {"masked": True},
    "a stream": {"stream": True},
    "evaluated every third step": {"eval_steps": 3},
    "stopped in an epoch": {"max_steps": 13},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("batches", [4, 5, 6, 7, 11, 12])
def test_stopped_and_resumed_equals_uninterrupted(tmp_path, way, batches):
    """26 rows in batches of 4, without the last two: six batches to an epoch, so 6 is the end of one, before its evaluation."""
    expected = train(**WAYS[way])
    with pytest.raises(Stopped):
        train(Checkpoints(tmp_path, steps=1), each_step=stop_after(batches), **WAYS[way])
    assert checkpoint_steps(tmp_path)
    torch.manual_seed(99), random.seed(99), np.random.seed(99)  # another process starts in another state
    assert_same(train(Checkpoints(tmp_path, steps=1, resume=True), **WAYS[way]), expected)


def test_stopped_again_and_again(tmp_path):
    expected, begun = train(masked=True), []
    while True:
        begun.append(checkpoint_steps(tmp_path)[-1:])
        try:
            found = train(Checkpoints(tmp_path, steps=3, resume=True), masked=True, each_step=stop_after(5))
        except Stopped:
            continue
        break
    assert_same(found, expected)
    assert len(begun) > 5 and all(later > earlier for earlier, later in pairwise(begun))


def test_a_run_with_checkpoints_is_the_run_without(tmp_path):
    assert_same(train(Checkpoints(tmp_path / "a", steps=2)), train())
    assert_same(train(Checkpoints(tmp_path / "b", steps=7), masked=True, stream=True), train(masked=True, stream=True))


def test_dropout_and_masks_do_matter_here(tmp_path):
    """Otherwise equality would prove nothing about random states."""
    _, history = train(masked=True)
    assert history != train(masked=True, dropout=0.0)[1] and history != train()[1] != train(seed=5)[1]


def test_a_finished_training_takes_no_step_when_it_is_resumed(tmp_path):
    expected = train(Checkpoints(tmp_path, steps=100))
    assert checkpoint_steps(tmp_path) == [24]  # saved at the end, whatever `steps` says
    assert_same(train(Checkpoints(tmp_path, steps=100, resume=True), each_step=stop_after(0)), expected)


def test_resuming_without_a_checkpoint_begins_at_the_beginning(tmp_path):
    assert_same(train(Checkpoints(tmp_path / "none", resume=True)), train())


def test_old_checkpoints_are_not_mixed_with_a_new_run(tmp_path):
    train(Checkpoints(tmp_path, steps=10), max_steps=10)
    with pytest.raises(ValueError, match="holds a checkpoint of step 10: pass resume=True to go on from it, or remove the folder"):
        train(Checkpoints(tmp_path, steps=10), max_steps=10)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"lr": 0.01}, "rates was"),
        ({"accum": 2}, "accum was 1, now 2"),
        ({"epochs": 5}, "epochs was 4, now 5"),
        ({"scheduler": "linear"}, "scheduler was 'cosine', now 'linear'"),
        ({"warmup_steps": 0}, "warmup_steps was 3, now 0"),
        ({"max_norm": None}, "max_norm was 1.0, now None"),
        ({"eval_steps": 2}, "eval_steps was None, now 2"),
        ({"stream": True}, "rows was 26, now 'a stream'"),
        ({"settings": {"data": "other"}}, "data was 'mine', now 'other'"),
    ],
)
def test_another_training_is_refused_and_the_difference_named(tmp_path, change, told):
    with pytest.raises(Stopped):
        train(Checkpoints(tmp_path, steps=1, settings={"data": "mine"}), each_step=stop_after(3))
    options = {"settings": {"data": "mine"}} | {k: v for k, v in change.items() if k == "settings"}
    with pytest.raises(ValueError, match="this is not the training that the checkpoint was made by") as caught:
        train(Checkpoints(tmp_path, resume=True, **options), **{k: v for k, v in change.items() if k != "settings"})
    assert told in str(caught.value)


def test_another_number_of_processes_is_refused(tmp_path):
    with pytest.raises(Stopped):
        train(Checkpoints(tmp_path, steps=1), each_step=stop_after(3))
    path = checkpoint_path(tmp_path, 3) / "state.json"
    state = json.loads(path.read_text())
    assert state["settings"]["processes"] == 1
    path.write_text(json.dumps(state | {"settings": state["settings"] | {"processes": 2}}))
    with pytest.raises(ValueError, match="processes was 2, now 1"):
        train(Checkpoints(tmp_path, resume=True))


def test_a_seeded_sampler_is_followed_and_another_seed_refused(tmp_path):
    """Accelerate can put a sampler with a seed of its own in the place of torch's, which no generator's state tells of."""
    from accelerate.utils import DataLoaderConfiguration

    def seeded(seed):
        return Accelerator(cpu=True, dataloader_config=DataLoaderConfiguration(use_seedable_sampler=True, data_seed=seed))

    expected = train(accelerator=seeded(1))
    with pytest.raises(Stopped):
        train(Checkpoints(tmp_path, steps=1), each_step=stop_after(9), accelerator=seeded(1))
    with pytest.raises(ValueError, match="order was 1, now 2"):
        train(Checkpoints(tmp_path, resume=True), accelerator=seeded(2))
    assert_same(train(Checkpoints(tmp_path, resume=True), accelerator=seeded(1)), expected)


def test_frozen_weights_must_be_those_of_before(tmp_path):
    def fit(frozen, **kwargs):
        torch.manual_seed(0)
        model = torch.nn.Linear(2, 1)
        model.bias.requires_grad_(False).fill_(frozen)
        loader = DataLoader([{"input": torch.ones(2), "labels": torch.ones(1)}] * 4, batch_size=2)
        optimizer = torch.optim.SGD([model.weight], lr=0.1)
        loss = lambda outputs, batch: (outputs - batch["labels"]).square().mean()
        model.forward = lambda input, labels, layer=model: torch.nn.functional.linear(input, layer.weight, layer.bias)
        return fit_loop(model, optimizer, (loader,), Accelerator(cpu=True), 2, loss_fn=loss, progress=False, **kwargs)

    fit(0.0, checkpoints=Checkpoints(tmp_path, steps=1))
    assert len(fit(0.0, checkpoints=Checkpoints(tmp_path, resume=True))) == 4
    with pytest.raises(ValueError, match="frozen weights was"):
        fit(1.0, checkpoints=Checkpoints(tmp_path, resume=True))


def test_nothing_is_pickled_and_nothing_unpickled(tmp_path, monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError("a pickle")

    for module, name in ((pickle, "dumps"), (pickle, "loads"), (pickle, "dump"), (pickle, "load"), (torch, "save"), (torch, "load")):
        monkeypatch.setattr(module, name, forbidden)
    with pytest.raises(Stopped):
        train(Checkpoints(tmp_path, steps=1), each_step=stop_after(3))
    train(Checkpoints(tmp_path, steps=1, resume=True))


def careless(kind):
    """Return a loader that draws while it puts batches together."""
    generator = torch.Generator().manual_seed(0)

    class Masks:
        """A collator with a generator of its own, as those of transformers have under a seed."""

        def __init__(self):
            self.generator = generator if kind == "collator" else None

        def __call__(self, batch):
            if kind == "numpy":
                np.random.rand()
            elif kind == "python":
                random.random()
            else:
                torch.rand(1, generator=self.generator)
            return pad(batch)

    return DataLoader(rows(), batch_size=4, collate_fn=Masks())


@pytest.mark.parametrize("kind", ["torch", "numpy", "python", "collator"])
def test_a_collator_that_draws_at_random_is_refused_with_checkpoints_on(tmp_path, kind):
    from resumable import Tagger

    def fit(**kwargs):
        model = Tagger()
        return fit_loop(model, torch.optim.SGD(model.parameters(), lr=0.1), (careless(kind),), Accelerator(cpu=True), 1, progress=False, **kwargs)

    assert len(fit()) == 7
    with pytest.raises(ValueError, match=r"batches are made with a random generator.*draw row by row instead: training.Redrawn"):
        fit(checkpoints=Checkpoints(tmp_path))


def test_redrawn_rows_depend_on_seed_epoch_and_place_only():
    one, two = Redrawn(rows(), hide, 0), Redrawn(rows(), hide, 0)
    same = lambda a, b: all(torch.equal(a[i]["input_ids"], b[i]["input_ids"]) for i in range(26))
    torch.rand(3)
    assert len(one) == 26 and same(one, two)
    two.set_epoch(1)
    assert not same(one, two) and not same(one, Redrawn(rows(), hide, 1))


@pytest.mark.parametrize("way", ["shuffled", "sampler", "batch sampler", "stream"])
def test_every_part_of_a_loader_hears_of_the_epoch(way):
    from course_nlp.training import _chain, _set_epoch

    class Order(RandomSampler):
        """A sampler that remembers the epoch."""

        def set_epoch(self, epoch):
            self.epoch = epoch

    data, heard = (Stream(rows()) if way == "stream" else Redrawn(rows(), hide, 0)), []
    order = Order(range(26))
    kinds = {"sampler": {"batch_size": 2, "sampler": order}, "shuffled": {"shuffle": True}, "stream": {"batch_size": 2}}
    kinds["batch sampler"] = {"batch_sampler": torch.utils.data.BatchSampler(order, 2, False)}
    loader = Accelerator(cpu=True).prepare(DataLoader(data, collate_fn=pad, **kinds[way]))
    _set_epoch(loader, 3)
    next(iter(loader))
    heard = [part.epoch for part in _chain(loader) if hasattr(part, "set_epoch")]
    assert heard == [3] * (2 if "sampler" in way else 1)


# --- killed from outside


def launch(arguments, folder, processes=1):
    """Start the program in a process group of its own."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_NLP_", "ACCELERATE_", "MASTER_", "RANK", "WORLD_SIZE"))}
    env = clean | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(processes)] if processes > 1 else []
    command = [sys.executable, *torchrun, str(TESTS / "resumable.py"), *map(str, arguments)]
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(command, cwd=folder, env=env, stdout=log, stderr=log, start_new_session=True)


def run(arguments, folder, processes=1):
    """Run the program to its end and return the weights and the history."""
    started = launch([folder / "out", *arguments], folder, processes)
    try:
        assert started.wait(timeout=120) == 0, (folder / "log").read_text()[-3000:]
    finally:
        end(started)
    return load_file(folder / "out" / "model.safetensors"), json.loads((folder / "out" / "history.json").read_text())


def end(started):
    """Kill a process and all that it started."""
    try:
        os.killpg(started.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    started.wait()


def kill_at(folder, arguments, step, delay, processes=1):
    """Run the program until a checkpoint of `step` or later is there, and `delay` seconds on; then kill it with -9."""
    started = launch([folder / "never", *arguments], folder, processes)
    try:
        until = time.monotonic() + 120
        while not any(found >= step for found in checkpoint_steps(folder / "cp")):
            assert started.poll() is None, "ended before it could be killed\n" + (folder / "log").read_text()[-3000:]
            assert time.monotonic() < until, f"no checkpoint of step {step}"
            time.sleep(0.01)
        time.sleep(delay)
        assert started.poll() is None, "ended before it could be killed"
    finally:
        end(started)
    assert not (folder / "never").exists()


SLOW = ("--pause", 0.05, "--masked")


def killed_and_resumed(folder, moments, processes=1, accum=1):
    """Return what a training reaches whose processes were killed at each of the (step, delay) in `moments`."""
    arguments = ("--checkpoints", folder / "cp", "--steps", 2, "--accum", accum, *SLOW)
    for step, delay in moments:
        kill_at(folder, arguments, step, delay, processes)
    reached = checkpoint_steps(folder / "cp")[-1]
    found = run(arguments, folder, processes)
    assert reached < len(found[1])  # there was something left to do
    return found


def moments(count, last):
    """Return steps and delays at which to kill, ascending, other ones in each run of the tests."""
    draw = random.SystemRandom()
    return [(step, round(draw.uniform(0, 0.12), 3)) for step in sorted(draw.sample(range(1, last), count))]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Return what the program reaches that nobody disturbs."""
    return run(("--masked",), tmp_path_factory.mktemp("alone"))


@pytest.mark.parametrize("count", [1, pytest.param(4, marks=pytest.mark.campaign)])
def test_kill_9_from_outside_changes_no_bit(tmp_path, alone, count):
    at = moments(count, last=18)
    weights, history = killed_and_resumed(tmp_path, at)
    assert history == alone[1], at
    for name, value in alone[0].items():
        assert torch.equal(weights[name], value), (name, at)


@pytest.mark.campaign
def test_kill_9_of_two_processes(tmp_path, alone):
    """All processes of the group die, the agent too; weights agree with those of an undisturbed pair to 1e-6."""
    (tmp_path / "pair").mkdir()
    weights, history = run(("--masked",), tmp_path / "pair", processes=2)
    at = moments(1, last=16)
    (tmp_path / "killed").mkdir()
    found, again = killed_and_resumed(tmp_path / "killed", at, processes=2)
    assert len(history) == len(alone[1]) == len(again)
    assert [entry["loss"] for entry in again] == pytest.approx([entry["loss"] for entry in history], abs=1e-6), at
    for name, value in weights.items():
        assert torch.allclose(found[name].double(), value.double(), atol=1e-6), (name, at)
