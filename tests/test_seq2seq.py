"""Texts from texts: pairs to features, ids to texts, generation in batches; and the known errors of older material."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_seq2seq import PAIRS, WORDS, tiny_marian, tiny_tokenizer, trained_marian

from course_nlp.metrics import bleu
from course_nlp.seq2seq import (
    T5_LANGUAGES,
    bleu_counts,
    decode_pair,
    generate_texts,
    generation_rows,
    pair_tokenize,
    pooled_bleu,
    shift_right,
    t5_prefix,
    translate,
)

SOURCES, TARGETS = [source for source, _ in PAIRS], [target for _, target in PAIRS]
GREEDY = {"num_beams": 1, "max_length": 16}


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="module")
def model(tokenizer):
    return trained_marian(tokenizer)


def words(least=1):
    """Draw a text of up to eight known words."""
    return st.lists(st.sampled_from(WORDS), min_size=least, max_size=8).map(" ".join)


# --- pairs to features


def test_pair_tokenize_is_the_tokenizer_with_text_target(tokenizer):
    expected = tokenizer(SOURCES, text_target=TARGETS, truncation=True, max_length=128)
    assert pair_tokenize(tokenizer, SOURCES, TARGETS) == dict(expected)
    assert set(pair_tokenize(tokenizer, SOURCES)) == {"input_ids", "attention_mask"}
    assert pair_tokenize(tokenizer, [], [])["labels"] == []


class TwoSides:
    """A tokenizer with a vocabulary for each side, as Marian's: sources get ids from 100, targets from 200."""

    def __call__(self, text=None, text_target=None, truncation=False, max_length=None):
        assert truncation
        first, texts = (100, text) if text is not None else (200, text_target)
        return {"input_ids": [[first + len(word) for word in t.split()][: max_length - 1] + [0] for t in texts]}


def test_targets_go_through_the_target_side():
    features = pair_tokenize(TwoSides(), ["one two"], ["un deux"])
    assert features == {"input_ids": [[103, 103, 0]], "labels": [[202, 204, 0]]}


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(words(), words()), min_size=1, max_size=4), st.integers(2, 9), st.integers(2, 9))
def test_limits_hold_on_both_sides_and_the_end_sign_stays(pairs, limit, target_limit):
    tokenizer = tiny_tokenizer()
    features = pair_tokenize(tokenizer, *map(list, zip(*pairs, strict=True)), limit, max_target_length=target_limit)
    for name, most in (("input_ids", limit), ("labels", target_limit)):
        assert all(len(row) <= most and row[-1] == tokenizer.eos_token_id for row in features[name])


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda t: pair_tokenize(t, "a cat"), TypeError, "sources must be a list of strings, got str 'a cat'"),
        (lambda t: pair_tokenize(t, ["a", 3]), TypeError, r"sources\[1\] must be a string, got int 3"),
        (lambda t: pair_tokenize(t, ["a"], ["un", "deux"]), ValueError, "targets must hold one text for each of the 1 sources, got 2"),
        (lambda t: pair_tokenize(t, ["a"], max_length=0), ValueError, "max_length must be a whole number from 1 up, got 0"),
        (lambda t: pair_tokenize(t, ["a"], ["b"], max_target_length=True), ValueError, "max_target_length .* got True"),
    ],
)
def test_bad_pairs_are_named(tokenizer, call, error, says):
    with pytest.raises(error, match=says):
        call(tokenizer)


@pytest.mark.known_error("c10")
def test_the_prefix_of_t5_is_the_whole_phrase(tokenizer):
    """Not the bare `translate`, not the codes: the words of the training, blank included, before every source and no target."""
    assert t5_prefix("en", "fr") == "translate English to French: "
    prefixed = pair_tokenize(tokenizer, SOURCES, TARGETS, prefix="translate English to French : ")
    for row, source in zip(prefixed["input_ids"], SOURCES, strict=True):
        assert tokenizer.decode(row, skip_special_tokens=True) == "translate English to French : " + source
    assert prefixed["labels"] == pair_tokenize(tokenizer, SOURCES, TARGETS)["labels"]


