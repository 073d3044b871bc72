"""Lesson 02.02: softmax, evaluating and classify, held against scipy, torch and the library's own pipeline."""

import inspect
import subprocess
import sys

import numpy as np
import pytest
import scipy.special
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.nn.functional import cross_entropy
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForMaskedLM,
    AutoModelForMultipleChoice,
    AutoModelForQuestionAnswering,
    AutoModelForSequenceClassification,
    AutoModelForTokenClassification,
    BatchEncoding,
    BertConfig,
    BertTokenizer,
    DistilBertConfig,
    DistilBertTokenizer,
    GPT2Config,
    pipeline,
)

from course_nlp.pipeline_parts import classify, evaluating, softmax

WORDS = "the film is good bad dull long not a at all and never boring lovely soup cold [UNK]".split()
VOCABULARY = {w: i for i, w in enumerate(dict.fromkeys(["[PAD]", "[CLS]", "[SEP]", "[MASK]", *WORDS, *"abcdefgh.!?"]))}
TEXTS = ["the film is good", "bad", "", "not a dull film and not boring at all !", "lovely soup", "zebra ?", "never " * 12]
SMALL = {"vocab_size": len(VOCABULARY), "max_position_embeddings": 32, "pad_token_id": 0}


def make_tokenizer(cls=BertTokenizer, **options):
    return cls(vocab=VOCABULARY, model_max_length=32, **options)


def make_model(kind="bert", labels=2, seed=0, **options):
    """Return a tiny classifier with random weights, large enough that its scores differ from text to text."""
    torch.manual_seed(seed)
    options |= {"id2label": {i: f"label {i}" for i in range(labels)}, "label2id": {f"label {i}": i for i in range(labels)}}
    if kind == "bert":
        config = BertConfig(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, initializer_range=0.15, **SMALL, **options
        )
    elif kind == "distilbert":
        config = DistilBertConfig(dim=32, n_layers=2, n_heads=2, hidden_dim=64, initializer_range=0.15, **SMALL, **options)
    else:
        config = GPT2Config(n_embd=32, n_layer=2, n_head=2, n_positions=32, initializer_range=0.15, vocab_size=SMALL["vocab_size"],
                            pad_token_id=0, **options)  # fmt: skip
    return AutoModelForSequenceClassification.from_config(config)


@pytest.fixture(scope="module")
def tokenizer():
    return make_tokenizer()


@pytest.fixture(scope="module")
def model():
    return make_model(labels=3).eval()


def flat(results):
    """Return all labels and all scores of a result, whatever its nesting."""
    rows = [r for row in results for r in (row if isinstance(row, list) else [row])]
    return [r["label"] for r in rows], np.array([r["score"] for r in rows])


def assert_same(mine, theirs, tolerance=1e-6):
    assert len(mine) == len(theirs) and [type(m) for m in mine] == [type(t) for t in theirs]
    assert flat(mine)[0] == flat(theirs)[0]
    np.testing.assert_allclose(flat(mine)[1], flat(theirs)[1], rtol=0, atol=tolerance)


# ---------------------------------------------------------------------------------------------------------------- softmax


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_softmax_equals_scipy(data):
    x = data.draw(arrays(np.float64, array_shapes(max_dims=3, max_side=4), elements=st.floats(-1e5, 1e5)))
    axis = data.draw(st.integers(-x.ndim, x.ndim - 1))
    ours = softmax(x, axis=axis)
    np.testing.assert_allclose(ours, scipy.special.softmax(x, axis=axis), rtol=1e-12, atol=1e-300)
    np.testing.assert_allclose(ours.sum(axis=axis), 1, rtol=1e-12)


@settings(max_examples=60, deadline=None)
@given(arrays(np.float64, (2, 3), elements=st.floats(-50, 50)), st.floats(-1000, 1000))
def test_softmax_sees_differences_only_and_keeps_the_order(x, shift):
    np.testing.assert_allclose(softmax(x + shift), softmax(x), rtol=1e-9, atol=1e-15)
    assert (np.diff(np.take_along_axis(softmax(x), x.argsort(axis=-1), axis=-1)) >= 0).all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_softmax_of_a_tensor_equals_torch_and_keeps_its_type(dtype, axis):
    x = torch.randn(3, 4, generator=torch.Generator().manual_seed(1)).to(dtype)
    ours = softmax(x, axis=axis)
    assert ours.dtype == dtype
    torch.testing.assert_close(ours, x.softmax(dim=axis), rtol=4 * torch.finfo(dtype).eps, atol=0)


