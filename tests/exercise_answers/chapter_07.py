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


# --- 07.08, two language-modeling guides


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


ANSWERS |= {
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


# --- 07.08b, WikiText both ways


def titles(texts):
    """Return the titles of the articles."""
    rows = [text.strip() for text in texts]
    return [row[2:-2] for row in rows if row.startswith("= ") and row.endswith(" =") and not row.startswith("= = ")]


def titles_blank(texts):
    """Return the titles of the articles."""
    ...


ANSWERS |= {
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