def test_t5_translates_from_english_into_three_languages():
    assert [t5_prefix("en", code) for code in ("de", "fr", "ro")] == [f"translate English to {T5_LANGUAGES[c]}: " for c in ("de", "fr", "ro")]
    for source, target, says in (("en", "es", "target must be one of"), ("fr", "en", "from English only"), ("en", "en", "another language")):
        with pytest.raises(ValueError, match=says):
            t5_prefix(source, target)


# --- the shift


def test_shift_prepends_the_start_drops_the_last_and_turns_ignored_into_pad():
    assert shift_right(torch.tensor([[5, 0, -100, -100]]), pad_id=19, start_id=19).tolist() == [[19, 5, 0, 19]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.integers(-100, 9).map(lambda i: i if i >= 0 else -100), min_size=4, max_size=4), min_size=1, max_size=3))
def test_shift_is_that_of_marian_and_t5(rows):
    from transformers.models.marian.modeling_marian import shift_tokens_right

    labels = torch.tensor(rows)
    assert torch.equal(shift_right(labels, 7, 8), shift_tokens_right(labels, 7, 8))


def test_the_collator_of_a_marian_shifts_like_this(tokenizer):
    from transformers import DataCollatorForSeq2Seq

    model = tiny_marian()
    features = pair_tokenize(tokenizer, SOURCES, TARGETS)
    batch = DataCollatorForSeq2Seq(tokenizer, model=model)([{k: v[i] for k, v in features.items()} for i in range(len(SOURCES))])
    labels = batch["labels"]
    assert torch.equal(batch["decoder_input_ids"], shift_right(labels, 0, 0))
    valid = labels[:, :-1] != -100
    assert torch.equal(batch["decoder_input_ids"][:, 1:][valid], labels[:, :-1][valid]) and (labels == -100).any()


@pytest.mark.parametrize("labels", [torch.tensor([1, 2]), torch.zeros(2, 0, dtype=torch.long)])
def test_shift_refuses_what_is_no_table(labels):
    with pytest.raises(ValueError, match="labels must have the shape"):
        shift_right(labels, 0, 0)


# --- ids to texts


@pytest.mark.known_error("c12")
@pytest.mark.parametrize("kind", ["tensor", "array", "list"])
def test_ignored_places_are_replaced_in_predictions_too(tokenizer, kind):
    """Gathering pads predictions with -100 as well; older material cleaned the labels alone."""
    rows = torch.tensor([[3, 5, 1, -100], [5, 1, -100, -100]])
    with pytest.raises(OverflowError):
        tokenizer.batch_decode(rows.tolist())
    ids = {"tensor": rows, "array": rows.numpy(), "list": rows.tolist()}[kind]
    pair = decode_pair(ids, ids, tokenizer)
    assert pair == (["the cat", "cat"], ["the cat", "cat"]) and pair.pred is not pair.ref


def test_decode_takes_the_first_of_a_tuple_and_ragged_rows(tokenizer):
    pair = decode_pair((np.array([[3, 5]]), np.zeros((1, 2, 9))), [[3, 5, -100]], tokenizer, pad_id=1)
    assert pair.pred == pair.ref == ["the cat"]


@settings(max_examples=40, deadline=None)
@given(st.lists(words(), min_size=1, max_size=4))
def test_decoding_undoes_tokenizing_at_any_padding(texts):
    tokenizer = tiny_tokenizer()
    labels = pair_tokenize(tokenizer, texts, texts)["labels"]
    padded = [row + [-100] * (12 - len(row)) for row in labels]
    assert decode_pair(padded, labels, tokenizer) == (texts, texts)


@pytest.mark.parametrize(
    ("preds", "labels", "says"),
    [
        ([[3]], [[3], [4]], "preds must hold as many rows as labels, got 1 and 2"),
        (np.zeros((1, 2, 9)), [[3]], r"preds\[0\] must be a row of token ids"),
        (np.zeros((1, 2)), [[3]], r"preds\[0\] must be a row of token ids"),
        ([[3]], [[999]], r"labels\[0\] holds the id 999"),
        ([[-1]], [[3]], r"preds\[0\] holds the id -1"),
    ],
)
def test_odd_ids_are_named(tokenizer, preds, labels, says):
    with pytest.raises(ValueError, match=says):
        decode_pair(preds, labels, tokenizer)


def test_decoding_without_any_pad_token_asks_for_one(tokenizer):
    other = tiny_tokenizer()
    other.pad_token = None
    with pytest.raises(ValueError, match="pad_id is None"):
        decode_pair([[3]], [[3]], other)


