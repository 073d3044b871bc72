"""Answers to the exercises of chapter $number."""

from exercise_answers import Stored


def blank_$tag(text):
    """Return the first word of a text."""
    ...


ANSWERS ${joined}= {
    "$id-a": Stored(
        solution=0.5,
        blank=...,
        wrong=[(5, "Divide by the number"), (0.8, "what the first word reaches"), (0.4, "too small"), ("half", "must be a number")],
    ),
    "$id-b": Stored(
        solution=lambda text: text.split()[0].lower().rstrip(","),
        blank=blank_$tag,
        wrong=[
            (lambda text: text.split()[0], "is not right yet"),
            (lambda text: text.partition(" ")[0].lower(), "is not right yet"),
            (lambda text: text.lower().split(), "must be a string"),
            ("is", "must be a function"),
        ],
    ),
}
