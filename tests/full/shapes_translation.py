"""What lesson 07.04 finds on the Hub. What is not obvious about a repository is said beside it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from io import BytesIO
from typing import Any

from full.shape_kinds import TINY, Bytes, Checkpoint, Rows

from course_nlp import catalog
from course_nlp.hub_store import Store

TINY["marian"] = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
}  # fmt: skip

MARIAN_EN_FR = {
    "activation_dropout": 0.0, "activation_function": "swish", "add_bias_logits": False, "add_final_layer_norm": False,
    "architectures": ["MarianMTModel"], "attention_dropout": 0.0, "bos_token_id": 0, "classif_dropout": 0.0, "classifier_dropout": 0.0,
    "d_model": 512, "decoder_attention_heads": 8, "decoder_ffn_dim": 2048, "decoder_layerdrop": 0.0, "decoder_layers": 6,
    "decoder_start_token_id": 59513, "decoder_vocab_size": 59514, "dropout": 0.1, "encoder_attention_heads": 8,
    "encoder_ffn_dim": 2048, "encoder_layerdrop": 0.0, "encoder_layers": 6, "eos_token_id": 0, "extra_pos_embeddings": 59514,
    "forced_eos_token_id": 0, "init_std": 0.02, "is_encoder_decoder": True, "max_position_embeddings": 512, "model_type": "marian",
    "normalize_before": False, "normalize_embedding": False, "num_hidden_layers": 6, "pad_token_id": 59513, "scale_embedding": True,
    "share_encoder_decoder_embeddings": True, "static_position_embeddings": True, "use_cache": True, "vocab_size": 59514,
}  # fmt: skip
GENERATION = {
    "bad_words_ids": [[59513]], "bos_token_id": 0, "decoder_start_token_id": 59513, "eos_token_id": 0, "forced_eos_token_id": 0,
    "max_length": 512, "num_beams": 4, "pad_token_id": 59513, "renormalize_logits": True,
}  # fmt: skip


@cache
def pairs() -> tuple[tuple[str, str], ...]:
    """Return the interface strings of the small stand-in."""
    import pyarrow.parquet as pq

    catalog.prepare((), repos=["course/wagtail-en-fr"])
    raw = Store(catalog.hub_root()).read("datasets", "course/wagtail-en-fr", "en-fr/train-00000-of-00001.parquet")
    return tuple((row["en"], row["fr"]) for row in pq.read_table(BytesIO(raw))["translation"].to_pylist())


def sentencepiece_model(texts: list[str]) -> bytes:
    """Return a SentencePiece model of 400 pieces learned from texts."""
    import sentencepiece

    out = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(texts), model_writer=out, vocab_size=400, hard_vocab_limit=False, minloglevel=2, num_threads=1
    )
    return out.getvalue()


def marian_tokenizer() -> Bytes:
    """Return the files of a Marian tokenizer: a SentencePiece model for each side, one table of ids, and no tokenizer.json."""
    import sentencepiece

    models = {name: sentencepiece_model([pair[i] for pair in pairs()]) for i, name in enumerate(("source.spm", "target.spm"))}
    ids = {"</s>": 0, "<unk>": 1}
    for raw in models.values():
        model = sentencepiece.SentencePieceProcessor(model_proto=raw)
        for piece in (model.id_to_piece(i) for i in range(model.get_piece_size())):
            ids.setdefault(piece, len(ids))
    for i in range(len(ids), 59513):  # the original has as many
        ids[f"▁filler{i}"] = i
    config = {"target_lang": "fr", "source_lang": "en"}
    files = {"vocab.json": ids | {"<pad>": 59513}, "tokenizer_config.json": config, "generation_config.json": GENERATION}
    return models | {name: json.dumps(value, ensure_ascii=False).encode() for name, value in files.items()}


@dataclass(frozen=True)
class Converted:
    """What the Hub's own converter left of a data set that was written as a script: Parquet on a branch, and no card."""

    id: str
    rows: Callable[[], dict[str, Rows]]  # configuration -> its rows
    branch: str = "refs/convert/parquet"
    kind = "datasets"

    def files(self) -> Bytes:
        """Return the files: one folder for each configuration, in it one for each split."""
        out: Bytes = {}
        for config, rows in self.rows().items():
            for path, content in rows.files().items():
                if path.endswith(".parquet"):
                    split = path.rpartition("/")[2].partition("-")[0]
                    out[f"{config}/{split}/0000.parquet"] = content
        return out


def kde4_features() -> Any:
    """Return the columns of KDE4, English and French."""
    from datasets import Features, Translation, Value

    return Features({"id": Value("string"), "translation": Translation(languages=("en", "fr"))})


def kde4_rows() -> dict[str, list[dict]]:
    """Return some hundred pairs, a few with the word that the lesson asks for."""
    chosen = [*pairs()[:660], ("Load the plugin", "Charger le module"), ("A plugin for web pages", "Un module pour les pages web")]
    return {"train": [{"id": str(i), "translation": {"en": en, "fr": fr}} for i, (en, fr) in enumerate(chosen)]}


def kde4() -> dict[str, Rows]:
    """Return two of the configurations, so that a lesson has to say which one it means."""
    rows = Rows("Helsinki-NLP/kde4", kde4_features, kde4_rows)
    return {"en-fr": rows, "fi-nl": rows}


SHAPES = [
    Checkpoint("Helsinki-NLP/opus-mt-en-fr", MARIAN_EN_FR, marian_tokenizer),
    Converted("Helsinki-NLP/kde4", kde4),
]
