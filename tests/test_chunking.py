"""Chunks of equal length: what is joined, what is left over, and what must not be slow."""

import time
from itertools import chain

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_nlp.chunking import concat_chunks, iter_chunks

TEXTS = st.lists(st.lists(st.integers(0, 9), max_size=12), max_size=12)


def batch_of(lengths):
    """Return a batch with texts of these lengths, each token with a number of its own."""
    numbers = iter(range(sum(lengths)))
    return {"input_ids": [[next(numbers) for _ in range(length)] for length in lengths], "attention_mask": [[1] * length for length in lengths]}


def old_group_texts(examples, size):
    """Chunk as older material does: sum for joining, floor for the end."""
    concatenated = {k: sum(examples[k], []) for k in examples}
    total = len(concatenated[next(iter(examples))]) // size * size
    result = {k: [t[i : i + size] for i in range(0, total, size)] for k, t in concatenated.items()}
    result["labels"] = result["input_ids"].copy()
    return result


def test_three_reviews_of_951_tokens_make_seven_chunks():
    chunks = concat_chunks(batch_of([200, 559, 192]), 128)
    assert {name: [len(chunk) for chunk in rows] for name, rows in chunks.items()} == dict.fromkeys(("input_ids", "attention_mask", "labels"), [128] * 7)
    assert list(chain.from_iterable(chunks["input_ids"])) == list(range(951 - 55))


@pytest.mark.known_error("c03")
def test_chunks_are_those_of_the_summing_version_without_its_waiting():
    """How much faster exactly, and that it stays linear, is for tests/benchmarks; here the difference only has to show."""
    batch = batch_of([250] * 1000)
    begin = time.perf_counter()
    expected = old_group_texts(batch, 128)
    summing = time.perf_counter() - begin
    chaining = []
    for _ in range(5):
        begin = time.perf_counter()
        assert concat_chunks(batch, 128) == expected
        chaining.append(time.perf_counter() - begin)
    assert summing > 4 * min(chaining)


@given(TEXTS, st.integers(1, 9))
def test_nothing_is_lost_but_the_tail(texts, size):
    batch, tokens = {"input_ids": texts}, list(chain.from_iterable(texts))
    kept = concat_chunks(batch, size, "keep")
    assert list(chain.from_iterable(kept["input_ids"])) == tokens
    assert kept["labels"] == kept["input_ids"]
    dropped = concat_chunks(batch, size)["input_ids"]
    assert dropped == [chunk for chunk in kept["input_ids"] if len(chunk) == size]
    padded = concat_chunks(batch, size, "pad", pad=-1)
    assert all(len(chunk) == size for rows in padded.values() for chunk in rows)
    assert list(chain.from_iterable(padded["input_ids"])) == tokens + [-1] * (-len(tokens) % size)
    assert list(chain.from_iterable(padded["labels"])) == tokens + [-100] * (-len(tokens) % size)


@given(TEXTS, st.integers(1, 9), st.sampled_from(["drop", "keep", "pad"]))
def test_a_stream_gives_what_one_batch_gives(texts, size, remainder):
    pad = -1 if remainder == "pad" else None
    rows = [{"input_ids": text, "word_ids": [None, *range(len(text) - 1)][: len(text)]} for text in texts]
    whole = concat_chunks({name: [row[name] for row in rows] for name in ("input_ids", "word_ids")}, size, remainder, pad=pad)
    streamed = list(iter_chunks(iter(rows), size, remainder, pad=pad))
    assert {name: [chunk[name] for chunk in streamed] for name in whole} == whole


