"""Compile the long answers: data_src/eli5/*.txt -> course_nlp/data/eli5.jsonl.

A file is one split, and its name is the split's name up to an underscore: train_nature.txt belongs to train. In it:

    # category: Biology                           what follows belongs to it
    == Why do cats purr?                          a title; lines below it, up to the first answer, are the selftext
    I have two of them.
    ++ 141                                        an answer's score; its paragraphs follow, divided by blank lines
    A purr does not always mean ...

Answers come with falling scores, as a forum sorts them. An address written <https://...> is moved to the list of
addresses of its field and leaves `_URL_0_` behind (then `_URL_1_`, and so on), as ELI5 does. `--check` compares instead
of writing.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "data_src" / "eli5", ROOT / "course_nlp" / "data" / "eli5.jsonl"
SPLITS = ("train", "validation1", "validation2", "test")
CATEGORIES = set(
    "Biology Chemistry Culture Economics Engineering Mathematics Other Physics Psychology Technology".split()
) | {"Earth Science"}
ADDRESS = re.compile(r"<(https?://[^\s>]+)>")


def digest(text: str, length: int) -> str:
    """Return the first hex digits of a text's SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def take_addresses(text: str) -> tuple[str, list[str]]:
    """Return the text with `_URL_n_` in place of each address, and the addresses."""
    found = ADDRESS.findall(text)
    for i, address in enumerate(found):
        text = text.replace(f"<{address}>", f"_URL_{i}_", 1)
    return text, found


def joined(lines: list[str]) -> str:
    """Return lines as paragraphs with an empty line between them."""
    return "\n\n".join(line for line in lines if line)


def row(split: str, category: str, title: str, selftext: list[str], answers: list[tuple[int, list[str]]]) -> dict:
    """Return one row with the columns of ELI5-Category."""
    if category not in CATEGORIES:
        raise ValueError(f"{title!r} has the category {category!r}; choose one of {sorted(CATEGORIES)}")
    scores = [score for score, _ in answers]
    if not answers or any(a <= b for a, b in zip(scores, scores[1:], strict=False)) or scores[-1] < 1:
        raise ValueError(f"{title!r} has the scores {scores}; they have to fall and to be positive")
    texts = [take_addresses(joined(lines)) for _, lines in answers]
    if not all(text for text, _ in texts):
        raise ValueError(f"{title!r} has an empty answer")
    (title, title_urls), (selftext_, selftext_urls) = take_addresses(title), take_addresses(joined(selftext))
    return {
        "split": split,
        "q_id": digest(title, 6),
        "title": title,
        "selftext": selftext_,
        "category": category,
        "subreddit": "explainlikeimfive",
        "answers": {
            "a_id": [digest(f"{title}\n{text}", 7) for text, _ in texts],
            "text": [text for text, _ in texts],
            "score": scores,
            "text_urls": [addresses for _, addresses in texts],
        },
        "title_urls": title_urls,
        "selftext_urls": selftext_urls,
    }


def parse(lines: list[str], split: str) -> Iterator[dict]:
    """Yield the rows of one source file; an error says on which line it came up."""
    category = title = ""
    selftext: list[str] = []
    answers: list[tuple[int, list[str]]] = []
    for number, line in enumerate([*(line.strip() for line in lines), "# end"], 1):
        try:
            if line.startswith(("# ", "== ")) and title:
                yield row(split, category, title, selftext, answers)
                title, selftext, answers = "", [], []
            if line.startswith("# "):
                category = line.removeprefix("# category:").strip()
            elif line.startswith("== "):
                title = line.removeprefix("== ")
            elif line.startswith("++ "):
                answers.append((int(line.removeprefix("++ ")), []))
            elif line and not title:
                raise ValueError(f"{line[:30]!r}... has no title above it")
            else:
                (answers[-1][1] if answers else selftext).append(line)
        except ValueError as error:
            raise ValueError(f"line {number}: {error}") from None


def rows() -> list[dict]:
    """Return every question as a row, split by split, in the order of files and lines."""
    out: list[dict] = []
    for path in sorted(SOURCE.glob("*.txt"), key=lambda p: (SPLITS.index(p.stem.split("_")[0]), p.name)):
        try:
            out += parse(path.read_text(encoding="utf-8").splitlines(), path.stem.split("_")[0])
        except ValueError as error:
            raise SystemExit(f"{path.name}, {error}") from None
    return out


def main() -> None:
    """Write the file, or with --check say whether it is up to date."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit("eli5.jsonl is not what data_src/eli5 gives; run python tools/build_eli5.py")
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
