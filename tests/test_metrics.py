"""`course_nlp.metrics`: entity scores against seqeval, intervals against SciPy and the normal approximation."""

import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.metrics import bootstrap_interval, entity_spans, ner_scores

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
