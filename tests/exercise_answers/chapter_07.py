"""Answers to the exercises of chapter 7."""

import torch

from course_nlp.metrics import entity_spans
from exercise_answers import Stored


def bioes(tags):
    """Turn the BIO tags of one sentence into BIOES."""
    out = ["O"] * len(tags)
    for kind, start, end in entity_spans(tags):
        letters = "S" if end - start == 1 else "B" + "I" * (end - start - 2) + "E"
        out[start:end] = [f"{letter}-{kind}" for letter in letters]
    return out


def blank(tags):
    """Turn the BIO tags of one sentence into BIOES."""
    ...


def no_singles(tags):
    return [tag.replace("S-", "B-") for tag in bioes(tags)]


def by_neighbors(tags):
    """Look at the next tag only: what begins with an I- is overlooked."""
    after = [*tags, "O"][1:]
    ends = [tag != "O" and not nxt.startswith("I") for tag, nxt in zip(tags, after, strict=True)]
    swap = {"B": "S", "I": "E"}
    return [swap[tag[0]] + tag[1:] if end else tag for tag, end in zip(tags, ends, strict=True)]


def in_place(tags):
    tags[:] = bioes(tags)
    return tags


def no_return(tags):
    in_place(list(tags))


ANSWERS = {
    "07.02-a": Stored(
        solution=(10 / 15, 10 / 15, 10 / 15),
        blank=(..., ..., ...),
        wrong=[
            ((1, 2 / 3, 0.8), "as if it were the name"),
            ((2 / 3, 1, 0.8), "from its first word to its last"),
            ((2 / 3, 0.75, 0.7), "Count names"),
            (torch.tensor([2 / 3, 2 / 3, 0.5]), "F1 is too small"),
            ((2 / 3, 2 / 3), "this one holds 2"),
            (0.5, "3 numbers"),
            ({"precision": 0.5}, "has the keys"),
        ],
    ),
    "07.02-b": Stored(
        solution=bioes,
        blank=blank,
        wrong=[
            (list, "list(['B-PER'])"),
            (no_singles, "Position 0"),
            (by_neighbors, "by_neighbors("),
            (in_place, "changes its argument"),
            (no_return, "end in `return`"),
            (lambda tags: {}[0], "KeyError: 0"),
            (["S-PER"], "must be a function"),
        ],
        never=("'S-PER', 'E-PER'", "should be"),
    ),
    "07.02-c": Stored(
        solution=96,
        blank=...,
        wrong=[(375, "before `prepare`"), (32, "one epoch"), (93, "do not come out even"), (94, "each epoch by itself"), (1000, "factor of about 10")],
    ),
}


# --- 07.03


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


ANSWERS |= {
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


ANSWERS |= {
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
