"""Speed of chunking and masking as ratios within one process. Run by `make bench`, never by `make test`."""


import numpy as np
import pytest
from stopwatch import seconds

from course_nlp.chunking import concat_chunks
from course_nlp.masking import WholeWordCollator


def tokens_of(texts, length=250):
    """Return a tokenized batch of so many texts."""
    return {"input_ids": [list(range(length)) for _ in range(texts)], "attention_mask": [[1] * length for _ in range(texts)]}


def by_sum(batch, size):
    """Join lists as older material does."""
    joined = {name: sum(rows, []) for name, rows in batch.items()}
    total = len(joined["input_ids"]) // size * size
    chunks = {name: [values[i : i + size] for i in range(0, total, size)] for name, values in joined.items()}
    return chunks | {"labels": [chunk[:] for chunk in chunks["input_ids"]]}


def test_concat_chunks_beats_summing_by_forty():
    batch = tokens_of(1000)
    assert concat_chunks(batch, 128) == by_sum(batch, 128)
    ratio = seconds(lambda: by_sum(batch, 128), 4) / seconds(lambda: concat_chunks(batch, 128), 40)
    print(f"chaining is {ratio:.0f} times as fast as summing, on 1,000 texts of 250 tokens")
    assert ratio >= 40


def test_concat_chunks_is_linear():
    small, large = tokens_of(2000), tokens_of(16_000)
    ratio = seconds(lambda: concat_chunks(large, 128), 3) / seconds(lambda: concat_chunks(small, 128), 9)
    print(f"8 times the texts take {ratio:.1f} times as long")
    assert ratio < 24  # quadratic would be 64


@pytest.mark.parametrize("rows", [8, 32])
def test_whole_word_collator_is_no_slower_than_the_one_of_transformers(rows, tmp_path):
    from transformers import BertTokenizerFast, DataCollatorForLanguageModeling

    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    vocab = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + letter for letter in letters)]
    tokenizer = BertTokenizerFast(vocab={token: i for i, token in enumerate(vocab)})
    draw = np.random.default_rng(0)
    words = ["".join(draw.choice(letters, draw.integers(1, 4))) for _ in range(40_000)]
    encoding = tokenizer(" ".join(words), add_special_tokens=False, return_offsets_mapping=True, verbose=False)
    columns = {"input_ids": [encoding["input_ids"]], "attention_mask": [encoding["attention_mask"]]}
    ours = concat_chunks(columns | {"word_ids": [encoding.word_ids()]}, 128, labels=False)
    theirs = concat_chunks(columns | {"offset_mapping": [encoding["offset_mapping"]]}, 128, labels=False)
    mine = [dict(zip(ours, values, strict=True)) for values in zip(*ours.values(), strict=True)][:rows]
    other = [dict(zip(theirs, values, strict=True)) for values in zip(*theirs.values(), strict=True)][:rows]
    stock = DataCollatorForLanguageModeling(tokenizer, whole_word_mask=True, mlm_probability=0.2, mask_replace_prob=1.0, random_replace_prob=0.0, seed=0)
    collator = WholeWordCollator(tokenizer, p=0.2)
    ratio = seconds(lambda: stock([dict(row) for row in other]), 15) / seconds(lambda: collator(mine), 15)
    print(f"WholeWordCollator is {ratio:.1f} times as fast, {rows} rows of 128 tokens")
    assert ratio >= 1
