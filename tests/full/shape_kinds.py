"""The kinds of repository that the second Hub holds, and how each is made.

A shape has the files, the names and the types of the original, as its page on the Hub shows them, and next to nothing
inside: hidden size 32, a few dozen rows.
Nothing here tells whether a lesson's figures are right at scale `full`; it tells whether its calls still fit.
"""

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from course_nlp import catalog
from course_nlp.hub_store import Store
from course_nlp.stand_ins import Source, build_space

NOTHING = Source({}, lambda id, path: b"")  # a metric is built from the package alone
Bytes = dict[str, bytes]  # path in the repository -> content

TINY = {  # by model type, the keys of a configuration that make a model small; all others stay as they are on the Hub
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64},
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 2},
    "llama": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 64},
}


# --- tokenizers


@cache
def uncased_tokenizer() -> bytes:
    """Return the tokenizer.json of bert-base-uncased, which MiniLM shares."""
    catalog.prepare((), repos=["course/minilm-l6"])
    return Store(catalog.hub_root()).read("models", "course/minilm-l6", "tokenizer.json")


def uncased_vocabulary() -> bytes:
    """Return the vocab.txt of bert-base-uncased: one piece a line, in the order of their ids."""
    vocabulary = json.loads(uncased_tokenizer())["model"]["vocab"]
    return "".join(f"{piece}\n" for piece in sorted(vocabulary, key=vocabulary.__getitem__)).encode()


def wordpiece(*, fast: bool, **config: Any) -> Callable[[], Bytes]:
    """Return a maker of an uncased WordPiece tokenizer's files; older checkpoints have no tokenizer.json (`fast`)."""

    def make() -> Bytes:
        files = {"vocab.txt": uncased_vocabulary(), "tokenizer_config.json": json.dumps(config).encode()}
        return files | ({"tokenizer.json": uncased_tokenizer()} if fast else {})

    return make


# --- the three kinds


@dataclass(frozen=True)
class Checkpoint:
    """A model: the config.json of the original, made small, and random weights under the original's names."""

    id: str
    config: Mapping[str, Any]  # as on the Hub, sizes included
    tokenizer: Callable[[], Bytes]
    stored_as: str = ""  # the class whose weights the file holds, where `architectures` names another
    renamed: Mapping[str, str] = field(default_factory=dict)  # part of a weight's name today -> in the file on the Hub
    absent: tuple[str, ...] = ()  # weights of that class that the file lacks
    kind = "models"

    def files(self) -> Bytes:
        """Return the files of the repository."""
        import torch
        import transformers
        from safetensors.torch import load_file, save

        config = dict(self.config) | TINY[self.config["model_type"]]
        architecture = getattr(transformers, self.stored_as or config["architectures"][0])
        torch.manual_seed(0)
        with tempfile.TemporaryDirectory() as folder:
            architecture(architecture.config_class.from_dict(config)).save_pretrained(folder)
            weights = load_file(Path(folder) / "model.safetensors")
        for now, then in self.renamed.items():
            weights = {name.replace(now, then): value for name, value in weights.items()}
        kept = {name: value for name, value in weights.items() if name not in self.absent}
        both = {"config.json": json.dumps(config, indent=2).encode(), "model.safetensors": save(kept, {"format": "pt"})}
        return both | self.tokenizer()


