"""What lesson 07.05 finds on the Hub. What is not obvious about a repository is said beside it."""

import json
from typing import Any

from full.shape_kinds import TINY, Bytes, Checkpoint, Rows
from full.shapes_translation import Converted

from course_nlp.stand_ins import DATA, read_jsonl

TINY["mt5"] = {"d_model": 32, "d_ff": 64, "d_kv": 16, "num_heads": 2, "num_layers": 2, "num_decoder_layers": 2, "vocab_size": 600}

MT5_SMALL = {
    "architectures": ["MT5ForConditionalGeneration"], "d_ff": 1024, "d_kv": 64, "d_model": 512, "decoder_start_token_id": 0,
    "dropout_rate": 0.1, "eos_token_id": 1, "feed_forward_proj": "gated-gelu", "initializer_factor": 1.0, "is_encoder_decoder": True,
    "layer_norm_epsilon": 1e-06, "model_type": "mt5", "num_decoder_layers": 8, "num_heads": 6, "num_layers": 8, "pad_token_id": 0,
    "relative_attention_num_buckets": 32, "tie_word_embeddings": False, "tokenizer_class": "T5Tokenizer", "use_cache": True,
    "vocab_size": 250112,
}  # fmt: skip


def reviews() -> list[dict]:
    """Return the course's own reviews, whose texts fill the shapes."""
    return read_jsonl(DATA / "reviews.jsonl")


def mt5_tokenizer() -> Bytes:
    """Return the files of a small tokenizer with T5's first three ids.

    The original has a SentencePiece model in place of the tokenizer.json; reading that takes the package sentencepiece.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

    core = Tokenizer(models.Unigram())
    core.pre_tokenizer, core.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    special = ["<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=500, special_tokens=special, unk_token="<unk>", show_progress=False)
    core.train_from_iterator((row["review_body"] for row in reviews()), trainer)
    core.post_processor = processors.TemplateProcessing(single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)])
    config = {"additional_special_tokens": None, "eos_token": "</s>", "extra_ids": 0, "pad_token": "<pad>", "unk_token": "<unk>"}
    config |= {"sp_model_kwargs": {}, "tokenizer_class": "T5Tokenizer"}
    return {"tokenizer.json": core.to_str().encode(), "tokenizer_config.json": json.dumps(config).encode()}


def text_features(*names: str) -> Any:
    """Return a function that gives columns of text."""

    def features() -> Any:
        from datasets import Features, List, Value

        return Features({name: List(Value("string")) if name.endswith("_tokens") else Value("string") for name in names})

    return features


def news(language: str) -> Rows:
    """Return rows of one language in XL-Sum's columns; the addresses have the sections that the lesson asks for."""
    address = {"en": "https://www.bbc.com/news/{}-1234567", "es": "https://www.bbc.com/mundo/noticias-{}-1234567"}[language]
    chosen = [row for row in reviews() if row["language"] == language]

    def rows() -> dict[str, list[dict]]:
        out: dict[str, list[dict]] = {}
        for number, row in enumerate(chosen):
            url = address.format(["world", "business", "uk"][number % 3])
            story = {"id": row["review_id"], "url": url, "title": row["review_title"], "summary": row["review_title"], "text": row["review_body"]}
            out.setdefault(row["split"], []).append(story)
        return out

    return Rows("csebuetnlp/xlsum", text_features("id", "url", "title", "summary", "text"), rows)


CODE_COLUMNS = (
    "repository_name", "func_path_in_repository", "func_name", "whole_func_string", "language", "func_code_string", "func_code_tokens",
    "func_documentation_string", "func_documentation_tokens", "split_name", "func_code_url",
)  # fmt: skip


def functions() -> dict[str, list[dict]]:
    """Return documented functions in CodeSearchNet's columns, with a review as documentation; every fifth has a title alone."""
    out: dict[str, list[dict]] = {}
    for number, row in enumerate(row for row in reviews() if row["language"] == "en"):
        text = f"{row['review_title']} of the shop\n\n{row['review_body']}" if number % 5 else row["review_title"]
        plain = {name: "" for name in CODE_COLUMNS} | {"func_code_tokens": ["def"], "func_documentation_tokens": text.split()}
        plain |= {"repository_name": "someone/something", "func_name": f"Shop.find_item{number}", "language": "python"}
        out.setdefault(row["split"], []).append(plain | {"func_documentation_string": text, "split_name": row["split"]})
    return out


SHAPES = [
    Checkpoint("google/mt5-small", MT5_SMALL, mt5_tokenizer),
    Converted("csebuetnlp/xlsum", lambda: {"english": news("en"), "spanish": news("es"), "welsh": news("en")}),
    Converted("claudios/code_search_net", lambda: {name: Rows("claudios/code_search_net", text_features(*CODE_COLUMNS), functions) for name in ("python", "go")}),
]
