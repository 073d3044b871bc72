"""Stored answers to the exercises, one module a chapter: what tests/test_exercise.py holds the checkers against."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple


class Stored(NamedTuple):
    """Answers to one exercise."""

    solution: Any
    blank: Any  # what the answer cell holds before anybody has written into it
    wrong: list[tuple[Any, str]]  # (answer, words that its hint must contain), three or more
    given: Callable[[], dict[str, Any]] = dict  # makes what the lesson hands over, from something tiny
    never: tuple[str, ...] = ()  # what no hint may contain; numbers of the solution are looked for anyway


def stored_answers() -> dict[str, Stored]:
    """Return the answers of all chapters by the ids of their exercises."""
    names = sorted(path.stem for path in Path(__file__).parent.glob("chapter_*.py"))
    return {id: stored for name in names for id, stored in import_module(f"{__name__}.{name}").ANSWERS.items()}