@dataclass(frozen=True)
class Rows:
    """A data set in Parquet: the columns, types and class names of the original, and a few of our own rows in them."""

    id: str
    features: Callable[[], Any]  # -> datasets.Features
    rows: Callable[[], Mapping[str, list[dict]]]  # -> {split: rows}
    config: str = "default"  # the name of the configuration
    folder: str = "data"  # where in the repository its files are
    infos: bool = False  # described by a dataset_infos.json, as repositories of 2021 and 2022 are, not by a card
    kind = "datasets"

    def files(self) -> Bytes:
        """Return the files of the repository."""
        import pyarrow as pa
        import pyarrow.parquet as pq
        from datasets import Dataset

        features, splits, files = self.features(), {}, {}
        said = old_features(features.to_dict()) if self.infos else features.to_dict()
        for split, rows in self.rows().items():
            table = Dataset.from_list(rows, features=features).data.table
            table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": said}})})
            sink = pa.BufferOutputStream()
            pq.write_table(table, sink)
            files[f"{self.folder}/{split}-00000-of-00001.parquet"] = content = sink.getvalue().to_pybytes()
            splits[split] = {"name": split, "num_bytes": len(content), "num_examples": len(rows), "dataset_name": self.config}
        return files | (self._infos(said, splits) if self.infos else self._card(features, splits))

    def _infos(self, features: dict, splits: Mapping[str, dict]) -> Bytes:
        """Return the description that `datasets` wrote in 2021."""
        info = {"description": "", "citation": "", "homepage": "", "license": "", "features": features, "splits": dict(splits)}
        return {"dataset_infos.json": json.dumps({self.config: info}).encode()}

    def _card(self, features: Any, splits: Mapping[str, dict]) -> Bytes:
        """Return the card that `datasets` writes today: configurations and their files in its head."""
        import yaml

        files = [{"split": split, "path": f"{self.folder}/{split}-*"} for split in splits]
        sizes = [{k: v for k, v in facts.items() if k != "dataset_name"} for facts in splits.values()]
        info = {"config_name": self.config, "features": features._to_yaml_list(), "splits": sizes}
        head = {"dataset_info": info, "configs": [{"config_name": self.config, "data_files": files}]}
        return {"README.md": f"---\n{yaml.safe_dump(head, sort_keys=False)}---\n".encode()}


def old_features(described: Any) -> Any:
    """Return a description of features as `datasets` wrote it before version 4: lists were called Sequence."""
    if not isinstance(described, dict):
        return described
    out = {name: old_features(value) for name, value in described.items()}
    if out.get("_type") == "List":
        out |= {"_type": "Sequence", "length": -1}
    return out | {"id": None} if "_type" in out else out


@dataclass(frozen=True)
class Metric:
    """A metric's Space, with the course's own script of the same interface."""

    id: str
    kind = "spaces"

    def files(self) -> Bytes:
        """Return the files of the repository."""
        made = build_space(catalog.entries()[self.id], NOTHING, Path())
        return {path: content.read_bytes() if isinstance(content, Path) else content for path, content in made.items()}


# --- configurations that several checkpoints share


def labels(names: list[str]) -> dict[str, dict]:
    """Return the two label maps as a config.json holds them: the keys of one are strings."""
    return {"id2label": {str(i): name for i, name in enumerate(names)}, "label2id": {name: i for i, name in enumerate(names)}}


BERT_BASE = {
    "attention_probs_dropout_prob": 0.1, "gradient_checkpointing": False, "hidden_act": "gelu", "hidden_dropout_prob": 0.1,
    "hidden_size": 768, "initializer_range": 0.02, "intermediate_size": 3072, "layer_norm_eps": 1e-12, "max_position_embeddings": 512,
    "model_type": "bert", "num_attention_heads": 12, "num_hidden_layers": 12, "pad_token_id": 0, "position_embedding_type": "absolute",
    "type_vocab_size": 2, "use_cache": True, "vocab_size": 30522,
}  # fmt: skip
DISTILBERT_BASE = {
    "activation": "gelu", "attention_dropout": 0.1, "dim": 768, "dropout": 0.1, "hidden_dim": 3072, "initializer_range": 0.02,
    "max_position_embeddings": 512, "model_type": "distilbert", "n_heads": 12, "n_layers": 6, "output_past": True, "pad_token_id": 0,
    "qa_dropout": 0.1, "seq_classif_dropout": 0.2, "sinusoidal_pos_embds": False, "tie_weights_": True, "vocab_size": 30522,
}  # fmt: skip
