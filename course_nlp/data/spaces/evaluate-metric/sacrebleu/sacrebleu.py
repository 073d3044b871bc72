# SPDX-License-Identifier: Apache-2.0
"""SacreBLEU: BLEU on plain text, with the tokenization inside the metric.

A script of the course over the sacrebleu library, with the interface of the metric of the same name on huggingface.co.
"""

import datasets
import evaluate
from sacrebleu import BLEU, corpus_bleu

_DESCRIPTION = "N-gram precision of translations, on plain text, tokenized in one fixed way so that scores compare."

_USAGE = """
Args:
    predictions: one translation per example, a plain string (not split into tokens).
    references: for each prediction a list of reference translations, the same number everywhere, or one string.
    smooth_method: "exp" (default), "floor", "add-k" or "none": what becomes of n-gram orders without a match.
    smooth_value: the value for "floor" (0.1 if None) and "add-k" (1 if None); default None.
    force: True hides the warning about text that looks tokenized already; default False.
    lowercase: True ignores case; default False.
    tokenize: default None, that is "13a"; "zh" for Chinese, "char", "intl", "none", ...
    use_effective_order: True leaves out n-gram orders without a match, for single sentences; default False.

Returns:
    {"score": float from 0 to 100, "counts": list, "totals": list, "precisions": list, "bp": float,
     "sys_len": int, "ref_len": int}

Example:
    >>> bleu = evaluate.load("sacrebleu")
    >>> result = bleu.compute(predictions=["the file was not found"], references=[["the file was not found"]])
    >>> round(result["score"], 1)
    100.0
"""

_CITATION = """
@inproceedings{post-2018-call,
  title     = {A Call for Clarity in Reporting {BLEU} Scores},
  author    = {Post, Matt},
  booktitle = {Proceedings of the Third Conference on Machine Translation: Research Papers},
  pages     = {186--191},
  year      = {2018},
  url       = {https://www.aclweb.org/anthology/W18-6319}
}
"""


class Sacrebleu(evaluate.Metric):
    """Corpus BLEU as sacrebleu computes it."""

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
            homepage="https://github.com/mjpost/sacrebleu",
            reference_urls=["https://github.com/mjpost/sacrebleu"],
        )

    def _compute(
        self,
        predictions,
        references,
        smooth_method="exp",
        smooth_value=None,
        force=False,
        lowercase=False,
        tokenize=None,
        use_effective_order=False,
    ) -> dict[str, float | int | list]:
        if smooth_method not in BLEU.SMOOTH_DEFAULTS:
            raise ValueError(f"smooth_method must be one of {list(BLEU.SMOOTH_DEFAULTS)}, got {smooth_method!r}")
        if tokenize is not None and tokenize not in BLEU.TOKENIZERS:
            raise ValueError(f"tokenize must be None or one of {list(BLEU.TOKENIZERS)}, got {tokenize!r}")
        groups = [[reference] if isinstance(reference, str) else list(reference) for reference in references]
        sizes = sorted({len(group) for group in groups})
        if len(sizes) > 1 or sizes[0] == 0:
            raise ValueError(
                "references must hold the same number of translations for every prediction, at least one; "
                f"got groups of {sizes}. Fill short groups by repeating one of their references"
            )
        bleu = corpus_bleu(
            predictions,
            list(zip(*groups, strict=True)),  # sacrebleu wants one list per reference, not per prediction
            smooth_method=smooth_method,
            smooth_value=smooth_value,
            force=force,
            lowercase=lowercase,
            use_effective_order=use_effective_order,
            **({} if tokenize is None else {"tokenize": tokenize}),
        )
        names = ("score", "counts", "totals", "precisions", "bp", "sys_len", "ref_len")
        return {name: getattr(bleu, name) for name in names}
