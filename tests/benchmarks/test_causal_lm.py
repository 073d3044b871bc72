"""Speed of lesson 07.06's helpers as ratios within one process. Run by `make bench`, never by `make test`."""

from collections import Counter, defaultdict

import numpy as np
from stopwatch import seconds

from course_nlp.causal_lm import NGrams
from course_nlp.chunking import pack_documents


def test_packing_is_linear():
    documents = [[1] * 250 for _ in range(8_000)]
    ratio = seconds(lambda: pack_documents(documents, 128, 0)) / seconds(lambda: pack_documents(documents[:1_000], 128, 0))
    print(f"8 times the documents take {ratio:.1f} times as long")
    assert ratio < 32  # quadratic would be 64; the garbage collector walks over a growing result


def test_packing_beats_a_sum_of_lists():
    documents = [[1] * 250 for _ in range(1_000)]
    ratio = seconds(lambda: sum(([*ids, 0] for ids in documents), [])) / seconds(lambda: pack_documents(documents, 128, 0))
    print(f"pack_documents is {ratio:.0f} times as fast as the sum alone")
    assert ratio > 10


def test_counting_with_numpy_beats_dictionaries():
    rows = np.random.default_rng(0).zipf(1.3, size=(2_000, 64)) % 1_000

    def dictionaries():
        counts = defaultdict(Counter)
        for row in rows.tolist():
            for a, b, c in zip(row, row[1:], row[2:], strict=False):
                counts[()][c] += 1
                counts[(b,)][c] += 1
                counts[(a, b)][c] += 1

    ratio = seconds(dictionaries, 1) / seconds(lambda: NGrams(rows, 3, 1_000))
    print(f"NGrams counts {ratio:.1f} times as fast as dictionaries")
    assert ratio > 1.5
