"""Which known errors of older material (known_errors.toml) are cited by which tests. The tests are read, not run."""

import ast
import tomllib
from collections.abc import Iterator
from pathlib import Path

from course_nlp.manifest import lessons

HERE = Path(__file__).resolve().parent
MARK = "pytest.mark.known_error"


def listed() -> dict[str, dict[str, str]]:
    """Return lesson and error by number: {"c06": {"lesson": "07.02", "error": ...}}."""
    return tomllib.loads((HERE / "known_errors.toml").read_text(encoding="utf-8"))


def marks(path: Path) -> Iterator[tuple[str, str]]:
    """Yield (number, test function) for each number that a test of a file cites."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == MARK:
                    yield from ((ast.literal_eval(number), node.name) for number in mark.args)


def cited(folder: Path = HERE) -> dict[str, list[str]]:
    """Return the tests below a folder that cite each number: {"c06": ["test_metrics.py::test_..."]}."""
    found: dict[str, list[str]] = {}
    for path in sorted(folder.rglob("test_*.py")):
        for number, name in marks(path):
            found.setdefault(number, []).append(f"{path.relative_to(folder).as_posix()}::{name}")
    return found


def report() -> list[str]:
    """Return, for the end of a test run, how many errors tests cite and which are to come, by lesson."""
    known, done = listed(), cited()
    lines = [f"{len(known.keys() & done.keys())} of {len(known)} known errors of older material are cited by tests"]
    for id, lesson in lessons().items():
        own = [number for number, entry in known.items() if entry["lesson"] == id]
        missing, begun = ([n for n in own if (n in done) is there] for there in (False, True))
        if missing:
            lines.append(f"{'MISSING' if lesson.ready else 'to come'}, lesson {id}: {' '.join(missing)}")
        if begun and not lesson.ready:  # a helper of another lesson proves a part; the lesson has to see to the whole
            lines.append(f"begun, lesson {id}: {' '.join(begun)}")
    return lines
