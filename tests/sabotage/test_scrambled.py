"""Dealing out words at random keeps every word and every text's length, and the other columns and splits as they are."""

import pyarrow as pa
import pyarrow.parquet as pq
from sabotage.table import scrambled


def parquet(columns):
    """Return a table as a file."""
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink)
    return sink.getvalue().to_pybytes()


def test_words_are_dealt_out_anew():
    texts = [" ".join(f"w{10 * i + j}" for j in range(5 + i)) for i in range(8)]
    files = {"data/train-00000-of-00001.parquet": parquet({"text": texts, "label": list(range(8))}), "data/test-00000-of-00001.parquet": b"untouched"}
    (changed,) = scrambled("text")(files).items()
    assert changed[0] == "data/train-00000-of-00001.parquet"
    table = pq.read_table(pa.BufferReader(changed[1]))
    mixed = table["text"].to_pylist()
    assert table["label"].to_pylist() == list(range(8))
    assert [len(text.split()) for text in mixed] == [len(text.split()) for text in texts]
    assert sorted(" ".join(mixed).split()) == sorted(" ".join(texts).split())
    assert sum(a == b for a, b in zip(mixed, texts, strict=True)) == 0
