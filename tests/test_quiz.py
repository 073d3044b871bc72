"""Quizzes: files checked, answers graded, the order fixed, and one output that works with and without a script."""

import json
import math
import os
import re
import shutil
from collections import Counter
from dataclasses import replace
from html import escape
from itertools import chain, combinations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from course_nlp.manifest import lessons
from course_nlp.quiz import QUIZZES, WIDTH, Choice, Question, Quiz, grade, load, quiz, shuffle

SHIPPED = sorted(path.stem for path in QUIZZES.glob("*.yml"))
ENTRY = {
    "id": "02.02-q1",
    "prompt": "Which are even?",
    "options": [
        {"text": "two", "right": True, "why": "Two is twice one."},
        {"text": "three", "right": False, "why": "Three is one more than two."},
        {"text": "four", "right": True, "why": "Four is twice two."},
    ],
}


def entry(**changes):
    """Return a good entry of a quiz file, changed."""
    return json.loads(json.dumps(ENTRY)) | changes


def option(**changes):
    """Return an entry whose second option is changed; a value of None takes the key out."""
    made = entry()
    made["options"][1] = {k: v for k, v in (made["options"][1] | changes).items() if v is not None}
    return made


def read(folder, *entries, text=None):
    """Return the quiz that a file with these entries, or this text, holds."""
    (folder / "02.02.yml").write_text(text if text is not None else yaml.safe_dump(list(entries)), encoding="utf-8")
    return load("02.02", folder)


def sample():
    """Return a quiz of one question, for looking at its output."""
    choices = tuple(Choice(**o) for o in ENTRY["options"])
    return Quiz("02.02", "A lesson", (Question("02.02-q1", "Which are even?", choices),))


# Files


def test_a_good_file_is_read_as_it_stands(tmp_path):
    (question,) = read(tmp_path, ENTRY).questions
    assert (question.id, question.prompt, question.correct) == ("02.02-q1", "Which are even?", {"a", "c"})
    assert [choice.text for choice in question.choices] == ["two", "three", "four"]


def test_all_options_may_be_right(tmp_path):
    (question,) = read(tmp_path, option(right=True)).questions
    assert question.correct == {"a", "b", "c"}


OPTION = ENTRY["options"][0]
BAD = {
    "an unknown key": (entry(answer="a"), r"02\.02\.yml, question 02\.02-q1: unknown key 'answer'; known are id, prompt, options"),
    "an unknown key of an option": (option(correct=True), "02.02-q1, option 2: unknown key 'correct'"),
    "no id": ({k: v for k, v in ENTRY.items() if k != "id"}, "question 1: key 'id' is missing"),
    "no prompt": ({k: v for k, v in ENTRY.items() if k != "prompt"}, "02.02-q1: key 'prompt' is missing"),
    "no explanation": (option(why=None), "02.02-q1, option 2: key 'why' is missing"),
    "an empty explanation": (option(why="  "), "option 2: why is empty"),
    "an empty text": (option(text=""), "option 2: text is empty"),
    "an empty prompt": (entry(prompt="\n"), "02.02-q1: prompt is empty"),
    "a text that YAML reads as false": (option(text=False), "option 2: text must be text, got False; in YAML, put it in quotes"),
    "right as a word": (option(right="yes"), "option 2: right must be true or false, got 'yes'"),
    "a number as id": (entry(id=2.02), "id must be text, got 2.02"),
    "no right answer": (entry(options=[o | {"right": False} for o in ENTRY["options"]]), "02.02-q1: options: none of them is right"),
    "one option": (entry(options=[OPTION]), "2 to 8 of them, got 1"),
    "nine options": (entry(options=[OPTION | {"text": str(i) + "."} for i in range(9)]), "2 to 8 of them, got 9"),
    "equal options": (option(text=" TWO "), "02.02-q1: options: two of them say 'two'"),
    "options that are no list": (entry(options="two"), "02.02-q1: options must be a list, got 'two'"),
    "an option that is no mapping": (entry(options=["two", "four"]), "option 1 must have the keys text, right, why, got 'two'"),
    "an entry that is no mapping": ("Why?", "question 1 must have the keys id, prompt, options, got 'Why\\?'"),
    "an id of another lesson": (entry(id="07.02-q1"), "id = '07.02-q1' does not fit; question 1 of this lesson is 02.02-q1"),
    "an id of another form": (entry(id="02.02-1"), "id = '02.02-1' does not fit"),
    "a lonely dollar sign": (entry(prompt="Is it $5?"), r"prompt has a \$ without a partner"),
    "code before the question": (entry(prompt="```\n1\n```\nWhat?"), "prompt begins with code"),
}


