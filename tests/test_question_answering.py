"""Question answering: windows and labels, exact search over spans, answers over all windows; and the known errors of older material."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.metrics import squad_scores
from course_nlp.question_answering import (
    answer,
    best_answers,
    best_spans,
    lost_answers,
    postprocess_qa,
    qa_features,
    start_end_logits,
)

LETTERS = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789.,?!'é")
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "where", "when", *LETTERS, *(f"##{c}" for c in LETTERS)]
BRONCOS = {"text": ["Denver Broncos"] * 3, "answer_start": [177] * 3}  # rows 0 and 2 of SQuAD's validation split
STADIUM = {
    "text": ["Santa Clara, California", "Levi's Stadium", "Levi's Stadium in the San Francisco Bay Area at Santa Clara, California."],
    "answer_start": [403, 355, 355],
}


def make_tokenizer(**options):
    """Return a BERT tokenizer that cuts nearly every word into letters."""
    from transformers import BertTokenizerFast

    return BertTokenizerFast(vocab={token: i for i, token in enumerate(TOKENS)}, model_max_length=512, **options)


@pytest.fixture(scope="module")
def tokenizer():
    """Return the tokenizer of letters."""
    return make_tokenizer()


def like_xlnet():
    """Return the same tokenizer in XLNet's order: padding on the left, classification token at the end."""
    from tokenizers.processors import TemplateProcessing

    made = make_tokenizer(padding_side="left")
    special = [(token, TOKENS.index(token)) for token in ("[SEP]", "[CLS]")]
    pair = "$A:0 [SEP]:0 $B:1 [SEP]:1 [CLS]:1"
    made.backend_tokenizer.post_processor = TemplateProcessing(single="$A [SEP] [CLS]", pair=pair, special_tokens=special)
    return made


def tiny_model(seed=0):
    """Return a BERT of two layers with a question-answering head, the same each time."""
    import torch
    from transformers import BertConfig, BertForQuestionAnswering

    torch.manual_seed(seed)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    rates = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "initializer_range": 0.4}
    return BertForQuestionAnswering(BertConfig(vocab_size=len(TOKENS), **sizes | rates)).eval()


def draw_rows(count, seed, words=(4, 30), longest=6):
    """Return rows with SQuAD's columns: random words, and an answer of whole words from each context."""
    rng, rows = random.Random(seed), []
    word = lambda: "".join(rng.choices("abcdefgé", k=rng.randint(1, 3)))
    for i in range(count):
        context = [word() for _ in range(rng.randint(*words))]
        a = rng.randrange(len(context))
        b = min(len(context), a + rng.randint(1, longest))
        begin = len(" ".join(context[:a])) + (a > 0)
        answers = {"text": [" ".join(context[a:b])], "answer_start": [begin]}
        question = " ".join(word() for _ in range(rng.randint(1, 4)))
        rows.append({"id": f"r{i}", "title": "t", "question": question, "context": " ".join(context), "answers": answers})
    return rows


def columns(rows):
    """Return rows as a dict of lists, which is what `map` hands over."""
    return {name: [row[name] for row in rows] for name in rows[0]}


ROWS = draw_rows(40, seed=1, words=(15, 60))


def perfect(rows, tokenizer, max_length=40, stride=20):
    """Return windows for scoring, and logits that are one at the labels and zero elsewhere."""
    labeled = qa_features(columns(rows), tokenizer, max_length, stride)
    logits = np.zeros((2, len(labeled["input_ids"]), max_length))
    for side, name in enumerate(("start_positions", "end_positions")):
        logits[side, np.arange(logits.shape[1]), labeled[name]] = 1.0
    return qa_features(columns(rows), tokenizer, max_length, stride, train=False), logits


def texts_of(found):
    """Return the best answer of each example."""
    return [row["prediction_text"] for row in best_answers(found)]


# --- windows and labels ----------------------------------------------------------------------------------------------


