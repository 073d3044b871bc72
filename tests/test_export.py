"""What is generated is up to date: modules, clean notebooks, README, sidebar, constraints."""

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from course_nlp.manifest import lessons

ROOT = Path(__file__).resolve().parents[1]


def tool(name):
    """Import a script of tools/."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "tools" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def contents(folder):
    """Return path -> bytes of the notebooks and modules below a folder."""
    paths = [*(folder / "nbs").rglob("*.ipynb"), *(folder / "course_nlp").rglob("*.py")]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths if ".ipynb_checkpoints" not in path.parts}


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Return a copy of what nbdev reads and writes, so that the work tree is never touched."""
    folder = tmp_path_factory.mktemp("copy")
    shutil.copy(ROOT / "pyproject.toml", folder)
    for path in [*(ROOT / "course_nlp").rglob("*.py"), *(ROOT / "nbs").rglob("*.ipynb")]:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return folder


def run_nbdev(command, folder):
    """Run an nbdev command of this environment in `folder`."""
    subprocess.run([Path(sys.executable).with_name(command)], cwd=folder, check=True, capture_output=True)


def changed(before, after):
    """Return the names of what differs."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def test_export_leaves_no_diff(copy):
    run_nbdev("nbdev-export", copy)
    assert changed(contents(ROOT), contents(copy)) == [], "run nbdev-export"


def test_clean_leaves_no_diff(copy):
    run_nbdev("nbdev-clean", copy)
    assert changed(contents(ROOT), contents(copy)) == [], "run nbdev-clean"


def test_drift_would_be_seen():
    edited = contents(ROOT)
    edited["course_nlp/scale.py"] += b"# by hand\n"
    assert changed(contents(ROOT), edited) == ["course_nlp/scale.py"]


def test_readme_is_up_to_date():
    assert (ROOT / "README.md").read_text(encoding="utf-8") == tool("write_readme").readme(), "run tools/write_readme.py"


def test_readme_links_hold():
    links = re.findall(r"\]\((?!\w+:|#)([^)]+)\)", (ROOT / "README.md").read_text(encoding="utf-8"))
    assert links and [link for link in links if not (ROOT / link).is_file()] == []


def test_readme_links_are_seen_from_the_top():
    rewritten = tool("write_readme").from_the_top("[a](x/y.ipynb) [b](../LICENSE) [c](https://example.org) [d](#part)")
    assert rewritten == "[a](nbs/x/y.ipynb) [b](LICENSE) [c](https://example.org) [d](#part)"


def hrefs(entry):
    """Yield every page of a sidebar."""
    if isinstance(entry, str):
        yield entry
    for part in entry.get("contents", ()) if isinstance(entry, dict) else ():
        yield from hrefs(part)


def test_sidebar_lists_every_page():
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text(encoding="utf-8"))
    listed = list(hrefs(config["website"]["sidebar"]))
    written = [f"{lesson.file}.ipynb" for lesson in lessons().values() if lesson.ready]
    library = [path.relative_to(ROOT / "nbs").as_posix() for part in ("lib", "checks") for path in (ROOT / "nbs" / part).glob("*.ipynb")]
    made = tool("site_pages").PAGES  # written when the site is staged
    assert sorted(listed) == sorted(["index.ipynb", *made, *written, *library])
    assert [page for page in listed if page in written] == written  # in the order of the curriculum


def test_nbs_quarto_is_the_same_file():
    assert (ROOT / "nbs" / "_quarto.yml").read_bytes() == (ROOT / "_quarto.yml").read_bytes()


def pins():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if line and not line.startswith("#"))


def test_constraints_pin_what_the_extras_ask_for():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    asked = [Requirement(line) for line in (*project["dependencies"], *extras["course"], *extras["dev"])]
    for requirement in asked:
        assert requirement.specifier.contains(pins()[canonicalize_name(requirement.name)]), requirement.name
    assert pins()["torch"] == "2.13.0"


def test_colab_gets_what_lessons_import_and_no_notebook_server():
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    runs_notebooks = {"ipykernel", "jupyterlab", "nbmake", "psutil", "pytest", "pytest-xdist"}
    assert set(extras["colab"]) < set(extras["course"])
    assert {Requirement(line).name for line in set(extras["course"]) - set(extras["colab"])} == runs_notebooks


def test_constraints_are_closed():
    module = tool("write_constraints")
    assert set(module.closure("course-nlp", module.EXTRAS)) <= set(pins()), "run tools/write_constraints.py"


@pytest.mark.parametrize("path", [".ci/run", "Makefile"])
def test_public_entry_points_exist(path):
    text = (ROOT / path).read_text(encoding="utf-8")
    if path == "Makefile":
        targets = set(re.findall(r"^([a-z]+):", text, re.M))
        assert {"lab", "run", "test", "docs", "bench", "weights", "campaign", "clean", "help"} <= targets
    else:
        assert "make test" in text and (ROOT / path).stat().st_mode & 0o100


def test_no_notebook_shows_what_it_must_not():
    from course_nlp.runner import check_outputs

    found = {}
    for path in sorted((ROOT / "nbs").rglob("*.ipynb")):
        if problems := check_outputs(json.loads(path.read_text(encoding="utf-8"))):
            found[path.name] = problems
    assert found == {}
