"""For each recipe a world of small size and real shape: what it asks the Hub for at scale `full`, a few dozen rows of it.

A recipe of one's own: a function that puts its repositories into a store, and a line in WORLDS. The tests for kills, for
two processes and for two machines run over WORLDS.
"""

import io
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from datasets import Dataset
from full.real_shapes import SHAPES, fill

from course_nlp.hub_store import Store
from course_nlp.recipes import RECIPES
from course_nlp.stand_ins import NER_TAGS


@dataclass(frozen=True)
class World:
    """A toy world for a recipe."""

    fill: Callable[[Store], None]  # puts the repositories there that the recipe asks for
    arguments: tuple[str, ...]  # of a short training that learns something, in 20 to 60 steps


# --- parts of repositories


def parquet(rows: list[dict] | Dataset) -> bytes:
    """Return rows as a Parquet file."""
    out = io.BytesIO()
    (rows if isinstance(rows, Dataset) else Dataset.from_list(rows)).to_parquet(out)
    return out.getvalue()


def data_files(splits: dict[str, list[dict]]) -> dict[str, bytes]:
    """Return the files of a data set with these splits."""
    return {f"data/{name}-00000-of-00001.parquet": parquet(rows) for name, rows in splits.items()}


def saved(*parts) -> dict[str, bytes]:
    """Return the files that a model, a tokenizer or a configuration saves."""
    with TemporaryDirectory() as folder:
        for part in parts:
            part.save_pretrained(folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def words_tokenizer(words: list[str]):
    """Return a WordPiece tokenizer like BERT's that knows a few words and splits off a final s."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words, "##s"]
    toy = Tokenizer(models.WordPiece({word: i for i, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    toy.pre_tokenizer = pre_tokenizers.Whitespace()
    toy.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
    return PreTrainedTokenizerFast(tokenizer_object=toy, model_max_length=64, **names)


# --- the worlds


def few_words() -> dict[str, list[dict]]:
    """Return rows with CoNLL's columns that a tiny model can learn: few words, names of one and of two, all lengths mixed."""
    rng, out = np.random.default_rng(0), {}
    names = {"PER": ["ada", "bell"], "LOC": ["rome", "oslo"], "ORG": ["acme corp", "fiat works"]}
    for split, count in (("train", 50), ("validation", 13), ("test", 11)):
        out[split] = []
        for number in range(count):
            tokens, tags = [], []
            for kind in rng.permutation(list(names))[: rng.integers(1, 4)]:
                words = names[kind][rng.integers(2)].split() + ["the", "film", "near", "."][: rng.integers(1, 5)]
                tokens += words
                tags += [NER_TAGS.index(f"{'BI'[i]}-{kind}") if i < 1 + (kind == "ORG") else 0 for i in range(len(words))]
            out[split].append({"id": str(number), "tokens": tokens, "ner_tags": tags, **dict.fromkeys(("pos_tags", "chunk_tags"), [0] * len(tags))})
    return out


def ner(store: Store) -> None:
    """Put a tiny BERT and sentences with names into a store."""
    checkpoint, dataset = RECIPES["ner"].originals
    fill(store, [checkpoint])
    store.seed("datasets", dataset, replace(SHAPES[dataset], rows=few_words).files())


WORDS = "the a film plot star was is great awful fine dull and but truly quite".split()


def phrases(count: int, seed: int) -> list[str]:
    """Return texts of few words in a fixed grammar, of unequal length."""
    rng = np.random.default_rng(seed)
    pick = lambda *words: words[rng.integers(len(words))]
    return [
        " and ".join(f"{pick('the', 'a')} {pick('film', 'plot', 'stars')} {pick('was', 'is')} {pick('great', 'awful', 'truly fine', 'quite dull')}" for _ in range(rng.integers(1, 4)))
        for _ in range(count)
    ]


def mlm(store: Store) -> None:
    """Put a tiny BERT with a head for masked words and a few reviews into a store."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    torch.manual_seed(0)
    tokenizer = words_tokenizer(WORDS)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 64}
    checkpoint, dataset = RECIPES["mlm"].originals
    store.seed("models", checkpoint, saved(BertForMaskedLM(BertConfig(vocab_size=len(tokenizer), **shape)), tokenizer))
    splits = {"train": phrases(110, 1), "test": phrases(43, 2)}
    store.seed("datasets", dataset, data_files({name: [{"text": text, "label": 0} for text in texts] for name, texts in splits.items()}))


def clm(store: Store) -> None:
    """Put a tokenizer of GPT-2's kind, a tiny plan of a model, and lines of code into a store."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import GPT2Config, GPT2TokenizerFast

    core = ByteLevelBPETokenizer()
    core.train_from_iterator(["import numpy as np"], vocab_size=260, special_tokens=["<|endoftext|>"])
    tokenizer = GPT2TokenizerFast(tokenizer_object=core._tokenizer, model_max_length=1024)
    checkpoint, train = RECIPES["clm"].originals
    config = GPT2Config(n_embd=32, n_layer=2, n_head=2, architectures=["GPT2LMHeadModel"])
    store.seed("models", checkpoint, saved(tokenizer, config))
    code = lambda count, seed: [{"content": text.replace(" and ", "\n").replace("the ", "def ")} for text in phrases(count, seed)]
    store.seed("datasets", train, data_files({"train": code(120, 1)}))
    store.seed("datasets", train.replace("-train", "-valid"), data_files({"train": code(47, 2)}))


def pairs(count: int) -> list[dict]:
    """Return pairs of a fixed grammar, of unequal length, with KDE4's columns."""
    rng, words = np.random.default_rng(3), [("the", "le"), ("a", "un"), ("small", "petit"), ("big", "grand"), ("cat", "chat"), ("dog", "chien")]
    chosen = [[words[i] for i in (rng.integers(2), 2 + rng.integers(2), 4 + rng.integers(2))] * rng.integers(1, 4) for _ in range(count)]
    texts = [tuple(" ".join(pair[side] for pair in row) for side in range(2)) for row in chosen]
    return [{"id": str(i), "translation": {"en": en, "fr": fr}} for i, (en, fr) in enumerate(texts)]


def translation(store: Store) -> None:
    """Put a tiny Marian and pairs of few words into a store, the pairs on the branch of converted scripts."""
    from tiny_seq2seq import tiny_marian, tiny_tokenizer

    checkpoint, dataset = RECIPES["translation"].originals
    store.seed("models", checkpoint, saved(tiny_marian(), tiny_tokenizer()))
    store.seed("datasets", dataset, {"en-fr/train/0000.parquet": parquet(pairs(230))})
    store.create_ref("datasets", dataset, "refs/convert/parquet")


WORLDS = {
    "ner": World(ner, ("--batch-size", "8", "--epochs", "6", "--lr", "0.02")),
    "mlm": World(mlm, ("--batch-size", "8", "--epochs", "6", "--lr", "0.01", "--max-length", "16")),
    "translation": World(translation, ("--batch-size", "8", "--epochs", "4", "--lr", "0.005", "--max-length", "16")),
    "clm": World(clm, ("--batch-size", "16", "--epochs", "6", "--lr", "0.01", "--max-length", "16")),
}


# --- served


def clean_environment() -> dict[str, str]:
    """Return this process's environment without anything of the course, of the Hub, and of torchrun."""
    foreign = ("COURSE_NLP_", "HF_", "ACCELERATE_", "MASTER_", "TORCHELASTIC_", "RANK", "LOCAL_", "WORLD_SIZE", "GROUP_", "ROLE_")
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return kept | {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "GLOO_SOCKET_IFNAME": loopback}


@contextmanager
def served(name: str, folder: Path) -> Iterator[dict[str, str]]:
    """Serve the world of a recipe from a Hub of its own; yield the environment for programs at scale `full`."""
    from course_nlp.hub import serve

    root = folder / "hub"
    WORLDS[name].fill(Store(root))
    with serve(root, tokens={"secret": "tester"}) as server:
        hub = {"HF_ENDPOINT": server.url, "HF_HOME": str(folder / "home"), "HF_TOKEN": "secret", "HF_HUB_DISABLE_XET": "1"}
        yield clean_environment() | hub | {"COURSE_NLP_SCALE": "full"}


def report_of(folder: Path) -> dict:
    """Return the metrics.json of a run."""
    return json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
