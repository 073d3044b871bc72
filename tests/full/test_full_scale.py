"""Scale `full` without the network: the lessons run against a second Hub that has the real ids, the real shape, and no size."""

import ast
import re

import pytest
from full.real_shapes import SHAPES, fill
from full.shape_kinds import Rows
from lesson_runs import ROOT, called, calls, each_lesson, environment, read, ready, run_lesson

from course_nlp import catalog, runner
from course_nlp.hub_store import Store
from course_nlp.runner import past_results

REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
BESIDE_THE_HUB = {  # what the libraries ask at scale `full` beside the Hub, and go on without
    "datasets-server.127.0.0.1",  # `datasets`: the Hub's viewer, for the columns of a data set
    "s3.amazonaws.com",  # `evaluate`: counts downloads, unless HF_UPDATE_DOWNLOAD_COUNTS=0
}
LESSONS = [lesson.id for lesson in ready()]


def ids_in(node):
    """Return the strings in an expression that look like ids on the Hub."""
    found = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [text for text in found if REPO_ID.fullmatch(text)]


def pairs(id):
    """Return the ids that a lesson picks between, as (small, full)."""
    out = []
    for cell, call in calls(read(id)):
        given = {keyword.arg: ids_in(keyword.value) for keyword in call.keywords}
        if called(call) == "pick" and (small := given["small"]) + (full := given["full"]):
            assert len(small) == len(full), f"{id}, cell {cell}: {small} beside {full}; each id needs its stand-in"
            out += zip(small, full, strict=True)
    return out


def full_ids(id):
    """Return all ids that a lesson asks the Hub for at scale `full`."""
    found = {full for _, full in pairs(id)}
    for _, call in calls(read(id)):
        first = call.args[:1] + [keyword.value for keyword in call.keywords if keyword.arg == "model"]
        if called(call) in ("from_pretrained", "load_dataset", "pipeline"):
            found |= {name for node in first if isinstance(node, ast.Constant) for name in ids_in(node)}
        if ast.unparse(call.func) == "evaluate.load" and isinstance(call.args[0], ast.Constant):
            found.add(call.args[0].value if "/" in call.args[0].value else f"evaluate-metric/{call.args[0].value}")
    return found


# --- what is declared


def test_the_ids_of_a_lesson_are_found():
    assert full_ids("07.02") == {
        "google-bert/bert-base-uncased", "lhoestq/conll2003", "dslim/bert-base-NER-uncased", "evaluate-metric/seqeval"
    }  # fmt: skip


@pytest.mark.parametrize("id", LESSONS)
def test_every_full_id_of_a_lesson_has_a_shape(id):
    missing = full_ids(id) - set(SHAPES)
    assert not missing, f"{id}: declare the shape of {', '.join(sorted(missing))} in a module tests/full/shapes_*.py"


def test_an_id_without_a_shape_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'nobody/nothing' has no shape; declare one in"):
        fill(Store(tmp_path), ["nobody/nothing"])


@pytest.mark.parametrize("id", LESSONS)
def test_a_stand_in_stands_for_the_id_beside_it(id):
    for small, full in pairs(id):
        assert full in catalog.entries()[small].stands_for, f"{id}: catalog.toml does not say that {small} stands for {full}"


def test_a_data_set_and_its_stand_in_have_the_same_columns(second_hub, tmp_path, stand_in_cache):
    """A stand-in may have columns more, never other ones: class names, their order and types are the original's."""
    for full in (shape for shape in SHAPES.values() if isinstance(shape, Rows)):
        small = catalog.stand_in(full.id)
        local = columns(Store(catalog.hub_root()), small, tmp_path / "small")
        assert columns(second_hub.store, full.id, tmp_path / "full").items() <= local.items()


def columns(store, id, folder):
    """Return the features of a repository's training split, read from its Parquet file."""
    from datasets import load_dataset

    name = next(e.path for e in store.tree("datasets", id) if re.search(r"train.*\.parquet$", e.path))
    folder.mkdir(exist_ok=True)
    path = folder / f"{id.replace('/', '--')}.parquet"
    path.write_bytes(store.read("datasets", id, name))
    return load_dataset("parquet", data_files=str(path), split="train", cache_dir=str(folder / "cache")).features


# --- what runs


@pytest.mark.parametrize("id", each_lesson())
def test_a_lesson_runs_at_scale_full(id, second_hub, other_hosts, tmp_path):
    cache = tmp_path / "cache"
    env = environment(id, "full", cache) | second_hub.environment() | other_hosts.environment() | {"COURSE_NLP_ASSERT_BANDS": "0"}
    outcome = run_lesson(id, tmp_path / "run", env, scale="full")
    assert outcome.run.state == "passed", outcome.run.error
    assert "scale full" in outcome.text()
    assert not (cache / "hub").exists()  # no local Hub was started, no stand-in built
    asked = {f"{shape.kind}--{shape.id.replace('/', '--')}" for shape in map(SHAPES.get, full_ids(id)) if shape.kind != "spaces"}
    assert asked <= {path.name for path in (second_hub.home / "hub").iterdir()}
    assert other_hosts.asked <= BESIDE_THE_HUB
    problems = runner.check_outputs(outcome.nb, secrets=["token-of-tester"], places=[tmp_path, second_hub.home])
    assert problems == []
    at_small = past_results(ROOT).get(id, {}).get("small", {}).get("figures", {})
    assert list(outcome.figures) == list(at_small or outcome.figures)  # the same figures, whatever they are
