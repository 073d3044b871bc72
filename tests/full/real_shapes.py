"""Repositories with the real ids and the real shape, small enough to make in a second: what scale `full` finds on the Hub.

A lesson that picks an id at scale `full` declares its shape in a module `shapes_*.py` beside this one, in a list SHAPES.
Two lessons may declare the same id if they say the same of it.
"""

from importlib import import_module
from pathlib import Path

from full.shape_kinds import Checkpoint, Metric, Rows

from course_nlp.hub_store import Store


def declared() -> dict[str, Checkpoint | Rows | Metric]:
    """Return all shapes by id; ValueError for an id that two modules describe differently."""
    found: dict[str, Checkpoint | Rows | Metric] = {}
    for path in sorted(Path(__file__).parent.glob("shapes_*.py")):
        for shape in import_module(f"full.{path.stem}").SHAPES:
            if found.setdefault(shape.id, shape) != shape:
                raise ValueError(f"{path.name}: {shape.id!r} has another shape elsewhere; let one module import it from the other")
    return found


SHAPES = declared()


def fill(store: Store, ids: list[str] | None = None) -> None:
    """Put the shapes into the store of a Hub: all of them, or those named."""
    for id in SHAPES if ids is None else ids:
        if id not in SHAPES:
            raise ValueError(f"ids: {id!r} has no shape; declare one in a module tests/full/shapes_*.py")
        store.seed(SHAPES[id].kind, id, SHAPES[id].files())
        if branch := getattr(SHAPES[id], "branch", None):  # where the Hub's converter puts what was a script
            store.create_ref(SHAPES[id].kind, id, branch)
