# SPDX-License-Identifier: Apache-2.0
"""Accuracy: the share of predictions that equal their reference.

A script of the course over scikit-learn, with the interface of the metric of the same name on huggingface.co.
"""

import datasets
import evaluate
from sklearn.metrics import accuracy_score

_DESCRIPTION = "The share of predictions that equal their reference."

_USAGE = """
Args:
    predictions: one whole-number label per example; with the config "multilabel", one row of 0s and 1s per example.
    references: the true labels, in the same form and order.
    normalize: True (default) returns the share of right predictions, False their number.
    sample_weight: one weight per example; default None, all weigh the same.

Returns:
    {"accuracy": float}

Example:
    >>> evaluate.load("accuracy").compute(predictions=[0, 1, 1, 0], references=[0, 1, 0, 0])
    {'accuracy': 0.75}
"""

_CITATION = """
@article{scikit-learn,
  title   = {Scikit-learn: Machine Learning in {P}ython},
  author  = {Pedregosa, F. and others},
  journal = {Journal of Machine Learning Research},
  volume  = {12},
  pages   = {2825--2830},
  year    = {2011}
}
"""


class Accuracy(evaluate.Metric):
    """Share of predictions that equal their reference; configs `default` and `multilabel`."""

    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in ("default", "multilabel"):
            raise ValueError(f"config_name must be None or 'multilabel', got {self.config_name!r}")
        label = datasets.Value("int32")
        row = datasets.Sequence(label) if self.config_name == "multilabel" else label
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=datasets.Features({"predictions": row, "references": row}),
            reference_urls=["https://scikit-learn.org/stable/modules/generated/sklearn.metrics.accuracy_score.html"],
        )

    def _compute(self, predictions, references, normalize=True, sample_weight=None) -> dict[str, float]:
        score = accuracy_score(references, predictions, normalize=normalize, sample_weight=sample_weight)
        return {"accuracy": float(score)}
