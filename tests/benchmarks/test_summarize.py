"""Speed of summarizing in batches, as a ratio within one process. Run by `make bench`, never by `make test`."""

import random

import pytest
from stopwatch import seconds


@pytest.fixture(scope="module")
def writer(tmp_path_factory):
    """Return the course's title writer, its tokenizer, and 256 texts as they come: short documentation, now and then a whole review."""
    from io import BytesIO

    import pyarrow.parquet as pq
    from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

    from course_nlp import catalog
    from course_nlp.hub_store import Store
    from course_nlp.summaries import title_and_body

    catalog.prepare((), repos=["course/title-writer", "course/documentation", "course/product-reviews"])
    store, folder = Store(catalog.hub_root()), tmp_path_factory.mktemp("writer")
    for entry in store.tree("models", "course/title-writer"):
        (folder / entry.path).write_bytes(store.read("models", "course/title-writer", entry.path))

    def column(id, path, name):
        return pq.read_table(BytesIO(store.read("datasets", id, path)))[name].to_pylist()

    bodies = [title_and_body(text)[1] for text in column("course/documentation", "networkx/train/0000.parquet", "func_documentation_string")]
    draw = random.Random(0)
    texts = draw.choices([body for body in bodies if 5 <= len(body.split()) <= 25], k=216)  # some of them more than once
    texts += [" ".join([text] * 2) for text in draw.sample(column("course/product-reviews", "en/train/0000.parquet", "review_body"), 40)]
    draw.shuffle(texts)
    return AutoModelForSeq2SeqLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder), texts


def test_summarize_sorted_by_length_beats_the_order_given(writer):
    """The factor comes from short texts that need not be as wide as the longest of their batch."""
    from course_nlp.seq2seq import summarize

    model, tokenizer, texts = writer
    options = {"batch_size": 16, "max_length": 16}
    assert summarize(model, tokenizer, texts, **options) == summarize(model, tokenizer, texts, sort=False, **options)
    ratio = seconds(lambda: summarize(model, tokenizer, texts, sort=False, **options)) / seconds(lambda: summarize(model, tokenizer, texts, **options))
    print(f"sorted by length, summarize is {ratio:.1f} times as fast")
    assert ratio > 1.5