@pytest.mark.parametrize(("bad", "said"), BAD.values(), ids=BAD)
def test_a_bad_entry_is_named(tmp_path, bad, said):
    with pytest.raises(ValueError, match=said) as error:
        read(tmp_path, bad)
    assert str(error.value).startswith("02.02.yml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "02.02.yml must be a list of questions, got None"),
        ("id: 02.02-q1", "must be a list of questions"),
        ("[]", "02.02.yml: questions: quiz 02.02 has none"),
        ("- id: [", "(?s)02.02.yml cannot be read: .*line 1"),
        ("- !!python/object/apply:os.getcwd []", "02.02.yml cannot be read: .*could not determine a constructor"),
        ("- id: 02.02-q1\n  id: 02.02-q2", "02.02.yml, line 1: key 'id' is given twice"),
        ("- &a\n  options: [*a, {why: one, why: two}]", "line 2: key 'why' is given twice"),
    ],
)
def test_a_bad_file_is_named(tmp_path, text, said):
    with pytest.raises(ValueError, match=said):
        read(tmp_path, text=text)


def test_ids_count_up_and_prompts_differ(tmp_path):
    second = entry(id="02.02-q2", prompt="And which are odd?")
    assert len(read(tmp_path, ENTRY, second).questions) == 2
    for odd, said in [
        (second | {"id": "02.02-q1"}, "question 2 of this lesson is 02.02-q2"),
        (second | {"id": "02.02-q3"}, "question 2 of this lesson is 02.02-q2"),
        (second | {"prompt": "Which  are even? "}, "two questions ask"),
    ]:
        with pytest.raises(ValueError, match=said):
            read(tmp_path, ENTRY, odd)


def test_a_lesson_that_has_no_quiz_or_does_not_exist():
    planned = next(id for id in lessons() if id not in SHIPPED)
    with pytest.raises(ValueError, match=f"{planned}.* has no quiz"):
        quiz(planned)
    with pytest.raises(ValueError, match="is no lesson"):
        quiz("2.2")
    with pytest.raises(TypeError, match="seed must be a whole number, got '1'"):
        quiz("02.02", seed="1")


# Grading

LETTERS = st.sets(st.sampled_from("abcdef"), min_size=1)
SIX = tuple(Choice(f"option {i}", i == 0, f"because of {i}") for i in range(6))


@given(right=LETTERS, picked=LETTERS, data=st.data())
def test_only_the_exact_set_counts_in_any_order(right, picked, data):
    question = Question("02.02-q1", "Which?", tuple(replace(c, right=at in right) for at, c in zip("abcdef", SIX, strict=True)))
    assert question.correct == right
    order = data.draw(st.permutations(sorted(picked)))
    written = data.draw(st.sampled_from(["", " ", ", "])).join(order)
    results = [grade(question, form) for form in (picked, order, tuple(order), "".join(order), written.upper(), iter(order * 2))]
    assert {result.ok for result in results} == {picked == right}
    assert all(result == results[0] for result in results)
    assert [f.letter for f in results[0].feedback] == list("abcdef")
    assert {f.letter for f in results[0].feedback if f.picked} == picked
    assert {f.letter for f in results[0].feedback if f.right} == right
    assert [f.why for f in results[0].feedback] == [c.why for c in question.choices]


@pytest.mark.parametrize(
    ("picked", "error", "said"),
    [
        ("d", ValueError, "picked = 'd': 'd' is no option of 02.02-q1; choose among a, b, c"),
        ("a1", ValueError, "'1' is no option"),
        ({"two"}, ValueError, "'two' is no option"),
        ([""], ValueError, "'' is no option"),
        ([0], ValueError, "0 is no option"),
        (1, TypeError, "picked must be letters .* got 1"),
        (None, TypeError, "got None"),
        (b"a", TypeError, "got b'a'"),
        ({"a": True}, TypeError, "picked must be letters"),
    ],
)
def test_an_unknown_choice_is_refused(picked, error, said):
    with pytest.raises(error, match=said):
        grade(sample().questions[0], picked)