def scan(offsets, parts, side, start, stop, nowhere):
    """Label a window by walking over its offsets from both ends: the long way that older code goes, made safe at the ends."""
    inside = [i for i, part in enumerate(parts) if part == side]
    if not inside or offsets[inside[0]][0] > start or offsets[inside[-1]][1] < stop:
        return nowhere, nowhere
    first = max(i for i in inside if offsets[i][0] <= start)
    last = min(i for i in inside if offsets[i][1] >= stop)
    return first, last


@given(st.integers(0, 10_000), st.integers(24, 48), st.integers(0, 8))
@settings(max_examples=60, deadline=None)
def test_labels_equal_those_of_a_scan_over_the_offsets(seed, max_length, stride):
    tokenizer, rows = make_tokenizer_once(), draw_rows(4, seed)
    features = qa_features(columns(rows), tokenizer, max_length, stride)
    raw = tokenizer(
        [r["question"] for r in rows], [r["context"] for r in rows], truncation="only_second", max_length=max_length, stride=stride,
        return_overflowing_tokens=True, return_offsets_mapping=True, padding="max_length",
    )  # fmt: skip
    for i, owner in enumerate(raw["overflow_to_sample_mapping"]):
        (text,), (start,) = rows[owner]["answers"]["text"], rows[owner]["answers"]["answer_start"]
        expected = scan(raw["offset_mapping"][i], raw.sequence_ids(i), 1, start, start + len(text), 0)
        assert (features["start_positions"][i], features["end_positions"][i]) == expected
        assert features["example_id"][i] == rows[owner]["id"]


_ONCE = []


def make_tokenizer_once():
    """Return one tokenizer for all draws of hypothesis."""
    if not _ONCE:
        _ONCE.append(make_tokenizer())
    return _ONCE[0]


@pytest.mark.parametrize("make", [make_tokenizer, like_xlnet])
def test_labels_decode_to_the_answer_in_every_labeled_window(make):
    tokenizer = make()
    features = qa_features(columns(ROWS), tokenizer, 40, 20)
    answers = {row["id"]: row["answers"]["text"][0] for row in ROWS}
    labeled = 0
    for ids, key, a, b in zip(*(features[n] for n in ("input_ids", "example_id", "start_positions", "end_positions")), strict=True):
        if ids[a] != tokenizer.cls_token_id:
            labeled += 1
            assert ids[a : b + 1] == tokenizer(answers[key], add_special_tokens=False)["input_ids"]
    assert labeled >= len(ROWS)


def test_an_answer_no_longer_than_the_overlap_is_whole_in_some_window(tokenizer):
    for seed in range(5):
        rows = draw_rows(30, seed, words=(20, 60), longest=4)  # at most 12 tokens
        assert lost_answers(qa_features(columns(rows), tokenizer, 32, 12), tokenizer) == []


def test_answers_longer_than_the_overlap_are_counted(tokenizer):
    context = "abc " * 30  # three tokens a word
    row = {"id": ["long", "short"], "question": ["a?"] * 2, "context": [context] * 2,
           "answers": [{"text": [context[40:79].strip()], "answer_start": [40]}, {"text": ["abc"], "answer_start": [0]}]}  # fmt: skip
    features = qa_features(row, tokenizer, 25, 4)
    assert lost_answers(features, tokenizer) == ["long"]
    assert set(features["example_id"]) == {"long", "short"}


@pytest.mark.known_error("c22")
def test_an_answer_that_a_window_cuts_is_labeled_as_if_it_were_not_there(tokenizer):
    rows = draw_rows(60, seed=3, words=(20, 40))
    features = qa_features(columns(rows), tokenizer, 30, 4)
    raw = tokenizer(
        [r["question"] for r in rows], [r["context"] for r in rows], truncation="only_second", max_length=30, stride=4, return_overflowing_tokens=True
    )
    cut = 0
    for i, owner in enumerate(raw["overflow_to_sample_mapping"]):
        (text,), (start,) = rows[owner]["answers"]["text"], rows[owner]["answers"]["answer_start"]
        ends = [raw.char_to_token(i, place, sequence_index=1) for place in (start, start + len(text) - 1)]
        if ends.count(None) == 1:  # one end is in this window, the other is not
            cut += 1
            assert (features["start_positions"][i], features["end_positions"][i]) == (0, 0)
    assert cut > 10


