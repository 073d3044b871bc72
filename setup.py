"""Puts the lessons into the wheel. Everything else about packaging stands in pyproject.toml.

The notebooks live in nbs/, outside the package, and stay there: a clone, and an editable install of it, read them in
place. A wheel has no nbs/, so building one copies the notebooks of the written lessons, the images they show and the
recorded results into course_nlp/data/ of the wheel. `course-nlp get` copies them out again.
"""

import tomllib
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent


def lesson_files() -> dict[str, str]:
    """Return the files to carry: path in the source tree -> path in the wheel."""
    manifest = tomllib.loads((ROOT / "course_nlp" / "data" / "lessons.toml").read_text(encoding="utf-8"))
    ready = [f"{lesson['file']}.ipynb" for lesson in manifest.values() if lesson.get("ready")]
    images = [f"images/{path.name}" for path in sorted((ROOT / "nbs" / "images").glob("*.svg"))]
    files = {f"nbs/{name}": f"course_nlp/data/lessons/{name}" for name in (*ready, *images)}
    # in the source tree the package's settings.ini is a link, which a checkout on Windows may turn into a text file
    return files | {"nbs/results.json": "course_nlp/data/results.json", "settings.ini": "course_nlp/data/settings.ini"}


class BuildWithLessons(build_py):
    """`build_py` that also copies the lessons; an editable install has no use for a copy."""

    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            for source, target in lesson_files().items():
                out = Path(self.build_lib, target)
                self.mkpath(str(out.parent))
                self.copy_file(source, str(out))

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Name what `run` writes."""
        copies = [] if self.editable_mode else [str(Path(self.build_lib, target)) for target in lesson_files().values()]
        return [*super().get_outputs(include_bytecode), *copies]

    def get_source_files(self) -> list[str]:
        """Name what a source distribution must hold, so that a wheel can be built from it."""
        return [*super().get_source_files(), *lesson_files()]


setup(cmdclass={"build_py": BuildWithLessons})