def test_a_wrong_answer_does_not_give_the_solution_away():
    here = sample()
    shown = repr(here.answer(1, "ab"))
    assert shown.startswith("Not yet") and "Two is twice one" in shown and "Three is" in shown
    assert "Four is" not in shown
    assert "Three is" in repr(here.answer(1, "ca")), "who is right sees every explanation"
    assert repr(here.answer(1, "")) == "Choose at least one option first."
    assert all(o["why"] in repr(here.solution(1)) for o in ENTRY["options"])


def test_score_counts_questions():
    here = quiz("07.02")
    answers = {number: question.correct for number, question in enumerate(here.questions, start=1)}
    assert here.score(answers)[:2] == (len(answers), len(answers))
    answers[1] = "abcd"
    assert here.score(answers).right == len(answers) - 1
    assert repr(here.score({1: "abcd"})).splitlines()[0] == f"0 of {len(answers)} right."
    for number in (0, len(answers) + 1):
        with pytest.raises(ValueError, match=f"number = {number}: quiz 07.02 has the questions 1 to"):
            here.answer(number, "a")
    with pytest.raises(TypeError, match="number must be a whole number, got '1'"):
        here.score({"1": "a"})
    with pytest.raises(TypeError, match="answers must be a dictionary"):
        here.score(["a"])


# Order


def test_the_order_is_fixed_for_good():
    """Letters stand in committed outputs: neither a new Python nor a new run may move them."""
    question = sample().questions[0]
    assert ["".join(c.text[1] for c in shuffle(question, seed).choices) for seed in (0, 1, 42)] == ["owh", "woh", "hwo"]


@given(st.integers(), st.integers(min_value=1))
def test_shuffling_keeps_every_option_and_its_judgment(seed, number):
    question = replace(sample().questions[0], id=f"02.02-q{number}")
    mixed = shuffle(question, seed)
    assert set(mixed.choices) == set(question.choices) and mixed == shuffle(question, seed)
    assert {mixed.options[at].text for at in mixed.correct} == {"two", "four"}


def test_the_seed_comes_from_the_settings(monkeypatch):
    assert quiz("02.02") == quiz("02.02", seed=42)
    monkeypatch.setenv("COURSE_NLP_SEED", "7")
    assert quiz("02.02") == quiz("02.02", seed=7) != quiz("02.02", seed=42)


def test_right_answers_do_not_sit_in_one_place():
    """Whoever always ticks the same letter, or the longest option, gets little out of it."""
    questions = [question for lesson in SHIPPED for question in quiz(lesson).questions]
    single = Counter(min(q.correct) for q in questions if len(q.correct) == 1)
    assert len(single) >= 3 and max(single.values()) <= 0.5 * single.total(), single
    right_at = Counter(letter for q in questions for letter in q.correct)
    assert set("abcd") <= set(right_at) and max(right_at.values()) <= 0.4 * right_at.total(), right_at
    longest = sum(max(q.options, key=lambda at: len(q.options[at].text)) in q.correct for q in questions)
    assert longest <= 0.6 * len(questions), longest


# The shipped quizzes


def test_every_written_lesson_has_a_quiz():
    assert {id for id, lesson in lessons().items() if lesson.ready} <= set(SHIPPED)
    assert set(SHIPPED) <= set(lessons())


@pytest.mark.parametrize("lesson", SHIPPED)
def test_a_shipped_quiz_is_worth_taking(lesson):
    questions = load(lesson).questions
    assert 5 <= len(questions) <= 15  # a look back over a chapter asks more
    assert any(len(q.correct) > 1 for q in questions), "some question has several right answers"
    for q in questions:
        assert len(q.choices) >= 3, q.id
        lengths = [len(c.text) for c in q.choices]
        assert max(lengths) <= 2.5 * min(lengths), f"{q.id}: a length that stands out gives an answer away"
        for c in q.choices:
            assert len(c.why.split()) >= 12, f"{q.id}: {c.why!r} explains little"


