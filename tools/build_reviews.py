"""Compile the product reviews: data_src/reviews/*.txt -> course_nlp/data/reviews.jsonl.

A file is named after its language and split (en_train.txt). A review is a block of lines that a blank line ends:

    == book | 4
    The title on one line
    The text, on one line or several.

Category, stars, title and text are the writers' own. The ids are derived here from title and text, so that a review
keeps them wherever it stands in its file. Rows come out by split, language, and id: the id is a hash, which
mixes the categories. `--check` compares instead of writing.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "data_src" / "reviews", ROOT / "course_nlp" / "data" / "reviews.jsonl"
LANGUAGES, SPLITS = ("en", "es"), ("train", "validation", "test")
HEADER = re.compile(r"== (\w+) \| ([1-5])")


def number(kind: str, language: str, title: str, body: str) -> str:
    """Return seven digits that only these texts give."""
    digest = hashlib.sha256("\n".join((kind, language, title, body)).encode()).hexdigest()
    return f"{int(digest, 16) % 10**7:07d}"


def parse(block: str, language: str) -> dict:
    """Return one review as a row."""
    header, *rest = block.split("\n")
    found = HEADER.fullmatch(header)
    if not found:
        raise ValueError(f"{header!r} is not '== category | stars'")
    if len(rest) < 2:
        raise ValueError(f"the review under {header!r} needs a title line and a text")
    if any(line != " ".join(line.split()) for line in rest):
        raise ValueError(f"stray spaces in the review {rest[0]!r}")
    title, body = rest[0], " ".join(rest[1:])
    return {
        "review_id": f"{language}_{number('review', language, title, body)}",
        "product_id": f"product_{language}_{number('product', language, title, body)}",
        "reviewer_id": f"reviewer_{language}_{number('reviewer', language, title, body)}",
        "stars": int(found[2]),
        "review_body": body,
        "review_title": title,
        "language": language,
        "product_category": found[1],
    }


def read(language: str, split: str) -> list[dict]:
    """Return the reviews of one file, in the order of their ids."""
    path = SOURCE / f"{language}_{split}.txt"
    out = []
    for block in re.split(r"\n{2,}", path.read_text(encoding="utf-8").strip("\n")):
        if block.startswith("# "):  # the comment at the head of a file
            continue
        try:
            out.append(parse(block, language))
        except ValueError as error:
            raise SystemExit(f"{path.name}: {error}") from None
    return sorted(out, key=lambda row: row["review_id"])


def rows() -> list[dict]:
    """Return every review as a row that also names its split."""
    out = [{"split": split} | row for split in SPLITS for language in LANGUAGES for row in read(language, split)]
    for column in ("review_id", "product_id", "reviewer_id"):
        if len({row[column] for row in out}) != len(out):
            raise SystemExit(f"two reviews share a {column}: a text stands there twice, or seven digits collide")
    return out


def main() -> None:
    """Write the file, or with --check say whether it is up to date."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        if not TARGET.is_file() or TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{TARGET.name} is not what data_src/reviews gives; run python tools/build_reviews.py")
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
