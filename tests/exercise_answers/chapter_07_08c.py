"""Answers to the exercises of lesson 07.08c."""

from exercise_answers import Stored


def blank_shares(n, size):
    """Return the row numbers of each batch."""
    ...


def shares(n, size):
    return [list(range(start, min(start + size, n))) for start in range(0, n, size)]


ANSWERS = {
    "07.08c-a": Stored(
        solution=0.5,
        blank=...,
        wrong=[(2.0, "Which positions"), (6.0, "That is the sum"), (6 / 9, "without a label"), (0.4, "too small"), ("half", "must be a number")],
    ),
    "07.08c-b": Stored(
        solution=1.196e-5,
        blank=...,
        wrong=[(4e-5, "How many of its"), (6e-6, "first epoch"), (0.0, "first step"), (1.196e-4, "too large"), ("slow", "must be a number")],
    ),
    "07.08c-c": Stored(
        solution=shares,
        blank=blank_shares,
        wrong=[
            (lambda n, size: [list(range(i, i + size)) for i in range(0, n - size + 1, size)], "(5, 2)"),
            (lambda n, size: [list(range(i, i + size)) for i in range(0, n, size)], "(5, 2)"),
            (lambda n, size: [range(i, i + size) for i in range(0, n, size)], "(4, 2)"),
            (lambda n, size: n // size, "must be a list"),
            ([[0, 1]], "must be a function"),
        ],
    ),
}