def test_numbers_in_the_quizzes_hold():
    """The explanations state figures; compute them."""
    from accelerate.data_loader import BatchSamplerShard
    from torch.utils.data import BatchSampler, SequentialSampler

    def sigmoid(x):
        return 1 / (1 + math.exp(-x))

    said = {f"{name}-q{i}": repr(q) for name in SHIPPED for i, q in enumerate(load(name).questions, start=1)}
    figures = {
        "02.02-q5": [f"{sigmoid(3):.3f}", f"{sigmoid(6):.3f}"],
        "02.02-q6": [f"{sigmoid(0.5):.2f}", f"{sigmoid(-0.5):.2f}", *(f"{sigmoid(x):.2f}" for x in (4.0, 3.5, -5.0)), "1,024"],
        "07.02-q3": [f"{math.log(17):.2f}", f"{math.log(9):.2f}", f"{1 / 17:.2f}"],
    }
    assert sigmoid(-5) < 0.01 and 2**10 == 1024
    batches = BatchSampler(SequentialSampler(range(100)), batch_size=8, drop_last=False)
    rows = [row for rank in range(4) for batch in BatchSamplerShard(batches, 4, rank) for row in batch]
    assert set(Counter(rows).values()) == {1, 2}, "some rows count twice, none more often"
    figures["07.02-q7"] = [str(len(rows)), f"{len(rows) - len(set(rows))} repeated rows"]
    for id, numbers in figures.items():
        for number in numbers:
            assert re.search(rf"(?<!\d)0?{re.escape(number.removeprefix('0'))}(?!\d)", said[id]), f"{id} does not say {number}"


# Text


def test_the_text_form_is_complete_and_fits_a_terminal():
    here = quiz("02.02")
    text = repr(here)
    assert text == str(here) == here._repr_mimebundle_()["text/plain"]
    assert max(map(len, text.splitlines())) <= WIDTH + 3
    flat = " ".join(text.split())
    for number, question in enumerate(here.questions, start=1):
        assert f"{number}. {' '.join(question.prompt.split())[:40]}" in flat
        for letter, choice in question.options.items():
            assert f"{letter}. {choice.text}" in flat
            assert " ".join(choice.why.split())[:30] not in flat, "explanations come after the answer"
    assert "\n   ```python\n   logits = model(" in text, "code keeps its lines"


# HTML

HOSTILE = [
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "</style><img src=x onerror='window.hacked = 1'>",
    "<!-- <script> --> ]]> &lt;b&gt; \" onmouseover=\"window.hacked = 1",
    "`</code><svg onload=window.hacked=1>` and $</span><script>window.hacked=1</script>$",
    "[link](javascript:window.hacked=1) ![image](https://example.org/x.png) <https://example.org>",
    "```</pre><script>window.hacked=1</script>\n</textarea>",
]


def hostile_quiz():
    """Return a quiz that tries to break out of every text it has."""
    choices = tuple(Choice(f"{i} {text}", i % 2 == 0, text) for i, text in enumerate(HOSTILE))
    prompt = "\n\n".join(["Well? " + HOSTILE[0], "```</pre><script>window.hacked=1</script>\n</pre><script>window.hacked=1</script>\n```", *HOSTILE])
    return Quiz("02.02", '"><script>window.hacked = 1</script>', (Question("02.02-q1", prompt, choices),))


def test_hostile_text_stays_text():
    html = hostile_quiz()._repr_html_()
    body = html.partition("</style>")[2].rpartition("<script>")[0]
    tags = set(re.findall(r"<(/?[a-zA-Z!][^\s>]*)", body))
    allowed = {"div", "p", "fieldset", "legend", "span", "br", "ul", "li", "label", "input", "details", "summary", "strong", "code", "pre"}
    assert {tag.strip("/") for tag in tags} <= allowed
    assert not re.search(r"<[^>]*\bon\w+=", body)
    assert escape(HOSTILE[0], quote=False) in body
    assert html.count("<script>") == html.count("</script>") == html.count("<style>") == html.count("</style>") == 1


@pytest.mark.parametrize("lesson", SHIPPED)
def test_the_output_asks_nobody_and_claims_no_id(lesson):
    html = quiz(lesson)._repr_html_()
    assert not re.search(r"https?:|//\w|@import|url\(|\bsrc=|\bhref=|fetch\(|XMLHttp|import\(", html.replace("// ", ""))
    assert not re.search(r"""\s(id|name|for)=["']""", html)
    assert html == quiz(lesson)._repr_html_() == quiz(lesson)._repr_mimebundle_()["text/html"]
    assert len(html) < 40_000