@pytest.mark.known_error("c23")
def test_windows_are_counted_from_the_mapping(tokenizer):
    rows = [r | {"context": "abc " * words} for r, words in zip(draw_rows(4, seed=0), (20, 22, 21, 45), strict=True)]
    rows = [r | {"question": "a", "answers": {"text": ["abc"], "answer_start": [0]}} for r in rows]
    found = Counter(qa_features(columns(rows), tokenizer, 34, 10)["example_id"])
    room = 34 - 3 - 1
    expected = [1 + max(0, -(-(3 * len(r["context"].split()) - room) // (room - 10))) for r in rows]
    assert [found[r["id"]] for r in rows] == expected
    assert expected == [3, 3, 3, 7]


def test_invisible_question_blanks_do_not_shift_anything(tokenizer):
    plain = columns(ROWS)
    blank = plain | {"question": [f"  {question} \n" for question in plain["question"]]}
    assert qa_features(blank, tokenizer, 40, 20) == qa_features(plain, tokenizer, 40, 20)


def test_places_are_characters_not_bytes(tokenizer):
    context = "é🌧é abc é🌧 def"
    row = {"id": ["a"], "question": ["a"], "context": [context], "answers": [{"text": ["def"], "answer_start": [context.index("def")]}]}
    features = qa_features(row, tokenizer, 40, 2)
    (ids,), (a,), (b,) = (features[name] for name in ("input_ids", "start_positions", "end_positions"))
    assert tokenizer.convert_ids_to_tokens(ids[a : b + 1]) == ["d", "##e", "##f"]
    windows, logits = perfect([{name: values[0] for name, values in row.items()}], tokenizer)
    assert texts_of(postprocess_qa(row_list(row), windows, *logits)) == ["def"]


def row_list(batch):
    """Return a dict of lists as rows."""
    return [dict(zip(batch, values, strict=True)) for values in zip(*batch.values(), strict=True)]


def test_blanks_around_an_answer_are_no_part_of_its_label(tokenizer):
    row = {"id": ["a"], "question": ["a"], "context": ["ab cd ef"], "answers": [{"text": [" cd "], "answer_start": [2]}]}
    features = qa_features(row, tokenizer, 30, 2)
    assert (features["start_positions"], features["end_positions"]) == ([5], [6])  # [CLS] a [SEP] a ##b c ##d


def test_a_question_without_an_answer_is_labeled_nowhere(tokenizer):
    row = columns([ROWS[0] | {"answers": {"text": [], "answer_start": []}}])
    features = qa_features(row, tokenizer, 40, 20)
    assert set(features["start_positions"]) == set(features["end_positions"]) == {0}
    assert lost_answers(features, tokenizer) == ["r0"]


def test_nowhere_is_where_the_classification_token_is():
    mirrored = like_xlnet()
    features = qa_features(columns(ROWS), mirrored, 40, 20)
    nowhere = [a for ids, a in zip(features["input_ids"], features["start_positions"], strict=True) if ids[a] == mirrored.cls_token_id]
    assert nowhere and set(nowhere) == {39}  # padded on the left, [CLS] comes last
    windows, logits = perfect(ROWS, mirrored)
    kept = {key for key in windows["example_id"]} - set(lost_answers(features, mirrored))
    found = postprocess_qa(ROWS, windows, *logits)
    assert all(found[row["id"]][0].text == row["answers"]["text"][0] for row in ROWS if row["id"] in kept)


# --- what is refused -------------------------------------------------------------------------------------------------


def one_row(**changes):
    """Return a batch of one row."""
    return {"id": ["a"], "question": ["when"], "context": ["abc def"], "answers": [{"text": ["def"], "answer_start": [4]}]} | changes


@pytest.mark.parametrize(
    ("changes", "sizes", "message"),
    [
        ({"question": ["abcdefg " * 5]}, (20, 2), "no room for a context within max_length = 20"),
        ({}, (24, 20), "stride = 20 must be 0 or more and below the 20 tokens"),
        ({}, (24, -1), "stride = -1 must be"),
        ({"answers": [{"text": ["def"], "answer_start": [3]}]}, (24, 2), "does not stand at character 3"),
        ({"answers": [{"text": ["  "], "answer_start": [3]}]}, (24, 2), "does not stand at"),
        ({"answers": [BRONCOS]}, (24, 2), "holds 3 texts"),
        ({"id": [], "question": [], "context": [], "answers": []}, (24, 2), "no rows"),
    ],
)
def test_what_cannot_be_labeled_is_refused(tokenizer, changes, sizes, message):
    with pytest.raises(ValueError, match=message):
        qa_features(one_row(**changes), tokenizer, *sizes)


def test_the_stride_is_checked_because_the_tokenizer_would_panic(tokenizer):
    with pytest.raises(BaseException) as error:
        tokenizer("when", "abc " * 20, truncation="only_second", max_length=24, stride=20, return_overflowing_tokens=True)
    assert not isinstance(error.value, Exception)  # `except Exception` would not catch it


def test_tokenizers_without_offsets_or_without_a_place_for_nowhere_are_refused():
    class Slow:
        """Looks like a tokenizer written in Python."""

        is_fast, cls_token_id = False, 2

    with pytest.raises(TypeError, match="must be a fast one"):
        qa_features(one_row(), Slow())
    with pytest.raises(ValueError, match="no classification token"):
        qa_features(one_row(), make_tokenizer(cls_token=None))


# --- the best spans --------------------------------------------------------------------------------------------------


def brute_force(start, end, offsets, n_best, max_tokens):
    """Return the best spans by looking at every pair."""
    n, start, end = len(start), np.float32(start), np.float32(end)
    pairs = [(i, j) for i in range(n) for j in range(i, min(n, i + max_tokens)) if offsets[i] and offsets[j]]
    return sorted(((start[i] + end[j], -i, -j) for i, j in pairs), reverse=True)[:n_best]


@given(st.integers(0, 10_000), st.integers(1, 40), st.integers(1, 25), st.integers(1, 45), st.integers(0, 1))
@settings(max_examples=150, deadline=None)
def test_best_spans_equals_brute_force(seed, tokens, n_best, max_tokens, ties):
    rng = np.random.default_rng(seed)
    start, end = rng.normal(size=(2, tokens)).round(0 if ties else 6)
    offsets = [None if rng.random() < 0.2 else (3 * i, 3 * i + 2) for i in range(tokens)]
    found = best_spans(start, end, offsets, n_best=n_best, max_tokens=max_tokens)
    expected = brute_force(start, end, offsets, n_best, max_tokens)
    assert [span.score for span in found] == pytest.approx([float(score) for score, _, _ in expected], abs=1e-5)
    for span in found:
        assert 0 <= span.last - span.first < max_tokens and offsets[span.first][0] == span.start and offsets[span.last][1] == span.end
    assert len({(span.first, span.last) for span in found}) == len(found)


def of_pairs(start, end, n_best):
    """Return the best score among pairs of the n_best best starts and ends; -inf if none of them is allowed."""
    starts, ends = np.argsort(start)[-n_best:], np.argsort(end)[-n_best:]
    return max((start[i] + end[j] for i in starts for j in ends if i <= j < i + 30), default=-np.inf)


def test_pairs_of_a_few_candidates_miss_what_the_band_finds():
    rng, worse = np.random.default_rng(0), 0
    for _ in range(100):
        start, end = rng.normal(size=(2, 300))
        exact = best_spans(start, end, [(i, i + 1) for i in range(300)], n_best=1)[0].score
        worse += of_pairs(start, end, 5) < exact - 1e-4
        assert of_pairs(start[:40], end[:40], 40) == pytest.approx(best_spans(start[:40], end[:40], [(i, i + 1) for i in range(40)])[0].score, abs=1e-5)
    assert 15 < worse < 80


def test_a_window_without_context_has_no_answer():
    assert best_spans([1, 2], [1, 2], [None, None]) == [] and best_spans([], [], []) == []
    assert best_spans([1, 2], [1, 2], [(3, 3), None]) == []  # a token without characters is no answer


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: best_spans([1, 2], [1], [None, None]), "equally long"),
        (lambda: best_spans([1, float("nan")], [1, 2], [(0, 1), (1, 2)]), "start holds nan"),
        (lambda: best_spans([[1, 2]], [1, 2], [(0, 1), (1, 2)]), "shape"),
        (lambda: best_spans([1], [1], [(0, 1)], n_best=0), "n_best must be 1 or more"),
        (lambda: best_spans([1], [1], [(0, 1)], max_tokens=0), "max_tokens must be 1 or more"),
    ],
)
def test_best_spans_refuses_what_makes_no_sense(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- over all windows ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def scored(tokenizer):
    """Return windows of ROWS and random logits for them."""
    windows = qa_features(columns(ROWS), tokenizer, 40, 20, train=False)
    return windows, np.random.default_rng(5).normal(size=(2, len(windows["input_ids"]), 40)).astype(np.float32)


def test_perfect_logits_give_full_marks(tokenizer):
    rows = [row for row in ROWS if row["id"] not in lost_answers(qa_features(columns(ROWS), tokenizer, 40, 20), tokenizer)]
    windows, logits = perfect(rows, tokenizer)
    assert len(windows["input_ids"]) > 2 * len(rows) > 60
    assert squad_scores(texts_of(postprocess_qa(rows, windows, *logits)), [r["answers"] for r in rows]) == {"exact_match": 100.0, "f1": 100.0}


def test_postprocess_is_exact_over_all_windows(scored):
    windows, (start, end) = scored
    found = postprocess_qa(ROWS, windows, start, end, max_tokens=8)
    for row in ROWS:
        spans = {}
        for i, key in enumerate(windows["example_id"]):
            if key == row["id"]:
                for score, a, b in brute_force(start[i], end[i], windows["offset_mapping"][i], 10**6, 8):
                    place = windows["offset_mapping"][i][-a][0], windows["offset_mapping"][i][-b][1]
                    spans[place] = max(score, spans.get(place, -np.inf))
        expected = sorted(spans.items(), key=lambda item: -item[1])[:20]
        got = found[row["id"]]
        assert [(c.start, c.end) for c in got] == [place for place, _ in expected]
        assert [c.score for c in got] == pytest.approx([float(score) for _, score in expected], abs=1e-5)
        assert all(c.text == row["context"][c.start : c.end] for c in got)


@given(st.randoms())
@settings(max_examples=15, deadline=None)
def test_the_order_of_the_windows_does_not_matter(scored, rng):
    windows, (start, end) = scored
    order = list(range(len(start)))
    rng.shuffle(order)
    mixed = {name: [column[i] for i in order] for name, column in windows.items()}
    assert postprocess_qa(ROWS, mixed, start[order], end[order]) == postprocess_qa(ROWS, windows, start, end)


def test_rows_that_a_sampler_added_are_ignored(scored):
    windows, (start, end) = scored
    longer = [np.concatenate([logits, logits[:3] + 100]) for logits in (start, end)]
    assert postprocess_qa(ROWS, windows, *longer) == postprocess_qa(ROWS, windows, start, end)


def test_a_data_set_gives_the_same_as_lists(scored):
    from datasets import Dataset

    windows, (start, end) = scored
    expected = postprocess_qa(ROWS, windows, start, end)
    features, examples = Dataset.from_dict(windows), Dataset.from_list(ROWS)
    assert postprocess_qa(examples, features, start, end) == expected
    order = list(np.random.default_rng(0).permutation(len(start)))  # an index over the table
    assert postprocess_qa(examples, features.select(order), start[order], end[order]) == expected
    import torch

    assert postprocess_qa(columns(ROWS), features.with_format("torch"), torch.tensor(start), torch.tensor(end)) == expected


def test_an_example_without_any_window_gets_the_empty_answer(scored):
    windows, logits = scored
    extra = ROWS[0] | {"id": "no windows"}
    found = postprocess_qa([*ROWS, extra], windows, *logits)
    assert found["no windows"] == []
    assert best_answers(found)[-1] == {"id": "no windows", "prediction_text": ""}
    assert squad_scores([""], [["abc"]]) == {"exact_match": 0.0, "f1": 0.0}


def test_several_references_and_articles():
    assert squad_scores(["the stadium."], [["arena", "a Stadium"]]) == {"exact_match": 100.0, "f1": 100.0}


@pytest.mark.known_error("c21")
def test_references_are_those_of_the_row_itself(tokenizer):
    rows = [{"id": "56be4db0", "context": "x" * 177 + "Denver Broncos", "answers": BRONCOS}]
    rows += [{"id": "56be4db2", "context": "y" * 355 + STADIUM["text"][2], "answers": STADIUM}]
    found = {row["id"]: row["answers"]["text"][0] for row in rows}
    own = [squad_scores([found[row["id"]]], [row["answers"]]) for row in rows]
    swapped = [squad_scores([found[row["id"]]], [other["answers"]]) for row, other in zip(rows, rows[::-1], strict=True)]
    assert own == [{"exact_match": 100.0, "f1": 100.0}] * 2
    assert swapped == [{"exact_match": 0.0, "f1": 0.0}] * 2
    assert rows[1]["context"].startswith(STADIUM["text"][1], STADIUM["answer_start"][1])
    assert not rows[1]["context"].startswith(BRONCOS["text"][0], BRONCOS["answer_start"][0])  # a place tells whose it is


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w, s, e: (ROWS, w, s[:-1], e), "a row for each window"),
        (lambda w, s, e: (ROWS, w, s[:, :-1], e[:, :-1]), "a column for each token"),
        (lambda w, s, e: (ROWS, w, s[0], e[0]), "windows, tokens"),
        (lambda w, s, e: (ROWS[1:], w, s, e), "example_id 'r0'"),
        (lambda w, s, e: (ROWS, w, s, np.where(e > 0, np.nan, e)), "end holds nan"),
        (lambda w, s, e: (ROWS, w | {"offset_mapping": [w["offset_mapping"][0][:-1], *w["offset_mapping"][1:]]}, s, e), "different lengths"),
    ],
)
def test_postprocess_refuses_what_does_not_fit_together(scored, change, message):
    windows, (start, end) = scored
    with pytest.raises(ValueError, match=message):
        postprocess_qa(*change(windows, start, end))


