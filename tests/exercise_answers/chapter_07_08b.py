"""Answers to the exercises of lesson 07.08b."""

from exercise_answers import Stored


def titles(texts):
    """Return the titles of the articles."""
    rows = [text.strip() for text in texts]
    return [row[2:-2] for row in rows if row.startswith("= ") and row.endswith(" =") and not row.startswith("= = ")]


def titles_blank(texts):
    """Return the titles of the articles."""
    ...


ANSWERS = {
    "07.08b-a": Stored(
        solution=(63500, 9450.0),
        blank=(..., ...),
        wrong=[
            ((64000, 9450), "the first token"),
            ((127, 9450), "one chunk"),
            ((63500, 9600), "never chosen"),
            ((63500, 18.9), "too small"),
            (63500, "2 numbers"),
        ],
    ),
    "07.08b-b": Stored(
        solution=titles,
        blank=titles_blank,
        wrong=[
            (lambda texts: [text.strip(" =\n") for text in texts if text.startswith(" = ")], "Flight"),
            (lambda texts: [text for text in texts if " = " in text], "Albatross"),
            (lambda texts: [text.strip(" =\n") for text in texts if text.count("=") == 2], "Let x"),
            ("Albatross", "must be a function"),
        ],
    ),
    "07.08b-c": Stored(
        solution=8.3729,
        blank=...,
        wrong=[(20.0855, "do not count the same"), (2.125, "exponential is wanted"), (10.3396, "at the end"), ("8", "must be a number")],
    ),
}