def test_markdown_in_questions_is_shown():
    question = Question("02.02-q1", "Is `a < b` *sure*?\n\n```python\nprint('<p>')\n```\n\nReally?", sample().questions[0].choices)
    html = Quiz("02.02", "A lesson", (question,))._repr_html_()
    assert "Is <code>a &lt; b</code> <em>sure</em>?</legend>" in html
    assert '<pre><code class="language-python">print(\'&lt;p&gt;\')\n</code></pre>\n<p>Really?</p>' in html


# In a browser


def page_of(*quizzes, dark=False):
    """Return a page that shows quizzes, with the colors of the site's two themes."""
    body, ink = ("#222", "#dee2e6") if dark else ("#fff", "#373a3c")
    shown = "".join(f"<section>{here._repr_html_()}</section>" for here in quizzes)
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Quiz</title></head>
<body style="background:{body};color:{ink};font-family:sans-serif"><main><h1>Check yourself</h1>{shown}</main></body></html>"""


@pytest.fixture(scope="module")
def browser():
    """Return a running Chromium."""
    path = shutil.which("chromium")
    if path is None:
        if os.environ.get("CI") == "true":
            pytest.fail("chromium is missing; .ci/run installs it")
        pytest.skip("chromium is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield running
        running.close()


@pytest.fixture
def open_page(browser):
    """Return a function that opens a page; afterward nothing may have failed on it or asked for anything."""
    opened, trouble = [], []

    def show(html, script=True):
        context = browser.new_context(java_script_enabled=script)
        page = context.new_page()
        page.set_default_timeout(5000)
        page.on("pageerror", lambda error: trouble.append(str(error)))
        page.on("console", lambda message: trouble.append(message.text))
        page.on("request", lambda request: trouble.append(request.url))
        page.set_content(html)
        opened.append(context)
        return page

    yield show
    for context in opened:
        context.close()
    assert trouble == []


def explained(field):
    """Return the letters of the options that show their explanation."""
    return "".join(text[0] for text in field.locator("li:has(.cq-why) .cq-letter").all_inner_texts())


def test_a_quiz_is_answered_by_keyboard(open_page):
    page = open_page(page_of(sample()))
    field, press = page.locator("fieldset"), page.keyboard.press
    assert page.locator("details").count() == 0, "the script takes the folded answers away"
    assert [b.inner_text() for b in field.get_by_role("button").all() if b.is_visible()] == ["Check"]
    for key in ("Tab", "Tab", "Tab", "Tab", "Enter"):  # past three options to the button
        press(key)
    assert field.get_by_role("status").inner_text() == "Choose at least one option first."
    for key in ("Shift+Tab", "Shift+Tab", "Space", "Tab", "Tab", "Enter"):  # "three", then the button
        press(key)
    assert field.get_by_role("status").inner_text() == "Not yet: something you chose is wrong, and something right is missing."
    assert explained(field) == "b" and "Wrong. Three is one more than two." in field.inner_text()
    assert field.get_by_role("checkbox").first.is_disabled()
    assert page.evaluate("document.activeElement.textContent") == "Try again"
    press("Enter")
    assert explained(field) == "" and field.locator("input:checked").count() == 0
    for key in ("Space", "Tab", "Tab", "Space", "Tab", "Enter"):  # the first option has the focus again
        press(key)
    assert field.get_by_role("status").inner_text() == "Right."
    assert explained(field) == "abc"
    assert page.locator(".cq-score").inner_text() == "1 of 1 right, 0 at the first try."
    for key in ("Tab", "Enter"):
        press(key)
    assert page.locator(".cq-score").inner_text() == "0 of 1 right, 0 at the first try."
    assert page.evaluate("document.activeElement.type") == "checkbox"


def test_the_script_judges_as_grade_does(open_page):
    here = quiz("02.02")
    number, question = next((n, q) for n, q in enumerate(here.questions, start=1) if len(q.correct) == 2)
    field = open_page(page_of(here)).locator("fieldset").nth(number - 1)
    letters = list(question.options)
    for picked in chain.from_iterable(combinations(letters, size) for size in range(1, len(letters) + 1)):
        for letter in picked:
            field.get_by_role("checkbox").nth(letters.index(letter)).check()
        field.get_by_role("button", name="Check").click()
        expected = here.answer(number, picked)
        assert field.get_by_role("status").inner_text() == repr(expected).splitlines()[0]
        assert explained(field) == ("".join(letters) if expected.ok else "".join(picked))
        field.get_by_role("button", name="Try again").click()


def test_the_answer_can_be_looked_up_and_does_not_count(open_page):
    page = open_page(page_of(sample()))
    field = page.locator("fieldset")
    field.get_by_label("two").check()
    field.get_by_role("button", name="Check").click()
    assert field.get_by_role("status").inner_text() == "Not yet: what you chose is right, but something is missing."
    field.get_by_role("button", name="Show the answer").click()
    assert explained(field) == "abc" and field.get_by_label("two").is_checked()
    assert page.locator(".cq-score").inner_text() == "0 of 1 right, 0 at the first try."
    assert page.evaluate("document.activeElement.textContent") == "Try again"


def test_quizzes_on_one_page_do_not_meet(open_page):
    page = open_page(page_of(quiz("02.02"), quiz("02.02"), quiz("07.02")))
    scores = page.locator(".cq-score")
    assert scores.count() == 3 and page.locator("fieldset .cq-row").count() == page.locator("fieldset").count()
    second = page.locator(".course-quiz").nth(1)
    for letter in quiz("02.02").question(1).correct:
        second.locator("fieldset").first.get_by_role("checkbox").nth("abcd".index(letter)).check()
    second.locator("fieldset").first.get_by_role("button", name="Check").click()
    assert [text[0] for text in scores.all_inner_texts()] == ["0", "1", "0"]
    assert page.locator("input:checked").count() == len(quiz("02.02").question(1).correct)
    assert page.evaluate("document.querySelectorAll('[id]').length") == 0


def test_without_a_script_everything_can_be_read(open_page):
    here = quiz("07.02")
    page = open_page(page_of(here), script=False)
    first = page.locator("fieldset").first
    assert page.locator("button").count() == 0
    assert not first.get_by_text("Right.").first.is_visible()
    first.locator("summary").click()
    assert [text.split()[0] for text in first.locator("details li > span:last-child").all_inner_texts()] == [
        "Right." if choice.right else "Wrong." for choice in here.questions[0].choices
    ]


def test_shortcuts_of_jupyterlab_do_not_fire_on_a_quiz(open_page):
    """In JupyterLab two d's delete the cell, unless the focused element has this attribute (tried in 4.6)."""
    page = open_page(page_of(sample()))
    parts = page.locator("input, button")
    assert parts.count() == 3 + 3 + 1
    assert page.locator(":is(input, button):not([data-lm-suppress-shortcuts])").count() == 0


