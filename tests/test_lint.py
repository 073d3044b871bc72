"""Each rule of `course_nlp.lint` lets a good lesson pass and catches a bad one; the course's own notebooks follow them all."""

import re
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from course_nlp.lint import LIBRARY_RULES, RULES, Problem, lint, lint_lessons, lint_library
from course_nlp.manifest import find_lesson, lessons

ROOT = Path(__file__).resolve().parents[1]
LESSON = find_lesson("02.02")

GOOD = {  # the smallest lesson that follows every rule: id -> source; "md:" is prose
    "t-title": "md:# Behind the pipeline\n\n> Build something that counts to 2.5 at least.",
    "lesson-line": "md:Chapter 2",
    "t-default-exp": "#| default_exp small",
    "colab": "#| hide\nimport sys\nif 'google.colab' in sys.modules:\n    get_ipython().run_line_magic('pip', 'install -q course-nlp')",
    "t-import": "from course_nlp.start import lesson, pick, record",
    "t-lesson": 'lesson("02.02")',
    "t-goals": "md:**What you will be able to do**\n\n- Count.\n- Draw what you counted.\n\n**You need** [names](../07_main_tasks/02_token_classification.ipynb).",
    "t-count": "md:## Counting is the first thing to learn\n\nHow many words are there? We write a function for it, and look at what it says.",
    "t-import-more": "from course_nlp import plots\nfrom pytest import raises",
    "t-words": '#| exports\ndef words(\n    text: str,  # of any length\n) -> int:\n    """Return how many words there are in `text`."""\n    return len(text.split())',
    "t-words-examples": 'assert words("two words") == 2\nn = pick(small=2, full=9)',
    "t-error": "with raises(AttributeError) as error:\n    words(n)\nstr(error.value)",
    "t-draw": 'ax = plots.score_bars({"words": 2}, title="Words")\nplots.show(ax, "A single bar, two words long.")',
    "t-read": "md:### And now without a picture\n\n![A cat asleep on a keyboard](cat.png) A cat needs no words, and a picture of one takes a thousand of them.",
    "t-record": 'record("words", n, baseline=1, small=(1, 3), full=(8, 10))',
    "t-ex-a": "md:## Exercises\n\n**02.02-a.** How many words has this line? Count them by hand, then by machine, and put the number into `count`.",
    "t-ex-a-answer": 'count = ...\nexercise("02.02-a", count)',
    "t-ex-a-solution": '#| code-fold: true\ncount = words("a b")\nexercise("02.02-a", count, text="a b").require()',
    "t-ex-b": "md:**02.02-b.** And how many letters has it, if you do not count the blanks between the words?",
    "t-ex-b-answer": 'letters = ...\nexercise("02.02-b", letters)',
    "t-ex-b-solution": '#| code-fold: true\nletters = 3\nexercise("02.02-b", letters).require()',
    "t-check": "md:## Check yourself\n\nThree questions, and an answer to each.",
    "t-quiz": 'quiz("02.02")',
    "t-end": "md:## What you learned\n\n- One.\n- Two.\n- Three.\n\n**Go deeper**\n\n- [A page](https://example.org/a): why.\n"
    "- [Another](https://example.org/b): how.\n\n**Next:** 02.03 counts something else.",
}


def notebook(changes=None):
    """Return the good lesson with some cells changed; None takes a cell away, other ids go before the exercises."""
    cells = dict(GOOD)
    for id, source in (changes or {}).items():
        if id not in cells:
            later = {key: cells.pop(key) for key in list(cells)[list(cells).index("t-ex-a") :]}
            cells |= {id: source} | later
        cells[id] = source
    made = []
    for id, source in cells.items():
        if source is not None:
            make = new_markdown_cell if source.startswith("md:") else new_code_cell
            made.append(make(source.removeprefix("md:"), id=id))
    return new_notebook(cells=made)


def edited(id, old, new):
    """Return the good lesson with one text replaced in one cell."""
    assert old in GOOD[id]
    return notebook({id: GOOD[id].replace(old, new)})


