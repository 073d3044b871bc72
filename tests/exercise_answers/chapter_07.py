"""Answers to the exercises of chapter 7."""

import math

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


def blank_shares(n, size):
    """Return the row numbers of each batch."""
    ...


def shares(n, size):
    return [list(range(start, min(start + size, n))) for start in range(0, n, size)]


ANSWERS |= {
    "07.08c-a": Stored(
        solution=0.5,
        blank=...,
        wrong=[(2.0, "Which positions"), (6.0, "That is the sum"), (6 / 9, "without a label"), (0.4, "too small"), ("half", "must be a number")],
    ),
    "07.08c-b": Stored(
        solution=1.196e-5,
        blank=...,
        wrong=[(4e-5, "How many of its"), (6e-6, "first epoch"), (0.0, "first step"), (1.196e-4, "too large"), ("slow", "must be a number")],
    ),
    "07.08c-c": Stored(
        solution=shares,
        blank=blank_shares,
        wrong=[
            (lambda n, size: [list(range(i, i + size)) for i in range(0, n - size + 1, size)], "(5, 2)"),
            (lambda n, size: [list(range(i, i + size)) for i in range(0, n, size)], "(5, 2)"),
            (lambda n, size: [range(i, i + size) for i in range(0, n, size)], "(4, 2)"),
            (lambda n, size: n // size, "must be a list"),
            ([[0, 1]], "must be a function"),
        ],
    ),
}


def whole_perplexity(pairs):
    total = sum(loss * count for loss, count in pairs)
    return math.exp(total / sum(count for _, count in pairs))


def blank_perplexity(pairs):
    """Return the perplexity over all targets."""
    ...


ANSWERS |= {
    "07.09-a": Stored(
        solution=6,
        blank=...,
        wrong=[(8, "the model shifts"), (10, "counts the filler"), (7, "each row"), (3, "too small"), ("six", "must be a number")],
    ),
    "07.09-b": Stored(
        solution=7,
        blank=...,
        wrong=[(4, "multiple of eight"), (17, "real labels"), (24, "all entries"), (1000, "too large")],
    ),
    "07.09-c": Stored(
        solution=whole_perplexity,
        blank=blank_perplexity,
        wrong=[
            (lambda pairs: math.exp(sum(loss for loss, _ in pairs) / len(pairs)), "[(2.0, 90), (5.0, 10)]"),
            (lambda pairs: sum(math.exp(loss) for loss, _ in pairs) / len(pairs), "[(2.0, 90), (5.0, 10)]"),
            (lambda pairs: sum(loss * count for loss, count in pairs) / sum(count for _, count in pairs), "[(1.0, 4)]"),
            (9.0, "must be a function"),
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
        wrong=[(126, "number of batches"), (30, "stepped, too"), (16, "one epoch"), (31, "very close"), ("32", "must be a number")],
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
