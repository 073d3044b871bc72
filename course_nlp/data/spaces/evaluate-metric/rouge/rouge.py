# SPDX-License-Identifier: Apache-2.0
"""ROUGE: word and subsequence overlap of summaries with their references.

A script of the course over the rouge_score library, with the interface of the metric of the same name on
huggingface.co.
"""

import datasets
import evaluate
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import BootstrapAggregator

_DESCRIPTION = "Overlap of summaries with their references: n-grams (ROUGE-N) and longest common subsequence (ROUGE-L)."

_USAGE = """
Args:
    predictions: one summary per example, a plain string.
    references: for each prediction one string, or a list of strings, of which the best counts.
    rouge_types: which scores; default None, that is ["rouge1", "rouge2", "rougeL", "rougeLsum"].
        rougeLsum takes each line as a sentence: put "\\n" between sentences.
    use_aggregator: True (default) returns one number per score, False a list with one number per example.
    use_stemmer: True compares word stems (English only, and only without a tokenizer of your own); default False.
    tokenizer: a function from a string to a list of strings; default None, which keeps only a-z and 0-9.
        Text in other scripts needs one: tokenizer=list compares characters.

Returns:
    {"rouge1": F1 as a float from 0 to 1, ...}, or lists of floats if use_aggregator is False

Example:
    >>> evaluate.load("rouge").compute(predictions=["a red house"], references=["a red car"])["rougeL"]
    0.6666666666666666
"""

_CITATION = """
@inproceedings{lin-2004-rouge,
  title     = {{ROUGE}: A Package for Automatic Evaluation of Summaries},
  author    = {Lin, Chin-Yew},
  booktitle = {Text Summarization Branches Out},
  pages     = {74--81},
  year      = {2004},
  url       = {https://www.aclweb.org/anthology/W04-1013}
}
"""


class _FromFunction:
    """Give a plain function the `tokenize` method that rouge_score calls."""

    def __init__(self, function):
        self.tokenize = function


class Rouge(evaluate.Metric):
    """ROUGE F1 scores as rouge_score computes them."""

    def _info(self) -> evaluate.MetricInfo:
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
            homepage="https://github.com/google-research/google-research/tree/master/rouge",
            reference_urls=["https://github.com/google-research/google-research/tree/master/rouge"],
        )

    def _compute(
        self, predictions, references, rouge_types=None, use_aggregator=True, use_stemmer=False, tokenizer=None
    ) -> dict[str, float | list[float]]:
        if tokenizer is not None and not callable(tokenizer):
            raise TypeError(
                f"tokenizer must be a function from str to list of str, got {type(tokenizer).__name__}; "
                "for an object with a tokenize method pass that method"
            )
        if isinstance(rouge_types, str):
            raise TypeError(f"rouge_types must be a list of names, got {rouge_types!r}; write [{rouge_types!r}]")
        rouge_types = list(rouge_types or ("rouge1", "rouge2", "rougeL", "rougeLsum"))
        groups = [[reference] if isinstance(reference, str) else list(reference) for reference in references]
        if not all(groups):
            raise ValueError(f"references[{groups.index([])}] is an empty list; give at least one reference text")
        scorer = RougeScorer(rouge_types, use_stemmer=use_stemmer, tokenizer=tokenizer and _FromFunction(tokenizer))
        # score_multi takes the best reference per type; with a single one it equals score().
        rows = [scorer.score_multi(group, text) for group, text in zip(groups, predictions, strict=True)]
        if not use_aggregator:
            return {kind: [float(row[kind].fmeasure) for row in rows] for kind in rouge_types}
        aggregator = BootstrapAggregator()
        for row in rows:
            aggregator.add_scores(row)
        return {kind: float(score.mid.fmeasure) for kind, score in aggregator.aggregate().items()}