# --- one question, and whole trainings -------------------------------------------------------------------------------


def test_answer_is_the_best_span_over_all_windows(tokenizer):
    import torch

    model = tiny_model()
    for row in draw_rows(6, seed=9, words=(30, 60)):
        windows = qa_features(columns([row]), tokenizer, 40, 10, train=False)
        with torch.no_grad():
            inputs = {name: torch.tensor(windows[name]) for name in ("input_ids", "token_type_ids", "attention_mask")}
            logits = start_end_logits(model, inputs | {"start_positions": None})
        best = postprocess_qa([row], windows, logits["start"], logits["end"], max_tokens=9)[row["id"]][0]
        reply = answer(model, tokenizer, row["question"], row["context"], max_length=40, stride=10, max_tokens=9)
        assert (reply["answer"], reply["start"], reply["end"]) == (best.text, best.start, best.end)
        assert len(windows["input_ids"]) > 1 and 0 < reply["score"] < 1


def test_the_score_is_the_probability_of_both_ends(tokenizer):
    import torch

    model, context = tiny_model(3), "abc de f, gab"
    encoded = tokenizer("when", context, return_tensors="pt")
    inside = torch.tensor([part == 1 for part in encoded.sequence_ids(0)])
    with torch.no_grad():
        out = model(**encoded)
    start, end = (logits[0].masked_fill(~inside, -torch.inf).softmax(-1) for logits in (out.start_logits, out.end_logits))
    expected = torch.triu(start[:, None] * end[None, :]).max()
    model.train()
    assert answer(model, tokenizer, " when ", context)["score"] == pytest.approx(float(expected), rel=1e-5)
    assert model.training  # as it was before


