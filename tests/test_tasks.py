"""Lesson 01.03: the table of tasks, vectors and labels, entities in a text, sounds, and the pipelines on tiny models."""

import io
import struct
import wave

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
    BertTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    pipeline,
    set_seed,
)
from transformers.pipelines import SUPPORTED_TASKS, PipelineException, check_task

from course_nlp.tasks import TASKS, embed, mask_with, model_dtype, read_wav, show_entities, zero_shot

WORDS = "this text is about cooking sport money the soup was hot and striker scored twice . my name lagos syl ##va ##in".split()
VOCAB = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
NAMES = {"id2label": {0: "O", 1: "B-PER", 2: "I-PER"}, "label2id": {"O": 0, "B-PER": 1, "I-PER": 2}}


def tokenizer():
    return BertTokenizer(vocab=VOCAB, model_max_length=16)


def bert(kind, **more):
    """Return a small BERT with random weights, large enough to disagree about texts."""
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(VOCAB), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=16, **more)  # fmt: skip
    model = kind(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(8)
    return model


@pytest.fixture(scope="module")
def extractor():
    return pipeline("feature-extraction", model=bert(BertModel), tokenizer=tokenizer(), device="cpu")


# --- the table


def test_every_pipeline_of_the_table_exists_or_is_marked():
    for task in TASKS:
        assert task.pipeline is None or task.pipeline in SUPPORTED_TASKS
        assert hasattr(transformers, task.auto_class)


def test_the_marked_ones_are_those_that_were_removed():
    marked = {task.auto_class for task in TASKS if task.pipeline is None}
    assert marked == {"AutoModelForQuestionAnswering", "AutoModelForSeq2SeqLM"}
    for name in ("question-answering", "summarization", "translation", "translation_en_to_fr", "text2text-generation"):
        with pytest.raises(KeyError, match="has been removed"):
            check_task(name)
    assert check_task("sentiment-analysis")[0] == "text-classification" and check_task("ner")[0] == "token-classification"


# --- vectors


def test_embed_is_the_scaled_mean_of_the_tokens(extractor):
    texts = ["the soup was hot", "striker"]
    found = embed(texts, extractor)
    for text, row in zip(texts, found, strict=True):
        with torch.no_grad():
            states = extractor.model(**tokenizer()(text, return_tensors="pt")).last_hidden_state[0].numpy()
        mean = states.mean(axis=0)
        assert np.allclose(row, mean / np.linalg.norm(mean), atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1)


def test_embed_cuts_long_texts_and_takes_the_empty_one(extractor):
    found = embed(["soup " * 100, "soup " * 200, ""], extractor)
    assert np.allclose(found[0], found[1]) and np.isfinite(found).all()


@pytest.mark.parametrize(
    "texts, error, said",
    [("soup", TypeError, r"write \[text\]"), ([], ValueError, "texts is empty")],
)
def test_embed_refuses(extractor, texts, error, said):
    with pytest.raises(error, match=said):
        embed(texts, extractor)


def test_embed_refuses_another_pipeline():
    other = pipeline("fill-mask", model=bert(BertForMaskedLM), tokenizer=tokenizer(), device="cpu")
    with pytest.raises(ValueError, match="got 'fill-mask'"):
        embed(["soup"], other)


# --- labels


@settings(deadline=None, max_examples=25)
@given(labels=st.lists(st.sampled_from(WORDS), min_size=1, max_size=5, unique=True), temperature=st.floats(0.01, 10))
def test_scores_are_sorted_shares_of_the_labels(extractor, labels, temperature):
    texts = ["the soup was hot", "the striker scored twice"]
    for text, found in zip(texts, zero_shot(texts, labels, extractor, temperature=temperature), strict=True):
        assert found["sequence"] == text and sorted(found["labels"]) == sorted(labels)
        assert found["scores"] == sorted(found["scores"], reverse=True)
        assert sum(found["scores"]) == pytest.approx(1) and min(found["scores"]) >= 0


def test_the_order_is_that_of_the_cosines(extractor):
    labels = ["cooking", "sport", "money"]
    text = "the striker scored twice ."
    cosines = embed([f"this text is about {label}." for label in labels], extractor) @ embed([text], extractor)[0]
    (found,) = zero_shot([text], labels, extractor, template="this text is about {}.")
    assert found["labels"] == [labels[i] for i in np.argsort(-cosines)]
    ratio = found["scores"][0] / found["scores"][1]
    assert ratio == pytest.approx(np.exp((np.sort(cosines)[-1] - np.sort(cosines)[-2]) / 0.05), rel=1e-4)


def test_the_order_of_labels_does_not_matter_and_the_template_does(extractor):
    text = ["the soup was hot"]
    (one,), (other,) = (zero_shot(text, labels, extractor) for labels in (["cooking", "sport"], ["sport", "cooking"]))
    assert one["labels"] == other["labels"] and one["scores"] == pytest.approx(other["scores"])
    assert zero_shot(text, ["cooking", "sport"], extractor, template="{}")[0]["scores"] != pytest.approx(one["scores"])


def test_a_single_label_gets_the_whole(extractor):
    assert zero_shot(["the soup was hot"], ["money"], extractor)[0]["scores"] == [1.0]


def test_one_temperature_is_bolder_than_another(extractor):
    cold, warm = (zero_shot(["soup"], ["cooking", "sport"], extractor, temperature=t)[0] for t in (0.01, 1))
    assert cold["labels"] == warm["labels"] and cold["scores"][0] > warm["scores"][0]


@pytest.mark.parametrize(
    "arguments, error, said",
    [
        ({"labels": []}, ValueError, "labels must be different and at least one, got \\[\\]"),
        ({"labels": "sport"}, TypeError, "labels must be a list, got 'sport'"),
        ({"labels": ["sport", "sport"]}, ValueError, "labels must be different"),
        ({"template": "about"}, ValueError, "template must have {} where the label goes, got 'about'"),
        ({"temperature": 0}, ValueError, "temperature must be larger than 0, got 0"),
        ({"texts": "soup"}, TypeError, "texts must be a list"),
    ],
)
def test_zero_shot_refuses(extractor, arguments, error, said):
    with pytest.raises(error, match=said):
        zero_shot(**{"texts": ["soup"], "labels": ["sport"], "extractor": extractor} | arguments)


def test_labels_are_required(extractor):
    with pytest.raises(TypeError, match="labels"):
        zero_shot(["soup"], extractor=extractor)


# --- entities


@given(st.text("abc ", max_size=30), st.lists(st.integers(0, 30), unique=True, max_size=8))
def test_what_is_in_brackets_is_the_text(text, cuts):
    cuts = sorted(cut for cut in cuts if cut <= len(text))
    spans = list(zip(cuts[::2], cuts[1::2], strict=False))
    entities = [{"entity_group": "X", "start": a, "end": b} for a, b in spans]
    shown = show_entities(text, entities[::-1])  # any order
    assert shown.replace(": X]", "").replace("[", "") == text
    assert [part.split(": X]")[0] for part in shown.split("[")[1:]] == [text[a:b] for a, b in spans]


@pytest.mark.parametrize("spans", [[(0, 9)], [(2, 2)], [(3, 1)], [(0, 3), (2, 4)], [(-1, 2)]])
def test_places_that_do_not_fit_are_refused(spans):
    with pytest.raises(ValueError, match="does not fit a text of 5 characters"):
        show_entities("Lagos", [{"entity_group": "LOC", "start": a, "end": b} for a, b in spans])


def test_ungrouped_entities_are_shown_by_their_tag():
    assert show_entities("Lagos", [{"entity": "B-LOC", "start": 0, "end": 5}]) == "[Lagos: B-LOC]"


# --- the pipelines of the lesson, on models that know nothing


def test_classification_returns_a_label_and_a_score_for_each_text():
    model = bert(BertForSequenceClassification, id2label={0: "NEGATIVE", 1: "POSITIVE"}, label2id={"NEGATIVE": 0, "POSITIVE": 1})
    classifier = pipeline("sentiment-analysis", model=model, tokenizer=tokenizer(), device="cpu")
    one, two = classifier(["the soup was hot", "money"])
    assert set(one) == {"label", "score"} and 0 <= one["score"] <= 1 and two["label"] in ("NEGATIVE", "POSITIVE")
    every = classifier("money", top_k=None)
    assert sum(entry["score"] for entry in every) == pytest.approx(1)


def test_names_are_grouped_from_pieces_and_cut_out_of_the_text():
    model = bert(BertForTokenClassification, **NAMES)
    with torch.no_grad():  # say "I-PER" to every token
        model.classifier.weight.zero_()
        model.classifier.bias.copy_(torch.tensor([0.0, 0, 5]))
    tagger = pipeline("ner", model=model, tokenizer=tokenizer(), device="cpu")
    text = "Sylvain"
    assert [piece["word"] for piece in tagger(text)] == ["syl", "##va", "##in"]
    (whole,) = tagger(text, aggregation_strategy="simple")
    assert text[whole["start"] : whole["end"]] == "Sylvain" and show_entities(text, [whole]) == "[Sylvain: PER]"


def test_the_old_argument_is_refused():
    with pytest.raises(TypeError, match="grouped_entities"):
        pipeline("ner", model=bert(BertForTokenClassification, **NAMES), tokenizer=tokenizer(), grouped_entities=True)


@pytest.fixture(scope="module")
def generator():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    fast = Tokenizer(models.WordLevel({word: i for i, word in enumerate(["<unk>", "<end>", *WORDS])}, unk_token="<unk>"))
    fast.pre_tokenizer = pre_tokenizers.Whitespace()
    torch.manual_seed(0)
    size = {"vocab_size": fast.get_vocab_size(), "n_embd": 16, "n_layer": 1, "n_head": 2, "n_positions": 32}
    model = GPT2LMHeadModel(GPT2Config(**size, bos_token_id=1, eos_token_id=1, pad_token_id=1)).eval()
    wrapped = PreTrainedTokenizerFast(tokenizer_object=fast, unk_token="<unk>", eos_token="<end>", pad_token="<end>")
    return pipeline("text-generation", model=model, tokenizer=wrapped, device="cpu")


def test_two_sequences_were_asked_for_and_seeds_repeat_them(generator):
    ask = lambda: generator("the soup", max_new_tokens=6, do_sample=True, num_return_sequences=2)
    set_seed(1)
    first = ask()
    set_seed(1)
    assert ask() == first and len(first) == 2
    assert all(set(row) == {"generated_text"} and row["generated_text"].startswith("the soup") for row in first)


def test_greedy_needs_no_seed_and_limits_count_tokens(generator):
    runs = [generator("the soup", max_new_tokens=5, do_sample=False, return_tensors=True)[0] for _ in range(2)]
    ids = [run["generated_token_ids"] for run in runs]
    assert ids[0] == ids[1] and len(ids[0]) <= 2 + 5


@pytest.mark.parametrize("k", [1, 3])
def test_each_guess_has_score_id_token_and_text(k):
    filler = pipeline("fill-mask", model=bert(BertForMaskedLM), tokenizer=tokenizer(), device="cpu")
    guesses = filler(mask_with(filler.tokenizer, "the soup was ___ ."), top_k=k)
    assert len(guesses) == k and all(set(guess) == {"score", "token", "token_str", "sequence"} for guess in guesses)
    assert [guess["score"] for guess in guesses] == sorted((guess["score"] for guess in guesses), reverse=True)
    with pytest.raises(PipelineException, match="mask_token"):
        filler("the soup was hot .")


def test_mask_with_puts_in_the_tokenizers_own_sign(generator):
    assert mask_with(tokenizer(), "the ___ was ___") == "the [MASK] was [MASK]"
    other = BertTokenizer(vocab=VOCAB, mask_token="<mask>")
    assert mask_with(other, "the ___") == "the <mask>"
    with pytest.raises(ValueError, match="must have a gap, written ___, got 'the soup'"):
        mask_with(tokenizer(), "the soup")
    with pytest.raises(ValueError, match="has no mask token"):
        mask_with(generator.tokenizer, "the ___")


# --- sound


def written(samples, rate=16_000, channels=1):
    """Return 16-bit samples as a WAV file, by the standard library."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())
    return out.getvalue()


def packed(kind, bits, data, rate=16_000, extra=b""):
    """Return a WAV file of any format."""
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, kind, 1, rate, rate * bits // 8, bits // 8, bits) + extra
    body += b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def test_samples_come_back_as_they_were():
    samples = np.random.default_rng(0).integers(-32768, 32768, 1000)
    assert np.allclose(read_wav(written(samples)), samples / 32768, atol=1e-6)


def test_two_channels_become_their_mean():
    assert np.allclose(read_wav(written([100, 300, -200, 0], channels=2)), [200 / 32768, -100 / 32768], atol=1e-6)


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_another_rate_keeps_length_and_pitch(rate):
    time = np.arange(rate) / rate  # a second of 440 Hz
    sound = read_wav(written(np.sin(2 * np.pi * 440 * time) * 20_000, rate))
    assert len(sound) == 16_000
    assert np.abs(np.fft.rfft(sound)).argmax() == 440


def test_a_loud_sound_stays_within_its_bounds():
    sound = read_wav(written(np.where(np.arange(8_000) // 4 % 2, 32767, -32768), 8_000))  # a square wave rings at its edges
    assert np.abs(sound).max() == 1


def test_mu_law_follows_the_recommendation():
    table = {0x00: -32124, 0x80: 32124, 0xFF: 0, 0x7F: 0, 0xFE: 8, 0x7E: -8, 0xF0: 120, 0xEF: 132, 0x0F: -16764, 0xDF: 396}  # G.711, table 2a
    found = read_wav(packed(7, 8, bytes(table)))
    assert np.allclose(found * 32768, list(table.values()), atol=0.01)


def test_other_parts_are_skipped():
    extra = b"LIST" + struct.pack("<I", 3) + b"abc\0"  # an odd part is filled up
    assert np.allclose(read_wav(packed(1, 16, struct.pack("<2h", 5, -5), extra=extra)) * 32768, [5, -5], atol=0.01)


@pytest.mark.parametrize(
    "data, said",
    [
        (b"fLaC" + bytes(20), "must be a WAV file"),
        (b"", "must be a WAV file"),
        (packed(3, 32, bytes(8)), "32-bit samples of format 3"),
        (b"RIFF\x04\0\0\0WAVE", "without sound"),
    ],
)
def test_other_files_are_refused(data, said):
    with pytest.raises(ValueError, match=said):
        read_wav(data)


# --- the type of the weights


@pytest.mark.parametrize(
    "found, wanted",
    [({"avx512_bf16": True}, torch.bfloat16), ({"amx_bf16": True}, torch.bfloat16), ({"bf16": True}, torch.bfloat16),
     ({"avx512_f": True}, torch.float32), ({}, torch.float32)],
)  # fmt: skip
def test_a_processor_without_bfloat16_gets_float32(monkeypatch, found, wanted):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: found, raising=False)
    assert model_dtype() is wanted


def test_an_older_torch_cannot_tell(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert model_dtype() is torch.float32
