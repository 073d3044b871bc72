"""The stand-ins of summarization: docstrings that are parsed, not run; no near-duplicates; splits by module; the reviews' columns."""

import zipfile
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp import catalog
from course_nlp.hub_store import Store
from course_nlp.stand_ins import DATA, Source, read_jsonl
from course_nlp.text_stand_ins import (
    DOC_REPOSITORIES,
    build_documentation,
    build_product_reviews,
    doc_rows,
    doc_split,
    docstrings,
    unrepeated,
    word_runs,
)

SPLITS = ("train", "validation", "test")
CODE = '''
raise SystemExit("this module must not be run")

def f(x):
    """Return the first thing.

    It is the first\\d.
    """
    def inner():
        """Not listed."""

class A:
    """A thing to have."""

    async def g(self):
        """Do it."""

    class B:
        """An inner thing."""
'''


def test_code_is_parsed_and_never_run(recwarn):
    assert [name for name, _ in docstrings(CODE)] == ["f", "A", "A.g", "A.B"]
    assert docstrings(CODE)[0][1].startswith("Return the first thing.\n\nIt is the first")
    assert not recwarn.list


def test_rows_of_a_wheel(tmp_path):
    path = tmp_path / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny/b.py", CODE)
        archive.writestr("tiny/a.py", '"""Only the module."""')
        for hidden in ("tiny/tests/test_b.py", "tiny/test_c.py", "tiny/conftest.py", "tiny/data.txt"):
            archive.writestr(hidden, CODE)
    rows = doc_rows(path, "some/tiny")
    assert [row["func_name"] for row in rows] == ["f", "A", "A.B"]  # "Do it." is too short for a title
    assert {row["func_path_in_repository"] for row in rows} == {"tiny/b.py"} and rows[0]["repository_name"] == "some/tiny"


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.lists(st.text("ab .", min_size=1, max_size=30), max_size=12))
def test_what_is_kept_says_something_new(texts):
    kept = [row["text"] for row in unrepeated([{"text": text} for text in texts], "text")]
    assert set(kept) <= set(texts)
    seen = set()
    for text in kept:
        runs = word_runs(text)
        assert len(runs & seen) < 0.5 * len(runs)
        seen |= runs


def test_splits_depend_on_the_path_alone():
    shares = {"test": 6, "validation": 2}
    drawn = [doc_split(f"pkg/m{i}.py", shares) for i in range(2000)]
    assert drawn[::-1] == [doc_split(f"pkg/m{i}.py", shares) for i in reversed(range(2000))]
    assert [round(drawn.count(split) / 2000, 1) for split in SPLITS] == [0.6, 0.1, 0.3]
    assert doc_split("x.py", {}) == "train"


@pytest.fixture(scope="module")
def built(stand_in_cache):
    """Return the rows of the built data set: {(folder, split): rows}."""
    import pyarrow.parquet as pq

    catalog.prepare((), repos=["course/documentation"])
    store = Store(catalog.hub_root())
    read = lambda path: pq.read_table(BytesIO(store.read("datasets", "course/documentation", path))).to_pylist()
    return {(folder, split): read(f"{folder}/{split}/0000.parquet") for folder in ("library", "networkx") for split in SPLITS}


def test_the_size_and_the_columns(built):
    assert sum(map(len, built.values())) > 15_000 and len(built["networkx", "test"]) > 250
    assert {row["repository_name"] for row in built["networkx", "train"]} == {"networkx/networkx"}
    everywhere = {row["repository_name"] for rows in built.values() for row in rows}
    assert everywhere == set(DOC_REPOSITORIES.values())
    assert "networkx/networkx" not in {row["repository_name"] for split in SPLITS for row in built["library", split]}


def test_a_module_is_in_one_split_only(built):
    where = {}
    for (_, split), rows in built.items():
        for row in rows:
            assert where.setdefault((row["repository_name"], row["func_path_in_repository"]), split) == split == row["split_name"]


def test_no_near_duplicates_within_or_across_splits(built):
    seen = set()
    for folder in ("library", "networkx"):
        for split in SPLITS:
            for row in built[folder, split]:
                runs = word_runs(row["func_documentation_string"])
                assert len(runs & seen) < 0.5 * len(runs), row["func_name"]
                seen |= runs


def test_the_wheels_are_pure_python_and_small():
    wheels = catalog.entries()["course/documentation"].wheels
    assert all(wheel.file.endswith("py3-none-any.whl") for wheel in wheels) and sum(wheel.bytes for wheel in wheels) < 15e6


def test_the_reviews_have_the_columns_of_the_corpus_and_lose_none(tmp_path):
    import pyarrow.parquet as pq

    entry = catalog.entries()["course/product-reviews"]
    files = build_product_reviews(entry, Source({}, lambda id, path: b""), tmp_path)
    tables = {path: pq.read_table(content) for path, content in files.items()}
    assert sum(table.num_rows for table in tables.values()) == len(read_jsonl(DATA / "reviews.jsonl"))
    for path, table in tables.items():
        assert table.column_names == [
            "review_id", "product_id", "reviewer_id", "stars", "review_body", "review_title", "language", "product_category"]  # fmt: skip
        assert set(table["language"].to_pylist()) == {path.split("/")[0]}


def test_a_build_is_the_same_again(built, stand_in_cache, tmp_path):
    entry = catalog.entries()["course/documentation"]
    wheels = {wheel.package: catalog.fetch(wheel, tmp_path / "wheel") for wheel in entry.wheels}
    files = build_documentation(entry, Source(wheels, lambda id, path: b""), tmp_path / "work")
    store = Store(catalog.hub_root())
    for path, content in files.items():
        assert content.read_bytes() == store.read("datasets", "course/documentation", path), path