@pytest.mark.parametrize(("question", "context", "message"), [(" ", "abc", "question must be"), ("when", "", "context must be"), ("when", "\u200b", "no token")])
def test_answer_refuses_empty_texts(tokenizer, question, context, message):
    with pytest.raises(ValueError, match=message):
        answer(tiny_model(), tokenizer, question, context)


def test_the_loop_scores_and_trains_as_trainer_does(tokenizer, tmp_path):
    import torch
    from accelerate import Accelerator
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import Trainer, default_data_collator

    from course_nlp.training import decay_groups, evaluate_loop, fit_loop, safe_args

    rows = Dataset.from_list(ROWS[:10])
    train = rows.map(qa_features, batched=True, remove_columns=rows.column_names, fn_kwargs={"tokenizer": tokenizer, "max_length": 40, "stride": 20})
    windows = qa_features(columns(ROWS[:10]), tokenizer, 40, 20, train=False)
    few = train.select(range(12))
    options = {"max_steps": 3, "logging_steps": 1, "learning_rate": 1e-3, "weight_decay": 0.01, "per_device_train_batch_size": 4}
    args = safe_args(str(tmp_path), save_strategy="no", train_sampling_strategy="sequential", use_cpu=True, disable_tqdm=True, **options)
    trainer = Trainer(model=tiny_model(), args=args, train_dataset=few, data_collator=default_data_collator)
    trainer.train()
    by_trainer = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    accelerator, model = Accelerator(cpu=True), tiny_model()
    loader = lambda data, size: DataLoader(data.remove_columns("example_id").with_format("torch"), collate_fn=default_data_collator, batch_size=size)
    optimizer = torch.optim.AdamW(decay_groups(model, weight_decay=0.01), lr=1e-3)
    history = fit_loop(model, optimizer, (loader(few, 4),), accelerator, 1, max_norm=1.0, progress=False)
    assert [entry["loss"] for entry in history] == pytest.approx(by_trainer, abs=1e-4)
    gathered = evaluate_loop(model, accelerator.prepare(loader(train, 4)), accelerator, start_end_logits, progress=False)
    predicted = trainer.predict(train).predictions
    found = [postprocess_qa(ROWS[:10], windows, *logits) for logits in ((gathered["start"], gathered["end"]), predicted)]
    assert texts_of(found[0]) == texts_of(found[1])
    assert np.allclose(gathered["start"], predicted[0], atol=1e-3)


