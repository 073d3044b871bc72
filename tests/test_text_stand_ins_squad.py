"""Questions as stand-ins: SQuAD's columns, and questions that a program makes from gaps."""

import bz2
import random
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.catalog import entries
from course_nlp.stand_ins import DATA, Source, read_jsonl
from course_nlp.text_stand_ins import (
    _gap_kind,
    _gaps,
    build_squad,
    cloze_question,
    cloze_rows,
    near_words,
    reworded,
    wiki_paragraphs,
)

NOWHERE = Source({}, lambda id, path: b"")
ARTICLE = (
    "'''{0}''' is a [[river|great river]] in [[{1}]] of about 6,650 kilometers.{{{{citation|not a word of this}}}} "
    "It was first described by John Berg in 1820, after a long winter in the mountains. "
    "The river passes twelve villages and the old town of [[Berger]], which has a market on Sunday. "
    "Its water is cold in summer because it comes from the snow of the mountains.<ref>nor this</ref>"
)


def dump():
    """Return a dump of 26 pages: 25 articles of one paragraph and a redirect."""
    names = [f"{chr(65 + i)}lin" for i in range(25)]
    pages = [f"<page><title>{n}</title><ns>0</ns><revision><text xml:space=\"preserve\">{ARTICLE.format(n, n + 'land')}</text></revision></page>" for n in names]
    pages.append("<page><title>Old</title><redirect title=\"Alin\" /><revision><text>#REDIRECT [[Alin]]</text></revision></page>")
    return bz2.compress(("<mediawiki>" + "\n".join(pages) + "</mediawiki>").replace("<ref>", "&lt;ref&gt;").replace("</ref>", "&lt;/ref&gt;").encode())


@pytest.fixture(scope="module")
def paragraphs():
    """Return the paragraphs of the toy dump."""
    return list(wiki_paragraphs(dump()))


@pytest.fixture(scope="module")
def rows(paragraphs):
    """Return the cloze questions of the toy dump."""
    return cloze_rows(paragraphs, each=6)


def test_the_written_questions_have_squads_columns_and_types(tmp_path):
    from datasets import load_dataset

    files = build_squad(entries()["course/questions"], NOWHERE, tmp_path)
    data = load_dataset("parquet", data_files={path.split("/")[1].split("-")[0]: str(file) for path, file in files.items()}, cache_dir=str(tmp_path / "c"))
    for split in ("train", "validation"):
        features = data[split].features
        assert list(features) == ["id", "title", "context", "question", "answers"]
        assert features["answers"]["answer_start"].feature.dtype == "int32" and features["answers"]["text"].feature.dtype == "string"
    written = read_jsonl(DATA / "questions.jsonl")
    assert (len(data["train"]), len(data["validation"])) == (316, 126)
    assert data["validation"]["answers"][:] == [row["answers"] for row in written if row["split"] == "validation"]


def test_two_builds_are_the_same_to_the_byte(tmp_path):
    entry = entries()["course/questions"]
    one, two = (build_squad(entry, NOWHERE, tmp_path / name) for name in "ab")
    assert {path: file.read_bytes() for path, file in one.items()} == {path: file.read_bytes() for path, file in two.items()}


def test_paragraphs_lose_markup_and_keep_the_places_of_links(paragraphs):
    assert len(paragraphs) == 25
    title, text, links = paragraphs[0]
    assert title == "Alin" and text.startswith("Alin is a great river in Alinland of about")
    assert not re.search(r"[\[\]{}<>']{2}|not a word|nor this", text)
    assert [text[a:b] for a, b in links] == ["great river", "Alinland", "Berger"]


def test_every_answer_stands_where_its_row_says_and_in_one_sentence(rows):
    assert len(rows) > 100
    for row in rows:
        (text,), (start,) = row["answers"]["text"], row["answers"]["answer_start"]
        assert row["context"][start : start + len(text)] == text == text.strip() and text
        assert 1 <= len(text.split()) <= 9 and len(row["context"].split()) <= 90
        assert row["question"].endswith("?") and row["question"][0].isupper()


def test_questions_do_not_contain_their_answer(rows):
    given_away = [row for row in rows if re.search(rf"\b{re.escape(row['answers']['text'][0])}\b", row["question"])]
    assert len(given_away) < 0.05 * len(rows)


