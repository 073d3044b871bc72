# SPDX-License-Identifier: Apache-2.0
"""GLUE: the scores that the benchmark's tasks are reported with.

A script of the course over scikit-learn and SciPy, with the interface of the metric of the same name on huggingface.co.
"""

import datasets
import evaluate
import numpy as np
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

_DESCRIPTION = "The scores of the GLUE benchmark (https://gluebenchmark.com), one configuration per task."

_USAGE = """
The task is chosen when the metric is loaded: evaluate.load("glue", "mrpc").

Args:
    predictions: one whole-number label per example; for stsb one number per example.
    references: the true labels, in the same form and order.

Returns:
    cola: {"matthews_correlation": float}
    stsb: {"pearson": float, "spearmanr": float}
    mrpc, qqp: {"accuracy": float, "f1": float}
    sst2, mnli, mnli_matched, mnli_mismatched, qnli, rte, wnli, hans: {"accuracy": float}

Example:
    >>> evaluate.load("glue", "mrpc").compute(predictions=[1, 1, 0, 1], references=[1, 0, 0, 1])
    {'accuracy': 0.75, 'f1': 0.8}
"""

_CITATION = """
@inproceedings{wang2019glue,
  title     = {{GLUE}: A Multi-Task Benchmark and Analysis Platform for Natural Language Understanding},
  author    = {Wang, Alex and Singh, Amanpreet and Michael, Julian and Hill, Felix and Levy, Omer and Bowman, Samuel},
  booktitle = {International Conference on Learning Representations},
  year      = {2019}
}
"""


def _accuracy(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    return {"accuracy": float(np.mean(predictions == references))}


def _accuracy_and_f1(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    return _accuracy(predictions, references) | {"f1": float(f1_score(references, predictions))}


def _correlations(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    return {
        "pearson": float(pearsonr(predictions, references).statistic),
        "spearmanr": float(spearmanr(predictions, references).statistic),
    }


def _matthews(predictions: np.ndarray, references: np.ndarray) -> dict[str, float]:
    return {"matthews_correlation": float(matthews_corrcoef(references, predictions))}


_SCORES = {
    "cola": _matthews,
    "stsb": _correlations,
    "mrpc": _accuracy_and_f1,
    "qqp": _accuracy_and_f1,
    **dict.fromkeys(
        ["sst2", "mnli", "mnli_matched", "mnli_mismatched", "qnli", "rte", "wnli", "hans"],
        _accuracy,
    ),
}


class Glue(evaluate.Metric):
    """Scores of the GLUE tasks; the config is the task's name."""

    def _info(self) -> evaluate.MetricInfo:
        if self.config_name not in _SCORES:
            raise ValueError(
                f"config_name must be one of {sorted(_SCORES)}, got {self.config_name!r}; "
                'load with the task, as in evaluate.load("glue", "mrpc")'
            )
        label = datasets.Value("float32" if self.config_name == "stsb" else "int64")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=datasets.Features({"predictions": label, "references": label}),
            reference_urls=["https://gluebenchmark.com"],
            format="numpy",
        )

    def _compute(self, predictions, references) -> dict[str, float]:
        if len(references) == 0:
            raise ValueError("references is empty: add at least one example before compute()")
        return _SCORES[self.config_name](predictions, references)
