"""Speed of generation in batches, as a ratio within one process. Run by `make bench`, never by `make test`."""

import random
import time

import pytest


def seconds(call, rounds=3):
    """Return the shortest of several runs of `call`."""
    best = float("inf")
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        best = min(best, time.perf_counter() - begin)
    return best


@pytest.fixture(scope="module")
def translator():
    """Return the course's small translator, its tokenizer, and 256 strings of very different length in random order."""
    from io import BytesIO

    import pyarrow.parquet as pq
    from tokenizers import Tokenizer
    from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

    from course_nlp import catalog
    from course_nlp.hub_store import Store

    catalog.prepare((), repos=["course/marian-en-fr", "course/interface-en-fr"])
    store = Store(catalog.hub_root())
    read = lambda path: store.read("models", "course/marian-en-fr", path)
    base = Tokenizer.from_buffer(read("tokenizer.json"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=base, pad_token="<pad>", eos_token="</s>", unk_token="<unk>", model_max_length=128)
    from json import loads

    from safetensors.torch import load

    model = MarianMTModel(MarianConfig.from_dict(loads(read("config.json"))))
    model.load_state_dict(load(read("model.safetensors")), strict=False)
    raw = store.read("datasets", "course/interface-en-fr", "en-fr/train-00000-of-00001.parquet")
    texts = [row["en"] for row in pq.read_table(BytesIO(raw))["translation"].to_pylist()]
    draw = random.Random(0)
    return model.eval(), tokenizer, draw.sample(texts, 256)


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
