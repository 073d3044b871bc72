"""A pretend clone of the course whose lessons take a second, for tests of the runner and the command line."""

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from course_nlp import manifest

PYPROJECT = """[project]
name = "pretend"
version = "0"
[tool.nbdev]
nbs_path = "nbs"
lib_path = "course_nlp"
allowed_cell_metadata_keys = ["tags"]
"""
GOOD = [
    new_markdown_cell("# A lesson", id="good-title"),
    new_code_cell("from course_nlp import results\nresults.begin('01.01')", id="good-begin"),
    new_code_cell("results.record('accuracy', 0.9, baseline=0.5), results.record('loss', 0.2)", id="good-record"),
    new_code_cell("import os, time\nblock = bytearray(os.urandom(1)) * 200_000_000\ntime.sleep(0.5)", id="good-memory"),
    new_code_cell("[os.environ.get(k) for k in ('COURSE_NLP_STRICT', 'OMP_NUM_THREADS', 'MPLBACKEND')]", id="good-env"),
    new_code_cell("os.environ['COURSE_NLP_CACHE'] == str(results.results_folder().parent)", id="good-cache"),
]
WANTED_ERROR = [new_code_cell("{}['missing']", id="wanted", metadata={"tags": ["raises-exception"]}), new_code_cell("2 + 3", id="after")]
BAD = [new_code_cell("total = 0", id="bad-1"), new_code_cell("1 / total", id="bad-2"), new_code_cell("'never'", id="bad-3")]
EMPTY = [new_markdown_cell("Nothing runs here.", id="empty"), new_code_cell("1", id="skip", metadata={"tags": ["skip-execution"]})]
UNFIT = [new_code_cell("import sys\nprint('Warning: old', file=sys.stderr)", id="unfit")]
SKIP = new_code_cell("1", id="skip", metadata={"tags": ["skip-execution"]})
SLOW = [SKIP, new_code_cell("import time; time.sleep(60)", id="slow")]
DEAD = [new_code_cell("import os; os._exit(3)", id="dead")]
LESSONS = {"01.01": GOOD, "01.02": WANTED_ERROR, "01.03": BAD, "01.04": EMPTY, "01.05": UNFIT, "01.06": SLOW, "01.07": DEAD}
SETTINGS = """[course]
workers = 2
threads = 1
[small 01.06]
cell_timeout = 2
"""


def pretend_clone(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a clone with tiny lessons and let the manifest name them."""
    data = root / "course_nlp" / "data"
    data.mkdir(parents=True)
    lines = ['[chapters]\n"01" = "Tiny"\n']
    for number, (id, cells) in enumerate(LESSONS.items()):
        path = root / "nbs" / "01_tiny" / f"{number}.ipynb"
        path.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(new_notebook(cells=cells, metadata={"kernelspec": {"name": "python3", "display_name": "python3"}}), path)
        lines.append(f'["{id}"]\nfile = "01_tiny/{number}"\ntitle = "Tiny {number}"\nready = true\nheavy = {str(id == "01.03").lower()}\n')
    lines.append('["01.99"]\nfile = "01_tiny/99"\ntitle = "Planned"\n')
    (data / "lessons.toml").write_text("\n".join(lines))
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "settings.ini").write_text(SETTINGS)
    monkeypatch.setenv("COURSE_NLP_SETTINGS", str(root / "settings.ini"))
    monkeypatch.setattr(manifest, "DATA", data)
    manifest.lessons.cache_clear()
    manifest.chapters.cache_clear()
    monkeypatch.setenv("COURSE_NLP_CACHE", str(root / "cache"))
    monkeypatch.setenv("MPLBACKEND", "agg")
    return root
