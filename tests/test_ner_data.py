"""The named-entity sentences: well-formed, varied, balanced, and without leaks from one split to another."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from course_nlp.stand_ins import CHUNK_TAGS, DATA, NER_TAGS, POS_TAGS, read_jsonl

ROOT = Path(__file__).resolve().parents[1]
ROWS = read_jsonl(DATA / "ner.jsonl")


def spans(tags):
    """Return (start, end, type) of every entity."""
    out = []
    for i, tag in enumerate(tags):
        if tag.startswith("B-"):
            end = i + 1
            while end < len(tags) and tags[end] == f"I-{tag[2:]}":
                end += 1
            out.append((i, end, tag[2:]))
    return out


def skeleton(row):
    """Return a sentence with its names and numbers masked."""
    out, i, ends = [], 0, {a: (b, kind) for a, b, kind in spans(row["ner_tags"])}
    while i < len(row["tokens"]):
        if i in ends:
            i, word = ends[i]
        else:
            word, i = ("0" if row["pos_tags"][i] == "CD" else row["tokens"][i].lower()), i + 1
        out.append(word)
    return " ".join(out)


def names(rows):
    """Return the lower-cased entity strings of some rows."""
    return [" ".join(r["tokens"][a:b]).lower() for r in rows for a, b, _ in spans(r["ner_tags"])]


def test_the_file_is_what_the_sources_give():
    done = subprocess.run([sys.executable, ROOT / "tools/build_ner.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_columns_have_one_known_tag_per_token():
    for row in ROWS:
        assert len(row["tokens"]) == len(row["pos_tags"]) == len(row["chunk_tags"]) == len(row["ner_tags"])
        assert set(row["pos_tags"]) <= set(POS_TAGS)
        assert set(row["chunk_tags"]) <= set(CHUNK_TAGS)
        assert set(row["ner_tags"]) <= set(NER_TAGS)
        assert all(t and not any(c.isspace() for c in t) for t in row["tokens"])


@pytest.mark.parametrize("column", ["ner_tags", "chunk_tags"])
def test_an_inside_tag_continues_a_span_of_its_type(column):
    for row in ROWS:
        for before, tag in zip(["O", *row[column]], row[column], strict=False):
            assert not tag.startswith("I-") or before[2:] == tag[2:], row["tokens"]


def test_size_and_balance():
    assert len(ROWS) >= 400
    entities = [kind for r in ROWS for _, _, kind in spans(r["ner_tags"])]
    assert len(entities) >= 900
    shares = {kind: n / len(entities) for kind, n in Counter(entities).items()}
    assert set(shares) == {"PER", "ORG", "LOC", "MISC"}
    assert min(shares.values()) > 0.12
    by_split = Counter(r["split"] for r in ROWS)
    assert by_split["test"] >= 100 and by_split["validation"] >= 50
    without = sum(not spans(r["ner_tags"]) for r in ROWS) / len(ROWS)
    assert 0.03 < without < 0.2


def test_sentences_are_not_templates():
    counts = Counter(map(skeleton, ROWS))
    assert max(counts.values()) / len(ROWS) <= 0.03
    assert len({" ".join(s.split()[:3]) for s in counts}) > 0.8 * len(counts)


def test_no_sentence_stands_in_two_splits():
    seen = {}
    for row in ROWS:
        text = " ".join(row["tokens"]).lower()
        assert seen.setdefault(text, row["split"]) == row["split"], text
    assert len(seen) == len(ROWS)
    skeletons = {s: {skeleton(r) for r in ROWS if r["split"] == s} for s in ("train", "validation", "test")}
    assert not skeletons["test"] & skeletons["train"]


def test_the_test_split_asks_for_more_than_memory():
    known = set(names(r for r in ROWS if r["split"] == "train"))
    asked = names(r for r in ROWS if r["split"] == "test")
    assert sum(n not in known for n in asked) / len(asked) > 0.5


def test_some_names_carry_several_types():
    kinds = {}
    for r in ROWS:
        for a, b, kind in spans(r["ner_tags"]):
            kinds.setdefault(" ".join(r["tokens"][a:b]).lower(), set()).add(kind)
    assert sum(len(k) > 1 for k in kinds.values()) >= 20


def test_every_line_is_plain_json_in_utf8():
    for line in (DATA / "ner.jsonl").read_text(encoding="utf-8").splitlines():
        assert set(json.loads(line)) == {"split", "domain", "tokens", "pos_tags", "chunk_tags", "ner_tags"}
