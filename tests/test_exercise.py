"""Exercises: every checker passes its solution, and fails blanks and stored wrong answers with a hint that gives nothing away."""

import ast
import html
import json
import math
import random
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from exercise_answers import Stored, stored_answers
from hypothesis import given as drawn_from
from hypothesis import strategies as st

from course_nlp import exercise as machinery
from course_nlp.exercise import (
    Hint,
    Outcome,
    array,
    attempt,
    checker,
    choice,
    drawn,
    exercise,
    exercises,
    expect,
    is_blank,
    kind,
    near,
    number,
    numbers,
    same,
    same_function,
    same_numbers,
    shown,
)
from course_nlp.manifest import lessons

ROOT = Path(__file__).resolve().parents[1]
ANSWERS = stored_answers()
READY = [lesson for lesson in lessons().values() if lesson.ready]


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Give each test its own registry and its own count of tries."""
    monkeypatch.setattr(machinery, "_checkers", dict(exercises()))
    monkeypatch.setattr(machinery, "_tries", Counter())


def notebook(lesson):
    return nbformat.read(ROOT / "nbs" / f"{lesson.file}.ipynb", 4)


def named_in(nb):
    """Return the ids of the exercises that a notebook's text names."""
    prose = "\n".join(cell.source for cell in nb.cells if cell.cell_type == "markdown")
    return re.findall(r"^\*\*(\d\d\.\d\d[a-z]?-[a-z])\.\*\*", prose, re.M)


def numbers_in(text):
    return [float(n) for n in re.findall(r"-?\d+(?:\.\d+)?|-?\.\d+", text.replace(",", ""))]


def gives_away(text, stored):
    """Return what of the solution a hint contains, or None."""
    parts = stored.solution if isinstance(stored.solution, tuple | list) else (stored.solution,)
    secret = [float(part) for part in parts if not callable(part)]
    found = [n for n in numbers_in(text) for s in secret if math.isclose(n, s, rel_tol=0.01)]
    return found or next((pattern for pattern in stored.never if re.search(pattern, text)), None)


# Lessons, checkers and stored answers belong together


def test_every_exercise_of_a_written_lesson_has_a_checker_and_stored_answers():
    named = [id for lesson in READY for id in named_in(notebook(lesson))]
    assert len(named) == len(set(named))
    assert sorted(named) == sorted(exercises()) == sorted(ANSWERS)
    assert all(id.rpartition("-")[0] in lessons() for id in named)


@pytest.mark.parametrize("lesson", READY, ids=lambda lesson: lesson.id)
def test_a_lesson_has_two_exercises_or_more(lesson):
    named = named_in(notebook(lesson))
    assert named == [f"{lesson.id}-{letter}" for letter in "abcdefgh"[: max(2, len(named))]]


def is_answer_blank(tree):
    """Return whether a cell assigns `...` or defines a function without a body."""
    assigned = [n for n in tree.body if isinstance(n, ast.Assign) and any(isinstance(c, ast.Constant) and c.value is ... for c in ast.walk(n.value))]
    empty = [n for n in tree.body if isinstance(n, ast.FunctionDef) and ast.unparse(n.body[-1]) == "..." and len(n.body) <= 2]
    return bool(assigned or empty)


@pytest.mark.parametrize("id", sorted(ANSWERS))
def test_the_answer_cell_is_blank_and_the_folded_solution_must_be_right(id):
    nb = notebook(lessons()[id.rpartition("-")[0]])
    cells = [cell for cell in nb.cells if cell.cell_type == "code" and f'exercise("{id}"' in cell.source]
    answer, solution = (ast.parse(cell.source) for cell in cells)
    assert is_answer_blank(answer) and not is_answer_blank(solution)
    call = f"exercise('{id}', "
    assert ast.unparse(answer.body[-1]).startswith(call) and ast.unparse(answer.body[-1]).endswith(")")
    last = ast.unparse(solution.body[-1])
    assert last.startswith(call) and last.endswith(".require()")
    assert last.removesuffix(".require()") == ast.unparse(answer.body[-1]), "both are checked with the same arguments"
    assert cells[1].source.startswith("#| code-fold: true\n") and cells[1].metadata["jupyter"]["source_hidden"]
    assert "#| code-fold" not in cells[0].source and "jupyter" not in cells[0].metadata
    said = ["".join(output.data["text/plain"]) for cell in cells for output in cell.outputs if "data" in output]
    assert said == [str(exercise(id, ..., **ANSWERS[id].given())), f"{id}: right. {exercises()[id].why}"], "run the lesson again"


