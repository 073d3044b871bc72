"""What lesson 01.03 finds on the Hub beside what other lessons have declared. What is not obvious is said beside it."""

import io
import json
import struct
from dataclasses import dataclass
from functools import cache
from typing import Any

from full.shape_kinds import BERT_BASE, TINY, Bytes, Checkpoint, Rows, wordpiece

from course_nlp import catalog
from course_nlp.hub_store import Store

TINY |= {
    "llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64},
    "bart": {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    },
    "whisper": {
        "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "num_hidden_layers": 2, "encoder_attention_heads": 2,
        "decoder_attention_heads": 2, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64,
    },
}  # fmt: skip


@cache
def stand_in_files(id: str, *names: str) -> Bytes:
    """Return files of a stand-in whose tokenizer is the original's."""
    catalog.prepare((), repos=[id])
    return {name: Store(catalog.hub_root()).read("models", id, name) for name in names}


def smollm2_files() -> Bytes:
    """Return SmolLM2's tokenizer with its chat template, and what it generates by."""
    return stand_in_files("course/smollm2-135m-instruct", "tokenizer.json", "tokenizer_config.json", "generation_config.json")


def whisper_files() -> Bytes:
    """Return Whisper's tokenizer, its settings for sound, and what it generates by."""
    names = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json", "generation_config.json")
    return stand_in_files("course/whisper-tiny-en", *names)


SMOLLM2 = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 1, "eos_token_id": 2,
    "hidden_act": "silu", "hidden_size": 576, "initializer_range": 0.041666666666666664, "intermediate_size": 1536,
    "is_llama_config": True, "max_position_embeddings": 8192, "mlp_bias": False, "model_type": "llama", "num_attention_heads": 9,
    "num_hidden_layers": 30, "num_key_value_heads": 3, "pad_token_id": 2, "pretraining_tp": 1, "rms_norm_eps": 1e-05,
    "rope_interleaved": False, "rope_scaling": None, "rope_theta": 100000, "tie_word_embeddings": True, "torch_dtype": "bfloat16",
    "use_cache": True, "vocab_size": 49152,
}  # fmt: skip
WHISPER_TINY_EN = {
    "activation_dropout": 0.0, "activation_function": "gelu", "architectures": ["WhisperForConditionalGeneration"], "attention_dropout": 0.0,
    "bos_token_id": 50257, "d_model": 384, "decoder_attention_heads": 6, "decoder_ffn_dim": 1536, "decoder_layerdrop": 0.0,
    "decoder_layers": 4, "decoder_start_token_id": 50257, "dropout": 0.0, "encoder_attention_heads": 6, "encoder_ffn_dim": 1536,
    "encoder_layerdrop": 0.0, "encoder_layers": 4, "eos_token_id": 50256, "init_std": 0.02, "is_encoder_decoder": True,
    "max_source_positions": 1500, "max_target_positions": 448, "model_type": "whisper", "num_hidden_layers": 4, "num_mel_bins": 80,
    "pad_token_id": 50256, "scale_embedding": False, "torch_dtype": "float32", "use_cache": True, "vocab_size": 51864,
}  # fmt: skip
MINILM = BERT_BASE | {"architectures": ["BertModel"], "hidden_size": 384, "intermediate_size": 1536, "num_hidden_layers": 6}


# --- data sets


INTENTS = ("abroad", "address", "app_error", "atm_limit", "balance", "business_loan", "card_issues", "cash_deposit", "direct_debit",
           "freeze", "high_value_payment", "joint_account", "latest_transactions", "pay_bill")  # fmt: skip
LANGUAGES = ("cs-CZ", "de-DE", "en-AU", "en-GB", "en-US", "es-ES", "fr-FR", "it-IT", "ko-KR", "nl-NL", "pl-PL", "pt-PT", "ru-RU", "zh-CN")


def telephone_wav(seconds: float) -> bytes:
    """Return a WAV file as a telephone makes it: 8,000 samples a second, 8 bits each, packed by μ-law."""
    data = bytes(range(256)) * int(seconds * 8_000 / 256)
    body = b"WAVEfmt " + struct.pack("<IHHIIHH", 16, 7, 1, 8_000, 8_000, 1, 8) + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def minds14_features() -> Any:
    """Return the columns of MInDS-14."""
    from datasets import Audio, ClassLabel, Features, Value

    text = Value("string")
    return Features(
        {"path": text, "audio": Audio(sampling_rate=8_000), "transcription": text, "english_transcription": text}
        | {"intent_class": ClassLabel(names=list(INTENTS)), "lang_id": ClassLabel(names=list(LANGUAGES))}
    )


