"""Speed as ratios within one process, so that the machine does not matter. Run by `make bench`, never by `make test`."""

import random

import pytest
from stopwatch import seconds

from course_nlp.metrics import ner_scores
from course_nlp.token_classification import align_labels, bio_inside_map


@pytest.fixture(scope="module")
def tagged():
    """Return 2,000 pairs of true and predicted tag lists of 20 words."""
    draw = random.Random(0)
    tags = ["O"] * 6 + ["B-PER", "I-PER", "B-LOC", "I-LOC"]
    return [[[draw.choice(tags) for _ in range(20)] for _ in range(2000)] for _ in range(2)]


def test_ner_scores_is_no_slower_than_seqeval(tagged):
    from seqeval.metrics import classification_report

    true, pred = tagged
    ratio = seconds(lambda: classification_report(true, pred, output_dict=True, zero_division=0)) / seconds(lambda: ner_scores(true, pred))
    print(f"ner_scores is {ratio:.1f} times as fast as seqeval's report")
    assert ratio > 1


def test_align_labels_is_linear():
    inside = bio_inside_map(["O", "B-PER", "I-PER"])

    def align(n):
        ids = [None, *(i for i in range(n) for _ in range(2)), None]
        return seconds(lambda: align_labels([i % 3 for i in range(n)], ids, begin_to_inside=inside))

    ratio = align(16_000) / align(2_000)
    print(f"8 times the words take {ratio:.1f} times as long")
    assert ratio < 16  # quadratic would be 64


def test_classify_sorted_by_length_beats_the_order_given():
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

    from course_nlp.pipeline_parts import classify

    base = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, "a": 2}, unk_token="[UNK]"))
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=base, pad_token="[PAD]", unk_token="[UNK]", model_max_length=256)
    torch.manual_seed(0)
    model = BertForSequenceClassification(BertConfig(vocab_size=3, hidden_size=64, num_hidden_layers=2, num_attention_heads=2, intermediate_size=128)).eval()
    draw = random.Random(0)
    texts = ["a " * draw.choice([4, 8, 16, 200]) for _ in range(128)]

    def in_given_order():
        for i in range(0, len(texts), 16):
            with torch.no_grad():
                model(**tokenizer(texts[i : i + 16], padding=True, truncation=True, return_tensors="pt"))

    ratio = seconds(in_given_order, 3) / seconds(lambda: classify(texts, model, tokenizer, batch_size=16), 3)
    print(f"classify is {ratio:.1f} times as fast as batches in the order given")
    assert ratio > 1.2