def with_output(output, tags=()):
    """Return the good lesson with a stored output."""
    nb = notebook()
    cell = next(cell for cell in nb.cells if cell.id == "t-draw")
    cell.outputs.append(output)
    cell.metadata["tags"] = list(tags)
    return nb


def tagged(id, source, *tags):
    """Return the good lesson with one more cell that has tags."""
    nb = notebook({id: source})
    next(cell for cell in nb.cells if cell.id == id).metadata["tags"] = list(tags)
    return nb


def swapped(first, second):
    """Return the good lesson with two cells in each other's place."""
    nb = notebook()
    at = {cell.id: i for i, cell in enumerate(nb.cells)}
    nb.cells[at[first]], nb.cells[at[second]] = nb.cells[at[second]], nb.cells[at[first]]
    return nb


def doubled(id):
    """Return the good lesson with one cell twice."""
    nb = notebook()
    nb.cells.append(next(cell for cell in nb.cells if cell.id == id))
    return nb


def many(count, source="f'{n}'"):
    """Return the good lesson with more cells in its body."""
    return notebook({f"t-more-{i}": source for i in range(count)})


ERROR = new_output("error", ename="ValueError", evalue="no", traceback=["ValueError: no"])
TOKEN = "hf_" + "a1B2" * 8
PICTURE = new_output("display_data", data={"image/png": "aGk="})
PLAIN = "#| exports\ndef f(x: int) -> int:  # twice `x`\n    {}\n    return 2 * x"
SWALLOW = "try:\n    words(3)\nexcept {}:\n    {}"

