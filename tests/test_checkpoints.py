"""`course_nlp.checkpoints`: whole folders or none, numbers and text only, and states that go on as they were."""

import json
import os
import pickle
import pickletools
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from course_nlp import checkpoints as cp
from course_nlp.checkpoints import Checkpoints, checkpoint_path, checkpoint_steps, read_checkpoint, write_checkpoint


def tensors(value):
    """Return the parts of a small checkpoint."""
    return {"model": {"w": torch.full((3, 2), float(value))}, "optimizer": {"0.step": torch.tensor(float(value))}}


# --- files


@given(st.dictionaries(st.text("abc.", min_size=1), arrays(st.sampled_from([np.float32, np.int64, np.uint8, np.float16]), array_shapes(min_dims=0)), max_size=4))
def test_what_is_read_is_what_was_written(tmp_path_factory, values):
    part = {name: torch.from_numpy(np.array(value)) for name, value in values.items()}
    path = write_checkpoint(tmp_path_factory.mktemp("cp"), 7, {"model": part}, {"note": [1.5, None, "é"]})
    read, state = read_checkpoint(path)
    assert state == {"note": [1.5, None, "é"]} and set(read["model"]) == set(part)
    for name, value in part.items():
        assert read["model"][name].dtype == value.dtype and torch.equal(read["model"][name].nan_to_num(), value.nan_to_num())


def list_of_opcodes(content):
    """Return what a pickle would do, or nothing for bytes that are no pickle."""
    try:
        return list(pickletools.genops(content))
    except (ValueError, IndexError, KeyError):
        return []


def test_the_newest_stay_and_nothing_is_pickled(tmp_path):
    for step in (3, 6, 9, 12):
        write_checkpoint(tmp_path, step, tensors(step), {"step": step}, keep=3)
    assert checkpoint_steps(tmp_path) == [6, 9, 12] and checkpoint_steps(tmp_path / "none") == []
    assert list_of_opcodes(pickle.dumps({"a": 1}))
    for file in tmp_path.rglob("*"):
        assert file.is_dir() or file.suffix in (".json", ".safetensors")
        if file.is_file():
            assert not list_of_opcodes(file.read_bytes())


class Killed(BaseException):
    """Stands for SIGKILL: nothing catches it."""


@pytest.mark.parametrize("moment", range(12))
def test_a_write_killed_at_any_moment_leaves_a_whole_checkpoint(tmp_path, monkeypatch, moment):
    """Every call that changes the disk is a moment to die at: before it, for even a rename happens or does not."""
    write_checkpoint(tmp_path, 5, tensors(5), {"step": 5}, keep=1)
    write_checkpoint(tmp_path, 10, tensors(10), {"step": 10}, keep=2)
    calls = {"left": moment}

    def mortal(call):
        def wrapped(*args, **kwargs):
            if calls["left"] == 0:
                raise Killed
            calls["left"] -= 1
            return call(*args, **kwargs)

        return wrapped

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", mortal(os.replace))
        patch.setattr(shutil, "rmtree", mortal(shutil.rmtree))
        patch.setattr(cp, "_write", mortal(cp._write))
        patch.setattr(Path, "mkdir", mortal(Path.mkdir))
        try:
            write_checkpoint(tmp_path, 15, tensors(15), {"step": 15}, keep=1)
            died = False
        except Killed:
            died = True
    assert died == (moment < 10)  # mkdir twice, three files, rename, and twice rename and delete for the two old ones
    newest = checkpoint_steps(tmp_path)[-1]
    assert newest in (10, 15)
    read, state = read_checkpoint(checkpoint_path(tmp_path, newest))
    assert state == {"step": newest} and read["model"]["w"][0, 0] == newest
    write_checkpoint(tmp_path, 20, tensors(20), {"step": 20}, keep=1)
    assert [path.name for path in tmp_path.iterdir()] == ["step-00000020"]


def test_writing_the_same_step_again_replaces_it(tmp_path):
    write_checkpoint(tmp_path, 5, tensors(1), {"try": 1})
    write_checkpoint(tmp_path, 5, tensors(2), {"try": 2})
    assert read_checkpoint(checkpoint_path(tmp_path, 5))[1] == {"try": 2}


@pytest.mark.parametrize("damage", ["cut", "gone", "no json"])
def test_damage_is_told_with_what_to_do(tmp_path, damage):
    path = write_checkpoint(tmp_path, 5, tensors(5), {"step": 5})
    if damage == "cut":
        (path / "model.safetensors").write_bytes((path / "model.safetensors").read_bytes()[:-3])
    elif damage == "gone":
        (path / "state.json").unlink()
    else:
        (path / "state.json").write_text("{")
    with pytest.raises(ValueError, match="step-00000005 is damaged; remove it to go on from the one before"):
        read_checkpoint(path)


