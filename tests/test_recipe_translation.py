"""The recipe of the small translator: its tokenizer, its model, its figures; and the weights that the package ships."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from datasets import Dataset

from course_nlp.recipe_core import Options, Split
from course_nlp.recipe_translation import (
    LETTERS,
    TRANSLATION,
    smoothed_loss,
    translation_baseline,
    translation_collator,
    translation_encode,
    translation_figures,
    translation_gather,
    translation_model,
    translation_tokenizer,
)
from course_nlp.stand_ins import DATA

PAIRS = [("Open the file", "Ouvrir le fichier"), ("Close %(name)s", "Fermer %(name)s"), ("Delete 3 pages…", "Supprimer 3 pages…")] * 5
SHIPPED = DATA / "trained" / "translation"


@pytest.fixture(scope="module")
def rows():
    return Dataset.from_list([{"translation": {"en": en, "fr": fr}} for en, fr in PAIRS])


@pytest.fixture(scope="module")
def made(rows):
    torch.manual_seed(0)
    return translation_model(None, rows, [], Options(output_dir=Path("unused")))


@pytest.mark.parametrize("text", ["Ouvrir le fichier", "« %(name)s » n'est pas là…", "Où ? Ça ; {0} – 50 %", LETTERS])
def test_the_tokenizer_gives_back_what_it_got(text):
    tokenizer = translation_tokenizer([text for pair in PAIRS for text in pair], size=220)
    assert tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True) == text
    assert tokenizer.unk_token_id not in tokenizer(text)["input_ids"]


def test_another_process_numbers_the_pieces_alike(tmp_path):
    """The trainer's own order depends on hashes, which differ from process to process."""
    code = f"""
from course_nlp.recipe_translation import translation_tokenizer
print(translation_tokenizer({[text for pair in PAIRS for text in pair]!r} * 3, size=220).backend_tokenizer.to_str())
"""
    said = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout for _ in range(3)]
    assert said[0] == said[1] == said[2] and len(said[0]) > 2000


def test_a_sign_that_nobody_knows_is_one_unknown_token():
    tokenizer = translation_tokenizer([text for pair in PAIRS for text in pair], size=220)
    assert tokenizer.unk_token_id in tokenizer("永")["input_ids"]


def test_the_special_tokens_are_those_of_the_model(made):
    model, tokenizer = made
    config = model.config
    assert (config.pad_token_id, config.eos_token_id, config.decoder_start_token_id) == (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    assert config.vocab_size == len(tokenizer) and tokenizer.model_max_length <= config.max_position_embeddings
    assert config.dropout == config.attention_dropout == config.activation_dropout == 0.0


def test_making_it_twice_makes_the_same(rows, made):
    torch.manual_seed(0)
    again, tokenizer = translation_model(None, rows, [], Options(output_dir=Path("unused")))
    assert tokenizer.get_vocab() == made[1].get_vocab()
    assert all(torch.equal(a, b) for a, b in zip(again.state_dict().values(), made[0].state_dict().values(), strict=True))


def test_features_batches_and_generated_rows(rows, made):
    model, tokenizer = made
    features = translation_encode(rows, tokenizer, [], 8)
    assert all(len(ids) <= 8 for ids in [*features["input_ids"], *features["labels"]])
    batch = translation_collator(tokenizer, model)([features[i] for i in range(4)])
    with torch.no_grad():
        assert len(translation_gather(model, batch)["generated"]) == 4


def test_smoothing_leaves_a_tenth_of_the_loss_to_all_pieces(rows, made):
    model, tokenizer = made
    batch = translation_collator(tokenizer, model)([translation_encode(rows, tokenizer, [], 32)[i] for i in range(3)])
    outputs = model(**batch)
    log, labels = outputs.logits.log_softmax(-1), batch["labels"]
    valid = labels != -100
    hit = -log.gather(-1, labels.clamp(min=0)[..., None])[..., 0][valid].mean()
    assert smoothed_loss(outputs, batch).item() == pytest.approx((0.9 * hit + 0.1 * -log.mean(-1)[valid].mean()).item(), abs=1e-5)


def test_figures_read_the_filler_and_the_baseline_is_the_source(rows, made):
    _, tokenizer = made
    features = translation_encode(rows, tokenizer, [], 64)
    split = Split(rows, features, tokenizer, [])
    right = torch.nn.utils.rnn.pad_sequence([torch.tensor(ids) for ids in features["labels"]], batch_first=True, padding_value=-100)
    assert translation_figures({"generated": right}, split)["BLEU"] == pytest.approx(100)
    assert translation_figures({"generated": right[:1].expand_as(right)}, split)["BLEU"] < 80
    assert 0 <= translation_baseline(split, split)["BLEU"] < 80


# --- what the package ships

trained = pytest.mark.skipif(not SHIPPED.is_dir(), reason="the recipe has not been run with --ship")


@trained
def test_what_is_shipped_is_small_and_says_what_it_is():
    recipe = json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 8e6
    assert recipe["figures"]["BLEU"] > recipe["baselines"]["BLEU"] + 5 and recipe["tolerance"] == TRANSLATION.tolerance


@trained
def test_the_shipped_weights_score_what_the_recipe_says():
    """On the first rows of the test split, within a rounding: the very weights, without any training."""
    from io import BytesIO

    import pyarrow.parquet as pq
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from course_nlp import catalog
    from course_nlp.hub_store import Store
    from course_nlp.metrics import bleu
    from course_nlp.seq2seq import translate

    catalog.prepare((), repos=["course/interface-en-fr"])
    recipe = json.loads((SHIPPED / "recipe.json").read_text(encoding="utf-8"))
    raw = Store(catalog.hub_root()).read("datasets", "course/interface-en-fr", "en-fr/test-00000-of-00001.parquet")
    pairs = pq.read_table(BytesIO(raw))["translation"].to_pylist()[: recipe["sample"]["rows"]]
    model, tokenizer = AutoModelForSeq2SeqLM.from_pretrained(SHIPPED, dtype=torch.float32), AutoTokenizer.from_pretrained(SHIPPED)
    texts = translate(model, tokenizer, [pair["en"] for pair in pairs], num_beams=1, max_length=96, max_source_length=64)
    assert bleu(texts, [pair["fr"] for pair in pairs]) == pytest.approx(recipe["sample"]["BLEU"], abs=0.5)
