"""Answers to the exercises of chapter 2, with a tokenizer and a model of a few thousand weights."""

import math
from functools import cache

import numpy as np
import torch

from exercise_answers import Stored

WORDS = "our waiter was wonderfully attentive , and the cook came out to greet us . my soup cold good".split()


@cache
def tiny():
    """Return a model with random weights, and its tokenizer."""
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    vocab = {token: i for i, token in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS])}
    tokenizer = BertTokenizer(vocab=vocab, model_max_length=128)
    torch.manual_seed(0)
    config = BertConfig(vocab_size=len(vocab), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=128, id2label={0: "NEGATIVE", 1: "POSITIVE"})  # fmt: skip
    model = BertForSequenceClassification(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            weights.mul_(8)  # else padding would hardly matter
    return model, tokenizer


def shares(texts, mask=True, dim=-1, column=1, notes=False):
    """Return what the softmax makes of the logits; each argument but the first stands for one of the mistakes."""
    model, tokenizer = tiny()
    inputs = tokenizer(texts, padding=True, return_tensors="pt")
    with torch.set_grad_enabled(notes):
        logits = (model(**inputs) if mask else model(input_ids=inputs["input_ids"])).logits
    return logits.softmax(dim=dim)[:, column].tolist()


def blank(texts):
    """Return the probability of the second label for each text."""
    ...


def crashes(texts):
    return shares(texts)["POSITIVE"]


ANSWERS = {
    "02.02-a": Stored(
        solution=np.log(0.99 / 0.01),
        blank=...,
        wrong=[
            (99, "difference of exponents"),
            (math.log10(99), "another base"),
            (0.98, "Logits come before the softmax"),
            (torch.tensor(-4.595), "wrong sign"),
            ("log(99)", "must be a number; this is a string"),
            (float("nan"), "not a number"),
        ],
    ),
    "02.02-b": Stored(
        solution=126,
        blank=...,
        wrong=[(600, "limit"), (128, "Are all of them words"), (127, "a little too large"), ([126], "must be a number")],
        given=lambda: {"tokenizer": tiny()[1]},
    ),
    "02.02-c": Stored(
        solution=shares,
        blank=blank,
        wrong=[
            (lambda texts: shares(texts, mask=False, dim=0, notes=True), "Among whom"),
            (lambda texts: shares(texts, mask=False), "what is filler"),
            (lambda texts: shares(texts, column=0), "the first label"),
            (lambda texts: shares(texts, notes=True), "takes notes"),
            (lambda texts: shares(texts)[0], "has the shape ()"),
            (crashes, "TypeError: list indices must be integers"),
            ([0.25, 0.5], "must be a function"),
        ],
        given=lambda: dict(zip(("model", "tokenizer"), tiny(), strict=True)),
        never=("0\\.\\d\\d",),
    ),
}