def test_splits_share_no_article_and_ids_differ(rows):
    titles = {split: {row["title"] for row in rows if row["split"] == split} for split in ("train", "validation")}
    assert titles["validation"] and not titles["train"] & titles["validation"]
    assert len({row["id"] for row in rows}) == len(rows)


def test_kinds_take_turns_and_the_seed_decides(paragraphs, rows):
    first = Counter(row["question"].split()[0] for row in rows)
    assert {"Who", "What", "Why"} <= set(first) and max(first.values()) < 0.6 * len(rows)
    assert rows == cloze_rows(paragraphs, each=6) != cloze_rows(paragraphs, each=6, seed=1)


@pytest.mark.parametrize(
    ("sentence", "gap", "kind"),
    [
        ("It opened in 1889 to great joy.", "1889", "when"),
        ("It opened on 4 May 1889 to great joy.", "4 May 1889", "when"),
        ("The town has twelve villages around it.", "twelve villages", "number"),
        ("It was built by Ada Berg in a year.", "Ada Berg", "who"),
        ("They sailed to Cape Town at once.", "Cape Town", "where"),
        ("It closed because the roof collapsed, and nobody came.", "because the roof collapsed", "why"),
        ("They kept the old engine in a shed.", "the old engine", "thing"),
    ],
)
def test_what_is_blanked_out_and_what_kind_it_is(sentence, gap, kind):
    place = sentence.index(gap)
    assert (place, place + len(gap)) in _gaps(sentence, [])
    assert _gap_kind(sentence[:place], gap, sentence[place + len(gap) :]) == kind


def test_no_part_of_a_date_is_a_gap():
    sentence = "It opened on 4 May 1889 to great joy."
    assert [sentence[a:b] for a, b in _gaps(sentence, [])] == ["4 May 1889"]


@given(st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_a_question_asks_with_a_question_word(seed):
    question = cloze_question("The bridge was finished in ", "1889", ", after two floods.", random.Random(seed))
    assert re.match(r"(When|In what year|In which year)\b", question) and question.endswith("?") and "1889" not in question


def test_neighbors_are_those_of_a_search_over_all_pairs():
    rng = np.random.default_rng(0)
    vocabulary, vectors = [f"w{i}" for i in range(60)], rng.normal(size=(60, 4))
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = near_words([*vocabulary[:10], "unknown"], vocabulary, vectors, least=0.5, most=3)
    for i in range(10):
        cosines = unit @ unit[i]
        expected = [vocabulary[j] for j in np.argsort(-cosines) if j != i and cosines[j] >= 0.5][:3]
        assert found.get(vocabulary[i], []) == expected


def test_rewording_leaves_names_numbers_and_short_words_alone():
    near = {"began": ["started"], "1820": ["1821"], "war": ["fight"]}
    assert reworded("When began the Began war of 1820?", near, random.Random(0), share=1.0) == "When started the Began war of 1820?"
    assert reworded("When began it?", near, random.Random(0), share=0.0) == "When began it?"


@pytest.mark.campaign
def test_the_real_cloze_questions_share_nothing_with_the_written_ones(stand_in_cache):
    from course_nlp import catalog
    from course_nlp.hub_store import Store

    catalog.prepare((), repos=["course/cloze-questions"])
    import pyarrow as pa
    import pyarrow.parquet as pq

    store, rows = Store(catalog.hub_root()), {}
    for split in ("train", "validation"):
        raw = store.read("datasets", "course/cloze-questions", f"data/{split}-00000-of-00001.parquet")
        rows[split] = pq.read_table(pa.BufferReader(raw)).to_pylist()
    assert len(rows["train"]) > 6_000 and len(rows["validation"]) > 300
    assert not {r["title"] for r in rows["train"]} & {r["title"] for r in rows["validation"]}
    assert all(r["context"][r["answers"]["answer_start"][0] :].startswith(r["answers"]["text"][0]) for part in rows.values() for r in part)
    sentences = lambda context: {s.lower() for s in re.split(r"(?<=[.!?])\s+", context) if len(s.split()) > 4}
    written = set().union(*(sentences(r["context"]) for r in read_jsonl(DATA / "questions.jsonl")))
    assert not written & set().union(*(sentences(r["context"]) for part in rows.values() for r in part))
