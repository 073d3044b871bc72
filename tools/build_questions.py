"""Compile the questions: data_src/questions/*.txt -> course_nlp/data/questions.jsonl.

A source file is read paragraph by paragraph, in blocks divided by blank lines:

    # Suez Canal                      a title; what follows belongs to it
    The Suez Canal cuts through ...   a context, on one line
    Q: How long is it today?          a question about the context above
    A: about 193 kilometers           an answer, copied from the context letter by letter
    A: Mediterranean @2               the second of several places where the answer stands

An answer has to stand in the context as whole words. If it stands there more than once, the line has to say which place
is right, and if it stands there once, it must not: both are errors, never guesses. A repeated answer (as SQuAD has, where
two people marked the same words) is a repeated line. validation.txt becomes the validation split, where a question may
have several answers; a question of any other file has one. `--check` compares instead of writing.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "data_src" / "questions", ROOT / "course_nlp" / "data" / "questions.jsonl"
PLACE = re.compile(r"(?P<text>.+?)(?: @(?P<place>[1-9]\d*))?")


def places(text: str, context: str) -> list[int]:
    """Return every character offset at which `text` stands in `context` as whole words."""
    left = r"(?<!\w)" if text[0].isalnum() else ""
    right = r"(?!\w)" if text[-1].isalnum() else ""
    return [m.start() for m in re.finditer(left + f"(?={re.escape(text)}{right})", context)]


def locate(line: str, context: str) -> tuple[str, int]:
    """Return an answer line's text and its offset in the context."""
    match = PLACE.fullmatch(line)
    if match is None or match["text"] != match["text"].strip():
        raise ValueError(f"answer {line!r} is empty or has blanks at its ends")
    text, place = match["text"], match["place"]
    found = places(text, context)
    if not found:
        raise ValueError(f"answer {text!r} does not stand in the context")
    if place is None and len(found) > 1:
        raise ValueError(f"answer {text!r} stands in {len(found)} places; write which one, such as {text} @2")
    if place is not None and len(found) == 1:
        raise ValueError(f"answer {text!r} stands in one place only; leave out @{place}")
    if place is not None and int(place) > len(found):
        raise ValueError(f"answer {text!r} stands in {len(found)} places, not {place}")
    return text, found[int(place or 1) - 1]


def row(split: str, title: str, context: str, question: str, answers: list[tuple[str, int]]) -> dict:
    """Return one row with the columns of SQuAD; its id is a digest of title and question."""
    if not answers:
        raise ValueError(f"question {question!r} has no answer")
    if split == "train" and len(answers) > 1:
        raise ValueError(f"question {question!r} has {len(answers)} answers; a training question has one")
    texts, starts = (list(column) for column in zip(*answers, strict=True))
    return {
        "split": split,
        "id": hashlib.sha256(f"{title}\n{question}".encode()).hexdigest()[:24],
        "title": title,
        "context": context,
        "question": question,
        "answers": {"text": texts, "answer_start": starts},
    }


def parse(lines: list[str], split: str) -> Iterator[dict]:
    """Yield the rows of one source file; an error says on which line it came up."""
    title = context = question = ""
    answers: list[tuple[str, int]] = []
    for number, line in enumerate([*lines, "#"], 1):
        try:
            if not line.startswith("A: ") and question and line.strip():
                yield row(split, title, context, question, answers)
                question, answers = "", []
            if line.startswith("#"):
                title, context = line.removeprefix("#").strip().replace(" ", "_"), ""
            elif line.startswith("Q: "):
                question = line.removeprefix("Q: ")
                if not context or question != question.strip():
                    raise ValueError(f"question {question!r} has no context above it, or blanks at its ends")
            elif line.startswith("A: "):
                if not question:
                    raise ValueError(f"{line!r} has no question above it")
                answers.append(locate(line.removeprefix("A: "), context))
            elif line.strip():
                if not title or line != line.strip():
                    raise ValueError(f"the context {line[:30]!r}... has no title above it, or blanks at its ends")
                context = line
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def rows() -> list[dict]:
    """Return every question as a row, in the order of files and lines."""
    out: list[dict] = []
    for path in sorted(SOURCE.glob("*.txt")):
        split = "validation" if path.stem == "validation" else "train"
        try:
            out += parse(path.read_text(encoding="utf-8").splitlines(), split)
        except ValueError as error:
            raise SystemExit(f"{path.name}, {error}") from None
    return out


def main() -> None:
    """Write the file, or with --check say whether it is up to date."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit("questions.jsonl is not what data_src/questions gives; run python tools/build_questions.py")
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