BAD = {  # rule -> bad notebooks, each with the cell that must be named
    "cell-ids": [
        (notebook({"a1b2c3d4": "1"}), "a1b2c3d4"),  # as nbformat makes them up
        (notebook({"t-Upper": "1"}), "t-Upper"),
        (notebook({"other-cell": "1"}), "other-cell"),
        (notebook({"t-" + "long-" * 9 + "x": "1"}), "t-" + "long-" * 9 + "x"),
        (doubled("t-read"), "t-read"),
    ],
    "syntax": [(notebook({"t-bad": "def f(:"}), "t-bad")],
    "imports-alone": [
        (notebook({"t-bad": "import os\nos.sep"}), "t-bad"),
        (notebook({"t-bad": "def f():\n    import os\n    return os.sep"}), "t-bad"),
    ],
    "star-import": [(notebook({"t-bad": "from os.path import *"}), "t-bad")],
    "cell-length": [(notebook({"t-bad": "\n".join(f"x{i} = {i}" for i in range(21))}), "t-bad")],
    "function-length": [(notebook({"t-words": PLAIN.format("\n    ".join(["x += 1"] * 40))}), "t-words")],
    "skipped-cells": [
        (tagged("t-bad", "1", "skip-execution"), "t-bad"),
        (notebook({"t-bad": "#| eval: false\n1"}), "t-bad"),
    ],
    "scale-branch": [
        (notebook({"t-bad": "if pick(small=True, full=False):\n    n = 1"}), "t-bad"),
        (notebook({"t-bad": "n = 1 if checkpoint == 'course/minilm-l6' else 2"}), "t-bad"),
        (notebook({"t-bad": "rows = [r for r in data if pick(small=r < 9, full=True)]"}), "t-bad"),
        (notebook({"t-bad": "while 'HF_ENDPOINT' in os.environ:\n    n += 1"}), "t-bad"),
        (notebook({"t-bad": "scale = os.environ['COURSE_NLP_SCALE']"}), "t-bad"),
        (notebook({"t-bad": "from course_nlp.scale import settings"}), "t-bad"),
        (notebook({"t-bad": "from course_nlp.start import current"}), "t-bad"),
        (notebook({"t-bad": "from course_nlp import scale"}), "t-bad"),
    ],
    "swallowed-error": [
        (notebook({"t-bad": SWALLOW.format("AttributeError", "print('no matter')")}), "t-bad"),
        (notebook({"t-bad": SWALLOW.format("Exception as error", "message = str(error)") + "\nassert message"}), "t-bad"),
        (notebook({"t-bad": "try:\n    words(3)\nexcept:\n    n = 0"}), "t-bad"),
        (notebook({"t-bad": "with suppress(AttributeError):\n    words(3)"}), "t-bad"),
        (notebook({"t-words": PLAIN.format("try:\n        x += 1\n    except Exception:\n        x = 0")}), "t-words"),
        (notebook({"t-words": PLAIN.format("try:\n        x += 1\n    except TypeError:\n        pass")}), "t-words"),
    ],
    "commented-out": [(notebook({"t-bad": "# n = words('a')\nn"}), "t-bad"), (notebook({"t-bad": "n\n# print(n)"}), "t-bad")],
    "private-text": [
        (notebook({"t-bad": "open('/home/ada/x')"}), "t-bad"),
        (notebook({"t-bad": f"md:Log in with {TOKEN}."}), "t-bad"),
        (notebook({"t-bad": "md:Look at https://pypi.org/simple."}), "t-bad"),
    ],
    "installs": [
        (notebook({"t-bad": "!pip install torch"}), "t-bad"),
        (notebook({"t-bad": "%pip install torch"}), "t-bad"),
        (notebook({"t-bad": "run([python, '-m', 'pip', 'install'])"}), "t-bad"),
    ],
    "outputs": [
        (with_output(ERROR), "t-draw"),
        (with_output(new_output("stream", name="stdout", text=f"token {TOKEN}")), "t-draw"),
        (with_output(new_output("stream", name="stdout", text=f"in {Path.home() / 'x'}")), "t-draw"),
        (with_output(new_output("stream", name="stderr", text="FutureWarning: soon gone")), "t-draw"),
    ],
    "figure-style": [
        (notebook({"t-bad": "plt.show()"}), "t-bad"),
        (notebook({"t-bad": "figure.show()"}), "t-bad"),
        (notebook({"t-bad": "plt.plot([1, 2])"}), "t-bad"),
        (notebook({"t-bad": "plots.confusion(matrix)"}), "t-bad"),
    ],
    "alt-text": [
        (notebook({"t-draw": "plots.show(ax, '')"}), "t-draw"),
        (notebook({"t-draw": "plots.show(ax, alt='A plot')"}), "t-draw"),
        (notebook({"t-read": "md:![](cat.png)"}), "t-read"),
        (with_output(PICTURE), "t-draw"),
    ],
    "signatures": [
        (edited("t-words", "text: str", "text"), "t-words"),
        (edited("t-words", ") -> int", ")"), "t-words"),
        (notebook({"t-words": "#| exports\nclass A:\n    def go(self, n):\n        return n"}), "t-words"),
    ],
    "docstrings": [
        (notebook({"t-words": PLAIN.format("x += 1")}), "t-words"),
        (edited("t-words", "Return how many words there are in `text`.", "words of `text`"), "t-words"),
        (notebook({"t-words": "#| exports\nclass A:\n    n = 1"}), "t-words"),
    ],
    "docments": [(notebook({"t-words": '#| exports\ndef f(x: int, y: int) -> int:\n    """Return `x`."""\n    return x'}), "t-words")],
    "exports-directive": [(edited("t-words", "#| exports", "#| export"), "t-words")],
    "export-examples": [
        (notebook({"t-words-examples": "words('two words')"}), "t-words"),
        (notebook({"t-words-examples": None}), "t-words"),
    ],
    "headings": [
        (edited("t-count", "## ", "# "), "t-count"),
        (edited("t-count", "## ", "### "), "t-count"),
        (notebook({"t-bad": "md:##### Far down"}), "t-bad"),
    ],
    "heading-rate": [(many(18), ""), (many(5, "md:### One more claim"), "")],
    "prose-rate": [(many(70), ""), (many(5, "md:" + "word " * 60), "")],
    "spelling": [(notebook({"t-read": f"md:The {word} of it."}), "t-read") for word in ("colour", "tokenisation", "modelling", "licence", "behaviour")],
    "cross-references": [(notebook({"t-read": f"md:As {text} shows."}), "t-read") for text in ("@fig-loss", "[@devlin2019]", "{#sec-more}")],
    "links": [
        (notebook({"t-read": "md:See [models](03_models.ipynb)."}), "t-read"),
        (notebook({"t-read": "md:See [names](../02_token_classification.ipynb)."}), "t-read"),
        (notebook({"t-read": "md:See [a page](http://example.org)."}), "t-read"),
    ],
    "title": [
        (edited("t-title", "# Behind the pipeline", "# Behind"), "t-title"),
        (edited("t-title", "> Build", "Build"), "t-title"),
        (edited("t-title", "at least.", "at least. And draw it."), "t-title"),
        (edited("t-title", "at least.", "at least"), "t-title"),
    ],
    "head": [
        (notebook({"lesson-line": None}), ""),
        (notebook({"t-default-exp": None}), ""),
        (edited("colab", "#| hide\n", ""), ""),
        (edited("t-import", "lesson, pick", "pick"), ""),
        (notebook({"t-lesson": None}), ""),
        (swapped("t-import", "colab"), "colab"),
    ],
    "lesson-call": [(edited("t-lesson", "02.02", "02.03"), "t-lesson"), (notebook({"t-lesson": None}), "")],
    "goals": [(edited("t-goals", "- Draw what you counted.\n", ""), ""), (edited("t-goals", "**You need**", "You need"), "")],
    "tail": [
        (notebook({"t-check": "md:## Check"}), ""),
        (swapped("t-check", "t-ex-a"), ""),
        (edited("t-end", "**Go deeper**", "Go deeper"), ""),
        (edited("t-end", "**Next:**", "Next:"), ""),
    ],
    "quiz": [(notebook({"t-quiz": None}), ""), (edited("t-quiz", "02.02", "07.02"), ""), (swapped("t-quiz", "t-record"), "")],
    "learned": [(edited("t-end", "- One.\n", ""), ""), (edited("t-end", "- One.\n", "- One.\n- 1\n- 2\n- 3\n"), "")],
    "go-deeper": [
        (edited("t-end", "- [Another](https://example.org/b): how.\n", ""), ""),
        (edited("t-end", "[Another](https://example.org/b)", "Another"), ""),
    ],
    "next-lesson": [(edited("t-end", "**Next:** 02.03 counts something else.", "**Next:** more."), ""), (notebook({"t-end": None}), "")],
    "exercises": [
        (notebook({"t-ex-b": None, "t-ex-b-answer": None, "t-ex-b-solution": None}), ""),
        (edited("t-ex-b", "02.02-b.", "02.02-c."), ""),
        (notebook({"t-ex-a-solution": None}), "t-ex-a"),
        (notebook({"t-ex-a-answer": None}), "t-ex-a"),
        (edited("t-ex-a-solution", "#| code-fold: true\n", ""), "t-ex-a"),
        (edited("t-ex-a-solution", ".require()", ""), "t-ex-a-solution"),
        (edited("t-ex-a-answer", 'exercise("02.02-a", count)', 'exercise("02.02-a", count)\ncount'), "t-ex-a-answer"),
        (notebook({"t-bad": 'exercise("02.02-z", 1)'}), "t-bad"),
        (swapped("t-ex-a-answer", "t-ex-a-solution"), "t-ex-a"),
    ],
    "recorded": [(notebook({"t-record": None}), ""), (edited("t-record", ", full=(8, 10)", ""), "")],
}
CASES = [pytest.param(rule, nb, cell, id=f"{rule}-{i}") for rule, cases in BAD.items() for i, (nb, cell) in enumerate(cases)]


