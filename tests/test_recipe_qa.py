"""The recipes of question answering: windows without padding, scores of whole contexts, adapters that go on from one recipe to the next."""

import json
from dataclasses import replace

import numpy as np
import pytest
from datasets import Dataset
from safetensors.numpy import load_file
from test_question_answering import ROWS, columns, make_tokenizer, perfect, tiny_model

from course_nlp import recipe_qa
from course_nlp.question_answering import qa_features
from course_nlp.recipe_core import Options, Split
from course_nlp.recipe_qa import (
    CLOZE,
    QA,
    QA_RANK,
    QA_STRIDE,
    TASKS,
    new_adapters,
    qa_baseline,
    qa_encode,
    qa_encode_eval,
    qa_figures,
    shipped_adapters,
)
from course_nlp.stand_ins import DATA

SMALL = ROWS[:12]


@pytest.fixture(scope="module")
def tokenizer():
    """Return the tokenizer of letters."""
    return make_tokenizer()


@pytest.fixture
def checkpoint(tmp_path, tokenizer):
    """Return the folder of a tiny BERT with its tokenizer."""
    tiny_model().save_pretrained(tmp_path / "tiny")
    tokenizer.save_pretrained(tmp_path / "tiny")
    return str(tmp_path / "tiny")


def test_cloze_comes_before_qa_because_qa_goes_on_from_it():
    assert [task.name for task in TASKS] == ["cloze", "qa"]
    assert QA.stand_ins[0] == CLOZE.stand_ins[0] and QA.ships == CLOZE.ships == "adapter"


def test_training_windows_lose_their_padding_and_keep_their_labels(tokenizer):
    windows = qa_features(columns(SMALL), tokenizer, 100, QA_STRIDE)
    short = qa_encode(Dataset.from_list(SMALL), tokenizer, [], 100)
    assert len(short) == len(windows["input_ids"]) and len({len(row) for row in short["input_ids"]}) > 1
    for row, ids, mask in zip(short, windows["input_ids"], windows["attention_mask"], strict=True):
        assert row["input_ids"] == ids[: sum(mask)] and all(row["attention_mask"])
    for name in ("start_positions", "end_positions"):
        assert list(short[name]) == windows[name]


def test_perfect_logits_get_full_marks_and_word_overlap_does_not(tokenizer):
    raw = Dataset.from_list(SMALL)
    features = qa_encode_eval(raw, tokenizer, [], 100)
    _, logits = perfect(SMALL, tokenizer, 100, QA_STRIDE)
    split = Split(raw, features, tokenizer, [])
    assert qa_figures({"start": logits[0], "end": logits[1]}, split) == {"answer F1": 100.0, "exact match": 100.0}
    assert list(qa_baseline(split, split)) == ["answer F1", "exact match"] and qa_baseline(split, split)["exact match"] < 100


def test_adapters_sit_on_every_linear_layer_and_the_head_learns(checkpoint):
    model, _ = new_adapters(checkpoint, None, [], Options("out"))
    learning = [name for name, weights in model.named_parameters() if weights.requires_grad]
    assert sum("lora_A" in name for name in learning) == 2 * 6 and any("qa_outputs" in name for name in learning)
    assert model.peft_config["default"].r == QA_RANK


def test_qa_goes_on_from_what_cloze_shipped(checkpoint, tmp_path, monkeypatch):
    import torch

    from course_nlp.recipe_core import save_adapter

    torch.manual_seed(1)
    first, _ = new_adapters(checkpoint, None, [], Options("out"))
    for name, weights in first.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=0.1)
    save_adapter(first, tmp_path / "data" / "adapters" / "cloze", checkpoint)
    monkeypatch.setattr(recipe_qa, "DATA", tmp_path / "data")
    monkeypatch.setattr(recipe_qa, "CLOZE", replace(CLOZE, stand_ins=(checkpoint, "course/cloze-questions")))
    second, _ = shipped_adapters(checkpoint, None, [], Options("out"))
    before, after = dict(first.named_parameters()), dict(second.named_parameters())
    assert before.keys() == after.keys()
    for name, weights in after.items():
        assert weights.requires_grad == before[name].requires_grad, name
        assert torch.allclose(weights, before[name], atol=2e-3), name  # it was stored in fp16


@pytest.mark.parametrize("name", ["cloze", "qa"])
def test_what_ships_is_small_and_beats_word_overlap(name):
    folder = DATA / "adapters" / name
    recipe = json.loads((folder / "recipe.json").read_text(encoding="utf-8"))
    assert recipe["command"] == f"python -m course_nlp.recipes {name} --scale small --seed 42 --ship"
    assert recipe["figures"]["answer F1"] - recipe["tolerance"] / 2 > recipe["baselines"]["answer F1"]
    tensors = load_file(folder / "adapter_model.safetensors")
    assert (folder / "adapter_model.safetensors").stat().st_size < 1_500_000
    assert all(value.dtype == np.float16 and np.isfinite(value).all() for value in tensors.values())


@pytest.mark.campaign
def test_the_shipped_adapter_reaches_what_it_says(stand_in_cache, name="qa"):
    import torch
    from safetensors.torch import load
    from tokenizers import Tokenizer
    from torch.utils.data import DataLoader
    from transformers import BertConfig, BertForQuestionAnswering, PreTrainedTokenizerFast, default_data_collator

    from course_nlp import catalog
    from course_nlp.hub_store import Store
    from course_nlp.question_answering import start_end_logits
    from course_nlp.stand_ins import read_jsonl

    catalog.prepare((), repos=[f"course/minilm-l6-{name}"])
    store = Store(catalog.hub_root())
    read = lambda path: store.read("models", f"course/minilm-l6-{name}", path)
    model = BertForQuestionAnswering(BertConfig(**json.loads(read("config.json")))).eval()
    assert not model.load_state_dict(load(read("model.safetensors")), strict=False).missing_keys
    special = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(read("tokenizer.json").decode()), **special)
    tokenizer.model_input_names = ["input_ids", "token_type_ids", "attention_mask"]
    rows = [{k: v for k, v in row.items() if k != "split"} for row in read_jsonl(DATA / "questions.jsonl") if row["split"] == "validation"]
    raw = Dataset.from_list(rows)
    features = qa_encode_eval(raw, tokenizer, [], 256)
    inputs = features.remove_columns(["example_id", "offset_mapping"]).with_format("torch")
    parts = []
    with torch.no_grad():
        for batch in DataLoader(inputs, batch_size=16, collate_fn=default_data_collator):
            parts.append(start_end_logits(model, batch))
    gathered = {side: torch.cat([part[side] for part in parts]) for side in ("start", "end")}
    recipe = json.loads((DATA / "adapters" / name / "recipe.json").read_text(encoding="utf-8"))
    assert qa_figures(gathered, Split(raw, features, tokenizer, []))["answer F1"] == pytest.approx(recipe["figures"]["answer F1"], abs=0.5)