# --- generation


def test_translate_restores_the_order(model, tokenizer):
    assert translate(model, tokenizer, SOURCES, batch_size=2, **GREEDY) == TARGETS
    assert translate(model, tokenizer, SOURCES[::-1], batch_size=2, **GREEDY) == TARGETS[::-1]


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}, {"num_beams": 1}])
def test_batches_change_nothing(model, tokenizer, options):
    """Sorted or not, alone or together, greedy or with beams: the same texts."""
    alone = [generate_texts(model, tokenizer, [text], max_length=16, **options)[0] for text in SOURCES]
    for arguments in ({"sort": False}, {"batch_size": 2}, {"batch_size": 64}):
        assert generate_texts(model, tokenizer, SOURCES, max_length=16, **options, **arguments) == alone


def test_batches_hold_texts_of_similar_length(model, tokenizer, monkeypatch):
    seen = []
    real = type(model).generate
    monkeypatch.setattr(type(model), "generate", lambda self, **kw: seen.append(kw["attention_mask"].sum(1).tolist()) or real(self, **kw))
    generate_texts(model, tokenizer, SOURCES * 2, batch_size=3, **GREEDY)
    flat = [n for batch in seen for n in batch]
    assert flat == sorted(flat, reverse=True) and len(flat) == 2 * len(SOURCES)


def test_nothing_in_nothing_out(model, tokenizer):
    assert translate(model, tokenizer, []) == [] and translate(model, tokenizer, ["", "  "]) == ["", ""]
    assert translate(model, tokenizer, ["", "cat"], **GREEDY) == ["", "chat"]


def test_the_mode_of_the_model_comes_back(tokenizer):
    model = tiny_marian().train()
    model.model.encoder.eval()
    before = [module.training for module in model.modules()]
    translate(model, tokenizer, ["cat"], max_length=3)
    assert [module.training for module in model.modules()] == before


def test_without_a_limit_it_is_the_checkpoints_or_128(tokenizer, monkeypatch):
    """The library stops after 20 tokens if nobody says anything; a cut translation raises no error."""
    model, asked = tiny_marian(), []
    monkeypatch.setattr(type(model), "generate", lambda self, **kw: asked.append(kw) or torch.zeros(1, 1, dtype=torch.long))
    translate(model, tokenizer, ["cat"])
    translate(model, tokenizer, ["cat"], max_new_tokens=7)
    model.generation_config.max_length = 300
    translate(model, tokenizer, ["cat"])
    assert [(kw.get("max_length"), kw.get("max_new_tokens")) for kw in asked] == [(128, None), (None, 7), (None, None)]


def test_the_prefix_is_put_before_each_text(model, tokenizer, monkeypatch):
    read = []
    real = type(model).generate
    monkeypatch.setattr(type(model), "generate", lambda self, **kw: read.append(kw["input_ids"]) or real(self, **kw))
    generate_texts(model, tokenizer, ["cat"], prefix="translate : ", **GREEDY)
    assert tokenizer.decode(read[0][0], skip_special_tokens=True) == "translate : cat"


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda m, t: translate(m, t, "cat"), TypeError, "texts must be a list of strings"),
        (lambda m, t: translate(m, t, ["cat"], batch_size=0), ValueError, "batch_size must be a whole number from 1 up, got 0"),
        (lambda m, t: translate(torch.nn.Linear(1, 1), t, ["cat"]), TypeError, "model must be an encoder-decoder, got Linear"),
    ],
)
def test_bad_calls_are_named(model, tokenizer, call, error, says):
    with pytest.raises(error, match=says):
        call(model, tokenizer)


# --- evaluation: loop and Trainer, gold kept away


class Bare:
    """An accelerator that wraps nothing."""

    unwrap_model = staticmethod(lambda model: model)


def test_rows_for_evaluation_never_see_the_reference(model, tokenizer):
    """Labels and decoder inputs stay out of `generate`: with a wrong reference in the batch, the same is generated."""
    features = pair_tokenize(tokenizer, SOURCES[:2], TARGETS[:2])
    batch = dict(tokenizer.pad({k: features[k] for k in ("input_ids", "attention_mask")}, return_tensors="pt"))
    batch |= {"labels": torch.full((2, 4), 9), "decoder_input_ids": torch.full((2, 4), 9)}
    rows = generation_rows(Bare, **GREEDY)(model, batch)
    assert decode_pair(rows["predictions"], rows["predictions"], tokenizer).pred == TARGETS[:2]
    assert torch.equal(rows["labels"], batch["labels"])


