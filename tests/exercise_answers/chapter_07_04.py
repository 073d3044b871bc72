"""Answers to the exercises of lesson 07.04."""

import torch

from exercise_answers import Stored


def brevity(words, reference_words):
    """Return the factor by which BLEU punishes short translations."""
    from math import exp

    return 0.0 if not words else min(1.0, exp(1 - reference_words / words))


def blank_brevity(words, reference_words):
    """Return the factor by which BLEU punishes short translations."""
    ...


def rewarding_length(words, reference_words):
    from math import exp

    return exp(1 - reference_words / words) if words else 0.0


def by_share(words, reference_words):
    return min(1.0, words / reference_words)


def no_case_for_nothing(words, reference_words):
    from math import exp

    return min(1.0, exp(1 - reference_words / words))


def keeping(source, candidates, held):
    """Return the first candidate for which `held` says the same as for the source."""
    return next((c for c in candidates if held(c) == held(source)), source)


def keeping_all(source, candidates):
    """Return the first candidate with all placeholders, or the source."""
    import re

    return keeping(source, candidates, lambda text: sorted(re.findall(r"%\(\w+\)[sd]", text)))


def blank_safest(source, candidates):
    """Return the first candidate with all placeholders, or the source."""
    ...


def as_a_set(source, candidates):
    import re

    return keeping(source, candidates, lambda text: set(re.findall(r"%\(\w+\)[sd]", text)))


def in_order(source, candidates):
    import re

    return keeping(source, candidates, lambda text: re.findall(r"%\(\w+\)[sd]", text))


def none_if_none(source, candidates):
    found = keeping_all(source, candidates)
    return found if found in candidates else None


ANSWERS = {
    "07.04-a": Stored(
        solution=[31, 65, 48, 17],
        blank=...,
        wrong=[
            ([65, 48, -100, -100], "Those are the labels"),
            (torch.tensor([31, 65, 48, -100]), "-100 is for the loss"),
            ((17, 65, 48, 17), "the start token is not the pad token"),
            ([48, 17, 17, 17], "shift to the left"),
            ([31, 65, 48], "has the shape (3,)"),
            ([31, 65, 48, 31], "position 3"),
            ("shifted", "must be a list of four ids"),
        ],
    ),
    "07.04-b": Stored(
        solution=brevity,
        blank=blank_brevity,
        wrong=[
            (rewarding_length, "rewarding_length(14, 13)"),
            (by_share, "by_share(12, 13)"),
            (no_case_for_nothing, "ZeroDivisionError"),
            (0.1054, "must be a function"),
        ],
    ),
    "07.04-c": Stored(
        solution=keeping_all,
        blank=blank_safest,
        wrong=[
            (as_a_set, "as_a_set('Page %(n)d of %(n)d'"),
            (in_order, "in_order('%(a)s in %(b)s'"),
            (none_if_none, "end in `return`"),
            (lambda source, candidates: candidates[0], "is not right yet"),
            ("source", "must be a function"),
        ],
    ),
}
