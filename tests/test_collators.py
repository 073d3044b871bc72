"""What the data collators of the main tasks do with the labels of ragged rows, as lesson 07.09 has it in a table."""

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    DataCollatorForLanguageModeling,
    DataCollatorForSeq2Seq,
    DataCollatorForTokenClassification,
    PreTrainedTokenizerFast,
    default_data_collator,
)

PAD = 0
ROWS = [[2, 5, 6, 3], [2, 7, 8, 9, 10, 11, 3], [2, 3]]
WIDTH = max(map(len, ROWS))


@pytest.fixture(scope="module")
def tokenizer():
    """Return a tokenizer of twenty words with BERT's special tokens."""
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{i}" for i in range(15))]
    base = Tokenizer(models.WordLevel({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    base.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]", "mask_token": "[MASK]"}
    return PreTrainedTokenizerFast(tokenizer_object=base, **names)


def token_classification(tokenizer):
    rows = [{"input_ids": ids, "labels": [-100, *[1] * (len(ids) - 2), -100]} for ids in ROWS]
    return DataCollatorForTokenClassification(tokenizer)(rows), [[-100, *[1] * (len(ids) - 2), -100] for ids in ROWS]


def causal(tokenizer):
    return DataCollatorForLanguageModeling(tokenizer, mlm=False)([{"input_ids": ids} for ids in ROWS]), ROWS


def translation(tokenizer):
    shape = {"d_model": 8, "encoder_layers": 1, "decoder_layers": 1, "encoder_ffn_dim": 8, "decoder_ffn_dim": 8}
    heads = {"encoder_attention_heads": 1, "decoder_attention_heads": 1}
    writer = BartForConditionalGeneration(BartConfig(vocab_size=20, pad_token_id=PAD, decoder_start_token_id=3, **shape, **heads))
    rows = [{"input_ids": [2, 3], "labels": ids} for ids in ROWS]
    return DataCollatorForSeq2Seq(tokenizer, model=writer)(rows), ROWS


@pytest.mark.parametrize("make", [token_classification, causal, translation])
def test_labels_are_padded_to_the_longest_with_minus_100(tokenizer, make):
    batch, expected = make(tokenizer)
    assert batch["labels"].shape == (len(ROWS), WIDTH)
    assert batch["labels"].tolist() == [row + [-100] * (WIDTH - len(row)) for row in expected]


@pytest.mark.parametrize("make", [token_classification, causal])
def test_inputs_are_padded_with_the_pad_token_and_masked(tokenizer, make):
    batch, _ = make(tokenizer)
    assert batch["input_ids"].tolist() == [row + [PAD] * (WIDTH - len(row)) for row in ROWS]
    assert batch["attention_mask"].sum(dim=1).tolist() == list(map(len, ROWS))


def test_masked_labels_are_the_originals_where_something_was_hidden(tokenizer):
    rows = [{"input_ids": [2, *[5 + i % 10 for i in range(60)], 3]} for _ in range(40)]
    batch = DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.15, seed=1)(rows)
    original = torch.tensor([row["input_ids"] for row in rows])
    asked = batch["labels"] != -100
    assert (batch["labels"][asked] == original[asked]).all() and (batch["input_ids"][~asked] == original[~asked]).all()
    assert not asked[:, [0, -1]].any()  # special tokens are never asked about
    assert 0.12 < asked[:, 1:-1].double().mean() < 0.18


def test_decoder_inputs_are_the_labels_one_place_later(tokenizer):
    batch, _ = translation(tokenizer)
    labels, inputs = batch["labels"], batch["decoder_input_ids"]
    assert inputs.shape == labels.shape and (inputs[:, 0] == 3).all()
    real = labels[:, :-1] != -100
    assert (inputs[:, 1:][real] == labels[:, :-1][real]).all() and (inputs[:, 1:][~real] == PAD).all()


def test_the_default_collator_stacks_positions_and_refuses_ragged_rows(tokenizer):
    rows = [{"input_ids": [2, 5, 6, 3], "start_positions": 1, "end_positions": 2}, {"input_ids": [2, 7, 8, 3], "start_positions": 0, "end_positions": 0}]
    batch = default_data_collator(rows)
    assert batch["start_positions"].tolist() == [1, 0] and batch["end_positions"].tolist() == [2, 0] and "labels" not in batch
    with pytest.raises(ValueError):
        default_data_collator([{"input_ids": ids} for ids in ROWS])


def test_lent_end_tokens_are_lost_as_labels_and_a_pad_token_of_its_own_keeps_them(tokenizer):
    rows = [{"input_ids": ids} for ids in ROWS]
    tokenizer_that_lends = PreTrainedTokenizerFast(tokenizer_object=tokenizer.backend_tokenizer, pad_token="[SEP]", eos_token="[SEP]")
    lent = DataCollatorForLanguageModeling(tokenizer_that_lends, mlm=False)(rows)["labels"]
    own = DataCollatorForLanguageModeling(tokenizer, mlm=False)(rows)["labels"]
    assert int((lent == 3).sum()) == 0 and int((own == 3).sum()) == len(ROWS)
