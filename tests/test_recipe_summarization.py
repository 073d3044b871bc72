"""The recipe of the title writer: its rows, its damaged rows, its tokenizer, and what ships."""

import json

import pytest

from course_nlp.recipe_core import Split
from course_nlp.recipe_summarization import (
    NOISY,
    SUMMARIZATION,
    _fits,
    summarization_baseline,
    summarization_redraw,
    summarization_row,
    summarization_tokenizer,
)
from course_nlp.stand_ins import DATA

TITLES = ["Return the nodes of a graph in order.", "Add an edge between two nodes.", "El análisis más fácil de todos."] * 20


@pytest.fixture(scope="module")
def tokenizer():
    import course_nlp.recipe_summarization as recipe

    pieces, recipe.PIECES = recipe.PIECES, 120
    try:
        return summarization_tokenizer([*TITLES, "-" * 4000, "x" * 200])
    finally:
        recipe.PIECES = pieces


def test_a_row_is_name_and_prose():
    row = summarization_row({"func_name": "DiGraph._addNode2", "func_documentation_string": "Add it.\n\nTwice.\n\nArgs:\n  x: no"})
    assert row == {"text": "add node2: Twice.", "title": "Add it.", "body": "Twice."}
    assert not _fits(row, 14, 0) and _fits(row | {"title": "Add it now."}, 14, 0)


def test_the_tokenizer_ends_texts_and_gives_them_back(tokenizer):
    for text in TITLES[:3]:
        ids = tokenizer(text)["input_ids"]
        assert ids[-1] == tokenizer.eos_token_id == 1 and tokenizer.pad_token_id == 0
        assert tokenizer.decode(ids, skip_special_tokens=True) == text.lower()
    assert not any("---" in piece for piece in tokenizer.get_vocab())


def test_damaged_rows_hold_words_of_the_title_and_are_a_share_of_all(tokenizer):
    import torch

    redraw = summarization_redraw(tokenizer)
    row = {"input_ids": [5, 6, 1], "attention_mask": [1, 1, 1], "labels": tokenizer(TITLES[0])["input_ids"]}
    generator = torch.Generator().manual_seed(0)
    drawn = [redraw(row, generator) for _ in range(400)]
    damaged = [new for new in drawn if new["input_ids"] != row["input_ids"]]
    assert abs(len(damaged) / 400 - NOISY) < 0.1
    for new in damaged:
        words = tokenizer.decode(new["input_ids"], skip_special_tokens=True).rstrip(": ").split()
        position = [TITLES[0].lower().rstrip(".").split().index(word) for word in words]
        assert position == sorted(position) and new["labels"] == row["labels"]
        assert len(new["attention_mask"]) == len(new["input_ids"])
    assert row["input_ids"] == [5, 6, 1]  # the row itself stays
    again = [redraw(row, generator.manual_seed(3))["input_ids"] for _ in range(2)]
    assert again[0] == again[1]


def test_the_baseline_is_the_best_of_three_in_each_column():
    rows = {"title": ["Add an edge."], "body": ["Both ends are added. Add an edge."], "text": ["add edge: Both ends are added."]}
    figures = summarization_baseline(None, Split(rows, None, None, []))
    assert figures["ROUGE-1"] == pytest.approx(4 / 5)  # the name has two of three words
    assert set(figures) == {"ROUGE-1", "ROUGE-2", "ROUGE-L"} and figures["ROUGE-2"] > 0


def test_what_ships_is_small_and_beats_what_costs_nothing():
    folder = DATA / "trained" / SUMMARIZATION.name
    recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    assert sum(path.stat().st_size for path in folder.iterdir()) < 8e6
    for name, value in recipe["figures"].items():
        assert value > recipe["baselines"][name], name
