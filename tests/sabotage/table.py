"""What is broken in each lesson to show that its headline depends on what was learned: the weights once, the labels once.

A new lesson adds a line to TABLE. Every change is made in a throw-away cache, never in the real one.
"""

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

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


def shuffled(column: str) -> Callable[[Files], Files]:
    """Return a way to deal out the training labels of a column at random, over all rows and positions."""
    import numpy as np

    def change(files: Files) -> Files:
        import pyarrow as pa
        import pyarrow.parquet as pq

        (path,) = (path for path in files if "train" in path and path.endswith(".parquet"))
        table = pq.read_table(pa.BufferReader(files[path]))
        index, values = table.schema.get_field_index(column), table[column].combine_chunks()
        nested = pa.types.is_list(values.type) or pa.types.is_large_list(values.type)
        flat = values.flatten() if nested else values
        flat = flat.take(pa.array(np.random.default_rng(0).permutation(len(flat))))
        mixed = type(values).from_arrays(values.offsets, flat) if nested else flat
        sink = pa.BufferOutputStream()
        pq.write_table(table.set_column(index, table.schema.field(index), mixed), sink)  # the field keeps type and names
        return {path: sink.getvalue().to_pybytes()}

    return change


def exchanged_translations(files: Files) -> Files:
    """Return a data set of pairs in which each text stands beside the translation of another one."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    (path,) = (path for path in files if "train" in path and path.endswith(".parquet"))
    table = pq.read_table(pa.BufferReader(files[path]))
    rows, schema = table.to_pylist(), table.schema
    order = np.random.default_rng(0).permutation(len(rows))
    mixed = [row | {"translation": row["translation"] | {"fr": rows[i]["translation"]["fr"]}} for row, i in zip(rows, order, strict=True)]
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(mixed, schema=schema), sink)
    return {path: sink.getvalue().to_pybytes()}
def scrambled(column: str) -> Callable[[Files], Files]:
    """Return a way to deal out the words of all training texts at random: each as frequent as before, none where it belongs."""
    import numpy as np

    def change(files: Files) -> Files:
        import pyarrow as pa
        import pyarrow.parquet as pq

        (path,) = (path for path in files if "train" in path and path.endswith(".parquet"))
        table = pq.read_table(pa.BufferReader(files[path]))
        texts = [text.split() for text in table[column].to_pylist()]
        words = iter(np.random.default_rng(0).permutation(np.array([word for text in texts for word in text], dtype=object)))
        mixed = pa.array([" ".join(next(words) for _ in text) for text in texts], table.schema.field(column).type)
        sink = pa.BufferOutputStream()
        pq.write_table(table.set_column(table.schema.get_field_index(column), table.schema.field(column), mixed), sink)
        return {path: sink.getvalue().to_pybytes()}

    return change


def untouched(files: Files) -> Files:
    """Change nothing: the control of the other three."""
    return {}


# --- what is broken where


@dataclass(frozen=True)
class Sabotage:
    """For one lesson, what to break in which stand-in."""

    weights: dict[str, Callable[[Files], Files]]  # id of a checkpoint -> `untrained`
    labels: dict[str, Callable[[Files], Files]]  # id of a data set -> `shuffled(column)`; of a checkpoint -> `exchanged_names`


@dataclass(frozen=True)
class NoHeadline:
    """A lesson that records no figure with a baseline, so that there is nothing to break."""

    why: str


TABLE: dict[str, Sabotage | NoHeadline] = {
    # trains nothing: the labels it depends on are the names in the checkpoint's configuration
    "02.02": Sabotage({"course/minilm-l6-sentiment": untrained}, {"course/minilm-l6-sentiment": exchanged_names}),
    "07.02": Sabotage({"course/minilm-l6": untrained}, {"course/conll-ner": shuffled("ner_tags")}),
    "07.04": Sabotage({"course/marian-en-fr": untrained}, {"course/wagtail-en-fr": exchanged_translations}),
    # self-supervised: its labels are the words themselves
    "07.03": Sabotage({"course/bert-tiny-mlm": untrained}, {"course/movie-reviews": scrambled("text")}),
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
