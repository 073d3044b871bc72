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


# --- 07.06


def tail_loss(ids, logits, skip):
    """Return the mean next-token loss over all but the first `skip` targets of each row."""
    scores = logits[:, skip:-1].flatten(0, 1)
    return torch.nn.functional.cross_entropy(scores, ids[:, skip + 1 :].flatten())


def no_loss(ids, logits, skip):
    """Return the mean next-token loss over all but the first `skip` targets of each row."""
    ...


def own_position(ids, logits, skip):
    return torch.nn.functional.cross_entropy(logits[:, skip:].flatten(0, 1), ids[:, skip:].flatten())


def no_skip(ids, logits, skip):
    return tail_loss(ids, logits, 0)


def tokens_not_targets(ids, logits, skip):
    return tail_loss(ids, logits, max(skip - 1, 0))


def one_loss_each(ids, logits, skip):
    return torch.nn.functional.cross_entropy(logits[:, skip:-1].flatten(0, 1), ids[:, skip + 1 :].flatten(), reduction="none")


ANSWERS |= {
    "07.06-a": Stored(
        solution=(9, 10),
        blank=(..., ...),
        wrong=[
            ((12, 10), "counts the tails"),
            ((10, 10), "file by file"),
            ((9, 11), "left out"),
            ((9, 12), "one by one"),
            ((9,), "this one holds 1"),
        ],
    ),
    "07.06-b": Stored(
        solution=32,
        blank=...,
        wrong=[(126, "number of batches"), (30, "stepped, too"), (16, "one epoch"), (31, "is too small"), ("32", "must be a number")],
    ),
    "07.06-c": Stored(
        solution=tail_loss,
        blank=no_loss,
        wrong=[
            (own_position, "Who shifts"),
            (no_skip, "`skip` makes no difference"),
            (tokens_not_targets, "One target too many"),
            (one_loss_each, "must be a number"),
            (lambda ids, logits, skip: logits[0, 0, 99], "IndexError"),
            (3.2, "must be a function"),
        ],
    ),
}
