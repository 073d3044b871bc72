"""The pairs of interface strings: clean, in the original's columns, and no near-duplicate on two sides."""

import json
import re
import zipfile
from io import BytesIO

import numpy as np
import polib
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_nlp import catalog
from course_nlp.catalog import entries, prepare
from course_nlp.hub_store import Store
from course_nlp.stand_ins import Source
from course_nlp.text_stand_ins import build_pairs, clean_string, good_pairs, pair_key, read_mo

TRAIN, OTHER = "course/interface-en-fr", "course/wagtail-en-fr"


def catalog_of(pairs, plural=None):
    """Return the bytes of a .mo file with these pairs."""
    po = polib.POFile()
    po.metadata = {"Content-Type": "text/plain; charset=utf-8"}
    for source, target in pairs:
        po.append(polib.POEntry(msgid=source, msgstr=target))
    if plural:
        po.append(polib.POEntry(msgid=plural, msgid_plural=plural + "s", msgstr_plural={0: "un", 1: "deux"}))
    return po.to_binary()


def rows_of(id):
    """Return {split: rows} of a data set on the local Hub."""
    store = Store(catalog.hub_root())
    paths = [entry.path for entry in store.tree("datasets", id) if entry.path.endswith(".parquet")]
    return {re.search(r"/(\w+)-", p).group(1): pq.read_table(BytesIO(store.read("datasets", id, p))).to_pylist() for p in paths}


@pytest.fixture(scope="module")
def built():
    """Return both data sets, built in the real cache."""
    prepare((), repos=[OTHER])
    return {id: rows_of(id) for id in (TRAIN, OTHER)}


# --- the parts


def test_a_catalog_gives_its_pairs_and_no_header_plural_or_empty_entry(tmp_path):
    raw = catalog_of([("Save", "Enregistrer"), ("Title\x04Save", "Titre"), ("Empty", "")], plural="%d page")
    assert sorted(read_mo(raw, tmp_path)) == [("Save", "Enregistrer"), ("Save", "Titre")]
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_cleaning_twice_changes_nothing_and_the_key_ignores_it(text):
    once = clean_string(text)
    assert clean_string(once) == once and "’" not in once
    assert pair_key(pair_key(text)) == pair_key(text)


@pytest.mark.parametrize("other", ["delete %(n)d PAGES?", "Delete {} pages", "Delete 12 pages…", "&Delete pages", "Delete  pages!"])
def test_near_duplicates_share_a_key(other):
    assert pair_key(other) == pair_key("Delete pages")


def test_what_is_left_out():
    kept = good_pairs([("One", "Un"), ("one!", "une"), ("OK", "Ok."), ("a <b>c</b>", "x"), ("%1", "le %1"), ("w " * 31, "x"), ("Two", "Deux")], known=["two"])
    assert kept == [("One", "Un")]


def test_a_pattern_that_fits_nothing_is_named(tmp_path):
    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("x/locale/de/LC_MESSAGES/x.mo", b"")
    with pytest.raises(ValueError, match="fits '\\*/locale/fr"):
        build_pairs(entries()[TRAIN], Source({"x": wheel}, lambda id, path: b""), tmp_path)


# --- what they make


def test_columns_and_splits_are_the_originals(built):
    from datasets import Features, Translation, Value

    assert {id: sorted(splits) for id, splits in built.items()} == {TRAIN: ["test", "train", "validation"], OTHER: ["train"]}
    store = Store(catalog.hub_root())
    raw = store.read("datasets", OTHER, "en-fr/train-00000-of-00001.parquet")
    info = json.loads(pq.read_schema(BytesIO(raw)).metadata[b"huggingface"])["info"]["features"]
    assert Features.from_dict(info) == Features({"id": Value("string"), "translation": Translation(languages=["en", "fr"])})


def test_there_are_enough(built):
    assert len(built[TRAIN]["train"]) > 2500 and len(built[TRAIN]["test"]) == len(built[TRAIN]["validation"]) == 200
    assert len(built[OTHER]["train"]) > 1200


def test_no_near_duplicate_is_there_twice(built):
    """Neither within a split, nor across splits, nor across the two data sets: whatever split a lesson makes is clean."""
    keys = [pair_key(row["translation"]["en"]) for splits in built.values() for rows in splits.values() for row in rows]
    assert "" not in keys and len(keys) == len(set(keys))


def test_every_pair_is_translated_and_plain(built):
    for rows in (rows for splits in built.values() for rows in splits.values()):
        for text, other in (row["translation"].values() for row in rows):
            assert pair_key(text) != pair_key(other) and "<" not in text + other and "\xa0" not in other
            assert clean_string(text) == text and clean_string(other) == other


def test_placeholders_survive(built):
    both = [list(row["translation"].values()) for row in built[OTHER]["train"] if "%(" in row["translation"]["en"]]
    names = [[sorted(set(re.findall(r"%\(\w+\)", text))) for text in pair] for pair in both]
    assert len(both) > 100 and np.mean([a == b for a, b in names]) > 0.95


def test_breaking_the_labels_moves_translations_and_nothing_else(built):
    """What tests/sabotage does to this data set: each text beside the translation of another one."""
    from sabotage.table import exchanged_targets

    path = "en-fr/train-00000-of-00001.parquet"
    raw = Store(catalog.hub_root()).read("datasets", OTHER, path)
    (made,) = exchanged_targets("translation", "fr")({path: raw, "README.md": b""}).values()
    old, new = (pq.read_table(BytesIO(content)) for content in (raw, made))
    assert new.schema.equals(old.schema, check_metadata=True) and new["id"].equals(old["id"])
    before, after = ([(row["en"], row["fr"]) for row in table["translation"].to_pylist()] for table in (old, new))
    assert [en for en, _ in after] == [en for en, _ in before] and sorted(fr for _, fr in after) == sorted(fr for _, fr in before)
    assert np.mean([a == b for a, b in zip(before, after, strict=True)]) < 0.02