def test_softmax_passes_gradients_on():
    x = torch.tensor([[1.0, 2.0, -1.0]], requires_grad=True)
    ours = torch.autograd.grad(softmax(x)[0, 0], x)[0]
    theirs = torch.autograd.grad(x.softmax(-1)[0, 0], x)[0]
    torch.testing.assert_close(ours, theirs)


def test_softmax_returns_the_kind_it_was_given():
    assert isinstance(softmax(np.zeros(2, np.float32)), np.ndarray) and softmax(np.zeros(2, np.float32)).dtype == np.float32
    assert isinstance(softmax(torch.zeros(2)), torch.Tensor)
    assert isinstance(softmax([0, 0]), np.ndarray) and softmax((0, 0)).tolist() == [0.5, 0.5]
    assert softmax(np.zeros((0, 2))).shape == (0, 2)


def test_softmax_does_not_change_its_input():
    x, t = np.array([1.0, 2.0]), torch.tensor([1.0, 2.0])
    softmax(x), softmax(t)
    assert x.tolist() == t.tolist() == [1.0, 2.0]


@pytest.mark.parametrize("make", [lambda v: np.array(v, np.int8), lambda v: torch.tensor(v, dtype=torch.int8)])
def test_softmax_of_whole_numbers_does_not_wrap_around(make):
    # -100 - 100 in 8 bits is 56: without the change to floats the smaller logit would win
    assert softmax(make([-100, 100])).tolist() == pytest.approx([0, 1], abs=1e-30)


@pytest.mark.parametrize("values", [[1000.0, 1001.0], [-1000.0, -1001.0], [3e38, -3e38]])
def test_softmax_survives_what_the_textbook_formula_does_not(values):
    large = torch.tensor(values)
    naive = large.exp() / large.exp().sum()
    assert naive.isnan().any()
    torch.testing.assert_close(softmax(large), large.softmax(-1))
    assert softmax(np.array(values)).sum() == pytest.approx(1)


def test_softmax_gives_minus_infinity_no_share():
    assert softmax([0.0, -np.inf, 0.0]).tolist() == [0.5, 0.0, 0.5]
    assert softmax(torch.tensor([0.0, -torch.inf])).tolist() == [1.0, 0.0]


def test_softmax_turns_the_published_logits_into_the_published_probabilities():
    published = [[0.0402, 0.9598], [0.9995, 0.0005]]  # The Hugging Face Course, 2022: SST-2 DistilBERT on two sentences
    assert np.abs(softmax([[-1.5607, 1.6123], [4.1692, -3.3464]]) - published).max() < 1e-4


@pytest.mark.parametrize("wrap", [np.array, torch.tensor])
@pytest.mark.parametrize("values", [[0.0, float("nan")], [0.0, float("inf")], [-float("inf")] * 2])
def test_softmax_refuses_what_has_none(wrap, values):
    with pytest.raises(ValueError, match="^x has a largest value of .*(nan|inf).*find out"):
        softmax(wrap(values))


@pytest.mark.parametrize("x, axis", [([], -1), (3.0, -1), ([1.0], 1), ([1.0], -2), (np.zeros((2, 0)), 1), ([1.0], None), (torch.tensor(1.0), 0)])
def test_softmax_names_a_bad_axis(x, axis):
    with pytest.raises(ValueError, match=rf"^axis = {axis}: x has the shape \(.*name one"):
        softmax(x, axis=axis)


@pytest.mark.parametrize("x", [["a", "b"], None, {"logits": [1]}, [1 + 1j, 0], torch.tensor([1 + 1j]), [True, False]])
def test_softmax_wants_numbers(x):
    with pytest.raises(TypeError, match="^x must hold real numbers, got .*logits"):
        softmax(x)


def test_softmax_names_ragged_rows():
    with pytest.raises(ValueError, match=r"^x = \[\[1\], \[1, 2\]\]: rows differ"):
        softmax([[1], [1, 2]])