def test_options_that_cannot_be_meant_are_named(tmp_path):
    for change, message in [
        ({"steps": 0}, "steps must be a whole number from 1 up, got 0"),
        ({"keep": 1.5}, "keep must be a whole number from 1 up, got 1.5"),
        ({"steps": True}, "steps must be a whole number from 1 up, got True"),
    ]:
        with pytest.raises(ValueError, match=message):
            Checkpoints(tmp_path, **change)
    with pytest.raises(TypeError, match="settings must be made of numbers, texts, lists and dicts"):
        Checkpoints(tmp_path, settings={"model": object()})
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; give a folder for the checkpoints"):
        Checkpoints(tmp_path / "file")


def test_differences_are_named():
    cp.check_same({"a": [1, 2]}, {"a": [1, 2]})
    with pytest.raises(ValueError) as caught:
        cp.check_same({"lr": 0.1, "seed": 1, "old": 3}, {"lr": 0.2, "seed": 1, "new": 4})
    assert "lr was 0.1, now 0.2; new was 'nothing', now 4; old was 3, now 'nothing'" in str(caught.value) and "seed" not in str(caught.value)


# --- states


def test_random_states_come_back_with_the_half_pair_in_reserve():
    random.seed(1), np.random.seed(2), torch.manual_seed(3)
    draw = lambda: (random.random(), random.gauss(0, 1), *np.random.randn(1), np.random.randint(99), *torch.randn(1).tolist())
    for _ in range(4):  # with and without a number in reserve
        state = cp.random_state()
        expected = [draw() for _ in range(5)]
        cp.set_random_state(state)
        assert [draw() for _ in range(5)] == expected
        draw()


def net(seed=0):
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3), torch.nn.Linear(3, 1))


OPTIMIZERS = {
    "AdamW": lambda p: torch.optim.AdamW(p, lr=0.01),
    "AMSGrad": lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True, betas=(0.8, 0.9)),
    "momentum": lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.9),
    "plain SGD": lambda p: torch.optim.SGD(p, lr=0.01),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01, centered=True),
    "Adafactor": lambda p: torch.optim.Adafactor(p, lr=0.01),
}


def go(model, optimizer, steps):
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        optimizer.zero_grad()
        model(torch.randn(5, 4, generator=generator)).square().sum().backward()
        optimizer.step()


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_model_and_optimizer_go_on_bit_for_bit(tmp_path, kind):
    model = net()
    optimizer = OPTIMIZERS[kind](model.parameters())
    go(model, optimizer, range(4))
    averages, plain = cp.optimizer_state(optimizer)
    path = write_checkpoint(tmp_path, 4, {"model": cp.model_state(model), "optimizer": averages}, {"optimizer": plain})
    go(model, optimizer, range(4, 8))

    other = net(seed=9)
    continued = OPTIMIZERS[kind](other.parameters())
    read, state = read_checkpoint(path)
    cp.load_model_state(other, read["model"])
    cp.load_optimizer_state(continued, read["optimizer"], state["optimizer"])
    go(other, continued, range(4, 8))
    for (name, one), two in zip(model.state_dict().items(), other.state_dict().values(), strict=True):
        assert torch.equal(one, two), name
    assert cp.optimizer_state(continued)[1] == cp.optimizer_state(optimizer)[1]


def test_frozen_weights_are_left_out_and_buffers_are_not():
    model = net()
    model[0].requires_grad_(False)
    assert set(cp.model_state(model)) == {"1.weight", "1.bias", "2.weight", "2.bias", "1.running_mean", "1.running_var", "1.num_batches_tracked"}


def test_another_model_is_refused():
    with pytest.raises(ValueError, match="a model with other weights: 1.bias, 1.num_batches_tracked, 1.running_mean ... on one side only"):
        cp.load_model_state(torch.nn.Sequential(torch.nn.Linear(4, 3)), cp.model_state(net()))
    with pytest.raises(ValueError, match=r"weight has shape \(3, 4\), in the checkpoint \(3, 5\)"):
        cp.load_model_state(torch.nn.Linear(4, 3), cp.model_state(torch.nn.Linear(5, 3)))


def test_digests_tell_weights_apart():
    one, same, other = net(), net(), net(seed=1)
    assert cp.weights_digest(one) == cp.weights_digest(same) != cp.weights_digest(other)
    for model in (one, other):
        model[0].requires_grad_(False)
    assert cp.weights_digest(one, frozen=True) != cp.weights_digest(other, frozen=True)
    with torch.no_grad():
        one[2].weight.add_(1)
    assert cp.weights_digest(one, frozen=True) == cp.weights_digest(one, frozen=True) and cp.weights_digest(one) != cp.weights_digest(same)
    assert cp.weights_digest(torch.nn.Linear(2, 2).bfloat16())  # any number format


def test_state_that_is_no_number_is_refused():
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    optimizer.param_groups[0]["note"] = {1, 2}
    with pytest.raises(TypeError, match="the optimizer's state must be made of numbers, texts, lists and dicts"):
        cp.optimizer_state(optimizer)
    assert json.dumps(cp.plain({"a": (1, 2)}, "x")) == '{"a": [1, 2]}'