@pytest.mark.parametrize("id", sorted(ANSWERS))
def test_the_solution_is_right_and_says_why_it_matters(id):
    outcome = exercise(id, ANSWERS[id].solution, **ANSWERS[id].given())
    assert outcome.ok and outcome.require() is outcome, outcome
    assert str(outcome) == f"{id}: right. {exercises()[id].why}"


@pytest.mark.parametrize("id", sorted(ANSWERS))
@pytest.mark.parametrize("blank", ["stored", ..., None], ids=str)
def test_a_blank_is_not_answered_yet(id, blank):
    outcome = exercise(id, ANSWERS[id].blank if blank == "stored" else blank, **ANSWERS[id].given())
    assert outcome.state == "not answered yet" and not outcome.ok and not machinery._tries
    with pytest.raises(AssertionError, match=f"^{id}: not answered yet"):
        outcome.require()


WRONG = [(id, i) for id, stored in sorted(ANSWERS.items()) for i in range(len(stored.wrong))]


@pytest.mark.parametrize(("id", "i"), WRONG)
def test_a_wrong_answer_gets_a_hint_that_does_not_give_it_away(id, i):
    answer, words = ANSWERS[id].wrong[i]
    given = ANSWERS[id].given()
    first = exercise(id, answer, **given)
    assert first.state == "not yet" and words in first.text, first.text
    for outcome in (first, *(exercise(id, answer, **given) for _ in range(3))):
        assert not outcome.ok and not gives_away(outcome.text, ANSWERS[id]), outcome.text
    with pytest.raises(AssertionError, match=f"^{id}: not yet"):
        first.require()


def test_three_wrong_answers_are_stored_for_each():
    assert all(len(stored.wrong) >= 3 for stored in ANSWERS.values())


def test_a_hint_that_gives_it_away_would_be_seen():
    assert gives_away("It is 4.6, of course.", ANSWERS["02.02-a"])
    assert gives_away("Write ['S-PER', 'E-PER'].", ANSWERS["07.02-b"])
    assert gives_away("All three are .667.", ANSWERS["07.02-a"])
    assert gives_away("1,000 times", Stored(1000, ..., [])) and not gives_away("99", ANSWERS["02.02-a"])


ODD = {
    "text": "<b>x</b>", "empty text": "", "bytes": b"x", "true": True, "complex": 1j, "infinite": math.inf, "nan": math.nan, "huge": 10**400,
    "list": [1, "a", None], "empty": [], "ragged": [[1], [1, 2]], "set": {1}, "dict": {"a": 1}, "array": np.zeros((2, 3)), "texts": np.array(["a"]),
    "objects": np.array([None, {}], dtype=object), "tensor": torch.zeros(3, requires_grad=True), "bfloat16": torch.zeros(2, dtype=torch.bfloat16),
    "bools": torch.tensor([True, False]), "class": dict, "type": int, "generator": (i for i in range(3)), "module": math, "object": object(),
    "function": lambda *args: "x", "none": lambda *args: print(end=""), "raises": lambda *args: 1 / 0, "needs more": lambda a, b, c: a,
    "lists": lambda *args: [["a"], 1], "model": torch.nn.Linear(2, 2), "decimals": [0.1, "0.2", 0.3], "nested": lambda *args: lambda: 0,
}  # fmt: skip


@pytest.mark.parametrize("id", sorted(ANSWERS))
@pytest.mark.parametrize("name", ODD)
def test_whatever_a_learner_hands_in_gets_a_hint(id, name):
    outcome = exercise(id, ODD[name], **ANSWERS[id].given())
    assert outcome.state == "not yet" and len(outcome.text) < 500, outcome
    assert "object at 0x" not in outcome.text.partition("returns")[0]


# Finding and registering