def test_hostile_text_does_nothing_in_a_browser(open_page):
    page = open_page(page_of(hostile_quiz()))
    field = page.locator("fieldset")
    for box in field.get_by_role("checkbox").all():
        box.check()
    field.get_by_role("button", name="Check").click()
    assert field.locator(".cq-why").count() == len(HOSTILE)
    assert page.evaluate("window.hacked") is None
    assert HOSTILE[0] in field.locator("legend").inner_text()


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing(open_page, dark):
    from axe_playwright_python.sync_playwright import Axe

    here, axe = quiz("02.02"), Axe()

    def check(page):
        results = axe.run(page)
        assert results.violations_count == 0, results.generate_report()
        unsure = [found for found in results.response["incomplete"] if found["id"] == "color-contrast"]
        assert unsure == [], "axe could not compute a contrast"
        assert "color-contrast" in {found["id"] for found in results.response["passes"]}

    page = open_page(page_of(here, here, dark=dark))
    check(page)
    for number, picked in ((0, "abcd"), (1, here.question(2).correct), (2, "a")):
        field = page.locator("fieldset").nth(number)
        for letter in picked:
            field.get_by_role("checkbox").nth("abcd".index(letter)).check()
        field.get_by_role("button", name="Check").click()
    page.locator("fieldset").nth(2).get_by_role("button", name="Show the answer").click()
    check(page)
    folded = page_of(here, dark=dark)
    page = open_page(folded.replace("<script>", "<template>").replace("</script>", "</template>").replace("<details>", "<details open>"))
    check(page)
