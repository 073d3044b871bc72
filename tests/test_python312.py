"""Everything that needs no torch also works on Python 3.12, from the built wheel."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
LIGHT = ("test_scale.py", "test_results.py", "test_ner_data.py")
# what the hub needs beside the base install; the versions are those of constraints.txt
NEEDED = ("pytest", "starlette", "uvicorn", "python-multipart", "huggingface_hub", "pytest-xdist")


def run(*command, **kwargs):
    """Run a command and show what it said if it failed."""
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True, **kwargs)
    assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the tracked files, as a release would."""
    source = tmp_path_factory.mktemp("source") / "course"
    tracked = run("git", "ls-files", cwd=ROOT).splitlines()
    for name in tracked:
        if (ROOT / name).exists():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, source / name, follow_symlinks=False)
    target = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", target, source)
    return next(target.glob("*.whl"))


def find_python312():
    """Return a Python 3.12 that can make environments, or None; a pyenv keeps its own off the path."""
    kept = sorted(Path(os.environ.get("PYENV_ROOT", "/nowhere")).glob("versions/3.12*/bin/python3.12"))
    for found in (shutil.which("python3.12"), *kept):
        if found and subprocess.run([found, "-c", "import ensurepip"], capture_output=True).returncode == 0:
            return found
    return None


@pytest.fixture(scope="module")
def python312(wheel, tmp_path_factory):
    """Return the interpreter of a Python 3.12 environment with the wheel's base install."""
    found = find_python312()
    if found is None and os.environ.get("CI"):
        pytest.fail("python3.12 is needed in CI")
    if found is None:
        pytest.skip("no python3.12 on this machine")
    folder = tmp_path_factory.mktemp("py312") / "venv"
    run(found, "-m", "venv", folder)
    python = folder / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    run(python, "-m", "pip", "install", "--quiet", "-c", constraints, wheel, *NEEDED)
    return python


def test_the_wheel_carries_its_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "py.typed",
        "data/settings.ini",
        "data/lessons.toml",
        "data/catalog.toml",
        "data/ner.jsonl",
        "data/spaces/evaluate-metric/seqeval/seqeval.py.txt",
        "data/adapters/ner/adapter_model.safetensors",
        "data/adapters/sentiment/recipe.json",
    ):
        assert f"course_nlp/{needed}" in names
    assert (ROOT / "settings.ini").read_bytes() == zipfile.ZipFile(wheel).read("course_nlp/data/settings.ini")
    assert not [n for n in names if n.startswith(("tests/", "nbs/")) or n.endswith((".pkl", ".bin"))]


def test_helpers_import_without_the_course_extra(python312, tmp_path):
    code = "import importlib, pkgutil, course_nlp\n"
    code += "for m in ('scale','manifest','stand_ins','catalog','results','start','metrics','plots','cli','hub_store','hub',"
    code += "'token_classification','pipeline_parts'):\n    importlib.import_module('course_nlp.' + m)\nprint('fine')"
    assert "fine" in run(python312, "-c", code, cwd=tmp_path)


def test_light_tests_pass_on_python_312(python312, tmp_path):
    for name in LIGHT:
        text = (ROOT / "tests" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("Path(__file__).resolve().parents[1]", f"Path({str(ROOT)!r})"))
    out = run(python312, "-m", "pytest", "-q", "-p", "no:cacheprovider", tmp_path, cwd=tmp_path)
    assert "passed" in out and "failed" not in out


def test_the_local_hub_serves_on_python_312(python312, tmp_path):
    code = """
from pathlib import Path
import sys
from course_nlp.hub import serve
with serve(Path(sys.argv[1]), tokens={"t": "ada"}) as server:
    from huggingface_hub import HfApi
    api = HfApi(endpoint=server.url, token="t")
    api.create_repo("ada/x")
    api.upload_file(path_or_fileobj=b"hello", path_in_repo="a.txt", repo_id="ada/x")
    print(api.list_repo_files("ada/x"))
"""
    env = os.environ | {"HF_HUB_DISABLE_XET": "1", "HF_HOME": str(tmp_path / "hf")}
    assert "a.txt" in run(python312, "-c", code, tmp_path / "root", env=env, cwd=tmp_path)
