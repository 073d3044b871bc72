"""Compile the named-entity sentences: data_src/ner/*.txt -> course_nlp/data/ner.jsonl.

A line of the source is one sentence. Tokens are `word/POS`; an entity stands in brackets and ends with its type:

    [Marta/NNP Oyelaran/NNP PER] moved/VBD to/TO [Ghent/NNP LOC] ./.

Part-of-speech tags and entities are the writers' own. Chunk tags are derived here from the part-of-speech tags by the
rules of `chunk_tags`, which is why the data card calls them derived. test.txt becomes the test split; of the others
every sixth sentence becomes validation. `--check` compares instead of writing.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SOURCE, TARGET = ROOT / "data_src" / "ner", ROOT / "course_nlp" / "data" / "ner.jsonl"
TYPES = {"PER", "ORG", "LOC", "MISC"}
POS_NAMES = {"-LRB-": "(", "-RRB-": ")"}  # as CoNLL-2003 writes them
NOMINAL = {"DT", "PDT", "PRP", "PRP$", "CD", "JJ", "JJR", "JJS", "NN", "NNS", "NNP", "NNPS", "EX", "WP", "WDT", "WP$", "$", "#", "FW"}
HEADS = {"NN", "NNS", "NNP", "NNPS", "PRP", "CD", "EX", "WP", "WDT", "FW", "DT"}
CLAUSE_WORDS = {"that", "if", "because", "although", "though", "while", "whether", "unless", "whereas"}
SINGLE = {"IN": "PP", "RP": "PRT", "UH": "INTJ", "WRB": "ADVP"}


def parse(line: str) -> tuple[list[str], list[str], list[str]]:
    """Return tokens, part-of-speech tags, and BIO tags of one source line."""
    tokens: list[str] = []
    pos: list[str] = []
    spans: list[tuple[int, int, str]] = []
    start = None
    for piece in line.split():
        if piece.startswith("[") and piece[1:2] not in ("", "/"):
            if start is not None:
                raise ValueError(f"entity inside an entity at {piece!r}")
            start, piece = len(tokens), piece[1:]
        if piece.endswith("]") and piece[:-1] in TYPES:
            if start is None or start == len(tokens):
                raise ValueError(f"{piece!r} closes no entity")
            spans.append((start, len(tokens), piece[:-1]))
            start = None
            continue
        word, slash, tag = piece.rpartition("/")
        if not slash or not word:
            raise ValueError(f"{piece!r} is not word/POS")
        tokens.append(word)
        pos.append(POS_NAMES.get(tag, tag))
    if start is not None:
        raise ValueError("an entity is not closed")
    tags = ["O"] * len(tokens)
    for a, b, kind in spans:
        tags[a:b] = [f"B-{kind}"] + [f"I-{kind}"] * (b - a - 1)
    return tokens, pos, tags


def _noun_phrase(pos: list[str], i: int) -> int:
    """Return the end of the noun phrase that starts at `i`, or `i` if there is none."""
    end = i
    while end < len(pos) and (pos[end] in NOMINAL or (pos[end] == "POS" and end == i)):
        if end > i and pos[end] in ("DT", "PDT", "PRP", "PRP$", "EX", "WP", "WDT", "WP$") and pos[end - 1] not in ("PDT", "DT"):
            break
        end += 1
    return end if any(p in HEADS for p in pos[i:end]) else i


def _verb_phrase(pos: list[str], i: int) -> int:
    """Return the end of the verb phrase that starts at `i`, or `i` if there is none."""
    end = i
    while end < len(pos) and (pos[end].startswith("VB") or pos[end] in ("MD", "TO", "RB", "RBR")):
        end += 1
    while end > i and not pos[end - 1].startswith("VB"):
        end -= 1
    return end


def chunk_tags(tokens: list[str], pos: list[str]) -> list[str]:
    """Return one chunk tag per token: noun and verb phrases by longest match, the rest by the tag of the word."""
    tags, i = [], 0
    while i < len(tokens):
        rules = (("NP", _noun_phrase(pos, i)), ("VP", _verb_phrase(pos, i)))
        kind, end = max(rules, key=lambda rule: rule[1])
        if end == i:
            end = i + 1
            kind = SINGLE.get(pos[i], "")
            if pos[i] == "IN" and tokens[i].lower() in CLAUSE_WORDS:
                kind = "SBAR"
            elif pos[i] == "TO":
                kind = "PP"
            elif pos[i] in ("RB", "RBR", "RBS"):
                kind, end = "ADVP", _run(pos, i, ("RB", "RBR", "RBS"))
            elif pos[i] in ("JJ", "JJR", "JJS"):
                kind, end = "ADJP", _run(pos, i, ("JJ", "JJR", "JJS"))
        tags += [f"B-{kind}"] + [f"I-{kind}"] * (end - i - 1) if kind else ["O"] * (end - i)
        i = end
    return tags


def _run(pos: list[str], i: int, kinds: tuple[str, ...]) -> int:
    """Return where the run of these tags that starts at `i` ends."""
    while i < len(pos) and pos[i] in kinds:
        i += 1
    return i


def rows() -> list[dict]:
    """Return every sentence as a row, in the order of files and lines."""
    out: list[dict] = []
    for path in sorted(SOURCE.glob("*.txt")):
        domain, count = "", 0
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            if line.startswith("#"):
                domain = line.removeprefix("# domain:").strip()
            elif line.strip():
                try:
                    tokens, pos, ner = parse(line)
                except ValueError as error:
                    raise SystemExit(f"{path.name}, line {number}: {error}") from None
                count += 1
                split = "test" if path.stem == "test" else "validation" if count % 6 == 0 else "train"
                row = {"split": split, "domain": domain, "tokens": tokens, "pos_tags": pos}
                out.append(row | {"chunk_tags": chunk_tags(tokens, pos), "ner_tags": ner})
    return out


def main() -> None:
    """Write the file, or with --check say whether it is up to date."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows())
    if "--check" in sys.argv[1:]:
        if TARGET.read_text(encoding="utf-8") != text:
            raise SystemExit("course_nlp/data/ner.jsonl is not what data_src/ner gives; run python tools/build_ner.py")
    else:
        TARGET.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
