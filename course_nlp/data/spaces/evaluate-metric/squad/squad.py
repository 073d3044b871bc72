# SPDX-License-Identifier: Apache-2.0
"""SQuAD: exact match and token F1 of extracted answers, as version 1.1 of the data set is scored.

A script of the course, with the interface of the metric of the same name on huggingface.co.
"""

import re
import string
from collections import Counter

import datasets
import evaluate
from evaluate.utils.logging import get_logger

logger = get_logger(__name__)

_DESCRIPTION = "Exact match and token F1 of extracted answers, in percent, against the best of several references."

_USAGE = """
Args:
    predictions: for each question {"id": str, "prediction_text": str}.
    references: for each question {"id": str, "answers": {"text": list of str, "answer_start": list of int}}.
        Predictions find their references by id; answer_start is not used.

Returns:
    {"exact_match": float from 0 to 100, "f1": float from 0 to 100}

Example:
    >>> predictions = [{"id": "7", "prediction_text": "the Rhine"}]
    >>> references = [{"id": "7", "answers": {"text": ["Rhine", "river Rhine"], "answer_start": [31, 25]}}]
    >>> evaluate.load("squad").compute(predictions=predictions, references=references)
    {'exact_match': 100.0, 'f1': 100.0}
"""

_CITATION = """
@inproceedings{rajpurkar-etal-2016-squad,
  title     = {{SQ}u{AD}: 100,000+ Questions for Machine Comprehension of Text},
  author    = {Rajpurkar, Pranav and Zhang, Jian and Lopyrev, Konstantin and Liang, Percy},
  booktitle = {Proceedings of EMNLP},
  year      = {2016}
}
"""

_PUNCTUATION = str.maketrans("", "", string.punctuation)


def _words(text: str) -> list[str]:
    """Return the words that are compared: lowercase, without ASCII punctuation and English articles."""
    return re.sub(r"\b(a|an|the)\b", " ", text.lower().translate(_PUNCTUATION)).split()


def _f1(predicted: list[str], true: list[str]) -> float:
    """Return the F1 of two bags of words."""
    shared = (Counter(predicted) & Counter(true)).total()
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted), shared / len(true)
    return 2 * precision * recall / (precision + recall)


class Squad(evaluate.Metric):
    """Exact match and token F1 of extracted answers."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        answers = datasets.Sequence({"text": text, "answer_start": datasets.Value("int32")})
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=datasets.Features(
                {
                    "predictions": {"id": text, "prediction_text": text},
                    "references": {"id": text, "answers": answers},
                }
            ),
            homepage="https://rajpurkar.github.io/SQuAD-explorer/",
            reference_urls=["https://rajpurkar.github.io/SQuAD-explorer/"],
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        if len(references) == 0:
            raise ValueError("references is empty: add at least one question before compute()")
        predicted = {row["id"]: _words(row["prediction_text"]) for row in predictions}
        exact = f1 = 0.0
        for row in references:
            accepted = [_words(answer) for answer in row["answers"]["text"]]
            if not accepted:
                raise ValueError(f"references: question {row['id']!r} has no answer; SQuAD 1.1 needs at least one")
            if row["id"] not in predicted:
                logger.warning("No prediction for question %r: it scores 0.", row["id"])
                continue
            exact += predicted[row["id"]] in accepted
            f1 += max(_f1(predicted[row["id"]], answer) for answer in accepted)
        return {"exact_match": 100.0 * exact / len(references), "f1": 100.0 * f1 / len(references)}