def test_a_head_learns_to_point_at_a_word_that_the_question_names(tokenizer):
    import torch
    from accelerate import Accelerator
    from torch.utils.data import DataLoader
    from transformers import default_data_collator

    from course_nlp.training import evaluate_loop, fit_loop

    rng, rows = random.Random(0), []
    for i in range(160):  # the letter after the one that is asked for
        letters = rng.sample("abcdefghijkl", 6)
        at = rng.randrange(5)
        answers = {"text": [letters[at + 1]], "answer_start": [2 * at + 2]}
        rows.append({"id": str(i), "question": letters[at], "context": " ".join(letters), "answers": answers})
    features = qa_features(columns(rows), tokenizer, 12, 2)
    data = [{n: features[n][i] for n in features if n != "example_id"} for i in range(len(features["input_ids"]))]
    model, accelerator = tiny_model(), Accelerator(cpu=True)
    torch.manual_seed(0)
    loader = DataLoader(data, shuffle=True, collate_fn=default_data_collator, batch_size=16)
    fit_loop(model, torch.optim.AdamW(model.parameters(), lr=3e-3), (loader,), accelerator, 30, max_norm=1.0, progress=False)
    windows = qa_features(columns(rows), tokenizer, 12, 2, train=False)
    gathered = evaluate_loop(model, accelerator.prepare(DataLoader(data, collate_fn=default_data_collator, batch_size=16)), accelerator, start_end_logits, progress=False)
    scores = squad_scores(texts_of(postprocess_qa(rows, windows, gathered["start"], gathered["end"])), [r["answers"] for r in rows])
    assert scores["exact_match"] > 60  # one in six by chance
