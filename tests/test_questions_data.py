"""The questions: exact spans, no leaks, several references in validation, long and ambiguous contexts."""

import importlib.util
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from statistics import mean

import pytest

from course_nlp.stand_ins import DATA, read_jsonl

ROOT = Path(__file__).resolve().parents[1]
ROWS = read_jsonl(DATA / "questions.jsonl")
TRAIN = [r for r in ROWS if r["split"] == "train"]
VALIDATION = [r for r in ROWS if r["split"] == "validation"]
CONTEXTS = {r["context"]: r["split"] for r in ROWS}
ASKING = ("what", "who", "whom", "whose", "when", "where", "which", "why", "how")
SMALL = set("a an and are at by did do does for from how in is it its long many much of on that the this to was were with".split())


def load_tool():
    """Return tools/build_questions.py as a module."""
    spec = importlib.util.spec_from_file_location("build_questions", ROOT / "tools/build_questions.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = load_tool()


def answers(rows):
    """Yield (row, text, start) of every answer."""
    for r in rows:
        for text, start in zip(r["answers"]["text"], r["answers"]["answer_start"], strict=True):
            yield r, text, start


def skeleton(sentence):
    """Return a sentence with its names and numbers masked: digits, and capitals anywhere but at the start."""
    words = re.findall(r"\w+(?:['’]\w+)?", sentence)
    masked = ["0" if w[0].isdigit() else "N" if i and w[0].isupper() else w.lower() for i, w in enumerate(words)]
    return " ".join(masked)


def sentences(context):
    """Return the sentences of a context, cut after a full stop, a question mark, or an exclamation mark."""
    return [s for s in re.split(r"(?<=[.!?])\s+", context) if len(s.split()) > 3]


def asking_word(question):
    """Return the first question word of a question, or an empty string."""
    return next((w for w in re.findall(r"[a-z]+", question.lower()) if w in ASKING), "")


def windows(row, max_length=100, overlap=50):
    """Return (start, end) word positions of the windows of a row, counting one token a word and three special tokens.

    A subword tokenizer makes at least one token of a word, so a real run has at least as many windows.
    """
    total, room = len(row["context"].split()), max_length - 3 - len(row["question"].split())
    starts = range(0, max(total - overlap, 1), room - overlap)
    return [(a, min(a + room, total)) for a in starts]


def test_the_file_is_what_the_sources_give():
    done = subprocess.run([sys.executable, ROOT / "tools/build_questions.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_columns_are_those_of_squad():
    for row in ROWS:
        assert set(row) == {"split", "id", "title", "context", "question", "answers"}
        assert set(row["answers"]) == {"text", "answer_start"}
        assert re.fullmatch(r"[0-9a-f]{24}", row["id"])
        assert row["split"] in ("train", "validation")
        assert " " not in row["title"] and "\n" not in row["context"]
        assert row["question"][-1] in "?." and row["question"] == row["question"].strip()


def test_every_answer_is_exactly_where_it_says():
    for row, text, start in answers(ROWS):
        context = row["context"]
        assert context[start : start + len(text)] == text, (row["question"], text)
        assert text == text.strip() and 1 <= len(text.split()) <= 8, text
        before, after = context[start - 1 : start] if start else "", context[start + len(text) :][:1]
        assert not (text[0].isalnum() and before.isalnum()), f"{text!r} begins inside a word"
        assert not (text[-1].isalnum() and after.isalnum()), f"{text!r} ends inside a word"


def test_size():
    assert len(CONTEXTS) >= 72 and len(ROWS) >= 400
    assert 15 <= sum(split == "validation" for split in CONTEXTS.values()) <= 20
    assert len(VALIDATION) >= 100
    lengths = Counter(min(len(text.split()), 5) for _, text, _ in answers(TRAIN))
    assert all(lengths[n] / len(TRAIN) > 0.05 for n in (1, 2, 3, 4, 5))


def test_splits_share_no_title_no_context_and_no_sentence():
    assert not {r["title"] for r in TRAIN} & {r["title"] for r in VALIDATION}
    assert not {r["context"] for r in TRAIN} & {r["context"] for r in VALIDATION}
    parts = {split: {skeleton(s) for c, where in CONTEXTS.items() if where == split for s in sentences(c)} for split in CONTEXTS.values()}
    assert not parts["train"] & parts["validation"]
    assert not {skeleton(r["question"]) for r in TRAIN} & {skeleton(r["question"]) for r in VALIDATION}


def test_rows_are_told_apart_by_id_and_question():
    assert len({r["id"] for r in ROWS}) == len(ROWS)
    assert len({(r["context"], r["question"].lower()) for r in ROWS}) == len(ROWS)


def test_training_questions_have_one_answer_and_validation_questions_several():
    assert all(len(r["answers"]["text"]) == 1 for r in TRAIN)
    counts = Counter(len(r["answers"]["text"]) for r in VALIDATION)
    assert set(counts) <= {1, 2, 3, 4} and counts[1] < 0.1 * len(VALIDATION) and counts[3] > 0.2 * len(VALIDATION)
    assert sum(len(set(r["answers"]["text"])) > 1 for r in VALIDATION) > 0.8 * len(VALIDATION)


def test_long_contexts_need_more_than_three_windows():
    for split in ("train", "validation"):
        long = {c for c, where in CONTEXTS.items() if where == split and len(c.split()) > 250}
        assert len(long) >= 3
        assert all(len(windows(r)) > 3 for r in ROWS if r["context"] in long)
    assert sum(len(c.split()) > 250 for c in CONTEXTS) >= 6
    assert sum(len(c.split()) > 395 for c in CONTEXTS) >= 3, "too few that are cut at 384 tokens as well"


def test_answers_in_long_contexts_stand_everywhere_and_on_window_borders():
    thirds, cut = Counter(), 0
    for row, text, start in answers(ROWS):
        if len(row["context"].split()) > 250:
            thirds[3 * start // len(row["context"])] += 1
            first = len(row["context"][:start].split())
            last = first + len(text.split()) - 1
            cut += any(a <= first < b <= last or first < a <= last for a, b in windows(row))
    assert min(thirds[i] / thirds.total() for i in range(3)) > 0.2
    assert cut >= 5


def test_some_answers_stand_in_several_places_and_only_one_is_right():
    several = [(r, text, start) for r, text, start in answers(ROWS) if len(TOOL.places(text, r["context"])) > 1]
    later = [r for r, text, start in several if TOOL.places(text, r["context"])[0] != start]
    assert len(several) >= 20 and len(later) >= 12
    assert {r["split"] for r in later} == {"train", "validation"}


def test_some_offsets_differ_from_offsets_in_bytes_and_in_utf16():
    bytes_differ = [r for r, _, start in answers(ROWS) if len(r["context"][:start].encode()) != start]
    utf16_differ = [r for r, _, start in answers(ROWS) if len(r["context"][:start].encode("utf-16-le")) != 2 * start]
    assert len({r["title"] for r in bytes_differ}) >= 12
    assert {r["split"] for r in utf16_differ} == {"train", "validation"}
    inside = {c for _, text, _ in answers(ROWS) for c in text if ord(c) > 127}
    assert {"–", "’"} <= inside and any(c.isalpha() for c in inside)


def test_questions_and_sentences_are_not_templates():
    for masked in ([skeleton(r["question"]) for r in ROWS], [skeleton(s) for c in CONTEXTS for s in sentences(c)]):
        assert max(Counter(masked).values()) / len(masked) <= 0.03
    openings = Counter(" ".join(skeleton(r["question"]).split()[:3]) for r in ROWS)
    assert max(openings.values()) / len(ROWS) <= 0.03


def test_question_words_are_varied():
    counts = Counter(asking_word(r["question"]) for r in ROWS)
    assert max(counts.values()) / len(ROWS) <= 0.4
    assert sum(n / len(ROWS) >= 0.04 for n in counts.values()) >= 6


def test_questions_paraphrase_more_than_they_copy():
    shares = []
    for row in ROWS:
        asked = set(re.findall(r"\w+", row["question"].lower())) - SMALL - set(ASKING)
        shares.append(len(asked & set(re.findall(r"\w+", row["context"].lower()))) / max(len(asked), 1))
    assert mean(shares) < 0.5
    assert sum(share < 0.34 for share in shares) > 0.3 * len(shares) and max(shares) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("green", "does not stand in the context"),
        ("red", "stands in 2 places; write which one"),
        ("red @3", "stands in 2 places, not 3"),
        ("blue @1", "stands in one place only"),
        ("he", "does not stand in the context"),  # only inside "The"
        (" blue", "blanks at its ends"),
    ],
)
def test_the_tool_never_guesses_an_answer(answer, message):
    with pytest.raises(ValueError, match=message):
        TOOL.locate(answer, "The red door, the red wall, and a blue roof.")


def test_the_tool_counts_places_from_one():
    assert TOOL.locate("red @2", "The red door, the red wall.") == ("red", 18)
    assert TOOL.locate("A.", "Plan A. Plan B.") == ("A.", 5)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# T", "", "Some text.", "", "Q: What?"], "line 6: question 'What\\?' has no answer"),
        (["# T", "", "Some text.", "", "Q: What?", "A: text", "A: Some"], "has 2 answers; a training question has one"),
        (["# T", "", "Q: What?"], "has no context above it"),
        (["# T", "", "Some text.", "A: text"], "has no question above it"),
        (["Some text."], "has no title above it"),
    ],
)
def test_the_tool_says_what_is_wrong_in_a_source(lines, message):
    with pytest.raises(ValueError, match=message):
        list(TOOL.parse(lines, "train"))
