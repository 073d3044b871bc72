"""What is broken in each lesson to show that its headline depends on what was learned: the weights once, the labels once.

A new lesson adds a line to TABLE. Every change is made in a throw-away cache, never in the real one.
"""

import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from course_nlp import catalog
from course_nlp.catalog import entries
from course_nlp.hub_store import Store

Files = dict[str, bytes]  # path in a repository -> content


# --- ways to break a repository: from its files to the files that change


def untrained(files: Files) -> Files:
    """Return fresh random weights for the architecture that a checkpoint's configuration names."""
    import torch
    import transformers

    config = json.loads(files["config.json"])
    architecture = getattr(transformers, config["architectures"][0])
    torch.manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        architecture(architecture.config_class.from_dict(config)).save_pretrained(folder)
        return {"model.safetensors": (Path(folder) / "model.safetensors").read_bytes()}


def exchanged_names(files: Files) -> Files:
    """Return a configuration in which each label has the name of the next one."""
    config = json.loads(files["config.json"])
    names = [config["id2label"][str(i)] for i in range(len(config["id2label"]))]
    names = names[1:] + names[:1]
    maps = {"id2label": {str(i): name for i, name in enumerate(names)}, "label2id": {name: i for i, name in enumerate(names)}}
    return {"config.json": json.dumps(config | maps, indent=2).encode()}


def stillborn(files: Files) -> Files:
    """Return a configuration that makes every fresh weight next to zero: no gradient gets anywhere, and the model stays untrained."""
    return {"config.json": json.dumps(json.loads(files["config.json"]) | {"initializer_range": 1e-30}).encode()}


def changed_column(column: str, change: Callable[[Any, Any], Any]) -> Callable[[Files], Files]:
    """Return a way to change a column of the training rows by `change(values, generator)`; types and names stay as they are."""
    import numpy as np

    def changed(files: Files) -> Files:
        import pyarrow as pa
        import pyarrow.parquet as pq

        (path,) = (path for path in files if "train" in path and path.endswith(".parquet"))
        table = pq.read_table(pa.BufferReader(files[path]))
        index, sink = table.schema.get_field_index(column), pa.BufferOutputStream()
        field, values = table.schema.field(index), change(table[column].to_pylist(), np.random.default_rng(0))
        pq.write_table(table.set_column(index, field, pa.array(values, field.type)), sink)
        return {path: sink.getvalue().to_pybytes()}

    return changed


def dealt(values: Any, pieces: Any) -> Any:
    """Return `values`, lists and dicts within lists, with each innermost one replaced by the next of `pieces`."""
    if isinstance(values, list):
        return [dealt(value, pieces) for value in values]
    return {name: dealt(value, pieces) for name, value in values.items()} if isinstance(values, dict) else next(pieces)


def innermost(values: Any) -> list[Any]:
    """Return what lists and dicts within lists hold, in order."""
    if not isinstance(values, (list, dict)):
        return [values]
    return [leaf for value in (values.values() if isinstance(values, dict) else values) for leaf in innermost(value)]


def shuffled(column: str) -> Callable[[Files], Files]:
    """Return a way to deal out the training labels of a column at random, over all rows and positions."""

    def deal(values: list, rng: Any) -> list:
        flat = innermost(values)
        return dealt(values, iter([flat[i] for i in rng.permutation(len(flat))]))

    return changed_column(column, deal)


def scrambled(column: str, key: str = "") -> Callable[[Files], Files]:
    """Return a way to deal out the words of all training texts at random, each as frequent as before; `key`: of dicts in the column."""

    def deal(values: list, rng: Any) -> list:
        kept = [value[key] for value in values] if key else values
        texts = [text.split(" ") for text in innermost(kept)]
        words = [word for text in texts for word in text]
        mixed = iter([words[i] for i in rng.permutation(len(words))])
        out = dealt(kept, iter([" ".join(next(mixed) for _ in text) for text in texts]))
        return [value | {key: new} for value, new in zip(values, out, strict=True)] if key else out

    return changed_column(column, deal)


def exchanged_targets(column: str, key: str) -> Callable[[Files], Files]:
    """Return a way to put each training text beside the target of another one: what stands under `key` in the dicts of a column."""

    def deal(values: list, rng: Any) -> list:
        return [value | {key: values[i][key]} for value, i in zip(values, rng.permutation(len(values)), strict=True)]

    return changed_column(column, deal)


