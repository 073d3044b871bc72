"""Write constraints.txt: the exact versions, in this environment, of everything that our extras pull in.

Run it in an environment in which the whole test suite passes:  .venv/bin/python tools/write_constraints.py
Extras that are not installed (demos, before chapter 9 exists) are left out, and so is whatever else is installed.
"""

from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = {"course", "dev"}
HEAD = """\
# The versions this course was tested with, written by tools/write_constraints.py. `make` installs from them.
# pyproject.toml says which ranges are allowed; this file says which versions are known to work together.
# A plain `pip install ".[course]"` does not read it. torch: machines with a GPU may take another build
# of the same version.
"""


def requirements(name: str, extras: set[str]) -> list[Requirement]:
    """Return what an installed distribution asks for in this environment."""
    parsed = [Requirement(line) for line in metadata.requires(name) or ()]
    return [r for r in parsed if r.marker is None or any(r.marker.evaluate({"extra": extra}) for extra in ("", *extras))]


def closure(name: str, extras: set[str]) -> dict[str, str]:
    """Return canonical name -> version of everything that `name[extras]` needs, itself left out."""
    found: dict[str, str] = {}
    queue, seen = [(name, frozenset(extras))], set()
    while queue:
        current, wanted = queue.pop()
        if (current, wanted) in seen:
            continue
        seen.add((current, wanted))
        for requirement in requirements(current, set(wanted)):
            key = canonicalize_name(requirement.name)
            found[key] = Version(metadata.version(key)).public  # 2.13.0+cpu -> 2.13.0: any build of it will do
            queue.append((key, frozenset(requirement.extras)))
    return found


def text() -> str:
    """Return the contents of constraints.txt."""
    direct = {canonicalize_name(r.name) for r in requirements("course-nlp", EXTRAS)}
    pins = closure("course-nlp", EXTRAS)
    asked = [f"{name}=={pins[name]}" for name in sorted(direct)]
    brought = [f"{name}=={version}" for name, version in sorted(pins.items()) if name not in direct]
    return "\n".join([HEAD, "# asked for by pyproject.toml", *asked, "", "# brought in by those", *brought, ""])


if __name__ == "__main__":
    (ROOT / "constraints.txt").write_text(text(), encoding="utf-8")
