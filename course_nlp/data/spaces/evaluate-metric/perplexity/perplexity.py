# SPDX-License-Identifier: Apache-2.0
"""Perplexity: how surprised a causal language model is by each of a list of texts.

A script of the course over torch and transformers, with the interface of the metric of the same name on
huggingface.co.
"""

import datasets
import evaluate
import torch
from evaluate.utils.logging import tqdm
from torch.nn.functional import cross_entropy
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModelForCausalLM, AutoTokenizer

_DESCRIPTION = "exp of the mean negative log-likelihood that a causal language model gives the tokens of a text."

_USAGE = """
Args:
    predictions: the texts, one string each.
    model_id: a causal language model, by Hub id or local folder.
    batch_size: how many texts go through the model at once; default 16. Does not change the scores.
    add_start_token: True (default) puts the model's start token first, so that the first token is scored too.
    device: "cpu", "cuda" or "gpu" (the same as "cuda"); default None, that is "cuda" if there is one.
    max_length: texts are cut to this number of tokens, the start token included; default None, no cut.

Returns:
    {"perplexities": one float per text, "mean_perplexity": their mean}

Example:
    >>> perplexity = evaluate.load("perplexity", module_type="metric")
    >>> perplexity.compute(predictions=["Water boils at 100 degrees."], model_id="openai-community/gpt2")
"""

_CITATION = """
@article{jelinek1977perplexity,
  title   = {Perplexity: a measure of the difficulty of speech recognition tasks},
  author  = {Jelinek, Fred and Mercer, Robert L. and Bahl, Lalit R. and Baker, James K.},
  journal = {The Journal of the Acoustical Society of America},
  volume  = {62},
  number  = {S1},
  pages   = {S63},
  year    = {1977}
}
"""


def _choose_device(device: str | None) -> str:
    """Return a name that torch knows."""
    if device not in (None, "cpu", "cuda", "gpu"):
        raise ValueError(f"device must be None, 'cpu', 'cuda' or 'gpu', got {device!r}")
    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    return "cuda" if device == "gpu" else device


def _encode(tokenizer, texts: list[str], add_start_token: bool, max_length: int | None) -> list[torch.Tensor]:
    """Return the token ids of each text, start token included, each at least two tokens long."""
    if add_start_token and tokenizer.bos_token_id is None:
        raise ValueError("add_start_token=True, but the model has no start token; pass add_start_token=False")
    if max_length is not None and max_length < 2:
        raise ValueError(f"max_length must be 2 or more, one token to see and one to predict, got {max_length!r}")
    start = [tokenizer.bos_token_id] if add_start_token else []
    rows = [start + ids for ids in tokenizer(texts, add_special_tokens=False)["input_ids"]]
    for text, row in zip(texts, rows, strict=True):
        if len(row) < 2:
            need = "one token" if add_start_token else "two tokens, or add_start_token=True and one token"
            raise ValueError(f"predictions: {text!r} is too short to score; a text needs at least {need}")
    return [torch.tensor(row[:max_length]) for row in rows]


@torch.inference_mode()
def _score(model, rows: list[torch.Tensor]) -> list[float]:
    """Return the perplexity of each row of token ids."""
    # Filler on the right is invisible to a causal model, so any id will do: no pad token is needed.
    ids = pad_sequence(rows, batch_first=True).to(model.device)
    lengths = torch.tensor([len(row) for row in rows], device=model.device)
    mask = torch.arange(ids.shape[1], device=model.device) < lengths[:, None]
    logits = model(input_ids=ids, attention_mask=mask.long()).logits.float()
    losses = cross_entropy(logits[:, :-1].transpose(1, 2), ids[:, 1:], reduction="none")
    return torch.exp((losses * mask[:, 1:]).sum(1) / (lengths - 1)).tolist()


class Perplexity(evaluate.Metric):
    """Perplexity of texts under a causal language model."""

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            module_type="metric",
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_USAGE,
            features=datasets.Features({"predictions": datasets.Value("string")}),
            reference_urls=["https://huggingface.co/docs/transformers/perplexity"],
        )

    def _compute(
        self, predictions, model_id, batch_size=16, add_start_token=True, device=None, max_length=None
    ) -> dict[str, float | list[float]]:
        if not isinstance(batch_size, int) or batch_size < 1:
            raise ValueError(f"batch_size must be a whole number from 1 up, got {batch_size!r}")
        if len(predictions) == 0:
            raise ValueError("predictions is empty: pass at least one text")
        device = _choose_device(device)
        rows = _encode(AutoTokenizer.from_pretrained(model_id), list(predictions), add_start_token, max_length)
        model = AutoModelForCausalLM.from_pretrained(model_id).to(device).eval()
        limit, longest = getattr(model.config, "max_position_embeddings", None), max(len(row) for row in rows)
        if limit is not None and longest > limit:
            raise ValueError(f"a text has {longest} tokens, the model sees {limit}; pass max_length={limit} to cut it")
        starts = tqdm(range(0, len(rows), batch_size), desc="perplexity", unit="batch", delay=2)
        scores = [score for start in starts for score in _score(model, rows[start : start + batch_size])]
        return {"perplexities": scores, "mean_perplexity": sum(scores) / len(scores)}