@pytest.mark.parametrize(
    ("id", "error", "said"),
    [
        ("02.02-x", ValueError, r"'02.02-x' is no exercise; did you mean 02.02-[abc], 02.02-[abc]"),
        ("7.02-a", ValueError, "07.02-a"),
        ("99.01-a", ValueError, "is no exercise; did you mean"),
        ("../x", ValueError, "is no exercise"),
        ("", ValueError, "is no exercise"),
        (4.6, TypeError, 'write exercise\\("02.02-a", answer\\)'),
    ],
)
def test_an_unknown_id(id, error, said):
    with pytest.raises(error, match=said):
        exercise(id, 1)


def test_what_the_lesson_must_hand_over_is_said():
    with pytest.raises(TypeError, match=r'02.02-c lacks tokenizer; write exercise\("02.02-c", answer, model=model, tokenizer=tokenizer\)'):
        exercise("02.02-c", ..., model=1)
    with pytest.raises(TypeError, match=r"02.02-b lacks tokenizer and has no use for tokenisers"):
        exercise("02.02-b", 1, tokenisers=2)


def right_if_one(answer):
    return None if answer == 1 else "One."


@pytest.mark.parametrize(
    ("make", "error", "said"),
    [
        (lambda: checker("2.2-a", why="Yes.")(right_if_one), ValueError, "02.02-a"),
        (lambda: checker("02.02-a", why="Yes.")(right_if_one), ValueError, "belongs to lead_for_99"),
        (lambda: checker("00.01-y", why=" ")(right_if_one), TypeError, "why must be a sentence"),
        (lambda: checker("00.01-y", why="Yes.", further=("Think."))(right_if_one), TypeError, r"write \(hint,\)"),
        (lambda: checker("00.01-y", why="Yes.", further=("Think.", ""))(right_if_one), TypeError, r"further\[1\]"),
        (lambda: checker("00.01-y", why="Yes.")(lambda answer, model: None), TypeError, "everything but the answer by keyword"),
        (lambda: checker("00.01-y", why="Yes.")(lambda: None), TypeError, "everything but the answer by keyword"),
    ],
)
def test_a_checker_must_be_well_formed(make, error, said):
    with pytest.raises(error, match=said):
        make()


def test_a_checker_that_does_not_say_what_it_means_is_a_bug():
    checker("00.01-y", why="Yes.")(lambda answer: answer == 1)
    with pytest.raises(TypeError, match="what the checker of 00.01-y returns .* got False"):
        exercise("00.01-y", 2)


def test_a_bug_of_a_checker_is_not_taken_for_a_wrong_answer():
    checker("00.01-y", why="Yes.")(lambda answer: {}["missing"])
    with pytest.raises(KeyError, match="missing"):
        exercise("00.01-y", 2)


def test_stopping_a_learners_function_stops_the_cell():
    def endless(tags):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exercise("07.02-b", endless)