def test_the_module_needs_no_torch_until_a_model_is_there():
    code = (
        "import sys; from course_nlp.pipeline_parts import softmax, classify; softmax([1, 2]);"
        "sys.exit([m for m in ('torch', 'transformers') if m in sys.modules] != [])"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


# ------------------------------------------------------------------------------------------------------------- evaluating


def test_evaluating_puts_every_layer_back_into_its_own_mode():
    model = torch.nn.Sequential(torch.nn.Dropout(), torch.nn.Sequential(torch.nn.Dropout()))
    model.train()
    model[1].eval()  # a frozen part
    with evaluating(model) as same:
        assert same is model and not any(layer.training for layer in model.modules())
    assert [layer.training for layer in model.modules()] == [True, True, False, False]


def test_evaluating_puts_back_after_an_error():
    model = torch.nn.Dropout().train()
    with pytest.raises(KeyError), evaluating(model):
        raise KeyError("inside")
    assert model.training


def test_evaluating_wants_a_model():
    with pytest.raises(TypeError, match="^model must be a loaded model, got str 'course/x'.*from_pretrained"), evaluating("course/x"):
        pass


# --------------------------------------------------------------------------------------- classify: equal to the pipeline

MODELS = {
    "bert, 2 labels": {},
    "bert, 5 labels": {"labels": 5},
    "distilbert": {"kind": "distilbert", "labels": 3},
    "one label": {"labels": 1},
    "labels that can be true together": {"labels": 4, "problem_type": "multi_label_classification"},
    "regression": {"labels": 1, "problem_type": "regression"},
    "gpt2": {"kind": "gpt2", "labels": 3},
}


@pytest.mark.parametrize("name", MODELS)
def test_classify_equals_the_pipeline(name):
    model, tokenizer = make_model(**MODELS[name]).eval(), make_tokenizer()
    texts = [text for text in TEXTS if text] if name == "gpt2" else TEXTS
    theirs = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    assert_same(classify(texts, model, tokenizer), theirs(texts))
    assert_same(classify(texts, model, tokenizer, top_k=None, batch_size=2), theirs(texts, top_k=None))
    assert_same(classify(texts, model, tokenizer, top_k=2), theirs(texts, top_k=2) if model.config.num_labels > 1 else theirs(texts, top_k=None))
    assert len(set(flat(theirs(texts))[1].round(5))) > 2, "the texts must not all score alike, or this proves nothing"


def test_the_older_task_name_is_the_same_task(model, tokenizer):
    old = pipeline("sentiment-analysis", model=model, tokenizer=tokenizer, device="cpu")
    assert type(old) is type(pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu"))
    assert_same(classify(TEXTS, model, tokenizer), old(TEXTS))


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from(WORDS[:-1]), max_size=14).map(" ".join), max_size=9),
    st.one_of(st.none(), st.integers(1, 10)),
)
def test_batches_do_not_change_scores_or_order(model, tokenizer, texts, batch_size):
    one_by_one = [classify(text, model, tokenizer, top_k=None)[0] for text in texts]
    together = classify(texts, model, tokenizer, top_k=None, batch_size=batch_size)
    assert [[r["label"] for r in row] for row in together] == [[r["label"] for r in row] for row in one_by_one] or not texts
    np.testing.assert_allclose(flat(together)[1], flat(one_by_one)[1], rtol=0, atol=1e-6)


def test_scores_are_shares_of_one_for_labels_that_exclude_each_other(model, tokenizer):
    for row in classify(TEXTS, model, tokenizer, top_k=None):
        scores = [r["score"] for r in row]
        assert sum(scores) == pytest.approx(1, abs=1e-6) and scores == sorted(scores, reverse=True)
        assert {r["label"] for r in row} == set(model.config.id2label.values())


def test_a_single_label_gets_a_sigmoid_and_not_the_share_of_one_among_one(tokenizer):
    model = make_model(labels=1).eval()
    with torch.no_grad():
        logits = model(**tokenizer(TEXTS, padding=True, return_tensors="pt")).logits[:, 0]
    scores = [r["score"] for r in classify(TEXTS, model, tokenizer)]
    assert scores == pytest.approx(logits.sigmoid().tolist(), abs=1e-6) and min(scores) < 0.9


def test_labels_that_can_be_true_together_do_not_share(tokenizer):
    model = make_model(labels=4, problem_type="multi_label_classification").eval()
    sums = [sum(r["score"] for r in row) for row in classify(TEXTS, model, tokenizer, top_k=None)]
    assert max(abs(total - 1) for total in sums) > 0.1