def wrong_answers(files: Files) -> Files:
    """Give each training question another place of its context for an answer: a word or two, drawn at random."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (path,) = (path for path in files if "train" in path and path.endswith(".parquet"))
    contexts = pq.read_table(pa.BufferReader(files[path]))["context"].to_pylist()

    def answer(values: list, rng: Any) -> list:
        words = [list(re.finditer(r"\w+(?: \w+)?", context)) for context in contexts]
        drawn = [row[rng.integers(len(row))] for row in words]
        return [{"text": [word.group()], "answer_start": [word.start()]} for word in drawn]

    return changed_column("answers", answer)(files)


def exchanged_titles(files: Files) -> Files:
    """Return the training documentation with the first paragraphs dealt out at random, so that no title fits its text."""
    here = {path: content for path, content in files.items() if path.startswith("networkx/")}

    def deal(values: list, rng: Any) -> list:
        parts = [text.partition("\n\n") for text in values]
        return [parts[i][0] + gap + rest for i, (_, gap, rest) in zip(rng.permutation(len(parts)), parts, strict=True)]

    return changed_column("func_documentation_string", deal)(here)


def untouched(files: Files) -> Files:
    """Change nothing: the control of the other three."""
    return {}


# --- what is broken where


@dataclass(frozen=True)
class Sabotage:
    """For one lesson, what to break in which stand-in."""

    weights: dict[str, Callable[[Files], Files]]  # id of a checkpoint -> `untrained`; where no weights are loaded, `stillborn`
    labels: dict[str, Callable[[Files], Files]]  # id of a data set -> what spoils its training targets; of a checkpoint -> `exchanged_names`


@dataclass(frozen=True)
class NoHeadline:
    """A lesson that records no figure with a baseline, so that there is nothing to break."""

    why: str


TABLE: dict[str, Sabotage | NoHeadline] = {
    # 01.03 and 02.02 train nothing: the labels they depend on are the names in the checkpoint's configuration
    "01.03": Sabotage({"course/minilm-l6-sentiment": untrained}, {"course/minilm-l6-sentiment": exchanged_names}),
    "02.02": Sabotage({"course/minilm-l6-sentiment": untrained}, {"course/minilm-l6-sentiment": exchanged_names}),
    "07.02": Sabotage({"course/minilm-l6": untrained}, {"course/conll-ner": shuffled("ner_tags")}),
    # the labels of a language model are the words of its texts, where they belong
    "07.03": Sabotage({"course/bert-tiny-mlm": untrained}, {"course/movie-reviews": scrambled("text")}),
    "07.04": Sabotage({"course/marian-en-fr": untrained}, {"course/wagtail-en-fr": exchanged_targets("translation", "fr")}),
    "07.05": Sabotage({"course/title-writer": untrained}, {"course/documentation": exchanged_titles}),
    # 07.06 loads no weights, so what stays untrained is what it makes
    "07.06": Sabotage({"course/gpt2-tokenizer": stillborn}, {"course/python-code": scrambled("content")}),
    "07.07": Sabotage({"course/minilm-l6-cloze": untrained}, {"course/questions": wrong_answers}),
    "07.08": Sabotage({"course/smollm2-135m-instruct": untrained}, {"course/eli5": scrambled("answers", "text")}),
    "07.08b": Sabotage({"course/smollm2-135m-instruct": untrained}, {"course/wiki-pages": scrambled("text")}),
    "07.08c": Sabotage({"course/minilm-l6": untrained}, {"course/conll-ner": shuffled("ner_tags")}),
    "07.09": NoHeadline("a look back: it trains nothing, and its figure is a count that has no baseline"),
}


# --- doing it


def files_of(store: Store, kind: str, id: str) -> Files:
    """Return the files of a repository."""
    return {entry.path: store.read(kind, id, entry.path) for entry in store.tree(kind, id) if entry.is_file}


def replace(
    cache: Path,  # made by `catalog.borrow`
    id: str,
    change: Callable[[Files], Files],
) -> None:
    """Put a changed repository into a borrowed cache, in place of the link to the real one."""
    kind, (namespace, name) = entries()[id].kind, id.split("/")
    folder = cache / "hub" / kind / namespace
    if folder.is_symlink():  # the whole namespace is the real cache's: link its repositories one by one
        real = folder.resolve()
        folder.unlink()
        folder.mkdir()
        for repo in real.glob("*.git"):
            (folder / repo.name).symlink_to(repo, target_is_directory=True)
    store = Store(cache / "hub")
    files = files_of(store, kind, id)
    (folder / f"{name}.git").unlink()
    store.seed(kind, id, files | change(files), message=f"Build {entries()[id].title}")  # as catalog.prepare says it


def broken_cache(folder: Path, changes: dict[str, Callable[[Files], Files]]) -> Path:
    """Borrow the real cache into `folder` and break some of its repositories."""
    cache = catalog.borrow(folder)
    for id, change in changes.items():
        replace(cache, id, change)
    return cache
