"""Answers to the exercises of lesson 07.07."""

from exercise_answers import Stored


def token_label(offsets, start, end):
    """Return the first and the last token of the answer, or (0, 0)."""
    holds = lambda place: [i for i, pair in enumerate(offsets) if pair is not None and pair[0] <= place < pair[1]]
    first, last = holds(start), holds(end - 1)
    return (first[0], last[0]) if first and last else (0, 0)


def token_label_blank(offsets, start, end):
    """Return the first and the last token of the answer, or (0, 0)."""
    ...


def half_label(offsets, start, end):
    """Keep whichever end is there."""
    inside = [i for i, pair in enumerate(offsets) if pair is not None and pair[0] < end and start < pair[1]]
    return (inside[0], inside[-1]) if inside else (0, 0)


def end_included(offsets, start, end):
    """Take `end` for the last character instead of the one after it."""
    holds = lambda place: [i for i, pair in enumerate(offsets) if pair is not None and pair[0] <= place < pair[1]]
    return (holds(start)[0], holds(end)[0]) if holds(start) and holds(end) else (0, 0)


def forgets_none(offsets, start, end):
    """Compare with None as if it were a place."""
    first = [i for i, pair in enumerate(offsets) if pair[0] <= start < pair[1]]
    return (first[0], first[0]) if first else (0, 0)


ANSWERS = {
    "07.07-a": Stored(
        solution=(364, 4),
        blank=(..., ...),
        wrong=[
            ((381, 4), "Does the question take no place"),
            ((367, 4), "Special tokens take places"),
            ((364, 3), "after the first"),
            ((364, 5), "The first window repeats nothing"),
            ((364, 8), "what windows share"),
            (364, "2 numbers"),
        ],
    ),
    "07.07-b": Stored(
        solution=token_label,
        blank=token_label_blank,
        wrong=[
            (half_label, "half_label("),
            (end_included, "end_included("),
            (forgets_none, "TypeError"),
            (lambda offsets, start, end: (start, end), "Position 0"),
            ((3, 4), "must be a function"),
        ],
        never=("should be",),
    ),
    "07.07-c": Stored(
        solution=(-1.9, 8.3),
        blank=(..., ...),
        wrong=[
            ((1.9, 8.3), "Turn it round"),
            ((3.1, 8.3), "Add both"),
            ((-1.9, 4.3), "Mind the sign"),
            ((-1.9, 6.3), "the score itself"),
            (("noon", "half past seven"), "must be a number"),
        ],
    ),
}
