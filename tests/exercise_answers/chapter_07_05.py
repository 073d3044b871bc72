"""Answers to the exercises of lesson 07.05."""

from exercise_answers import Stored


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


ANSWERS = {
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
