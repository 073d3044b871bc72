"""`course-nlp get`: what a wheel carries, and that nobody's changes are lost."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from course_nlp import copies
from course_nlp.manifest import lessons

ROOT = Path(__file__).resolve().parents[1]
READY = {f"nbs/{lesson.file}.ipynb" for lesson in lessons().values() if lesson.ready}


def contents(folder):
    """Return path -> bytes of all files of a folder."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_it_delivers_the_lessons_as_they_are(tmp_path):
    done = copies.get(tmp_path / "a" / "b")
    assert READY | {"README.md", "nbs/results.json", "nbs/images/open-in-colab.svg"} <= set(done.written)
    found = contents(done.folder)
    assert set(found) == {*done.written, copies.NOTE}
    assert {name for name in found if name.endswith(".ipynb")} == READY
    assert all(found[name] == (ROOT / name).read_bytes() for name in found if name.startswith("nbs/"))
    readme = found["README.md"].decode()
    assert all(f"]({name})" in readme for name in READY) and "course-nlp lab" in readme


def test_changed_files_are_left_alone_and_old_ones_replaced(tmp_path, monkeypatch):
    first, second = sorted(READY)[:2]
    copies.get(tmp_path)
    (tmp_path / first).write_text("mine")
    newer = copies._files() | {first: b"new 1", second: b"new 2"}
    monkeypatch.setattr(copies, "_files", lambda: newer)
    done = copies.get(tmp_path)
    assert done.kept == (first,) and done.written == (second,)
    assert (tmp_path / first).read_text() == "mine" and (tmp_path / second).read_text() == "new 2"
    assert copies.get(tmp_path).kept == (first,), "asking again does not wear the protection out"
    assert copies.get(tmp_path, force=True).written == (first,)
    assert (tmp_path / first).read_text() == "new 1"


def test_a_deleted_file_comes_back(tmp_path):
    copies.get(tmp_path)
    (tmp_path / "README.md").unlink()
    assert copies.get(tmp_path).written == ("README.md",)


def test_what_stood_there_before_is_left_alone(tmp_path):
    (tmp_path / "README.md").write_text("of another project")
    assert copies.get(tmp_path).kept == ("README.md",)


def test_an_interrupted_copy_can_be_taken_up(tmp_path, monkeypatch):
    real, calls = os.replace, []

    def fill_the_disk(source, target):
        calls.append(target)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        real(source, target)

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space left"):
        patch.setattr(os, "replace", fill_the_disk)
        copies.get(tmp_path)
    done = copies.get(tmp_path)
    assert done.kept == () and len(done.same) == 1 and READY <= {*done.written, *done.same}


@pytest.mark.parametrize("folder", [ROOT, ROOT / "nbs", ROOT / "new" / "folder"])
def test_not_into_a_clone(folder):
    with pytest.raises(ValueError, match="lies in a clone"):
        copies.get(folder)


def test_not_onto_a_file(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match="is a file; name a folder"):
        copies.get(tmp_path / "file" / "below")


def test_an_installation_without_lessons_says_so(tmp_path):
    with pytest.raises(ValueError, match="carries no lessons"):
        copies.carried(tmp_path / "course_nlp" / "data")


def test_the_nearest_folder_of_lessons_is_meant(tmp_path, monkeypatch):
    copies.get(tmp_path)
    assert copies.workspace(tmp_path / "nbs") == tmp_path
    assert copies.workspace(ROOT / "nbs" / "lib") == ROOT
    assert copies.workspace(tmp_path.parent) == ROOT  # the clone that the package is imported from
    monkeypatch.setattr(copies, "DATA", tmp_path / "site-packages" / "course_nlp" / "data")
    with pytest.raises(ValueError, match="`course-nlp get lessons` copies them"):
        copies.workspace(tmp_path.parent)


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """Build a wheel from a copy of the tracked and new files, unpack it, and return the folder."""
    folder = tmp_path_factory.mktemp("wheel")
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).is_file() and not name.startswith("tests/"):
            target = folder / "source" / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, target)  # links are followed
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(folder / "source")]
    done = subprocess.run(build, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    with zipfile.ZipFile(next(folder.glob("*.whl"))) as wheel:
        wheel.extractall(folder / "installed")
    return folder / "installed"


def from_wheel(installed, folder, *arguments):
    """Run `course-nlp` as if the wheel were installed, in a folder outside of any clone."""
    code = "import sys; from course_nlp.cli import main; sys.argv[0] = 'course-nlp'; main()"
    env = {k: v for k, v in os.environ.items() if not k.startswith("COURSE_NLP_")} | {"PYTHONPATH": str(installed), "COLUMNS": "160"}
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=folder, env=env, capture_output=True, text=True)


def test_the_wheel_carries_lessons_images_results_and_settings(installed):
    data = installed / "course_nlp" / "data"
    for name in READY:
        assert (data / "lessons" / name.removeprefix("nbs/")).read_bytes() == (ROOT / name).read_bytes()
    assert (data / "results.json").read_bytes() == (ROOT / "nbs" / "results.json").read_bytes()
    assert (data / "settings.ini").read_bytes() == (ROOT / "settings.ini").read_bytes()
    assert (data / "lessons" / "images" / "open-in-colab.svg").is_file()
    carried = {path.relative_to(data / "lessons").as_posix() for path in (data / "lessons").rglob("*.ipynb")}
    assert carried == {name.removeprefix("nbs/") for name in READY}, "lessons only, and only those that are written"


def test_get_from_the_wheel_gives_the_same_as_from_the_clone(installed, tmp_path):
    done = from_wheel(installed, tmp_path, "get", "mine")
    assert done.returncode == 0, done.stderr
    mine, ours = contents(tmp_path / "mine"), copies.get(tmp_path / "ours").folder
    assert mine == contents(ours)
    assert json.loads(mine[copies.NOTE])["files"].keys() == {name for name in mine if name != copies.NOTE}


def test_without_a_clone_the_wheel_says_what_to_do(installed, tmp_path):
    listed = from_wheel(installed, tmp_path, "list", "--ready")
    assert listed.returncode == 0 and "entity F1" in listed.stdout  # the results that the wheel carries
    for command in ("lab", "run"):
        done = from_wheel(installed, tmp_path, command)
        assert done.returncode == 2 and "`course-nlp get lessons` copies them" in done.stderr and done.stderr.count("\n") == 1
    for command in (["docs"], ["badges"], ["lint"], ["new-lesson", "02.03"], ["results", "merge"]):
        done = from_wheel(installed, tmp_path, *command)
        assert done.returncode == 2 and "is not inside a clone of the course" in done.stderr and done.stderr.count("\n") == 1
