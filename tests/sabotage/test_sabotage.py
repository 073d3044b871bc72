"""The harness of the sabotage tests: what it breaks is broken, and it breaks nothing else."""

import json
from collections import Counter

import numpy as np
import pytest
from lesson_runs import headline, read, ready
from sabotage.headline_falls import check
from sabotage.table import (
    TABLE,
    NoHeadline,
    broken_cache,
    exchanged_names,
    exchanged_targets,
    files_of,
    innermost,
    scrambled,
    shuffled,
    stillborn,
    untouched,
    untrained,
    wrong_answers,
)
from safetensors.numpy import load

from course_nlp import catalog
from course_nlp.hub_store import Store

LESSONS = [lesson.id for lesson in ready()]


def test_headline_is_the_first_record_with_a_baseline():
    assert headline(read("02.02")) == ("parts-judge-record", "share right, plain sentences")
    assert headline(read("07.02")) == ("ner-record", "entity F1")


@pytest.mark.parametrize("lesson", ready(), ids=LESSONS)
def test_every_lesson_says_how_to_break_it(lesson):
    assert lesson.id in TABLE, f"add lesson {lesson.id} to TABLE in tests/sabotage/table.py"
    entry = TABLE[lesson.id]
    if isinstance(entry, NoHeadline):
        assert entry.why.strip() and headline(read(lesson.id)) is None
        return
    assert headline(read(lesson.id)) is not None
    assert entry.weights and entry.labels
    assert {*entry.weights, *entry.labels} <= set(lesson.stand_ins)
    assert set(entry.weights.values()) in ({untrained}, {stillborn}) and not {untrained, stillborn} & set(entry.labels.values())


def test_an_untouched_cache_is_the_real_one(stand_in_cache, tmp_path):
    """The control: put back through the same door, each repository has the commit that it has in the real cache."""
    real = Store(catalog.hub_root())
    changed = {id for entry in TABLE.values() if not isinstance(entry, NoHeadline) for id in (*entry.weights, *entry.labels)}
    cache = broken_cache(tmp_path / "cache", dict.fromkeys(changed, untouched))
    mine = Store(cache / "hub")
    for id in {stand_in for lesson in ready() for stand_in in lesson.stand_ins}:
        kind = catalog.entries()[id].kind
        assert mine.resolve(kind, id) == real.resolve(kind, id), id
    assert not (cache / "hub" / "models" / "course" / "minilm-l6.git").is_symlink()


def test_sabotage_leaves_the_real_cache_alone(stand_in_cache, tmp_path):
    real = Store(catalog.hub_root())
    before = {id: real.resolve(catalog.entries()[id].kind, id) for id in ("course/minilm-l6", "course/conll-ner")}
    cache = broken_cache(tmp_path / "cache", {"course/minilm-l6": untrained, "course/conll-ner": shuffled("ner_tags")})
    for id, sha in before.items():
        kind = catalog.entries()[id].kind
        assert real.resolve(kind, id) == sha != Store(cache / "hub").resolve(kind, id)


@pytest.mark.parametrize("id", ["course/minilm-l6", "course/minilm-l6-sentiment"])
def test_untrained_weights_have_the_names_and_shapes_of_the_trained_ones(id, stand_in_cache):
    files = files_of(Store(catalog.hub_root()), "models", id)
    new, old = load(untrained(files)["model.safetensors"]), load(files["model.safetensors"])
    old = {name: value for name, value in old.items() if not name.endswith("position_ids")}
    assert {name: value.shape for name, value in new.items()} == {name: value.shape for name, value in old.items()}
    matrices = [name for name, value in old.items() if value.ndim == 2]
    assert len(matrices) > 30 and not any(np.allclose(new[name], old[name]) for name in matrices)
    assert 0.015 < new[matrices[-1]].std() < 0.025  # as BERT is born


def test_exchanged_names_keep_everything_but_the_names(stand_in_cache):
    files = files_of(Store(catalog.hub_root()), "models", "course/minilm-l6-sentiment")
    old, new = json.loads(files["config.json"]), json.loads(exchanged_names(files)["config.json"])
    assert {key for key in old if old[key] != new[key]} == {"id2label", "label2id"}
    assert new["id2label"] == {"0": "POSITIVE", "1": "NEGATIVE"} and new["label2id"] == {"POSITIVE": 0, "NEGATIVE": 1}