def test_the_loop_scores_what_trainer_scores(model, tokenizer, tmp_path):
    from datasets import Dataset
    from torch.utils.data import DataLoader
    from transformers import DataCollatorForSeq2Seq, Seq2SeqTrainer

    from course_nlp.training import evaluate_loop, safe_args, start_accelerator

    wrong = [*TARGETS[:3], "la maison", "un chien"]  # two of five references differ, so that the score is not 100
    data = Dataset.from_dict(pair_tokenize(tokenizer, SOURCES, wrong))
    collate = DataCollatorForSeq2Seq(tokenizer, model=model)
    scores = []

    def metrics(output):
        pair = decode_pair(output.predictions, output.label_ids, tokenizer)
        scores.append((pair, bleu(pair.pred, pair.ref)))
        return {"bleu": scores[-1][1]}

    args = safe_args(str(tmp_path), seq2seq=True, per_device_eval_batch_size=2, predict_with_generate=True, generation_max_length=16, use_cpu=True)
    by_trainer = Seq2SeqTrainer(model, args, eval_dataset=data, data_collator=collate, processing_class=tokenizer, compute_metrics=metrics).evaluate()
    accelerator = start_accelerator(cpu=True)
    prepared, loader = accelerator.prepare(model, DataLoader(data, batch_size=2, collate_fn=collate))
    pad_index = {"predictions": tokenizer.pad_token_id, "labels": -100}
    out = evaluate_loop(prepared, loader, accelerator, generation_rows(accelerator, max_length=16), pad_index=pad_index, progress=False)
    by_loop = decode_pair(out["predictions"], out["labels"], tokenizer)
    assert by_loop == scores[0][0]
    assert bleu(by_loop.pred, by_loop.ref) == pytest.approx(by_trainer["eval_bleu"], abs=1e-9) and 5 < scores[0][1] < 95


# --- BLEU from counts

REFERENCE = "This plugin allows you to automatically translate web pages between several languages."
BLEU_TRIO = [
    ("This plugin lets you translate web pages between several languages automatically.", 46.7505),
    ("This This This This", 1.6836),
    ("This plugin", 0.0),
]


@pytest.mark.parametrize(("text", "score"), BLEU_TRIO)
def test_the_three_scores_everybody_prints(text, score):
    assert bleu([text], [REFERENCE]) == pytest.approx(score, abs=5e-5)
    assert pooled_bleu(bleu_counts([text], [REFERENCE])) == pytest.approx(score, abs=5e-5)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(words(0), words()), min_size=1, max_size=6))
def test_pooled_counts_are_the_score_of_the_set(pairs):
    preds, refs = map(list, zip(*pairs, strict=True))
    assert pooled_bleu(bleu_counts(preds, refs)) == pytest.approx(bleu(preds, refs), abs=1e-9)


def test_the_score_of_a_set_is_not_the_mean_of_its_sentences():
    preds, refs = ["the cat sleeps here", "a dog"], ["the cat sleeps here", "one big house there"]
    rows = bleu_counts(preds, refs)
    mean = np.mean([pooled_bleu(row[None]) for row in rows])
    assert abs(pooled_bleu(rows) - mean) > 5


def test_chinese_needs_its_own_words():
    pred, ref = ["打开最近的文件"], ["打开最近用过的文件"]
    assert bleu(pred, ref) < 1e-6 < 20 < bleu(pred, ref, tokenize="zh")


@pytest.mark.parametrize(
    ("call", "error", "says"),
    [
        (lambda: bleu_counts(["a"], []), ValueError, "refs must hold one text for each of the 1 predictions, got 0"),
        (lambda: bleu_counts("a", ["a"]), TypeError, "preds must be a list of strings"),
        (lambda: pooled_bleu([]), ValueError, "counts must have the shape"),
        (lambda: pooled_bleu([[1, 2]]), ValueError, r"got \(1, 2\)"),
    ],
)
def test_bad_counts_are_named(call, error, says):
    with pytest.raises(error, match=says):
        call()
