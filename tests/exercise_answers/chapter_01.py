"""Answers to the exercises of chapter 1."""

from exercise_answers import Stored


def redact(text, entities):
    """Replace each entity by its type, from the last to the first."""
    for entity in sorted(entities, key=lambda entity: entity["start"], reverse=True):
        text = text[: entity["start"]] + f"[{entity['entity_group']}]" + text[entity["end"] :]
    return text


def from_the_left(text, entities):
    for entity in entities:
        text = text[: entity["start"]] + f"[{entity['entity_group']}]" + text[entity["end"] :]
    return text


def by_word(text, entities):
    for entity in entities:
        text = text.replace(entity["word"], f"[{entity['entity_group']}]")
    return text


def by_cut_word(text, entities):
    for entity in entities:
        text = text.replace(text[entity["start"] : entity["end"]], f"[{entity['entity_group']}]")
    return text


def blank(text, entities):
    """Return the text with each entity replaced by its type in brackets."""
    ...


ANSWERS = {
    "01.03-a": Stored(
        solution=(60, 24),
        blank=(..., ...),
        wrong=[
            ((20, 8), "three were asked for"),
            ((60, 60), "counts the prompt, too"),
            ((60, 8), "three were asked for"),
            ((96, 24), "it is given"),
            (60, "must be a pair"),
        ],
    ),
    "01.03-b": Stored(
        solution=1.0,
        blank=...,
        wrong=[(0.0, "from what else"), (0.5, "Who is the second"), (0.03, "too small"), ("high", "must be a number")],
    ),
    "01.03-c": Stored(
        solution=redact,
        blank=blank,
        wrong=[
            (from_the_left, "Where have the others moved to"),
            (by_word, "Use start and end"),
            (by_cut_word, "Where have the others moved to"),
            (lambda text, entities: [text], "must return a string"),
            (lambda text: text, "TypeError"),
        ],
    ),
}
