"""The long answers: nested as ELI5-Category nests them, varied, and without leaks from one split to another."""

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from course_nlp.stand_ins import DATA, read_jsonl

ROOT = Path(__file__).resolve().parents[1]
ROWS = read_jsonl(DATA / "eli5.jsonl")
TEXTS = [text for r in ROWS for text in r["answers"]["text"]]
COLUMNS = {"split", "q_id", "title", "selftext", "category", "subreddit", "answers", "title_urls", "selftext_urls"}


def load_tool():
    """Return tools/build_eli5.py as a module."""
    spec = importlib.util.spec_from_file_location("build_eli5", ROOT / "tools/build_eli5.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()


def skeleton(sentence):
    """Return a sentence with its names and numbers masked: digits, and capitals anywhere but at the start."""
    words = re.findall(r"\w+(?:['’]\w+)?", sentence)
    return " ".join("0" if w[0].isdigit() else "N" if i and w[0].isupper() else w.lower() for i, w in enumerate(words))


def sentences(text):
    """Return the sentences of a text."""
    return [s for s in re.split(r"(?<=[.!?])[\"”)]?\s+", text) if s]


def of(split):
    """Return the rows of one split."""
    return [r for r in ROWS if r["split"] == split]


def test_the_file_is_what_the_sources_give():
    done = subprocess.run([sys.executable, ROOT / "tools/build_eli5.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_rows_are_nested_as_the_original_nests_them():
    for row in ROWS:
        assert set(row) == COLUMNS and set(row["answers"]) == {"a_id", "text", "score", "text_urls"}
        assert len({len(column) for column in row["answers"].values()}) == 1, row["title"]
        assert 1 <= len(row["answers"]["text"]) <= 4
        assert row["subreddit"] == "explainlikeimfive" and row["category"] in TOOL.CATEGORIES
        assert all(isinstance(u, list) for u in [*row["answers"]["text_urls"], row["title_urls"], row["selftext_urls"]])


def test_scores_fall():
    for row in ROWS:
        scores = row["answers"]["score"]
        assert all(isinstance(s, int) and 0 < s < 1000 for s in scores)
        assert all(a > b for a, b in zip(scores, scores[1:], strict=False)), row["title"]


def test_splits_are_named_as_in_the_original_and_large_enough():
    sizes = Counter(r["split"] for r in ROWS)
    assert set(sizes) == {"train", "validation1", "validation2", "test"}
    assert len(ROWS) >= 84 and sizes["train"] >= 64 and sizes["test"] >= 8 and sizes["validation1"] >= 8
    assert Counter(len(r["answers"]["text"]) for r in ROWS).keys() == {1, 2, 3, 4}


def test_there_is_enough_text_for_a_language_model():
    words = [len(t.split()) for t in TEXTS]
    assert sum(words) >= 18_000
    assert sum(len(t.split()) for r in of("train") for t in r["answers"]["text"]) >= 14_000
    assert sum(n > 200 for n in words) >= 8 and sum(n < 60 for n in words) >= 40
    assert all(2 <= len(sentences(t)) <= 20 for t in TEXTS)


def test_categories_are_many_and_even_enough():
    counts = Counter(r["category"] for r in ROWS)
    assert set(counts) == TOOL.CATEGORIES and max(counts.values()) / len(ROWS) < 0.2
    assert len({r["category"] for r in of("test")}) >= 8


def test_some_rows_have_a_selftext_paragraphs_and_addresses():
    assert sum(bool(r["selftext"]) for r in ROWS) >= 6
    assert sum("\n\n" in t for t in TEXTS) >= 40
    fields = [
        pair
        for r in ROWS
        for pair in [*zip(r["answers"]["text"], r["answers"]["text_urls"], strict=True), (r["selftext"], r["selftext_urls"])]
    ]
    assert sum(bool(urls) for _, urls in fields) >= 4 and any(len(urls) > 1 for _, urls in fields)
    for text, urls in fields:
        assert re.findall(r"_URL_\d+_", text) == [f"_URL_{i}_" for i in range(len(urls))]
        assert "http" not in text and all(u.startswith("https://") for u in urls)


def test_nothing_is_said_twice():
    for values in ([r["q_id"] for r in ROWS], [a for r in ROWS for a in r["answers"]["a_id"]], [r["title"].lower() for r in ROWS], TEXTS):
        assert len(set(values)) == len(values)
    every = Counter(skeleton(s) for t in TEXTS for s in sentences(t) if len(s.split()) > 5)
    assert max(every.values()) == 1, every.most_common(3)


def test_titles_and_sentences_are_not_templates():
    for masked in ([skeleton(r["title"]) for r in ROWS], [skeleton(s) for t in TEXTS for s in sentences(t)]):
        assert max(Counter(masked).values()) / len(masked) <= 0.03
    for openings in ([r["title"] for r in ROWS], TEXTS):
        counts = Counter(" ".join(skeleton(t).split()[:3]) for t in openings)
        assert max(counts.values()) / len(openings) <= 0.05, counts.most_common(3)


def test_no_run_of_eight_words_stands_in_two_splits():
    seen = {}
    for row in ROWS:
        for text in [row["title"], *row["answers"]["text"]]:
            words = re.findall(r"\w+", text.lower())
            for i in range(len(words) - 7):
                run = " ".join(words[i : i + 8])
                assert seen.setdefault(run, row["split"]) == row["split"], run


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# category: Magic", "== Why?", "++ 3", "So."], "category 'Magic'; choose one of"),
        (["# category: Physics", "== Why?", "Please."], r"scores \[\]"),
        (["# category: Physics", "== Why?", "++ 3", "So.", "++ 3", "Or so."], "they have to fall"),
        (["# category: Physics", "== Why?", "++ 3"], "line 4: 'Why\\?' has an empty answer"),
        (["# category: Physics", "Why?"], "has no title above it"),
    ],
)
def test_the_tool_says_what_is_wrong_in_a_source(lines, message):
    with pytest.raises(ValueError, match=message):
        list(TOOL.parse(lines, "train"))


def test_the_tool_moves_addresses_out_of_the_text():
    text, found = TOOL.take_addresses("See <https://a.example/x> and <https://b.example/y>.")
    assert text == "See _URL_0_ and _URL_1_." and found == ["https://a.example/x", "https://b.example/y"]
