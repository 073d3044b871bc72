"""Speed of generation in batches, as a ratio within one process. Run by `make bench`, never by `make test`."""

import random

import pytest
from stopwatch import seconds


def shipped(tmp_path_factory):
    """Return the course's small translator and its tokenizer, from the local Hub's files."""
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from course_nlp import catalog
    from course_nlp.hub_store import Store

    catalog.prepare((), repos=["course/marian-en-fr", "course/interface-en-fr"])
    store, folder = Store(catalog.hub_root()), tmp_path_factory.mktemp("marian")
    for entry in store.tree("models", "course/marian-en-fr"):
        if entry.is_file:
            (folder / entry.path).write_bytes(store.read("models", "course/marian-en-fr", entry.path))
    return AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)


@pytest.fixture(scope="module")
def translator(tmp_path_factory):
    """Return the translator, its tokenizer, and 256 strings of very different length in random order."""
    from io import BytesIO

    import pyarrow.parquet as pq

    from course_nlp import catalog
    from course_nlp.hub_store import Store

    model, tokenizer = shipped(tmp_path_factory)
    raw = Store(catalog.hub_root()).read("datasets", "course/interface-en-fr", "en-fr/train-00000-of-00001.parquet")
    texts = [row["en"] for row in pq.read_table(BytesIO(raw))["translation"].to_pylist()]
    return model, tokenizer, random.Random(0).sample(texts, 256)


@pytest.mark.parametrize("beams", [1, 4])
def test_translate_sorted_by_length_beats_the_order_given(translator, beams):
    """The factor comes from short texts that need not wait for the longest of their batch."""
    from course_nlp.seq2seq import translate

    model, tokenizer, texts = translator
    options = {"num_beams": beams, "max_length": 64, "batch_size": 16}
    assert translate(model, tokenizer, texts, **options) == translate(model, tokenizer, texts, sort=False, **options)
    ratio = seconds(lambda: translate(model, tokenizer, texts, sort=False, **options)) / seconds(lambda: translate(model, tokenizer, texts, **options))
    print(f"sorted by length, translate is {ratio:.1f} times as fast ({beams} beams)")
    assert ratio > 1.5
