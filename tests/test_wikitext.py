"""The claims of lesson 07.08b, WikiText both ways: rows at random, and two objectives in one table."""

import math
import random

import pytest
import torch
from datasets import ClassLabel, Dataset, DatasetDict, Features, List, Value

from course_nlp.wikitext import lm_compare, show_random


def labeled(count=50):
    """Return rows with a class id and a list of class ids."""
    features = Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"]), "tags": List(ClassLabel(names=["O", "B", "I"]))})
    return Dataset.from_list([{"text": f"row {i}", "label": i % 2, "tags": [i % 3, 0]} for i in range(count)], features=features)


# --- rows at random


def test_rows_are_different_and_those_of_the_data_set():
    table = show_random(labeled(), 20)
    assert table.index.is_unique and len(table) == 20
    assert table["text"].tolist() == [f"row {i}" for i in table.index]


def test_the_seed_decides_and_the_global_state_does_not():
    random.seed(1)
    state = random.getstate()
    first = show_random(labeled(), 5, seed=3)
    assert random.getstate() == state
    random.seed(2)
    assert first.equals(show_random(labeled(), 5, seed=3)) and not first.equals(show_random(labeled(), 5, seed=4))


def test_class_ids_are_shown_as_names():
    table = show_random(labeled(), 50)
    assert table["label"].tolist() == ["neg", "pos"] * 25
    assert table["tags"].tolist()[:3] == [["O", "O"], ["B", "O"], ["I", "O"]]


def test_a_row_without_a_label_says_so():
    features = Features({"label": ClassLabel(names=["neg", "pos"])})
    assert show_random(Dataset.from_list([{"label": -1}, {"label": 1}], features=features), 2)["label"].tolist() == ["no label", "pos"]


def test_all_rows_can_be_asked_for_and_no_more():
    assert len(show_random(labeled(7), 7)) == 7  # a loop that rejects repeated draws takes longest here
    for n in (8, 0, -1, True, 2.5):
        with pytest.raises(ValueError, match="n must be a number of rows from 1 to 7, got"):
            show_random(labeled(7), n)


def test_a_dictionary_of_splits_is_refused():
    with pytest.raises(TypeError, match=r"ds must be a split, such as raw\['train'\], got DatasetDict with train, test"):
        show_random(DatasetDict(train=labeled(), test=labeled()), 1)


# --- two objectives


@pytest.fixture(scope="module")
def models():
    """Return a causal and a masked model of a few thousand random weights."""
    from transformers import BertConfig, BertForMaskedLM, GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    causal = GPT2LMHeadModel(GPT2Config(vocab_size=60, n_positions=128, n_embd=32, n_layer=1, n_head=2))
    masked = BertForMaskedLM(BertConfig(vocab_size=60, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32))
    return {"causal": causal, "masked": masked}


@pytest.fixture(scope="module")
def chunks():
    """Return 13 chunks of 128 tokens for each: labels all over, and at about 15 % of the places."""
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, 60, (13, 128), generator=draw)
    hidden = torch.rand(ids.shape, generator=draw) < 0.15
    masked = {"input_ids": ids.masked_fill(hidden, 4).tolist(), "labels": ids.masked_fill(~hidden, -100).tolist()}
    return {"causal": Dataset.from_dict({"input_ids": ids.tolist(), "labels": ids.tolist()}), "masked": Dataset.from_dict(masked)}


def test_targets_are_counted(models, chunks):
    table = lm_compare(models, chunks, batch_size=4)
    hidden = sum(label != -100 for row in chunks["masked"]["labels"] for label in row)
    assert table["objective"].to_dict() == {"causal": "causal", "masked": "masked"}
    assert table["tokens"].tolist() == [13 * 128] * 2
    assert table["targets"].tolist() == [13 * 127, hidden] and 0.12 < table.loc["masked", "share"] < 0.18


def test_the_last_batch_counts_what_it_holds(models, chunks):
    one, many = lm_compare(models, chunks, batch_size=13), lm_compare(models, chunks, batch_size=4)
    for name in models:
        assert one.loc[name, "loss"] == pytest.approx(many.loc[name, "loss"], rel=1e-6)
        assert one.loc[name, "perplexity"] == math.exp(one.loc[name, "loss"])


def test_losses_are_the_models_own(models, chunks):
    table = lm_compare(models, chunks)
    for name, model in models.items():
        batch = {column: torch.tensor(chunks[name][column][:]) for column in ("input_ids", "labels")}
        with torch.no_grad():
            assert table.loc[name, "loss"] == pytest.approx(model.eval()(**batch).loss.item(), rel=1e-5)


def test_two_causal_models_may_stand_in_one_table(models, chunks):
    table = lm_compare({"a": models["causal"], "b": models["causal"]}, {"a": chunks["causal"], "b": chunks["causal"].select(range(3))})
    assert table["targets"].tolist() == [13 * 127, 3 * 127]


def test_models_and_chunks_must_match(models, chunks):
    with pytest.raises(ValueError, match="models has causal and chunks masked"):
        lm_compare({"causal": models["causal"]}, {"masked": chunks["masked"]})
    with pytest.raises(ValueError, match="Linear has no language-modeling head"):
        lm_compare({"x": torch.nn.Linear(2, 2)}, {"x": chunks["causal"]})


def test_masks_made_anew_ask_about_other_tokens():
    from tokenizers import Tokenizer
    from tokenizers import models as kinds
    from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

    words = Tokenizer(kinds.WordLevel({w: i for i, w in enumerate(["[UNK]", "[MASK]", "[PAD]", *map(str, range(40))])}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, mask_token="[MASK]", pad_token="[PAD]", unk_token="[UNK]")
    collator = DataCollatorForLanguageModeling(tokenizer, mlm=True, mlm_probability=0.15)
    rows = [{"input_ids": list(range(3, 43))} for _ in range(20)]
    torch.manual_seed(0)
    seen = torch.zeros(20, 40, dtype=torch.bool)
    shares = []
    for _ in range(10):
        seen |= collator(rows)["labels"] != -100
        shares.append(seen.float().mean().item())
    assert shares[0] < 0.25 and shares[-1] > 0.7  # ten epochs ask about most tokens; frozen masks never would


def test_pushing_without_push_makes_a_repository_named_after_the_folder(tmp_path, monkeypatch):
    """What lesson 07.08b says of `trainer.push_to_hub()` after a training with push_to_hub=False."""
    from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments

    asked = []
    def note(name, **_):
        asked.append(name)
        raise ConnectionError("enough")

    monkeypatch.setattr("huggingface_hub.create_repo", note)
    monkeypatch.setattr("huggingface_hub.HfApi.create_repo", lambda self, repo_id, **_: note(repo_id))
    model = GPT2LMHeadModel(GPT2Config(vocab_size=20, n_positions=8, n_embd=8, n_layer=1, n_head=1))
    trainer = Trainer(model=model, args=TrainingArguments(str(tmp_path / "some-folder"), push_to_hub=False, report_to="none", use_cpu=True))
    with pytest.raises(ConnectionError, match="enough"):
        trainer.push_to_hub()
    assert asked == ["some-folder"]
