# SPDX-License-Identifier: Apache-2.0
"""F1: the harmonic mean of precision and recall.

A script of the course over scikit-learn, with the interface of the metric of the same name on huggingface.co.
"""

import datasets
import evaluate
import numpy as np
from sklearn.metrics import f1_score

_DESCRIPTION = "The harmonic mean of precision and recall: 2 * precision * recall / (precision + recall)."

_USAGE = """
Args:
    predictions: one whole-number label per example; with the config "multilabel", one row of 0s and 1s per example.
    references: the true labels, in the same form and order.
    labels: which classes count, and in which order they are returned if average is None; default None, all, sorted.
    pos_label: the class that counts as positive if average is "binary"; default 1.
    average: "binary" (default), "micro", "macro", "weighted", "samples", or None for one score per class.
    sample_weight: one weight per example; default None, all weigh the same.

Returns:
    {"f1": float}, or with average=None {"f1": array of floats}, one per class

Example:
    >>> evaluate.load("f1").compute(predictions=[0, 0, 1, 1, 0], references=[0, 1, 0, 1, 0])
    {'f1': 0.5}
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


class F1(evaluate.Metric):
    """Harmonic mean of precision and recall; configs `default` and `multilabel`."""

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
            reference_urls=["https://scikit-learn.org/stable/modules/generated/sklearn.metrics.f1_score.html"],
        )

    def _compute(
        self, predictions, references, labels=None, pos_label=1, average="binary", sample_weight=None
    ) -> dict[str, float | np.ndarray]:
        options = {"labels": labels, "pos_label": pos_label, "average": average, "sample_weight": sample_weight}
        scores = np.asarray(f1_score(references, predictions, **options))
        return {"f1": scores.item() if scores.size == 1 else scores}
