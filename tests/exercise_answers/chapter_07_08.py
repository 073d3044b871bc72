"""Answers to the exercises of lesson 07.08."""

from exercise_answers import Stored


def bits(loss, targets, text):
    """Return the bits that a model needs for a byte of the text."""
    return loss * targets / 0.6931471805599453 / len(text.encode())


def bits_blank(loss, targets, text):
    """Return the bits that a model needs for a byte of the text."""
    ...


def nucleus(probabilities, p):
    """Return the positions of the fewest best tokens whose probabilities reach p."""
    kept, total = [], 0.0
    for position in sorted(range(len(probabilities)), key=lambda i: -probabilities[i]):
        kept.append(position)
        total += probabilities[position]
        if total >= p:
            break
    return kept


def nucleus_blank(probabilities, p):
    """Return the positions of the fewest best tokens whose probabilities reach p."""
    ...


def below(probabilities, p):
    """Stop before the sum reaches p."""
    kept, total = [], 0.0
    for position in sorted(range(len(probabilities)), key=lambda i: -probabilities[i]):
        total += probabilities[position]
        if total > p:
            break
        kept.append(position)
    return kept


ANSWERS = {
    "07.08-a": Stored(
        solution=(108, 109, 110),
        blank=(..., ..., ...),
        wrong=[
            ((110, 109, 110), "cut by itself"),
            ((108, 108, 110), "shorter than a chunk"),
            ((108, 109, 111), "no whole chunk"),
            ((108, 109), "holds 2"),
            (110, "3 numbers"),
        ],
    ),
    "07.08-b": Stored(
        solution=bits,
        blank=bits_blank,
        wrong=[
            (lambda loss, targets, text: loss * targets / len(text.encode()), "in nats"),
            (lambda loss, targets, text: bits(loss, targets, "x" * len(text)), "été"),
            (lambda loss, targets, text: loss / 0.6931471805599453, "is too"),
            (1.3, "must be a function"),
        ],
    ),
    "07.08-c": Stored(
        solution=nucleus,
        blank=nucleus_blank,
        wrong=[
            (below, "below("),
            (lambda probabilities, p: sorted(nucleus(probabilities, p)), "Position"),
            (lambda probabilities, p: [i for i, x in enumerate(probabilities) if x >= p], "returns `[]`"),
            ([0, 2], "must be a function"),
        ],
    ),
}
