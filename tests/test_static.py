"""What tools say of the code without running it: ruff, mypy, import-linter, interrogate. Each is also shown to catch a fault."""

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "pyproject.toml"
FOLDERS = ["nbs", "tests", "tools"]
MYPY_CACHE = Path(tempfile.gettempdir()) / f"course-nlp-mypy-{os.getuid() if hasattr(os, 'getuid') else 0}"
ALSO = "ERA001,S110"  # on top of pyproject.toml: code in comments, errors that are passed over


def run(module, command, *, cwd=ROOT, **env):
    """Run a tool of this environment; return its exit code and what it said."""
    if importlib.util.find_spec(module) is None:
        if os.environ.get("CI") == "true":
            pytest.fail(f"{module} is needed in CI; install the extra `dev`")
        pytest.skip(f"{module} is not installed; it is in the extra `dev`")
    done = subprocess.run([sys.executable, *map(str, command)], cwd=cwd, env=os.environ | env, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def ruff(*paths):
    return run("ruff", ["-m", "ruff", "check", "--config", CONFIG, "--extend-select", ALSO, "--output-format", "concise", "--no-cache", *paths])


def mypy(*arguments):
    return run("mypy", ["-m", "mypy", "--config-file", CONFIG, "--cache-dir", MYPY_CACHE, "--no-error-summary", *arguments])


def interrogate(*paths):
    return run("interrogate", ["-m", "interrogate", "--config", CONFIG, "-vv", *paths])


def lint_imports(folder):
    """Check the contracts on the package `course_nlp` below `folder`."""
    call = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))"
    return run("importlinter", ["-c", f"import sys; sys.path.insert(0, sys.argv[2]); {call}", CONFIG, folder], cwd=folder, PYTHONPATH=str(folder))


# --- ruff --------------------------------------------------------------------------------------------------------------


def test_ruff_finds_nothing():
    assert ruff(*FOLDERS) == (0, "All checks passed!\n")


@pytest.mark.parametrize(
    ("code", "source"),
    [("F401", "import os\n"), ("F403", "from os.path import *\n"), ("ERA001", "x = 1\n# x = 2\n"), ("E722", "try:\n    x = 1\nexcept:\n    x = 2\n")],
)
def test_ruff_would_find(tmp_path, code, source):
    (tmp_path / "bad.py").write_text(source)
    status, said = ruff(tmp_path / "bad.py")
    assert status == 1 and code in said


# --- mypy --------------------------------------------------------------------------------------------------------------


def test_types_hold():
    status, said = mypy()
    assert status == 0, said


def test_wrong_types_would_be_found(tmp_path):
    (tmp_path / "bad.py").write_text('from course_nlp.metrics import ner_scores\n\n\ndef f(x):\n    return x\n\n\nner_scores(true=3, pred="O") + 1\n')
    status, said = mypy(tmp_path / "bad.py")
    assert status == 1
    assert sorted(re.findall(r"\[([a-z-]+)\]$", said, re.M)) == ["arg-type", "no-untyped-def", "operator"]


def test_the_package_says_that_it_is_typed():
    assert (ROOT / "course_nlp" / "py.typed").is_file()


# --- layers ------------------------------------------------------------------------------------------------------------

TOP = {"recipes", "demos"}  # made in nbs/lib, and allowed to use task modules; recipe_... as well


def layers():
    """Return the modules that the contract names, layer by layer, highest first; and which of them are only planned."""
    (contract,) = (c for c in tomllib.loads(CONFIG.read_text(encoding="utf-8"))["tool"]["importlinter"]["contracts"] if c["id"] == "layers")
    named = [re.findall(r"\(?\w+\)?", layer) for layer in contract["layers"]]
    return [{name.strip("()") for name in layer} for layer in named], {name.strip("()") for layer in named for name in layer if name[0] == "("}


def exported(pattern):
    """Return the modules that notebooks export: the first part of what follows `#| default_exp`."""
    cells = [cell for path in (ROOT / "nbs").glob(pattern) for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    found = [re.match(r"#\|\s*default_exp\s+(\w+)", cell.source) for cell in cells]
    return {match[1] for match in found if match}


def test_every_module_stands_in_the_layer_of_its_notebook():
    (top, programs, core, task, machinery), planned = layers()
    assert top == {"checks"} | TOP and core == {"recipe_core"}
    assert exported("checks/*.ipynb") <= {"checks"}
    recipes = {name for name in exported("lib/*.ipynb") if name.startswith("recipe_")} - core
    assert recipes == programs - planned, "list the recipe in the second layer of [tool.importlinter], without parentheses"
    assert exported("lib/*.ipynb") - TOP - recipes - core == machinery, "list the module in the lowest layer of [tool.importlinter]"
    assert exported("0*/*.ipynb") <= task, "list the lesson's module in the middle layer of [tool.importlinter]"
    assert task - exported("0*/*.ipynb") <= planned, "take away the parentheses once the lesson is written, not before"


def test_modules_import_downward_only():
    status, said = lint_imports(ROOT)
    assert status == 0, said
    assert "2 kept, 0 broken" in said


FAULTS = {
    "machinery uses a lesson's module": ("metrics", "from course_nlp.token_classification import x"),
    "machinery does so inside a function": ("start", "def f():\n    from course_nlp import pipeline_parts"),
    "a lesson's module uses a checker": ("pipeline_parts", "import course_nlp.checks.chapter_02"),
    "a lesson's module uses a recipe": ("token_classification", "from course_nlp import recipes"),
    "two modules need each other": ("scale", "from course_nlp import manifest"),
    "a module that nobody placed": ("odds_and_ends", ""),
}


@pytest.mark.parametrize("fault", [None, *FAULTS])
def test_imports_that_point_upward_would_be_found(tmp_path, fault):
    package = tmp_path / "course_nlp"
    (package / "checks").mkdir(parents=True)
    named, planned = layers()
    modules = dict.fromkeys(sorted(set().union(*named) - planned - {"checks"}), "")
    modules |= {"__init__": "", "checks/__init__": "", "checks/chapter_02": "", "manifest": "from course_nlp import scale"}
    if fault:
        name, source = FAULTS[fault]
        modules[name] = source
    for name, source in modules.items():
        (package / f"{name}.py").write_text(source + "\n")
    status, said = lint_imports(tmp_path)
    assert (status, "BROKEN" in said) == ((1, True) if fault else (0, False)), said


# --- docstrings --------------------------------------------------------------------------------------------------------


def test_everything_public_has_a_docstring():
    status, said = interrogate(ROOT / "course_nlp")
    assert status == 0, "\n".join(line for line in said.splitlines() if "MISSED" in line)


def test_a_missing_docstring_would_be_found(tmp_path):
    (tmp_path / "bad.py").write_text("def f():\n    return 1\n\n\ndef _g():\n    return 2\n")
    status, said = interrogate(tmp_path / "bad.py")
    assert status == 1 and "f (L1)" in said and "_g" not in said