@pytest.mark.parametrize("top_k, count", [(2, 2), (3, 3), (99, 3), (None, 3)])
def test_top_k_sets_how_many_labels_come_back(model, tokenizer, top_k, count):
    rows = classify(TEXTS[:2], model, tokenizer, top_k=top_k)
    assert [len(row) for row in rows] == [count, count]
    assert [row[0] for row in rows] == classify(TEXTS[:2], model, tokenizer)


@pytest.mark.parametrize("texts", [[], (), iter([])])
def test_no_texts_give_an_empty_list(model, tokenizer, texts):
    assert classify(texts, model, tokenizer) == []


def test_texts_may_be_one_string_or_anything_that_yields_strings(model, tokenizer):
    expected = classify(["bad"], model, tokenizer)
    for texts in ("bad", ("bad",), (word for word in ["bad"]), np.array(["bad"]), {"bad": 1}.keys()):
        assert classify(texts, model, tokenizer) == expected


# -------------------------------------------------------------------------------------------- classify: what it repairs


def test_dropout_does_not_reach_the_scores_and_the_mode_comes_back(tokenizer):
    model = make_model(hidden_dropout_prob=0.5)  # from a configuration: in training mode
    assert model.training
    first, second = (classify(TEXTS, model, tokenizer, top_k=None) for _ in range(2))
    assert first == second and model.training
    model.eval()
    classify(TEXTS, model, tokenizer)
    assert not model.training


def test_the_mode_comes_back_after_an_error(tokenizer):
    model = make_model()
    with pytest.raises(ValueError):
        classify("film " * 99, model, tokenizer)
    assert model.training


def test_no_graph_is_kept(tokenizer):
    model, seen = make_model(), []
    model.classifier.register_forward_hook(lambda layer, given, out: seen.append(out.requires_grad))
    classify(TEXTS, model, tokenizer)
    assert seen == [False] and torch.is_grad_enabled()


def test_inputs_go_to_the_model_s_device(model, tokenizer, monkeypatch):
    asked, move = [], BatchEncoding.to
    monkeypatch.setattr(BatchEncoding, "to", lambda self, device, **options: (asked.append(device), move(self, device, **options))[1])
    classify(TEXTS, model, tokenizer, batch_size=4)
    assert asked == [model.device] * 2


def test_batch_size_bounds_what_the_model_sees(tokenizer):
    model, seen = make_model().eval(), []
    model.register_forward_pre_hook(lambda layer, args, kwargs: seen.append(tuple(kwargs["input_ids"].shape)), with_kwargs=True)
    classify([" ".join(["film"] * n) for n in (1, 9, 2, 8, 3)], model, tokenizer, batch_size=2)
    assert seen == [(2, 11), (2, 5), (1, 3)]  # longest first, and neighbors of similar length


def test_half_precision_models_work(tokenizer):
    full = classify(TEXTS, make_model(labels=3).eval(), tokenizer, top_k=None)
    half = classify(TEXTS, make_model(labels=3).eval().to(torch.bfloat16), tokenizer, top_k=None)
    np.testing.assert_allclose(flat(half)[1], flat(full)[1], atol=0.1)
    for row in half:  # the softmax is computed in 32 bits: in 16, the sum would be off by about a hundredth
        assert sum(r["score"] for r in row) == pytest.approx(1, abs=1e-6)


def test_a_tokenizer_that_keeps_the_mask_back_is_asked_for_it(model):
    stingy = make_tokenizer()
    stingy.model_input_names = ["input_ids"]
    assert "attention_mask" not in stingy("bad")
    assert_same(classify(TEXTS, model, stingy), classify(TEXTS, model, make_tokenizer()))


def test_a_long_text_is_refused_or_cut_but_never_cut_in_silence(model, tokenizer):
    long = "good " * 40
    with pytest.raises(ValueError, match=r"^texts holds one of 42 tokens, and the model reads 32: 'good good .*truncation=True"):
        classify(["bad", long, "dull"], model, tokenizer)
    cut = classify(["bad", long, "dull"], model, tokenizer, truncation=True)
    assert_same(cut[1:2], classify("good " * 30, model, tokenizer))  # 30 words and two special tokens
    theirs = pipeline("text-classification", model=model, tokenizer=tokenizer, device="cpu")
    assert_same(cut, theirs(["bad", long, "dull"], truncation=True))


def test_a_tokenizer_that_knows_no_limit_gets_the_model_s(model):
    boundless = BertTokenizer(vocab=VOCABULARY)
    assert boundless.model_max_length > 10**9
    with pytest.raises(ValueError, match="the model reads 32"):
        classify("good " * 40, model, boundless)
    assert_same(classify("good " * 40, model, boundless, truncation=True), classify("good " * 30, model, boundless))