def test_the_machinery_loads_no_lesson():
    code = (
        "import sys, course_nlp.exercise as e; before = set(sys.modules); e.exercise('07.02-c', 1);"
        "print([m for m in before if m.startswith(('course_nlp.checks', 'course_nlp.metrics', 'torch', 'IPython'))],"
        "'course_nlp.checks.chapter_07' in sys.modules, 'course_nlp.checks.chapter_02' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] True False"


# Tries


def test_later_tries_get_further_hints_until_one_is_right():
    checker("00.01-y", why="Yes.", further=("Second.", "Third."))(right_if_one)
    said = [exercise("00.01-y", answer).text for answer in (2, ..., 3, 4, 5, 1, 2, 2)]
    blank = "Put your answer in place of `...` and run the cell again."
    assert said == ["One.", blank, "One. Second.", "One. Third.", "One. Third.", "Yes.", "One.", "One. Second."]


def test_tries_are_counted_for_each_exercise_by_itself():
    exercise("02.02-a", 5), exercise("02.02-a", 5)
    assert exercise("07.02-c", 95).text == near(95, 96, "the number of steps")


# What is shown


class Page(HTMLParser):
    """Collects the tags of a piece of HTML."""

    def __init__(self):
        super().__init__()
        self.tags, self.open, self.said = [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.said.append(data)


NASTY = ["<script>alert(1)</script>", "</div><img src=x onerror=alert(1)>", '"><b>', "`<i>`</i>", "&lt;"]


@pytest.mark.parametrize("text", NASTY)
def test_what_a_learner_returns_cannot_become_part_of_the_page(text):
    outcomes = [exercise("07.02-b", lambda tags: [text]), exercise("02.02-a", text), exercise("07.02-a", {text: 1})]

    def raises(tags):
        raise ValueError(text)

    outcomes.append(exercise("07.02-b", raises))
    for outcome in outcomes:
        page = Page()
        page.feed(outcome._repr_html_())
        assert not page.open and set(page.tags) <= {"div", "b", "code"}
        assert "".join(page.said).replace("`", "") == str(outcome).replace("`", "")
    assert html.unescape(html.escape(shown(text))) in outcomes[0].text


def test_a_result_says_more_than_its_color():
    for state in machinery.BARS:
        shown_as = Outcome("00.01-y", state, "Text.")._repr_html_()
        assert f"<b>00.01-y: {state}.</b> Text." in shown_as and "http" not in shown_as and "<script" not in shown_as
    assert Outcome("00.01-y", "right", "") and not Outcome("00.01-y", "not yet", "")


# Learners' functions


def test_an_error_in_a_learners_function_is_shown_with_its_line():
    def outer(tags):
        return inner(tags)

    def inner(tags):
        return json.loads(tags[0])

    line = inner.__code__.co_firstlineno + 1
    text = exercise("07.02-b", lambda tags: outer(["{"])).text
    assert "JSONDecodeError: Expecting" in text and f"line {line}: `return json.loads(tags[0])`" in text
    assert "decoder.py" not in text and str(ROOT) not in text


def test_an_error_without_a_line_of_the_learners():
    assert exercise("07.02-b", len).text.startswith("`len([])` returns `0`")
    assert exercise("07.02-b", int).text.startswith("Calling `int` raises TypeError: int()")


def test_a_function_that_is_empty_is_a_blank():
    def documented(x):
        "Say."

    def passes(x, y=1):
        pass

    def returns_blank(x):
        return ...

    def closes_over():
        len(ANSWERS)

    assert all(map(is_blank, (documented, passes, returns_blank, lambda: None)))
    assert not any(map(is_blank, (closes_over, right_if_one, lambda: 0, print, dict, "...", [None])))


def test_a_function_is_compared_on_copies():
    def append(items):
        items.append(0)
        return items

    start = [1]
    assert "changes its argument" in same_function(append, append, [(start,)]) and start == [1]
    token = object()
    assert same_function(lambda x, y: y, lambda x, y: y, [(token, [1])]) is None, "what never equals its copy is no change"
    with pytest.raises(TypeError, match=r"inputs\[0\] must be a tuple"):
        same_function(sorted, sorted, [[1, 2]])


def test_drawn_inputs_are_always_the_same():
    def draw(rng):
        return (rng.random(),)

    state = random.getstate()
    assert list(drawn(draw, 3)) == list(drawn(draw, 3)) != list(drawn(draw, 3, seed=1))
    assert random.getstate() == state


# Predicates


@pytest.mark.parametrize("value", [0.5, np.float16(0.5), np.array([0.5]), torch.tensor([[0.5]]), torch.tensor(0.5, dtype=torch.bfloat16, requires_grad=True)])
def test_numbers_come_in_many_forms(value):
    assert number(value) == 0.5 and near(value, 0.5) is None and same(value, 0.5) is None
    assert numbers([value, 1], ("a", "b")) == [0.5, 1.0]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: number(True), "this is True or False"),
        (lambda: number(np.bool_(True)), "this is True or False"),
        (lambda: number("4", "the loss"), "The loss must be a number; this is a string"),
        (lambda: number(torch.zeros(2)), "a tensor of shape"),
        (lambda: number(1j), "object of class complex"),
        (lambda: numbers((1,), ("a", "b")), "2 numbers .a, b.; this one holds 1"),
        (lambda: numbers(np.eye(2), ("a", "b")), "an array of shape"),
        (lambda: array([[1], [1, 2]]), "rows of one length"),
        (lambda: array(["a"]), "must hold numbers"),
        (lambda: attempt(3), "this is a whole number"),
        (lambda: expect({}, list, "a list of tags"), "must be a list of tags; this is a dictionary"),
    ],
)
def test_what_cannot_be_used_raises_a_hint(call, said):
    with pytest.raises(Hint, match=said):
        call()


