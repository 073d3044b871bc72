"""The wheel as someone gets it who has no clone: what is in it, and whether the lessons run with nothing else of the course around."""

import ast
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from email.parser import BytesParser
from pathlib import Path

import nbformat
import pytest
from lesson_runs import ROOT, calls, cut, ready
from nbformat.v4 import new_code_cell
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from course_nlp.manifest import find_lesson


def run(*command, **kwargs):
    """Run a command, show what it said if it failed, and return what it printed."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
    return done.stdout


# --- the two archives


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Return a copy of what a clone would hold: all files but those that git is told to ignore."""
    folder = tmp_path_factory.mktemp("source") / "course"
    listed = run("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).exists():  # a tracked file may have been deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name, follow_symlinks=False)  # data/settings.ini is a link
    return folder


@pytest.fixture(scope="module")
def archives(source, tmp_path_factory):
    """Return the wheel built from the source tree, the source distribution, and the wheel that is built from that."""
    build = (sys.executable, "-m", "build", "--no-isolation", source, "--outdir")
    straight, around = tmp_path_factory.mktemp("straight"), tmp_path_factory.mktemp("around")
    run(*build, straight, "--wheel")
    run(*build, around)
    (wheel,), (sdist,), (again,) = straight.glob("*.whl"), around.glob("*.tar.gz"), around.glob("*.whl")
    return wheel, sdist, again


def contents(wheel):
    """Return the files of a wheel: path -> bytes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/")}


def metadata(wheel):
    """Return the wheel's METADATA, parsed."""
    files = contents(wheel)
    (name,) = (name for name in files if name.endswith(".dist-info/METADATA"))
    return BytesParser().parsebytes(files[name])


def test_wheel_holds_the_package_and_all_its_data(archives, source):
    files = contents(archives[0])
    own = [path for path in (source / "course_nlp").rglob("*") if path.is_file()]
    assert len(own) > 30
    for path in own:
        name = path.relative_to(source).as_posix()
        assert files.get(name) == path.read_bytes(), name
    assert "course_nlp/py.typed" in files
    for lesson in ready():
        assert files[f"course_nlp/data/lessons/{lesson.file}.ipynb"] == (source / "nbs" / f"{lesson.file}.ipynb").read_bytes()


def test_wheel_holds_nothing_else(archives):
    tops = {name.split("/")[0] for name in contents(archives[0])}
    assert {re.sub(r"-.*(?=\.dist-info)", "", top) for top in tops} == {"course_nlp", "course_nlp.dist-info"}
    assert not [name for name in contents(archives[0]) if name.endswith((".pyc", ".pkl", ".bin", ".ipynb_checkpoints"))]


def test_wheel_built_from_the_source_distribution_is_the_same(archives):
    wheel, sdist, again = archives
    first, second = contents(wheel), contents(again)
    assert set(first) == set(second)
    assert [name for name in first if first[name] != second[name] and not name.endswith("/RECORD")] == []
    with tarfile.open(sdist) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
    assert {"pyproject.toml", "README.md", "LICENSE", "LICENSE-CC-BY-4.0"} <= names


def test_metadata_says_what_the_course_needs(archives):
    said = metadata(archives[0])
    needs = [Requirement(line) for line in said.get_all("Requires-Dist")]
    torch = {extra: r for r in needs if r.name == "torch" for extra in ("", "colab", "course") if r.marker.evaluate({"extra": extra})}
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pinned = {name.lower().replace("_", "-"): version.partition("+")[0] for name, version in pinned.items()}
    for release in ("2.6.0", "2.6.0+cu124", pinned["torch"]):  # Colab brings its own torch
        assert all(r.specifier.contains(release) for r in torch.values())
    for need in needs:
        if (key := need.name.lower().replace("_", "-")) in pinned:
            assert need.specifier.contains(pinned[key]), f"{need} does not admit {pinned[key]}, which constraints.txt pins"
    assert set(torch) == {"colab", "course"}  # the base install has no torch
    assert next(r for r in needs if r.name == "numpy").marker is None
    python = SpecifierSet(said["Requires-Python"])
    assert python.contains("3.11.0") and python.contains("3.12.9") and not python.contains("3.10.14")
    assert said["License-Expression"] == "Apache-2.0 AND CC-BY-4.0"
    assert {"colab", "course", "demos", "dev"} <= set(said.get_all("Provides-Extra"))
    assert said["Description-Content-Type"] == "text/markdown" and len(said.get_payload()) > 500


def test_license_files_are_in_the_wheel(archives):
    files = contents(archives[0])
    named = metadata(archives[0]).get_all("License-File")
    assert set(named) == {"LICENSE", "LICENSE-CC-BY-4.0"}
    for name in named:
        (found,) = (content for path, content in files.items() if path.endswith(f".dist-info/licenses/{name}"))
        assert found == (ROOT / name).read_bytes()


def test_no_path_of_the_builder_is_in_the_archives(archives, source):
    wheel, sdist, _ = archives
    places = {str(form) for place in (source, ROOT, Path.home(), Path(sys.prefix)) for form in (place, place.resolve())}
    pattern = re.compile(rb"(?<![\w.\-])(?:" + b"|".join(re.escape(place.encode()) for place in sorted(places)) + rb")(?![\w\-])")
    files = contents(wheel)
    with tarfile.open(sdist) as archive:
        files |= {f"sdist/{m.name}": archive.extractfile(m).read() for m in archive.getmembers() if m.isfile()}
    assert [name for name, content in files.items() if pattern.search(content)] == []


# --- the lessons, with the wheel alone


@pytest.fixture(scope="module")
def installed(archives, tmp_path_factory):
    """Return the interpreter of a clean environment that has the wheel, and the libraries of this one without its course_nlp."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    clean = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    # a path in a .pth file is put on sys.path, but .pth files in it are not read: the link to the clone is none here
    here = dict.fromkeys(sysconfig.get_path(name) for name in ("purelib", "platlib"))
    (clean / "libraries.pth").write_text("\n".join(here) + "\n")
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", archives[0])
    return python


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Return an empty folder that no clone is around."""
    return tmp_path_factory.mktemp("content")


@pytest.fixture(scope="module")
def bare(stand_in_cache, tmp_path_factory):
    """Return an environment that knows nothing of the clone: no PYTHONPATH, no settings, a Jupyter without kernels of others."""
    from course_nlp.catalog import borrow

    foreign = ("COURSE_NLP_", "HF_", "PYTEST_", "PYTHON", "JUPYTER_", "VIRTUAL_ENV")
    env = {name: value for name, value in os.environ.items() if not name.startswith(foreign) and name != "MPLBACKEND"}
    cache = borrow(tmp_path_factory.mktemp("cache"))
    jupyter = tmp_path_factory.mktemp("jupyter")
    env |= {"JUPYTER_DATA_DIR": str(jupyter), "IPYTHONDIR": str(jupyter), "JUPYTER_PREFER_ENV_PATH": "1"}
    return env | {"COURSE_NLP_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def copied(installed, outside, bare):
    """Return the folder into which `course-nlp get` copied the lessons."""
    run(installed.with_name("course-nlp"), "get", outside / "lessons", cwd=outside, env=bare)
    return outside / "lessons"


def test_the_package_comes_from_the_wheel(installed, outside, bare):
    code = "import course_nlp, sys; print(course_nlp.__file__); print(*sys.path, sep='\\n')"
    found, *places = run(installed, "-c", code, cwd=outside, env=bare).splitlines()
    assert Path(found).is_relative_to(installed.parent.parent)
    assert str(ROOT) not in places


def test_get_copies_the_lessons_out_of_the_wheel(copied, source):
    for lesson in ready():
        (copy,) = copied.rglob(f"{lesson.file}.ipynb")
        assert copy.read_bytes() == (source / "nbs" / f"{lesson.file}.ipynb").read_bytes()


EXECUTE = """
import sys
from pathlib import Path
import nbformat
from nbclient import NotebookClient
path = Path(sys.argv[1])
nb = nbformat.read(path, as_version=4)
try:
    NotebookClient(nb, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(Path.cwd())}}).execute()
finally:
    nbformat.write(nb, path)
"""


def first_model(nb):
    """Return the cell that first loads a model."""
    return next(cell for cell, call in calls(nb) if re.fullmatch(r"AutoModel\w*\.from_pretrained|pipeline", ast.unparse(call.func)))


def parts():
    """Return (lesson, whole or not): every lesson whole in the campaign; before, one whole, and the start of one that trains."""
    light = next(lesson for lesson in ready() if not lesson.heavy)
    starts = [pytest.param(lesson.id, False, id=f"{lesson.id}-start") for lesson in ready() if lesson.heavy][:1]
    marks = {lesson.id: () if lesson is light else pytest.mark.campaign for lesson in ready()}
    return [*(pytest.param(id, True, id=f"{id}-whole", marks=mark) for id, mark in marks.items()), *starts]


@pytest.mark.parametrize(("id", "whole"), parts())
def test_a_lesson_runs_with_the_wheel_alone(id, whole, installed, copied, bare, tmp_path):
    """A kernel of the clean environment, started in an empty folder with the notebook and nothing else: as Colab does it."""
    (source,) = copied.rglob(f"{find_lesson(id).file}.ipynb")
    nb = nbformat.read(source, as_version=4)
    if not whole:
        cut(nb, first_model(nb))
    nb.cells.append(new_code_cell("import course_nlp\nprint(course_nlp.__file__)", id="where-from"))
    for cell in nb.cells:
        if cell.cell_type == "code":
            cell.outputs = []
    notebook = tmp_path / "lesson.ipynb"
    nbformat.write(nb, notebook)
    run(installed, "-c", EXECUTE, notebook, cwd=tmp_path, env=bare)
    ran = [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]
    assert len(ran) > 10 and all(cell.execution_count for cell in ran)
    assert Path(ran[-1].outputs[0].text.strip()).is_relative_to(installed.parent.parent)