# ------------------------------------------------------------------------------------------------- classify: bad input


@pytest.mark.parametrize("texts", [None, 7, b"bad", {"text": "bad"}])
def test_texts_must_be_text(model, tokenizer, texts):
    with pytest.raises(TypeError, match=r"^texts must be a string or a list of strings, got (NoneType|int|bytes|dict)"):
        classify(texts, model, tokenizer)


@pytest.mark.parametrize("odd", [None, 7, ["bad"], b"bad"])
def test_the_text_that_is_none_is_named(model, tokenizer, odd):
    with pytest.raises(TypeError, match=r"^texts\[1\] must be a string, got "):
        classify(["good", odd], model, tokenizer)


@pytest.mark.parametrize("name", ["top_k", "batch_size"])
@pytest.mark.parametrize("value", [0, -1, 1.0, True, "2"])
def test_counts_must_be_whole_numbers_from_one(model, tokenizer, name, value):
    with pytest.raises(ValueError, match=f"^{name} must be a whole number from 1 up, or None for all, got {value!r}"):
        classify("bad", model, tokenizer, **{name: value})


def test_model_and_tokenizer_must_be_loaded(model, tokenizer):
    with pytest.raises(TypeError, match="^model must be loaded, got str 'course/x'; call from_pretrained"):
        classify("bad", "course/x", tokenizer)
    with pytest.raises(TypeError, match="^tokenizer must be loaded, got str 'course/x'; call from_pretrained"):
        classify("bad", model, "course/x")
    with pytest.raises(TypeError, match="^model must be loaded, got BertTokenizer"):
        classify("bad", tokenizer, model)  # swapped
    with pytest.raises(TypeError, match="^model must be loaded, got Linear"):
        classify("bad", torch.nn.Linear(2, 2), tokenizer)


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForTokenClassification, AutoModelForQuestionAnswering])
def test_a_model_without_a_head_for_texts_is_named(tokenizer, auto):
    other = auto.from_config(make_model().config)
    with pytest.raises(ValueError, match=f"^model is a {type(other).__name__}, .*AutoModelForSequenceClassification"):
        classify(TEXTS, other, tokenizer)


def test_texts_cannot_share_a_batch_without_a_pad_token(model):
    bare = make_tokenizer()
    bare.pad_token = None
    with pytest.raises(ValueError, match="^tokenizer has no pad token, .*batch_size=1"):
        classify(TEXTS, model, bare)
    assert_same(classify(TEXTS, model, bare, batch_size=1), classify(TEXTS, model, make_tokenizer()))


@pytest.mark.parametrize("options", [{}, {"problem_type": "multi_label_classification"}, {"labels": 1}])
def test_damaged_weights_do_not_give_scores(tokenizer, options):
    model = make_model(**options)
    torch.nn.init.constant_(model.classifier.bias, float("nan"))
    with pytest.raises(ValueError, match="^model returned nan"):
        classify(TEXTS, model, tokenizer)


# --------------------------------------------------------------------------------------------- what the lesson says


@pytest.fixture
def batch(tokenizer):
    return tokenizer(["the film is good and not dull", "bad"], padding=True, return_tensors="pt")


def test_three_ways_of_reading_an_output_agree(model, batch):
    for output, key in ((model(**batch), "logits"), (model.base_model(**batch), "last_hidden_state")):
        assert torch.equal(getattr(output, key), output[key]) and torch.equal(output[key], output[0])


def test_the_body_gives_one_vector_per_position_and_the_head_takes_them(model, batch):
    hidden = model.base_model(**batch).last_hidden_state
    assert hidden.shape == (*batch["input_ids"].shape, model.config.hidden_size)
    logits = model.classifier(model.base_model.pooler(hidden))  # hidden states in, logits out
    torch.testing.assert_close(logits, model(**batch).logits)


