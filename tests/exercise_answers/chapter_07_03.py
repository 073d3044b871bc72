"""Answers to the exercises of lesson 07.03."""

from exercise_answers import Stored


def words_ended_by_none(word_ids):
    groups, last = [], None
    for place, word in enumerate(word_ids):
        if word is not None:
            if word != last:
                groups.append([])
            groups[-1].append(place)
        last = word
    return groups


def words_merged(word_ids):
    groups, last = [], None
    for place, word in enumerate(word_ids):
        if word is not None:
            if word != last:
                groups.append([])
            groups[-1].append(place)
            last = word
    return groups


def words_by_number(word_ids):
    groups = {}
    for place, word in enumerate(word_ids):
        if word is not None:
            groups.setdefault(word, []).append(place)
    return list(groups.values())


def words_of_one_token(word_ids):
    return [[place] for place, word in enumerate(word_ids) if word is not None]


def words_unanswered(word_ids):
    """Return a list of positions for each word of a row."""
    ...


ANSWERS = {
    "07.03-a": Stored(
        solution=(39, 13),
        blank=(..., ...),
        wrong=[((40, 13), "only when it is full"), ((41, 0), "dropped, not kept"), ((39, 8), "There is a second one"), ((39, 5), "The first batch loses some")],
    ),
    "07.03-b": Stored(
        solution=words_ended_by_none,
        blank=words_unanswered,
        wrong=[(words_merged, "[None, 0, None, None, 0, 1]"), (words_by_number, "[None, 0, None, None, 0, 1]"), (words_of_one_token, "[0, 0, 1]")],
    ),
    "07.03-c": Stored(
        solution=33.115,
        blank=...,
        wrong=[(20.086, "three times the targets"), (30.99, "Average the losses first"), (42.8, "not the perplexities"), (3.5, "One step is missing")],
    ),
}
