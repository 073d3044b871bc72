"""Answers to the exercises of lesson 07.06."""

import torch

from exercise_answers import Stored


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


ANSWERS = {
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