def told(problems):
    """Return problems as lines to read."""
    return [f"{p.cell or 'notebook'}: {p.rule}: {p.message}" for p in problems]


def test_a_small_good_lesson_passes_every_rule():
    assert told(lint(notebook(), LESSON)) == []


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_has_a_bad_example(rule):
    assert BAD.get(rule), f"put a notebook that {rule} must catch into BAD"
    assert RULES[rule].__doc__.strip().endswith(".")


def test_no_example_is_left_of_a_rule_that_is_gone():
    assert set(BAD) <= set(RULES)


@pytest.mark.parametrize(("rule", "nb", "cell"), CASES)
def test_a_rule_catches_its_bad_example(rule, nb, cell):
    found = [problem for problem in lint(nb, LESSON) if problem.rule == rule]
    assert cell in [problem.cell for problem in found], told(found)
    for problem in found:
        assert len(problem.message.split()) >= 4  # says what to do


FINE = {
    "an error that the lesson demands": {"t-more": "with raises(AttributeError, match='split'):\n    words(3)"},
    "an error noted and asserted": {"t-more": SWALLOW.format("AttributeError as error", "said = str(error)") + "\nassert 'split' in said"},
    "an error made clearer": {"t-words": PLAIN.format("try:\n        x += 1\n    except TypeError as e:\n        raise TypeError('x') from e")},
    "a skipped cell": {},
    "a tidy-up": {"t-more": "try:\n    n = words('a')\nfinally:\n    n = 1"},
    "a word in italics": {"t-read": "md:The French write *organisation* and `colour`."},
    "a scale named in prose": {"t-read": "md:Set `COURSE_NLP_SCALE=full` to run it on a GPU."},
    "own drawing in the house style": {"t-more": "with plots.style():\n    figure = plt.figure()\nplots.show(figure, 'An empty sheet of white.')"},
    "a comment that says why": {"t-more": "# words are cut at blanks (so far)\nwords('a b')  # words('a b') == 2"},
    "a magic": {"t-more": "%timeit words('a')"},
    "a decimal number in the promise": {"t-title": GOOD["t-title"].replace("2.5", "3.75")},
    "an e-mail address": {"t-read": "md:Write to ada@figures.example."},
}


