"""Run a lesson, or its first cells, in a folder and a cache of a test's own, and say where it stopped."""

import ast
import io
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode
from rich.console import Console

from course_nlp import runner
from course_nlp.manifest import Lesson, find_lesson, lessons
from course_nlp.runner import LessonRun
from course_nlp.scale import settings

ROOT = Path(__file__).resolve().parents[1]


# --- which lessons


def ready() -> list[Lesson]:
    """Return the lessons that are written."""
    return [lesson for lesson in lessons().values() if lesson.ready]


def sample() -> set[str]:
    """Return one lesson of each chapter: the first that trains, for it calls the most, else the first."""
    chosen: dict[str, str] = {}
    for lesson in sorted(ready(), key=lambda each: not each.heavy):
        chosen.setdefault(lesson.chapter, lesson.id)
    return set(chosen.values())


def each_lesson() -> list:
    """Return the written lessons as parameters of a test; those outside the sample are left to `make campaign`."""
    few = sample()
    return [pytest.param(lesson.id, marks=() if lesson.id in few else pytest.mark.campaign) for lesson in ready()]


# --- what a notebook says


def read(id: str) -> NotebookNode:
    """Return a lesson's notebook."""
    return nbformat.read(ROOT / "nbs" / f"{find_lesson(id).file}.ipynb", as_version=4)


def calls(nb: NotebookNode) -> Iterator[tuple[str, ast.Call]]:
    """Yield each call in a notebook's code with the id of its cell, in reading order."""
    for cell in nb.cells:
        if cell.cell_type == "code":
            lines = (line for line in cell.source.splitlines() if not line.lstrip().startswith(("%", "!")))
            found = [node for node in ast.walk(ast.parse("\n".join(lines))) if isinstance(node, ast.Call)]
            yield from ((cell.id, node) for node in sorted(found, key=lambda node: (node.lineno, node.col_offset)))


def called(node: ast.Call) -> str:
    """Return the last part of what a call calls: "load" for `evaluate.load(...)`."""
    return getattr(node.func, "attr", None) or getattr(node.func, "id", "")


def headline(nb: NotebookNode) -> tuple[str, str] | None:
    """Return the cell and the name of the lesson's headline, its first record with a baseline; None if it has none."""
    for cell, node in calls(nb):
        if called(node) == "record" and any(k.arg == "baseline" for k in node.keywords):
            return cell, ast.literal_eval(node.args[0])
    return None


def cut(nb: NotebookNode, last: str) -> None:
    """Drop the cells of a notebook that come after the one called `last`."""
    names = [cell.id for cell in nb.cells]
    del nb.cells[names.index(last) + 1 :]


# --- running


@dataclass(frozen=True)
class Outcome:
    """A lesson that was run: the record of the runner, the executed copy, what it recorded."""

    run: LessonRun
    nb: NotebookNode
    figures: dict

    @property
    def stopped(self) -> tuple[str, str, str] | None:
        """Return cell, class and message of the error that ended the lesson; None if nothing did."""
        for cell in self.nb.cells:
            for output in cell.get("outputs", ()):
                if output["output_type"] == "error" and "raises-exception" not in cell.metadata.get("tags", ()):
                    return cell.id, output["ename"], output["evalue"]
        return None

    def text(self) -> str:
        """Return what the lesson printed."""
        return "".join(o["text"] for c in self.nb.cells for o in c.get("outputs", ()) if o["output_type"] == "stream")


def environment(id: str, scale: str, cache: Path, strict: bool = True) -> dict[str, str]:
    """Return what a lesson is run in: the runner's environment, free of what this process may have been told."""
    env = runner.lesson_environment(settings(id, scale), cache, strict)
    mine = ("COURSE_NLP_SCALE", "COURSE_NLP_CACHE", "COURSE_NLP_STRICT")
    return {name: value for name, value in env.items() if name in mine or not name.startswith(("HF_", "COURSE_NLP_"))}


def run_lesson(
    id: str,
    folder: Path,  # new; the executed copy ends up there
    env: Mapping[str, str],  # from `environment`, with what the test adds
    *,
    scale: str = "small",
    last: str | None = None,  # run no further than this cell
) -> Outcome:
    """Run a copy of a lesson as the runner does, up to a cell."""
    lesson = find_lesson(id)
    folder.mkdir(parents=True)
    (folder / "events.jsonl").touch()
    name = f"{lesson.file}.ipynb"
    (path,) = runner.stage({name: settings(id, scale).cell_timeout}, ROOT / "nbs", folder)
    if last:
        nb = nbformat.read(path, as_version=4)
        cut(nb, last)
        nbformat.write(nb, path)
    (run,) = runner.execute([LessonRun(id, lesson.title, name)], folder, env, jobs=1, console=Console(file=io.StringIO()))
    kept = Path(env["COURSE_NLP_CACHE"]) / "results" / f"{id}-{scale}.json"
    figures = json.loads(kept.read_text(encoding="utf-8"))["figures"] if kept.is_file() else {}
    return Outcome(run, nbformat.read(path, as_version=4), figures)


def needs_tool(name: str, why: str) -> None:
    """Skip the test for want of a tool; in CI, where the tool must be there, fail it."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{name} is missing: {why}")
    pytest.skip(f"{name} is missing: {why}")
