"""What lessons 07.08 and 07.08b find on the Hub: DistilGPT2, DistilRoBERTa, ELI5-Category and WikiText."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from full.shape_kinds import TINY, Bytes, Checkpoint, Rows

from course_nlp.stand_ins import DATA, read_jsonl

TINY |= {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
}
GPT2_DROPOUT = {"attn_pdrop": 0.1, "embd_pdrop": 0.1, "resid_pdrop": 0.1}
DISTILGPT2 = GPT2_DROPOUT | {
    "_num_labels": 1, "activation_function": "gelu_new", "architectures": ["GPT2LMHeadModel"], "bos_token_id": 50256, "eos_token_id": 50256,
    "initializer_range": 0.02, "layer_norm_epsilon": 1e-5, "model_type": "gpt2", "n_ctx": 1024, "n_embd": 768, "n_head": 12, "n_layer": 6,
    "n_positions": 1024, "vocab_size": 50257,
}  # fmt: skip
DISTILROBERTA = {
    "architectures": ["RobertaForMaskedLM"], "attention_probs_dropout_prob": 0.1, "bos_token_id": 0, "eos_token_id": 2, "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1, "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-5,
    "max_position_embeddings": 514, "model_type": "roberta", "num_attention_heads": 12, "num_hidden_layers": 6, "pad_token_id": 1,
    "type_vocab_size": 1, "vocab_size": 50265,
}  # fmt: skip


# --- tokenizers: bytes only, with the special tokens where the originals have them


def byte_level(specials: dict[str, int], size: int, roberta: bool, **config: Any) -> Callable[[], Bytes]:
    """Return a maker of a byte-level BPE tokenizer without merges; ids that mean something in the original are fillers here."""

    def make() -> Bytes:
        from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

        vocab = dict(specials)
        free = (i for i in range(size) if i not in specials.values())
        vocab |= {letter: next(free) for letter in sorted(pre_tokenizers.ByteLevel.alphabet())}
        vocab |= {f"filler {i}": i for i in free}
        tokenizer = Tokenizer(models.BPE(vocab, []))
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        tokenizer.post_processor = (
            processors.RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False) if roberta else processors.ByteLevel(trim_offsets=False)
        )
        tokenizer.add_special_tokens([AddedToken(token, lstrip=token == "<mask>", normalized=False, special=True) for token in specials])
        files = {"tokenizer.json": tokenizer.to_str().encode(), "tokenizer_config.json": json.dumps(config).encode()}
        return files | {"vocab.json": json.dumps(vocab).encode(), "merges.txt": b"#version: 0.2\n"}

    return make


# --- data sets


@dataclass(frozen=True)
class ConvertedRows(Rows):
    """A data set with a loading script, and its copy in Parquet on the branch that the Hub's converter writes."""

    @property
    def branch(self) -> str:
        """Return the branch."""
        return "refs/convert/parquet"


def eli5_features() -> Any:
    """Return the columns of ELI5-Category."""
    from datasets import Features, List, Value

    text, texts = Value("string"), List(Value("string"))
    answers = {"a_id": texts, "text": texts, "score": List(Value("int32")), "text_urls": List(texts)}
    plain = dict.fromkeys(("q_id", "title", "selftext", "category", "subreddit"), text)
    return Features(plain | {"answers": answers, "title_urls": texts, "selftext_urls": texts})


def eli5_rows() -> dict[str, list[dict]]:
    """Return a few of the course's own questions; the converter writes validation1 and validation2 as well."""
    written = read_jsonl(DATA / "eli5.jsonl")
    chosen = [{name: value for name, value in row.items() if name != "split"} for row in written]
    return {"train": chosen[:10], "test": chosen[10:14]}


def wiki_features() -> Any:
    """Return the one column of WikiText."""
    from datasets import Features, Value

    return Features({"text": Value("string")})


def wiki_rows() -> dict[str, list[dict]]:
    """Return answers of the course as if they were articles."""
    answers = [text.replace("\n", " ") for row in read_jsonl(DATA / "eli5.jsonl") for text in row["answers"]["text"]]
    rows = [row for i, text in enumerate(answers) for row in ("", f" = Article {i} = \n", "", f" {text} \n")]
    return {split: [{"text": text} for text in part] for split, part in (("train", rows[:60]), ("validation", rows[60:100]), ("test", rows[100:140]))}


SHAPES = [
    Checkpoint("distilbert/distilgpt2", DISTILGPT2, byte_level({"<|endoftext|>": 50256}, 50257, False, model_max_length=1024)),
    Checkpoint(
        "distilbert/distilroberta-base",
        DISTILROBERTA,
        byte_level({"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3, "<mask>": 50264}, 50265, True, model_max_length=512),
    ),
    ConvertedRows("dany0407/eli5_category", eli5_features, eli5_rows),
    Rows("Salesforce/wikitext", wiki_features, wiki_rows, config="wikitext-2-raw-v1", folder="wikitext-2-raw-v1"),
]
