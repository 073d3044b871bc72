"""The one test of the sabotage: run a lesson on a broken cache up to its headline, and see it fail there."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from lesson_runs import each_lesson, environment, headline, read, run_lesson
from sabotage.table import TABLE, Files, NoHeadline, broken_cache


def breakable() -> list:
    """Return the lessons that have a headline, as parameters of a test."""
    return [each for each in each_lesson() if not isinstance(TABLE.get(each.values[0]), NoHeadline)]


def check(id: str, changes: dict[str, Callable[[Files], Files]], folder: Path) -> None:
    """Assert that the lesson stops in the cell that records its headline, by record's own AssertionError."""
    last, name = headline(read(id))
    cache = broken_cache(folder / "cache", changes)
    outcome = run_lesson(id, folder / "run", environment(id, "small", cache), last=last)
    if outcome.stopped is None:
        pytest.fail(f"{id} reached {name} = {outcome.figures[name]['value']:.3f} although {', '.join(changes)} is broken")
    cell, kind, message = outcome.stopped
    assert (cell, kind) == (last, "AssertionError"), message
    judged = rf"{re.escape(id)}: {re.escape(name)} = \S+ (lies outside .* its band at scale small|does not beat its baseline .*)"
    assert re.fullmatch(judged, message), message
    assert outcome.run.state == "failed"