def minds14_rows() -> dict[str, list[dict]]:
    """Return a few calls to a bank."""
    said = ["I would like to set up a joint account", "what is my balance", "how do I freeze my card"]
    rows = [
        {"path": f"en-US/call_{i}.wav", "audio": {"path": f"call_{i}.wav", "bytes": telephone_wav(0.5 + i)}}
        | {"transcription": text, "english_transcription": text, "intent_class": (11, 4, 9)[i], "lang_id": 4}
        for i, text in enumerate(said)
    ]
    return {"train": rows}


@dataclass(frozen=True)
class SoundRows(Rows):
    """A data set with recordings: written past `datasets`, which would ask for a library of its own to encode them."""

    def files(self) -> Bytes:
        """Return the files of the repository."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        features, splits, files = self.features(), {}, {}
        for split, rows in self.rows().items():
            sink = io.BytesIO()
            pq.write_table(pa.Table.from_pylist(rows, features.arrow_schema), sink)
            files[f"{self.folder}/{split}-00000-of-00001.parquet"] = content = sink.getvalue()
            splits[split] = {"name": split, "num_bytes": len(content), "num_examples": len(rows), "dataset_name": self.config}
        return files | self._card(features, splits)


BART_LARGE_CNN = {
    "activation_dropout": 0.0, "activation_function": "gelu", "architectures": ["BartForConditionalGeneration"], "attention_dropout": 0.0,
    "bos_token_id": 0, "classifier_dropout": 0.0, "d_model": 1024, "decoder_attention_heads": 16, "decoder_ffn_dim": 4096,
    "decoder_layerdrop": 0.0, "decoder_layers": 12, "decoder_start_token_id": 2, "dropout": 0.1, "encoder_attention_heads": 16,
    "encoder_ffn_dim": 4096, "encoder_layerdrop": 0.0, "encoder_layers": 12, "eos_token_id": 2, "forced_bos_token_id": 0,
    "forced_eos_token_id": 2, "init_std": 0.02, "is_encoder_decoder": True, "max_position_embeddings": 1024, "model_type": "bart",
    "num_hidden_layers": 12, "pad_token_id": 1, "scale_embedding": False, "use_cache": True, "vocab_size": 50264,
}  # fmt: skip
BART_WRITES = {
    "bos_token_id": 0, "decoder_start_token_id": 2, "early_stopping": True, "eos_token_id": 2, "forced_bos_token_id": 0,
    "forced_eos_token_id": 2, "length_penalty": 2.0, "max_length": 142, "min_length": 56, "no_repeat_ngram_size": 3,
    "num_beams": 4, "pad_token_id": 1,
}  # fmt: skip


def bart_files() -> Bytes:
    """Return BART's tokenizer: GPT-2's pieces, numbered from 4 on behind its own special tokens; and what it generates by."""
    raw = stand_in_files("course/gpt2-tokenizer", "vocab.json", "merges.txt")
    special = {"<s>": 0, "<pad>": 1, "</s>": 2, "<unk>": 3}
    pieces = [piece for piece, _ in sorted(json.loads(raw["vocab.json"]).items(), key=lambda each: each[1]) if piece != "<|endoftext|>"]
    vocabulary = special | {piece: number for number, piece in enumerate(pieces, 4)} | {"<mask>": 50263}
    written = {"vocab.json": vocabulary, "tokenizer_config.json": {"model_max_length": 1024}, "generation_config.json": BART_WRITES}
    return {"merges.txt": raw["merges.txt"]} | {name: json.dumps(value).encode() for name, value in written.items()}


SHAPES = [
    Checkpoint("facebook/bart-large-cnn", BART_LARGE_CNN, bart_files),
    Checkpoint("sentence-transformers/all-MiniLM-L6-v2", MINILM, wordpiece(fast=True, model_max_length=512, do_lower_case=True)),
    Checkpoint("HuggingFaceTB/SmolLM2-135M-Instruct", SMOLLM2, smollm2_files),
    Checkpoint("openai/whisper-tiny.en", WHISPER_TINY_EN, whisper_files, absent=("proj_out.weight",)),  # tied to the embeddings
    SoundRows("PolyAI/minds14", minds14_features, minds14_rows, config="en-US", folder="en-US"),
]
