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


# --- 07.04, translation


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


ANSWERS |= {
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


# --- 07.05


def f1_of_runs(pred, ref, n):
    """Count runs of words, clip, divide."""
    from collections import Counter

    mine, theirs = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (pred, ref))
    total = mine.total() + theirs.total()
    return 2 * (mine & theirs).total() / total if total else 0.0


def blank_runs(pred, ref, n):
    """Return the F1 of the runs of n words of two lists of words."""
    ...


def runs_as_sets(pred, ref, n):
    mine, theirs = (set(zip(*(words[i:] for i in range(n)), strict=False)) for words in (pred, ref))
    return 2 * len(mine & theirs) / (len(mine) + len(theirs)) if mine or theirs else 0.0


def recall_of_runs(pred, ref, n):
    """Divide by the reference alone."""
    from collections import Counter

    mine, theirs = (Counter(zip(*(words[i:] for i in range(n)), strict=False)) for words in (pred, ref))
    return (mine & theirs).total() / theirs.total() if theirs else 0.0


def no_guard(pred, ref, n):
    total = max(0, len(pred) - n + 1) + max(0, len(ref) - n + 1)
    return f1_of_runs(pred, ref, n) * total / total


def first_sentences(text, limit):
    """Take sentences while they fit."""
    from course_nlp.seq2seq import split_sentences

    taken, words = [], 0
    for sentence in split_sentences(text):
        words += len(sentence.split())
        if taken and words > limit:
            break
        taken.append(sentence)
    return " ".join(taken)


def blank_words(text, limit):
    """Return the first sentences of a text that together have at most `limit` words."""
    ...


def cut_words(text, limit):
    return " ".join(text.split()[:limit])


def perhaps_none(text, limit):
    """Forget that the first sentence is taken in any case."""
    from course_nlp.seq2seq import split_sentences

    taken = []
    for sentence in split_sentences(text):
        if len(" ".join([*taken, sentence]).split()) > limit:
            break
        taken.append(sentence)
    return " ".join(taken)


def by_full_stops(text, limit):
    taken = ""
    for sentence in text.split(". "):
        if taken and len((taken + sentence).split()) > limit:
            break
        taken += ("" if not taken else " ") + sentence.removesuffix(".") + "."
    return taken


ANSWERS |= {
    "07.05-a": Stored(
        solution=(4 / 7, 1 / 2, 8 / 15),
        blank=(..., ..., ...),
        wrong=[
            ((5 / 7, 5 / 8, 2 / 3), "finds nothing"),
            ((1 / 2, 4 / 7, 8 / 15), "Recall divides"),
            ((4 / 7, 4 / 7, 4 / 7), "How many words were written"),
            ((4 / 7, 1 / 2, 0.5357), "harmonic mean"),
            ((4 / 7, 1 / 2), "this one holds 2"),
        ],
    ),
    "07.05-b": Stored(
        solution=f1_of_runs,
        blank=blank_runs,
        wrong=[
            (runs_as_sets, "runs_as_sets(['a', 'a'], ['a'], 1)"),
            (recall_of_runs, "recall_of_runs(['a', 'b', 'c'], ['a', 'b'], 1)"),
            (no_guard, "ZeroDivisionError"),
            (0.8, "must be a function"),
        ],
    ),
    "07.05-c": Stored(
        solution=first_sentences,
        blank=blank_words,
        wrong=[
            (cut_words, "cut_words("),
            (perhaps_none, "perhaps_none('Cats sleep all day. Yes.', 2)"),
            (by_full_stops, "by_full_stops("),
            (3, "must be a function"),
        ],
    ),
}
