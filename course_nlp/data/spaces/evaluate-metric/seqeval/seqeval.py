# SPDX-License-Identifier: Apache-2.0
"""seqeval: precision, recall and F1 of whole entities in tagged sentences.

A script of the course over the seqeval library, with the interface of the metric of the same name on huggingface.co.
"""

import datasets
import evaluate
import seqeval.scheme
from seqeval.metrics import accuracy_score, classification_report

_DESCRIPTION = "Precision, recall and F1 of entities: right only if type, first token and last token are all right."

_USAGE = """
Args:
    predictions: for each sentence the list of predicted tags, such as ["B-PER", "I-PER", "O"].
    references: the true tags, in the same form and order.
    suffix: True if tags end with the position letter ("PER-B"); default False ("B-PER").
    scheme: "IOB1", "IOB2", "IOE1", "IOE2", "IOBES" or "BILOU"; default None. Used in strict mode only.
    mode: "strict" keeps to the letter of the scheme; default None, lenient as conlleval is.
    sample_weight: accepted and handed to seqeval, whose averages do not use it; default None.
    zero_division: 0, 1 or "warn" (default: counts as 0, with a warning): the score when nothing was predicted or true.

Returns:
    for each entity type {"precision": float, "recall": float, "f1": float, "number": int},
    and overall_precision, overall_recall, overall_f1 (over all entities) and overall_accuracy (over all tokens)

Example:
    >>> evaluate.load("seqeval").compute(predictions=[["B-PER", "O"]], references=[["B-PER", "I-PER"]])["overall_f1"]
    0.0
"""

_CITATION = """
@misc{seqeval,
  title  = {{seqeval}: A Python framework for sequence labeling evaluation},
  author = {Hiroki Nakayama},
  url    = {https://github.com/chakki-works/seqeval},
  year   = {2018}
}
"""

_SCHEMES = ("IOB1", "IOB2", "IOE1", "IOE2", "IOBES", "BILOU")


def _plain(row: dict) -> dict[str, float | int]:
    """Return one row of seqeval's report under the metric's names, NumPy numbers made plain."""
    return {
        "precision": float(row["precision"]),
        "recall": float(row["recall"]),
        "f1": float(row["f1-score"]),
        "number": int(row["support"]),
    }


class Seqeval(evaluate.Metric):
    """Scores of whole entities in tagged sentences."""

    def _info(self) -> evaluate.MetricInfo:
        tags = datasets.Sequence(datasets.Value("string"))
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=datasets.Features({"predictions": tags, "references": tags}),
            homepage="https://github.com/chakki-works/seqeval",
            reference_urls=["https://github.com/chakki-works/seqeval"],
        )

    def _compute(
        self,
        predictions,
        references,
        suffix=False,
        scheme=None,
        mode=None,
        sample_weight=None,
        zero_division="warn",
    ) -> dict[str, dict | float]:
        if scheme is not None and scheme not in _SCHEMES:
            raise ValueError(f"scheme must be None or one of {list(_SCHEMES)}, got {scheme!r}")
        if mode not in (None, "strict"):
            raise ValueError(f"mode must be None or 'strict', got {mode!r}")
        if len(references) == 0:
            raise ValueError("references is empty: add at least one sentence before compute()")
        report = classification_report(
            references,
            predictions,
            suffix=suffix,
            output_dict=True,
            mode=mode,
            sample_weight=sample_weight,
            zero_division=zero_division,
            scheme=scheme and getattr(seqeval.scheme, scheme),
        )
        micro, _, _ = (_plain(report.pop(f"{name} avg")) for name in ("micro", "macro", "weighted"))
        return {
            **{kind: _plain(row) for kind, row in report.items()},
            **{f"overall_{name}": micro[name] for name in ("precision", "recall", "f1")},
            "overall_accuracy": float(accuracy_score(references, predictions)),
        }