@pytest.mark.parametrize(
    ("value", "right", "said"),
    [
        (511, 510, "very close, but a little too large"), (300, 510, "too small."), (52_000, 510, "by a factor of about 100."),
        (5.1e9, 510, "about 1,000,000 or more"), (-510, 510, "wrong sign"), (1, 0, "too large"), (0, 3, "too small"), (-math.inf, 3, "infinite"),
        (10**400, 3, "infinite"),
    ],
)  # fmt: skip
def test_near_says_how_far_off_a_number_is(value, right, said):
    assert said in near(value, right)


@drawn_from(st.floats(-1e6, 1e6).filter(lambda x: abs(x) > 1e-3), st.floats(1.05, 1e9))
def test_near_never_says_the_number(right, factor):
    assert near(right, right) is None and near(np.float64(right), right) is None
    hint = near(right * factor, right)
    assert ("too large" if right > 0 else "too small") in hint
    assert all(n in (10.0**i for i in range(1, 7)) for n in numbers_in(hint))


def test_whole_numbers_must_be_exact():
    assert near(30_522.0, 30_522) is None and near(30_523, 30_522) and same([101, 30_521], [101, 30_522])


@pytest.mark.parametrize(
    ("value", "right", "said"),
    [
        (["a"], ["a", "b"], "too few items"), (["a", "b"], ["a"], "too many items"), (["x", "b"], ["a", "b"], "Position 0"),
        ({"a": 1}, {"a": 1, "b": 2}, "lacks a key"), ({"c": 1}, {"a": 1}, "key too many: 'c'"), ({"a": 2}, {"a": 1}, "The value for 'a'"),
        ([["a"], ["x"]], [["a"], ["b"]], "Position 0 of position 1 of your answer"), ("ab", ["a", "b"], "must be a list; this is a string"),
        ([math.nan], [0.5], "nan"), (1, "1", "must be a string"), (1, True, "must be True or False"), (True, 1, "must be a number"),
        (np.zeros(2), np.zeros((2, 1)), "has the shape (2,); it should be (2, 1)"), ([1, 2], np.array([1, 3]), "off in 1 of 2 places; look at position 1"),
    ],
)  # fmt: skip
def test_same_names_the_place(value, right, said):
    assert said in machinery._caught(same, value, right)


@pytest.mark.parametrize(
    ("value", "right"),
    [
        (torch.tensor([101, 102]), [101, 102]), (("a", 1), ["a", 1]), ({"a": [np.float32(0.5)]}, {"a": [0.5]}), (np.str_("a"), "a"), (np.bool_(True), True),
        ([torch.tensor(1.0), torch.tensor(2.0)], np.array([1.0, 2.0])), ([[0.1 + 0.2]], torch.tensor([[0.3]])), ([], []), (None, None), ([math.nan], np.array([math.nan])),
    ],
)  # fmt: skip
def test_same_takes_what_means_the_same(value, right):
    assert same(value, right) is None


def test_same_numbers_and_choices():
    assert same_numbers([[0.1, 0.9]], [[0.1, 0.9 + 1e-8]]) is None
    wrong = {"more": "Filler is skipped.", "less": "Why?"}
    assert choice(" SAME", "same", wrong) is None and choice("more", "same", wrong) == "Filler is skipped."
    assert "Choose one of 'less', 'more', 'same'; this is 3" in choice(3, "same", wrong)


class Rude:
    def __repr__(self):
        raise RuntimeError("no")


def test_anything_can_be_talked_about():
    assert shown(Rude()) == "(an object of class Rude whose repr() raises RuntimeError)"
    assert len(shown(list(range(10_000)))) < 90 and "\n" not in shown(np.eye(9)) and "`" not in shown("`x`")
    assert [kind(v) for v in (1, 0.5, np.float32(1), len, int, torch.zeros(2), Rude())] == [
        "a whole number", "a number", "a number", "a function", "the class int", "a tensor of shape (2,)", "an object of class Rude",
    ]  # fmt: skip
