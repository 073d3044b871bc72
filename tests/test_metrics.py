"""`course_nlp.metrics` against its oracles: seqeval, torch, sacrebleu, rouge_score, the script of SQuAD, SciPy."""

import json
import math
import re
import string
import subprocess
import sys
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.metrics import (
    bleu,
    bootstrap_interval,
    entity_spans,
    ner_scores,
    perplexity,
    rouge,
    rouge_words,
    squad_scores,
    token_weighted_loss,
)

TYPES = ("PER", "ORG", "LOC", "work-of-art")
TAGS = ("O", *(f"{position}-{kind}" for position in "BI" for kind in TYPES))

unhurried = settings(deadline=None)  # the first example pays for the import of seqeval
any_sentence = st.lists(st.sampled_from(TAGS), max_size=12)  # most of these break the scheme


@st.composite
def sound_sentence(draw: Callable) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Draw entities first and write their tags down, so that the spans are known without reading tags."""
    tags, spans = [], []
    for _ in range(draw(st.integers(0, 5))):
        tags += ["O"] * draw(st.integers(0, 2))
        kind, length = draw(st.sampled_from(TYPES)), draw(st.integers(1, 3))
        spans.append((kind, len(tags), len(tags) + length))
        tags += [f"B-{kind}", *[f"I-{kind}"] * (length - 1)]
    return tags + ["O"] * draw(st.integers(0, 2)), spans


@st.composite
def paired_sentences(draw: Callable) -> tuple[list[list[str]], list[list[str]]]:
    """Draw true and predicted tags of one shape, with at least one tag."""
    true = draw(st.lists(any_sentence, min_size=1, max_size=4).filter(any))
    pred = [draw(st.lists(st.sampled_from(TAGS), min_size=len(tags), max_size=len(tags))) for tags in true]
    return true, pred


def seqeval_scores(true: list[list[str]], pred: list[list[str]]) -> dict:
    """Return what seqeval says, in the shape of `ner_scores`."""
    from seqeval.metrics import accuracy_score
    from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support

    kinds = sorted({kind for kind, _, _ in get_entities(true) + get_entities(pred)})
    names = ("precision", "recall", "f1", "number")
    rows = np.transpose(precision_recall_fscore_support(true, pred, average=None, zero_division=0)).tolist()
    overall = precision_recall_fscore_support(true, pred, average="micro", zero_division=0)
    return {
        **{kind: dict(zip(names, row, strict=True)) for kind, row in zip(kinds, rows, strict=True)},
        **{f"overall_{name}": value for name, value in zip(names[:3], overall[:3], strict=True)},
        "overall_accuracy": accuracy_score(true, pred),
    }


# --- entities ---------------------------------------------------------------------------------------------------------


@unhurried
@given(sound_sentence())
def test_spans_of_sound_tags_are_the_entities_they_were_written_from(sentence):
    tags, spans = sentence
    assert entity_spans(tags) == spans


@unhurried
@given(any_sentence)
def test_spans_of_any_tags_equal_seqevals(tags):
    from seqeval.metrics.sequence_labeling import get_entities

    assert entity_spans(tags) == [(kind, start, end + 1) for kind, start, end in get_entities(tags)]


@unhurried
@given(any_sentence)
def test_spans_are_in_order_disjoint_and_cover_all_but_the_os(tags):
    covered = [index for _, start, end in entity_spans(tags) for index in range(start, end)]
    assert covered == [index for index, tag in enumerate(tags) if tag != "O"]


@unhurried
@given(paired_sentences())
def test_scores_equal_seqevals_to_the_last_bit(pair):
    true, pred = pair
    assert ner_scores(true, pred) == seqeval_scores(true, pred)


@unhurried
@given(paired_sentences())
def test_swapping_arguments_swaps_precision_and_recall(pair):
    true, pred = pair
    here, there = ner_scores(true, pred), ner_scores(pred, true)
    assert here["overall_precision"] == there["overall_recall"]
    assert here["overall_f1"] == pytest.approx(there["overall_f1"], abs=1e-15)
    assert here["overall_accuracy"] == there["overall_accuracy"]


@unhurried
@given(st.lists(any_sentence, min_size=1).filter(any))
def test_a_perfect_tagger_scores_one_on_what_there_is(true):
    scores = ner_scores(true, true)
    assert scores["overall_accuracy"] == 1.0
    assert scores["overall_f1"] == (1.0 if any(entity_spans(tags) for tags in true) else 0.0)


EU_TRUE = [["B-ORG", "O", "B-MISC", "O", "O", "O", "B-MISC", "O", "O"]]
EU_PRED = [["B-ORG", "O", "O", "O", "O", "O", "B-MISC", "O", "O"]]


def test_the_figures_of_the_syllabus():
    scores = ner_scores(EU_TRUE, EU_PRED)
    rounded = {k: round(v, 2) if isinstance(v, float) else {n: round(x, 2) for n, x in v.items()} for k, v in scores.items()}
    assert rounded == {
        "MISC": {"precision": 1.0, "recall": 0.5, "f1": 0.67, "number": 2},
        "ORG": {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 1},
        "overall_precision": 1.0,
        "overall_recall": 0.67,
        "overall_f1": 0.8,
        "overall_accuracy": 0.89,
    }


@pytest.mark.known_error("c06")
def test_slip_c06_swapped_arguments_show_in_precision_and_recall_only():
    right, swapped = ner_scores(EU_TRUE, EU_PRED), ner_scores(EU_PRED, EU_TRUE)
    assert (right["overall_precision"], right["overall_recall"]) == (1.0, 2 / 3)
    assert (swapped["overall_precision"], swapped["overall_recall"]) == (2 / 3, 1.0)
    assert swapped["overall_f1"] == right["overall_f1"]
    assert swapped["overall_accuracy"] == right["overall_accuracy"]


@pytest.mark.known_error("c04")
def test_slip_c04_entities_do_not_join_across_sentences():
    true = [["B-PER"], ["B-PER"]]
    pred = [["B-PER"], ["I-PER"]]
    assert ner_scores(true, pred)["PER"] == {"precision": 1.0, "recall": 1.0, "f1": 1.0, "number": 2}
    as_one = ner_scores([sum(true, [])], [sum(pred, [])])
    assert as_one["PER"] == {"precision": 0.0, "recall": 0.0, "f1": 0.0, "number": 2}


def test_numbers_are_plain_python():
    scores = ner_scores([np.array(["B-PER", "O"])], [np.array(["B-PER", "O"])])
    assert {type(value) for key, value in scores.items() if key != "PER"} == {float}
    assert [type(value) for value in scores["PER"].values()] == [float, float, float, int]


@pytest.mark.parametrize(
    ("tags", "error", "says"),
    [
        ("B-PER", TypeError, r"tags must be a list, got str 'B-PER'"),
        ({"B-PER": 1}, TypeError, r"tags must be a list, got dict"),
        (iter(["O"]), TypeError, r"tags must be a list"),
        (["O", 3], TypeError, r"tags\[1\] .* got 3; turn label ids into names"),
        (["O", None], TypeError, r"tags\[1\] .* got None"),
        (["PER"], ValueError, r"tags\[0\] .* got 'PER'"),
        (["B"], ValueError, r"tags\[0\] .* got 'B'"),
        (["B-"], ValueError, r"tags\[0\] .* got 'B-'"),
        (["S-PER"], ValueError, r"tags\[0\] .* got 'S-PER'; convert other schemes"),
        (["PER-B"], ValueError, r"tags\[0\] .* got 'PER-B'"),
        (["o"], ValueError, r"tags\[0\] .* got 'o'"),
        (["b-PER"], ValueError, r"tags\[0\] .* got 'b-PER'"),
        ([""], ValueError, r"tags\[0\] .* got ''"),
    ],
)
def test_spans_refuse_what_is_not_iob2(tags, error, says):
    with pytest.raises(error, match=says):
        entity_spans(tags)


@pytest.mark.parametrize(
    ("true", "pred", "error", "says"),
    [
        ([["O"]], [["O"], ["O"]], ValueError, r"pred must hold as many sentences as true, got 2 and 1"),
        ([["O", "O"]], [["O"]], ValueError, r"pred\[0\] must hold as many tags as true\[0\], got 1 and 2"),
        ([["O"], ["O"]], [["O"], []], ValueError, r"pred\[1\] must hold as many tags as true\[1\], got 0 and 1"),
        ([], [], ValueError, r"true holds no tags"),
        ([[]], [[]], ValueError, r"true holds no tags"),
        ([["X-PER"]], [["O"]], ValueError, r"true\[0\]\[0\] .* got 'X-PER'"),
        ([["O"]], [["PER"]], ValueError, r"pred\[0\]\[0\] .* got 'PER'"),
        ([["O"]], [[-100]], TypeError, r"pred\[0\]\[0\] .* got -100"),
        (["O"], ["O"], TypeError, r"true\[0\] must be a list, got str 'O'"),
        ("O", ["O"], TypeError, r"true must be a list, got str"),
        ([["O"]], None, TypeError, r"pred must be a list, got NoneType"),
        ([["O"]], 0.5, TypeError, r"pred must be a list, got float"),
    ],
)
def test_scores_name_the_argument_that_is_wrong(true, pred, error, says):
    with pytest.raises(error, match=says):
        ner_scores(true, pred)


# --- language models --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("loss", "expected"), [(0.0, 1.0), (math.log(7), 7.0), (709.0, math.exp(709)), (710.0, math.inf), (math.inf, math.inf)])
def test_perplexity_is_exp_and_infinite_beyond_it(loss, expected):
    assert perplexity(loss) == pytest.approx(expected)


def test_perplexity_takes_tensors_and_arrays_of_one_number():
    import torch

    assert perplexity(torch.tensor(2.0)) == perplexity(np.float32(2.0)) == perplexity(2)
    assert type(perplexity(torch.tensor(2.0))) is float


def test_the_cap_limits_and_nothing_else():
    assert perplexity(1000.0, cap=500) == 500.0
    assert perplexity(1.0, cap=500) == math.e


@unhurried
@given(st.lists(st.tuples(st.floats(0, 50), st.integers(0, 300)), min_size=1).filter(lambda rows: any(n for _, n in rows)))
def test_weighted_loss_is_the_mean_over_all_targets(rows):
    every_target = [loss for loss, count in rows for _ in range(count)]
    assert token_weighted_loss(rows) == pytest.approx(sum(every_target) / len(every_target))


@pytest.mark.known_error("c09")
def test_slip_c09_the_mean_of_batch_means_is_another_number():
    import torch
    from torch.nn.functional import cross_entropy

    logits = torch.randn(3, 5, 11, generator=torch.Generator().manual_seed(0))
    labels = torch.full((3, 5), -100)
    labels[0, :4], labels[1, 0] = torch.tensor([1, 2, 3, 4]), 5  # 4 targets, 1 target, none
    means = [cross_entropy(row, label) for row, label in zip(logits, labels, strict=True)]
    pairs = list(zip(means, (labels != -100).sum(1), strict=True))
    assert math.isnan(means[2])
    assert token_weighted_loss(pairs) == pytest.approx(float(cross_entropy(logits.flatten(0, 1), labels.flatten())))
    assert abs(token_weighted_loss(pairs) - float(sum(means[:2]) / 2)) > 0.1


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: perplexity("3"), TypeError, r"loss must be a number, got str '3'"),
        (lambda: perplexity(np.array([1.0, 2.0])), TypeError, r"loss must be one number, .*weighted mean"),
        (lambda: perplexity(None), TypeError, r"loss must be a number, got NoneType"),
        (lambda: perplexity(-2.3), ValueError, r"loss must be 0 or more, got -2.3"),
        (lambda: perplexity(math.nan), ValueError, r"loss must be 0 or more, got nan"),
        (lambda: perplexity(1.0, cap=0), ValueError, r"cap must be above 0, got 0"),
        (lambda: token_weighted_loss([]), ValueError, r"pairs holds no target"),
        (lambda: token_weighted_loss([(math.nan, 0)]), ValueError, r"pairs holds no target"),
        (lambda: token_weighted_loss([(1.0, 2), 1.0]), TypeError, r"pairs\[1\] must be \(mean loss, number of targets\), got 1.0"),
        (lambda: token_weighted_loss([(1.0, -1)]), ValueError, r"pairs\[0\]\[1\] must be a number of targets, got -1"),
        (lambda: token_weighted_loss([(3, 0.5)]), ValueError, r"pairs\[0\]\[1\] must be a number of targets, got 0.5"),
        (lambda: token_weighted_loss([("1", 2)]), TypeError, r"pairs\[0\]\[0\] must be a number, got str"),
    ],
)
def test_losses_that_are_none_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


# --- translations -----------------------------------------------------------------------------------------------------

PLUGIN = "This plugin allows you to automatically translate web pages between several languages."
words = st.lists(st.sampled_from("the a cat dog sat on mat , . Étude été 3.5".split()), max_size=9).map(" ".join)


def test_the_bleu_figures_of_the_syllabus():
    texts = ["This plugin lets you translate web pages between several languages automatically.", "This This This This", "This plugin"]
    assert [round(bleu([text], [PLUGIN]), 4) for text in texts] == [46.7505, 1.6836, 0.0]


@unhurried
@given(st.lists(st.tuples(words, words, words), min_size=1, max_size=5))
def test_bleu_equals_sacrebleus_on_two_references(rows):
    import sacrebleu

    preds, first, second = (list(column) for column in zip(*rows, strict=True))
    expected = min(100.0, sacrebleu.corpus_bleu(preds, [first, second]).score)
    assert bleu(preds, list(zip(first, second, strict=True))) == pytest.approx(expected, abs=1e-12)


def test_references_of_different_number_count_each_for_its_own_sentence():
    preds, refs = ["a b c d e", "k l m n o"], ["a b c d x", "k l m n o"]
    alone = bleu(preds, refs)
    assert bleu(preds, [["a b c d x", "a b c d e"], "k l m n o"]) == 100.0 > alone
    assert bleu(preds, [["a b c d x"], ["k l m n o", "a b c d e"]]) == alone  # a reference of another sentence is no help


def test_bleu_of_a_set_is_not_the_mean_of_its_sentences():
    preds, refs = ["a b c d e", "k l x n o p q"], ["a b c d e", "k l m n o p q"]
    assert abs(bleu(preds, refs) - np.mean([bleu([p], [r]) for p, r in zip(preds, refs, strict=True)])) > 1


def test_chinese_needs_its_tokenizer():
    assert bleu(["今天天气很好啊"], ["今天天气很好吗"]) < 1
    assert bleu(["今天天气很好啊"], ["今天天气很好吗"], tokenize="zh") > 50


# --- summaries --------------------------------------------------------------------------------------------------------


def stock_rouge(pred: str, ref: str, stemmer: bool = False) -> dict[str, float]:
    """Return what rouge_score says with its own tokenizer."""
    from rouge_score.rouge_scorer import RougeScorer

    score = RougeScorer(["rouge1", "rouge2", "rougeL", "rougeLsum"], use_stemmer=stemmer).score(ref, pred)
    return {kind: value.fmeasure for kind, value in score.items()}


plain = st.text(alphabet="abcXYZ 019-_.,'\n", max_size=30)


@unhurried
@given(plain, plain)
def test_rouge_equals_rouge_score_on_plain_english(pred, ref):
    assert rouge([pred], [ref]) == pytest.approx(stock_rouge(pred, ref))


def test_rouge_stems_as_rouge_score_does():
    pred, ref = "The cats were running fast and dies", "A cat runs as the dying die"
    assert rouge([pred], [ref], stemmer=True) == pytest.approx(stock_rouge(pred, ref, stemmer=True))
    assert rouge([pred], [ref])["rouge1"] < rouge([pred], [ref], stemmer=True)["rouge1"]


def test_rouge_by_hand():
    ref = "I loved reading the Hunger Games"
    scores = rouge(["I absolutely loved reading the Hunger Games"], [ref])
    assert scores["rouge1"] == pytest.approx(2 * (6 / 7) / (1 + 6 / 7))  # recall 6/6, precision 6/7
    assert round(scores["rouge1"], 2) == 0.92 and round(scores["rouge2"], 2) == 0.73
    wordy = rouge(["I really really absolutely loved reading the Hunger Games indeed"], [ref])
    assert wordy["rouge1"] == pytest.approx(2 * 0.6 / 1.6)  # precision 6/10


@pytest.mark.known_error("c14")
def test_slip_c14_rouge_l_is_a_subsequence_and_lsum_goes_by_lines():
    gap = rouge(["a x b y c"], ["a b c"])["rougeL"]
    assert gap == pytest.approx(2 * (3 / 5) / (1 + 3 / 5))  # the longest common substring would be a single word
    lines = rouge(["we stayed\nit rained"], ["it rained\nwe stayed"])
    assert (lines["rougeL"], lines["rougeLsum"]) == (0.5, 1.0)
    assert rouge(["we stayed it rained"], ["it rained we stayed"])["rougeLsum"] == 0.5


def test_text_that_is_not_english_scores_one_against_itself_and_the_stock_does_not():
    for text in ("今天天气很好。", "これはペンです", "Это хорошая книга", "مرحبا بالعالم"):
        assert set(rouge([text], [text]).values()) == {1.0}
        assert stock_rouge(text, text)["rouge1"] == 0.0
    assert rouge_words("Muy fácil") == ["muy", "fácil"] == rouge_words("MUY fa\u0301cil")
    assert rouge(["fácil"], ["f cil"])["rouge1"] == 0.0 < stock_rouge("fácil", "f cil")["rouge1"]


def test_rouge_takes_the_best_reference_and_the_mean_of_the_summaries():
    one = rouge(["a b"], [["x", "a b"]])
    assert set(one.values()) == {1.0}
    assert rouge(["a b", "c"], [["x", "a b"], "d"])["rouge1"] == 0.5


def test_a_tokenizer_may_be_a_function_or_an_object():
    from rouge_score.tokenizers import DefaultTokenizer

    assert rouge(["ab"], ["ba"], tokenizer=list)["rouge1"] == 1.0
    assert rouge(["今天"], ["今天"], tokenizer=DefaultTokenizer(False))["rouge1"] == 0.0


# --- answers ----------------------------------------------------------------------------------------------------------


def squad_script(pred: str, truths: list[str]) -> tuple[float, float]:
    """Return exact match and F1 by the steps of the official script for SQuAD 1.1."""

    def normalize(text: str) -> str:
        text = "".join(c for c in text.lower() if c not in set(string.punctuation))
        return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())

    def f1(truth: str) -> float:
        left, right = normalize(pred).split(), normalize(truth).split()
        same = sum((Counter(left) & Counter(right)).values())
        if same == 0:
            return 0.0
        precision, recall = same / len(left), same / len(right)
        return 2 * precision * recall / (precision + recall)

    return float(any(normalize(pred) == normalize(truth) for truth in truths)), max(f1(truth) for truth in truths)


spoken = st.text(alphabet="ab theAnéß'-–“.,1 \t", max_size=14)


@unhurried
@given(spoken, st.lists(spoken.filter(lambda text: re.sub(r"\W|\b(a|an|the)\b", "", text.lower())), min_size=1, max_size=3))
def test_squad_scores_equal_the_official_script(pred, truths):
    exact, f1 = squad_script(pred, truths)
    assert squad_scores([pred], [truths]) == pytest.approx({"exact_match": 100 * exact, "f1": 100 * f1})


@pytest.mark.parametrize(
    ("pred", "refs", "exact", "f1"),
    [
        ("the X", "X", 100, 100),
        ("Denver Broncos", ["Denver Broncos"] * 3, 100, 100),
        ("Levi's Stadium", ["Santa Clara, California", "Levi’s", "Levis Stadium"], 100, 100),
        ("", "Denver", 0, 0),
        ("the", "a", 100, 100),  # nothing is left on either side: equal
        ("", ["X", "the"], 100, 100),
        ("in 1889", "1889", 0, 200 / 3),
        ("上海市", "上海", 0, 80),
        ("《红楼梦》", "红楼梦", 100, 100),
        ("北京 大学", "北京大学", 100, 100),
        ("上海", "海上", 0, 100),
    ],
)
def test_squad_scores_by_hand(pred, refs, exact, f1):
    assert squad_scores([pred], [refs]) == pytest.approx({"exact_match": exact, "f1": f1})


def test_squad_scores_average_questions_and_read_the_answers_column():
    answers = [{"text": ["Rhine", "river Rhine"], "answer_start": [4, 0]}, {"text": ["Basel"], "answer_start": [9]}]
    scores = squad_scores(["Rhine", "Bern"], answers)
    assert scores == {"exact_match": 50.0, "f1": 50.0}
    assert [type(value) for value in json.loads(json.dumps(scores)).values()] == [float, float]


@pytest.mark.parametrize("score", [bleu, rouge, squad_scores])
@pytest.mark.parametrize(
    ("preds", "refs", "error", "says"),
    [
        ([], [], ValueError, r"preds is empty"),
        (["a"], ["a", "b"], ValueError, r"refs must hold one entry for each of the 1 predictions, got 2"),
        (["a", "b", "c"], [["a", "b", "c"]], ValueError, r"refs must hold one entry for each of the 3 predictions, got 1"),
        ("text", ["text"], TypeError, r"preds must be a list, got str 'text'"),
        (["text"], "text", TypeError, r"refs must be a list, got str 'text'"),
        ([[3, 4]], ["a"], TypeError, r"preds\[0\] must be a string, got list .*decode token ids first"),
        (["a"], [None], TypeError, r"refs\[0\] must be a list, got NoneType"),
        (["a"], [["a", 7]], TypeError, r"refs\[0\]\[1\] must be a string, got int 7"),
        (["a", "b"], ["a", []], ValueError, r"refs\[1\] is empty"),
        (iter(["a"]), ["a"], TypeError, r"preds must be a list"),
    ],
)
def test_text_scores_name_the_argument_that_is_wrong(score, preds, refs, error, says):
    with pytest.raises(error, match=says):
        score(preds, refs)


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bleu(["a"], ["a"], tokenize="mandarin"), ValueError, r"tokenize must be one of .*zh, got 'mandarin'"),
        (lambda: rouge(["a"], ["a"], tokenizer=list, stemmer=True), ValueError, r"stemmer=True goes with the built-in words only"),
        (lambda: rouge(["a"], ["a"], tokenizer="zh"), TypeError, r"tokenizer must be a function .* got str"),
        (lambda: squad_scores(["a"], [{"texts": ["a"]}]), TypeError, r"refs\[0\] must be a list, got dict"),
    ],
)
def test_options_that_are_none_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()


# --- intervals --------------------------------------------------------------------------------------------------------


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_interval_agrees_with_scipy():
    from scipy.stats import bootstrap

    values = np.random.default_rng(0).exponential(size=60)
    ours = bootstrap_interval(mean, values.tolist(), n=4000)
    theirs = bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.02)


@pytest.mark.parametrize(("level", "z"), [(0.5, 0.674), (0.9, 1.645), (0.95, 1.960)])
def test_interval_of_a_mean_is_close_to_the_normal_one(level, z):
    values = np.random.default_rng(1).normal(size=100)
    margin = z * values.std() / 10
    low, high = bootstrap_interval(mean, values.tolist(), n=3000, level=level)
    assert (low, high) == pytest.approx((values.mean() - margin, values.mean() + margin), abs=0.15 * margin)


def test_rows_of_several_lists_stay_together():
    a, b = list(range(30)), [-x for x in range(30)]
    assert bootstrap_interval(lambda left, right: max(x + y for x, y in zip(left, right, strict=True)), a, b) == (0.0, 0.0)


def test_rows_are_drawn_with_replacement_and_as_many_as_there_are():
    seen = []
    bootstrap_interval(lambda rows: seen.append(rows) or 0.0, list("abcdefgh"), n=50)
    assert {len(rows) for rows in seen} == {8}
    assert any(len(set(rows)) < 8 for rows in seen)
    assert set().union(*seen) == set("abcdefgh")


def test_the_seed_decides_and_the_global_state_is_left_alone():
    values = np.random.default_rng(2).normal(size=20).tolist()
    before = np.random.get_state()[1].copy()
    assert bootstrap_interval(mean, values, seed=1) == bootstrap_interval(mean, values, seed=1)
    assert bootstrap_interval(mean, values, seed=1) != bootstrap_interval(mean, values, seed=2)
    assert (np.random.get_state()[1] == before).all()


@settings(unhurried, max_examples=20)
@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_ends_are_in_order_within_the_data_and_plain_floats(values):
    low, high = bootstrap_interval(max, values, n=30)
    assert min(values) <= low <= high <= max(values)
    assert type(low) is type(high) is float


def nothing(rows: list) -> None:
    return None


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bootstrap_interval(mean), ValueError, r"lists is empty"),
        (lambda: bootstrap_interval(mean, []), ValueError, r"lists\[0\] has no rows"),
        (lambda: bootstrap_interval(mean, [1], [1, 2]), ValueError, r"lists\[1\] must hold as many rows .* got 2 and 1"),
        (lambda: bootstrap_interval(mean, "abc"), TypeError, r"lists\[0\] must be a list, got str"),
        (lambda: bootstrap_interval(mean, [1], n=0), ValueError, r"n must be .* got 0"),
        (lambda: bootstrap_interval(mean, [1], n=1.5), ValueError, r"n must be .* got 1.5"),
        (lambda: bootstrap_interval(mean, [1], n=True), ValueError, r"n must be .* got True"),
        (lambda: bootstrap_interval(mean, [1], level=95), ValueError, r"level .* got 95; write 0.95"),
        (lambda: bootstrap_interval(mean, [1], level=0.0), ValueError, r"level .* got 0.0"),
        (lambda: bootstrap_interval(mean, [1], level=float("nan")), ValueError, r"level .* got nan"),
        (lambda: bootstrap_interval(nothing, [1]), TypeError, r"fn must return one number, nothing returned NoneType"),
        (lambda: bootstrap_interval(lambda rows: {"f1": 1.0}, [1]), TypeError, r"fn must return one number, .* dict"),
        (lambda: bootstrap_interval(lambda rows: float("nan"), [1]), ValueError, r"fn returned nan"),
    ],
)
def test_interval_names_the_argument_that_is_wrong(call, error, says):
    with pytest.raises(error, match=says):
        call()


def test_importing_the_module_loads_nothing_heavy():
    heavy = "{'torch', 'transformers', 'datasets', 'evaluate', 'sklearn', 'scipy', 'seqeval', 'sacrebleu', 'rouge_score'}"
    code = f"import sys, course_nlp.metrics; print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