def test_a_stream_loses_one_tail_and_map_one_for_each_batch():
    from datasets import Dataset

    data = Dataset.from_dict(batch_of([5] * 1001))
    mapped = data.map(concat_chunks, batched=True, batch_size=100, fn_kwargs={"size": 128}, remove_columns=data.column_names)
    assert len(mapped) == 10 * (500 // 128) + 5 // 128
    assert len(list(iter_chunks(data, 128))) == 5 * 1001 // 128
    streamed = Dataset.from_generator(iter_chunks, gen_kwargs={"stream": data, "size": 128})
    assert streamed.column_names == ["input_ids", "attention_mask", "labels"] and streamed[38]["input_ids"] == list(range(38 * 128, 39 * 128))


def test_short_last_batch():
    """1,001 texts of 5 tokens in map batches of 1,000: 39 chunks, and 40 if the short end is kept."""
    from datasets import Dataset

    data = Dataset.from_dict(batch_of([5] * 1001))
    for remainder, count, last in (("drop", 39, 128), ("keep", 41, 5)):
        mapped = data.map(concat_chunks, batched=True, fn_kwargs={"size": 128, "remainder": remainder}, remove_columns=data.column_names)
        assert len(mapped) == count and len(mapped[-1]["labels"]) == last
    first = concat_chunks(batch_of([5] * 1000), 128, "keep")["input_ids"]
    assert len(first[-1]) == 5000 % 128  # the variant of some guides keeps a short end only where a batch has less than one chunk


def test_map_takes_numpy_and_torch_columns():
    from datasets import Dataset

    data = Dataset.from_dict(batch_of([7, 4, 9]))
    expected = concat_chunks(batch_of([7, 4, 9]), 5)
    for kind in ("numpy", "torch"):
        mapped = data.with_format(kind).map(concat_chunks, batched=True, fn_kwargs={"size": 5}, remove_columns=data.column_names)
        assert {name: list(mapped.with_format(None)[name]) for name in expected} == expected


def test_any_column_is_cut_alike_and_labels_are_lists_of_their_own():
    batch = {"input_ids": [[1, 2], [3]], "word_ids": [[None, 0], [0]], "source": [["a", "a"], ["b"]]}
    chunks = concat_chunks(batch, 2)
    assert chunks == {"input_ids": [[1, 2]], "word_ids": [[None, 0]], "source": [["a", "a"]], "labels": [[1, 2]]}
    chunks["labels"][0][0] = -100
    assert chunks["input_ids"] == [[1, 2]] and batch["input_ids"] == [[1, 2], [3]]
    own = concat_chunks(batch | {"labels": [[7, 8], [9]]}, 3, labels=False)
    assert own["labels"] == [[7, 8, 9]]
    (row,) = iter_chunks([{"input_ids": [1, 2]}], 2)
    row["labels"][0] = -100
    assert row["input_ids"] == [1, 2]


def test_padding_by_column():
    batch = {"input_ids": [[1]], "attention_mask": [[1]], "special_tokens_mask": [[0]], "word_ids": [[0]], "language": [["en"]]}
    padded = concat_chunks(batch, 2, "pad", pad={"input_ids": 5, "language": "", "labels": 5})
    assert padded == {"input_ids": [[1, 5]], "attention_mask": [[1, 0]], "special_tokens_mask": [[0, 1]], "word_ids": [[0, None]],
                      "language": [["en", ""]], "labels": [[1, 5]]}  # fmt: skip
    with pytest.raises(ValueError, match="pad has no value for 'language'"):
        concat_chunks(batch, 2, "pad", pad=0)
    with pytest.raises(ValueError, match="pad has no value for 'language'"):
        list(iter_chunks([{"input_ids": [1], "language": ["en"]}], 2, "pad", pad=0))


def test_no_text_gives_no_chunk():
    assert concat_chunks({"input_ids": []}, 4) == {"input_ids": [], "labels": []}
    assert concat_chunks({"input_ids": [[], []]}, 4, "pad", pad=0) == {"input_ids": [], "labels": []}
    assert concat_chunks({}, 4, labels=False) == {}
    assert list(iter_chunks([], 4)) == []
    assert list(iter_chunks([{"input_ids": []}], 4, "keep")) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 0}, "size must be a whole number"),
        ({"size": True}, "size must be a whole number"),
        ({"size": 2.0}, "size must be a whole number"),
        ({"remainder": "cut"}, "remainder must be 'drop', 'keep' or 'pad', got 'cut'"),
        ({"remainder": "pad"}, "pass pad=tokenizer.pad_token_id"),
        ({"pad": 0}, "remainder='pad' together"),
        ({"batch": {"input_ids": [[1, 2]], "word_ids": [[0]]}}, "text 0 has 2 tokens in 'input_ids' and 1 in 'word_ids'"),
        ({"batch": {"input_ids": [[1], [2, 3]], "word_ids": [[0, 1], [0]]}}, "text 0 has 1 tokens"),  # equal totals, and yet
        ({"batch": {"input_ids": [[1, 2]], "word_ids": [[0], [0]]}}, "1 texts in 'input_ids' and 2 in 'word_ids'"),
        ({"batch": {"input_ids": [[1]], "labels": [[1]]}}, "pass labels=False"),
        ({"batch": {"tokens": [[1]]}}, "labels=True copies 'input_ids'"),
        ({"batch": {}}, "labels=True copies 'input_ids'"),
    ],
)
def test_arguments_that_cannot_be_right(change, message):
    given = {"batch": {"input_ids": [[1, 2, 3]]}, "size": 2} | change
    with pytest.raises(ValueError, match=message):
        concat_chunks(**given)
    if "batch" not in change:
        with pytest.raises(ValueError, match=message):
            iter_chunks([{"input_ids": [1, 2, 3]}], **{"size": 2} | change)  # at once, not when the first chunk is asked for


def test_texts_and_flat_lists_are_refused():
    with pytest.raises(TypeError, match=r"batch\['text'\]\[0\] must be a list with one entry per token, got str 'good'"):
        concat_chunks({"input_ids": [[1]], "text": ["good"]}, 2)
    with pytest.raises(TypeError, match="got int 1; tokenize with batched=True"):
        concat_chunks({"input_ids": [1, 2]}, 2)
    with pytest.raises(TypeError, match="a mapping from column to lists, got list"):
        concat_chunks([[1, 2]], 2)
    with pytest.raises(TypeError, match="stream must yield rows, got int"):
        list(iter_chunks([1, 2], 2))
    with pytest.raises(ValueError, match="columns must not change"):
        list(iter_chunks([{"input_ids": [1]}, {"input_ids": [1], "word_ids": [0]}], 2))


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), max_size=30), st.integers(1, 16), st.integers(1, 10))
def test_chunks_of_map_are_the_floor_of_each_batch_summed(lengths, size, batch_size):
    batches = [lengths[i : i + batch_size] for i in range(0, len(lengths), batch_size)]
    chunks = sum(len(concat_chunks(batch_of(batch), size)["labels"]) for batch in batches if batch)
    assert chunks == sum(sum(batch) // size for batch in batches)
