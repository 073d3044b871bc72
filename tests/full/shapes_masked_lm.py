"""What lesson 07.03 finds on the Hub."""

from typing import Any

from full.shape_kinds import DISTILBERT_BASE, Checkpoint, Rows, wordpiece

REMARKS = ["a film that is funny and touching from beginning to end", "the plot is thin, the acting is worse",
           "one of those movies that you forget on the way home"]  # fmt: skip


def imdb_features() -> Any:
    """Return the columns of IMDb."""
    from datasets import ClassLabel, Features, Value

    return Features({"text": Value("string"), "label": ClassLabel(names=["neg", "pos"])})


def imdb_rows() -> dict[str, list[dict]]:
    """Return a few dozen reviews, some longer than a model reads; the third split has the label -1 throughout."""
    out = {}
    for split, count in (("train", 60), ("test", 40), ("unsupervised", 30)):
        texts = [f"Review {i}: " + ". ".join(REMARKS[(i + j) % 3] for j in range(2 + (i * 7) % 60)) + "." for i in range(count)]
        out[split] = [{"text": text, "label": -1 if split == "unsupervised" else i % 2} for i, text in enumerate(texts)]
    return out


SHAPES = [
    Checkpoint(
        "distilbert/distilbert-base-uncased",
        DISTILBERT_BASE | {"architectures": ["DistilBertForMaskedLM"]},
        wordpiece(fast=True, model_max_length=512, do_lower_case=True),
    ),
    Rows("stanfordnlp/imdb", imdb_features, imdb_rows, config="plain_text", folder="plain_text"),
]