@pytest.mark.parametrize("what", FINE)
def test_what_may_be_done(what):
    nb = notebook(FINE[what])
    if what == "a skipped cell":
        nb = tagged("t-more", "#| eval: false\nwords('a')", "skip-execution")
    examples = {"export-examples", "docstrings", "docments"} if "t-words" in FINE[what] else set()  # not what this is about
    assert [line for line in told(lint(nb, LESSON)) if line.split(": ")[1] not in examples] == []


def test_tagged_errors_and_described_pictures_may_be_stored():
    assert lint(with_output(ERROR, ["raises-exception"]), LESSON) == []
    described = new_output("display_data", data={"image/png": "aGk="}, metadata={"image/png": {"alt": "two bars"}})
    assert lint(with_output(described), LESSON) == []


def test_the_library_has_rules_of_its_own():
    nb = new_notebook(cells=[new_markdown_cell("# Small\n\n> A module.", id="s-title"), new_code_cell("import os", id="s-import")])
    assert lint(nb, None) == []
    nb.cells.append(new_code_cell("#| export\ndef f(x):\n    return x", id="s-f"))
    assert {problem.rule for problem in lint(nb, None)} == {"signatures", "docstrings"} < LIBRARY_RULES


def test_problems_come_in_the_order_of_the_notebook():
    nb = notebook({"t-ex-b-answer": "1", "t-title": "md:# Other", "t-record": None})
    cells = [problem.cell for problem in lint(nb, LESSON)]
    assert cells == sorted(cells, key=lambda id: ["", *GOOD].index(id)) and cells[0] == ""
    assert isinstance(lint(nb, LESSON)[0], Problem)


def test_lessons_that_cannot_be_checked_are_named(tmp_path):
    with pytest.raises(ValueError, match="02.02"):
        lint_lessons(["2.2"], ROOT)
    with pytest.raises(ValueError, match="lesson 02.02 has no notebook yet; `course-nlp new-lesson 02.02` writes one"):
        lint_lessons(["02.02"], tmp_path)


def test_a_lesson_is_found_by_its_id(tmp_path):
    path = tmp_path / "nbs" / f"{LESSON.file}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook({"t-quiz": None}), path)
    assert [p.rule for p in lint_lessons(["02.02"], tmp_path)["02.02"]] == ["quiz"]


# --- the course itself -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id", [lesson.id for lesson in lessons().values() if lesson.ready])
def test_written_lessons_follow_the_rules(id):
    assert told(lint_lessons([id], ROOT)[id]) == []


def test_notebooks_of_the_library_follow_the_rules():
    found = lint_library(ROOT)
    assert len(found) >= 16 and re.search(r"lib/00_scale", "".join(found))
    assert {path: told(problems) for path, problems in found.items() if problems} == {}
