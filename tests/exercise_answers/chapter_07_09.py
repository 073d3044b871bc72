"""Answers to the exercises of lesson 07.09."""

import math

from exercise_answers import Stored


def whole_perplexity(pairs):
    total = sum(loss * count for loss, count in pairs)
    return math.exp(total / sum(count for _, count in pairs))


def blank_perplexity(pairs):
    """Return the perplexity over all targets."""
    ...


ANSWERS = {
    "07.09-a": Stored(
        solution=6,
        blank=...,
        wrong=[(8, "the model shifts"), (10, "counts the filler"), (7, "each row"), (3, "too small"), ("six", "must be a number")],
    ),
    "07.09-b": Stored(
        solution=7,
        blank=...,
        wrong=[(4, "multiple of eight"), (17, "real labels"), (24, "all entries"), (1000, "too large")],
    ),
    "07.09-c": Stored(
        solution=whole_perplexity,
        blank=blank_perplexity,
        wrong=[
            (lambda pairs: math.exp(sum(loss for loss, _ in pairs) / len(pairs)), "[(2.0, 90), (5.0, 10)]"),
            (lambda pairs: sum(math.exp(loss) for loss, _ in pairs) / len(pairs), "[(2.0, 90), (5.0, 10)]"),
            (lambda pairs: sum(loss * count for loss, count in pairs) / sum(count for _, count in pairs), "[(1.0, 4)]"),
            (9.0, "must be a function"),
        ],
    ),
}
