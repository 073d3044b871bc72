"""Speed of `postprocess_qa` as a ratio within one process, against the loop that older material teaches. Run by `make bench`."""

import random
from collections import defaultdict

import numpy as np
import pytest
from benchmarks.test_ratios import seconds

from course_nlp.question_answering import best_answers, postprocess_qa

WINDOWS, TOKENS, QUESTION = 1000, 384, 20


@pytest.fixture(scope="module")
def scored():
    """Return examples, 1,000 windows as a data set, and logits: three windows to a context, 384 tokens wide."""
    from datasets import Dataset

    rng, examples, columns = random.Random(0), [], defaultdict(list)
    while len(columns["example_id"]) < WINDOWS:
        context = " ".join("".join(rng.choices("abcdefgh", k=4)) for _ in range(1200))
        examples.append({"id": str(len(examples)), "context": context})
        for first in range(0, 3 * 236, 236)[: WINDOWS - len(columns["example_id"])]:
            places = [(5 * i, 5 * i + 4) for i in range(first, first + TOKENS - QUESTION - 1)]
            columns["example_id"].append(examples[-1]["id"])
            columns["offset_mapping"].append([None] * QUESTION + places + [None])
            columns["input_ids"].append(rng.choices(range(30_000), k=TOKENS))
            columns["attention_mask"].append([1] * TOKENS)
    logits = np.random.default_rng(0).normal(size=(2, WINDOWS, TOKENS)).astype(np.float32)
    peak = np.random.default_rng(1).integers(QUESTION + 10, TOKENS - 10, WINDOWS)[:, None]
    logits += 8 * np.exp(-np.abs(np.arange(TOKENS) - peak) / 6)  # a model that is sure of a place and less of its edges
    return Dataset.from_list(examples), Dataset.from_dict(columns), logits


def by_rows(examples, features, start, end, n_best=20, max_tokens=30):
    """Answer by the loop that older material teaches: a row of the data set for each window, pairs of n_best starts and ends."""
    own = defaultdict(list)
    for index, key in enumerate(features["example_id"]):
        own[key].append(index)
    out = []
    for example in examples:
        answers = []
        for index in own[example["id"]]:
            offsets = features[index]["offset_mapping"]
            for first in np.argsort(start[index])[: -n_best - 1 : -1].tolist():
                for last in np.argsort(end[index])[: -n_best - 1 : -1].tolist():
                    if offsets[first] is None or offsets[last] is None or not first <= last < first + max_tokens:
                        continue
                    text = example["context"][offsets[first][0] : offsets[last][1]]
                    answers.append((start[index][first] + end[index][last], text))
        out.append({"id": example["id"], "prediction_text": max(answers)[1] if answers else ""})
    return out


def test_postprocess_is_five_times_as_fast_as_reading_rows(scored):
    examples, features, (start, end) = scored
    ours = best_answers(postprocess_qa(examples, features, start, end))
    assert sum(a == b for a, b in zip(ours, by_rows(examples, features, start, end), strict=True)) > 0.95 * len(ours)
    slow = seconds(lambda: by_rows(examples, features, start, end), rounds=2)
    ratio = slow / seconds(lambda: postprocess_qa(examples, features, start, end))
    print(f"postprocess_qa is {ratio:.1f} times as fast as the loop over rows, on {len(features):,} windows")
    assert ratio >= 5