def test_shuffled_labels_are_the_same_labels_elsewhere(stand_in_cache, tmp_path):
    from datasets import load_dataset

    files = files_of(Store(catalog.hub_root()), "datasets", "course/conll-ner")
    changed = shuffled("ner_tags")(files)
    assert list(changed) == ["data/train-00000-of-00001.parquet"]  # validation and test stay as they are
    rows = []
    for name, content in (("old", files), ("new", changed)):
        (tmp_path / f"{name}.parquet").write_bytes(content["data/train-00000-of-00001.parquet"])
        rows.append(load_dataset("parquet", data_files=str(tmp_path / f"{name}.parquet"), split="train", cache_dir=str(tmp_path / "cache")))
    old, new = rows
    assert old.features == new.features and old["tokens"][:] == new["tokens"][:] and old["pos_tags"][:] == new["pos_tags"][:]
    assert [len(tags) for tags in old["ner_tags"]] == [len(tags) for tags in new["ner_tags"]]
    flat = [[tag for tags in each["ner_tags"] for tag in tags] for each in rows]
    assert sorted(flat[0]) == sorted(flat[1])
    inside = [(a, b) for a, b in zip(*flat, strict=True) if a]
    assert sum(a == b for a, b in inside) < 0.1 * len(inside)


@pytest.mark.campaign
@pytest.mark.parametrize("id", [id for id in LESSONS if not isinstance(TABLE.get(id), NoHeadline)])
def test_the_control_reaches_its_headline(id, stand_in_cache, tmp_path):
    """The same cut, the same door, nothing broken: then the sabotage tests fail. (`course-nlp run --strict` runs all cells.)"""
    changed = {**TABLE[id].weights, **TABLE[id].labels}
    with pytest.raises(pytest.fail.Exception, match=rf"{id} reached {headline(read(id))[1]} = \d"):
        check(id, dict.fromkeys(changed, untouched), tmp_path)


def test_stillborn_weights_never_learn(stand_in_cache):
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    files = files_of(Store(catalog.hub_root()), "models", "course/gpt2-tokenizer")
    config = json.loads(stillborn(files)["config.json"]) | {"n_embd": 16, "n_layer": 1, "n_head": 2, "vocab_size": 20, "bos_token_id": 0, "eos_token_id": 0}
    model, ids = GPT2LMHeadModel(GPT2Config(**config)), torch.arange(20)[None]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    for _ in range(3):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
    assert model.transformer.wte.weight.abs().max() < 1e-20


@pytest.mark.parametrize(
    ("id", "column", "key"),
    [("course/python-code", "content", ""), ("course/movie-reviews", "text", ""), ("course/eli5", "answers", "text"), ("course/wiki-pages", "text", "")],
)
def test_scrambled_texts_hold_the_same_words_elsewhere(id, column, key, stand_in_cache):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = files_of(Store(catalog.hub_root()), "datasets", id)
    ((path, content),) = scrambled(column, key)(files).items()
    assert "train" in path
    old, new = (pq.read_table(pa.BufferReader(each)) for each in (files[path], content))
    assert old.schema == new.schema and old.drop([column]).equals(new.drop([column]))
    before, after = (["".join(map(str, innermost(row[key] if key else row))) for row in table[column].to_pylist()] for table in (old, new))
    assert Counter("".join(before)) == Counter("".join(after))  # letters: words that meet anew may melt together
    long = [(a, b) for a, b in zip(before, after, strict=True) if len(a.split()) > 8]
    assert len(long) > 20 and all(a != b for a, b in long)


def test_exchanged_targets_are_those_of_other_rows(stand_in_cache):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = files_of(Store(catalog.hub_root()), "datasets", "course/wagtail-en-fr")
    ((path, content),) = exchanged_targets("translation", "fr")(files).items()
    old, new = (pq.read_table(pa.BufferReader(each)).to_pylist() for each in (files[path], content))
    assert [row["translation"]["en"] for row in old] == [row["translation"]["en"] for row in new]
    targets = [[row["translation"]["fr"] for row in rows] for rows in (old, new)]
    assert sorted(targets[0]) == sorted(targets[1]) and sum(a == b for a, b in zip(*targets, strict=True)) < 0.05 * len(old)


def test_wrong_answers_stand_in_their_context(stand_in_cache):
    import pyarrow as pa
    import pyarrow.parquet as pq

    files = files_of(Store(catalog.hub_root()), "datasets", "course/questions")
    ((path, content),) = wrong_answers(files).items()
    old, new = (pq.read_table(pa.BufferReader(each)).to_pylist() for each in (files[path], content))
    for row in new:
        start, text = row["answers"]["answer_start"][0], row["answers"]["text"][0]
        assert row["context"][start : start + len(text)] == text
    assert sum(a["answers"]["text"][0] == b["answers"]["text"][0] for a, b in zip(old, new, strict=True)) < 0.1 * len(old)