def test_in_distilbert_too_the_head_reads_the_first_hidden_state(tokenizer):
    model = make_model("distilbert").eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    hidden = model.distilbert(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    logits = model.classifier(model.pre_classifier(hidden[:, 0]).relu())
    torch.testing.assert_close(logits, model(**batch).logits)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_filler_changes_nothing_with_the_mask_and_something_without(kind, tokenizer, batch):
    model = make_model(kind).eval()
    alone = model(**tokenizer("bad", return_tensors="pt")).logits
    masked, unmasked = model(**batch).logits[1:], model(input_ids=batch["input_ids"]).logits[1:]
    torch.testing.assert_close(alone, masked, rtol=0, atol=1e-5)
    assert (alone - unmasked).abs().max() > 1e-3


def test_which_keys_come_back_depends_on_the_tokenizer_class():
    bert, distilbert = make_tokenizer()("bad film"), make_tokenizer(DistilBertTokenizer)("bad film")
    assert set(bert) == {"input_ids", "token_type_ids", "attention_mask"} and set(distilbert) == {"input_ids", "attention_mask"}
    assert bert["input_ids"] == distilbert["input_ids"]


def test_distilbert_takes_the_extra_key_and_ignores_it(tokenizer):
    model = make_model("distilbert").eval()
    batch = tokenizer(TEXTS, padding=True, return_tensors="pt")
    with_types = model(**batch).logits
    assert torch.equal(with_types, model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits)


def test_tensorflow_is_gone(tokenizer):
    import transformers

    with pytest.raises(ValueError, match="tf"):
        tokenizer("bad", return_tensors="tf")
    assert not hasattr(transformers, "TFAutoModel")


def test_from_pretrained_evaluates_and_from_config_trains(model, batch, tmp_path):
    model.save_pretrained(tmp_path)
    assert not AutoModelForSequenceClassification.from_pretrained(tmp_path).training
    fresh = AutoModelForSequenceClassification.from_config(model.config)
    assert fresh.training
    with torch.no_grad():  # does not switch dropout off
        assert not torch.equal(fresh(**batch).logits, fresh(**batch).logits)
        fresh.eval()
        assert torch.equal(fresh(**batch).logits, fresh(**batch).logits)


def test_gradients_are_tracked_unless_switched_off(model, batch):
    assert model(**batch).logits.grad_fn is not None
    with torch.no_grad():
        assert model(**batch).logits.grad_fn is None


def test_cross_entropy_takes_logits_and_survives_what_the_steps_do_not(model, batch):
    right = torch.tensor([2, 0])
    logits = model(**batch).logits
    steps = -softmax(logits)[range(2), right].log().mean()
    torch.testing.assert_close(cross_entropy(logits, right), steps)
    model.config.problem_type = None
    torch.testing.assert_close(model(**batch, labels=right).loss, steps)
    model.config.problem_type = None  # the call above has written its guess there
    sure, truth = torch.tensor([[0.0, 200.0]]), torch.tensor([0])
    assert softmax(sure)[0, 0].log() == -torch.inf and cross_entropy(sure, truth) == 200


HEADS = [  # class, names and shapes of what its head returns for two texts of nine tokens
    (AutoModelForSequenceClassification, {"logits": (2, 2)}),
    (AutoModelForTokenClassification, {"logits": (2, 9, 2)}),
    (AutoModelForQuestionAnswering, {"start_logits": (2, 9), "end_logits": (2, 9)}),
    (AutoModelForMaskedLM, {"logits": (2, 9, len(VOCABULARY))}),
    (AutoModelForCausalLM, {"logits": (2, 9, len(VOCABULARY))}),
]


@pytest.mark.parametrize("auto, shapes", HEADS)
def test_the_table_of_heads(batch, auto, shapes):
    config = make_model(is_decoder=auto is AutoModelForCausalLM, use_cache=False).config
    outputs = auto.from_config(config)(**batch)
    assert {name: tuple(values.shape) for name, values in outputs.items()} == shapes


def test_the_table_of_heads_multiple_choice(model, batch):
    outputs = AutoModelForMultipleChoice.from_config(model.config)(**{name: values[None] for name, values in batch.items()})
    assert outputs.logits.shape == (1, 2)  # one question, two answers on offer


def test_a_model_is_a_plain_module_written_in_one_file(model):
    assert isinstance(model, torch.nn.Module)
    own = {inspect.getsourcefile(type(layer)) for layer in model.modules() if type(layer).__module__.startswith("transformers")}
    assert {path.rsplit("/", 1)[1] for path in own} == {"modeling_bert.py", "activations.py"}


def test_distilbert_with_a_head_has_the_published_size():
    with torch.device("meta"):
        original = AutoModelForSequenceClassification.from_config(DistilBertConfig())
    assert sum(weights.numel() for weights in original.parameters()) == 66_955_010
