"""What people meet before they run anything: README, CONTRIBUTING, workflows, citation, dev container."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import course_nlp

ROOT = Path(__file__).resolve().parents[1]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PAGES = ["README.md", "CONTRIBUTING.md"]


def text(name):
    return (ROOT / name).read_text(encoding="utf-8")


def commands(page):
    """Yield the commands that a page prints: lines of bash blocks, and `code` that starts like one of ours."""
    for block in re.findall(r"```bash\n(.*?)```", text(page), re.S):
        yield from (line.partition("#")[0].strip() for line in block.splitlines() if line.partition("#")[0].strip())
    yield from re.findall(r"`((?:\.venv/bin/|make |course-nlp |python -m course_nlp|python tools/|\.ci/run)[^`\n]*)`", text(page))


def all_commands(first_words):
    """Return the printed commands of both pages whose program is one of `first_words`."""
    found = {command for page in PAGES for command in commands(page)}
    return sorted(command for command in found if Path(command.split()[0]).name in first_words)


def course_nlp_words(command):
    """Return the sub-commands of a `course-nlp` command: ["hub", "serve"]."""
    words = []
    for word in shlex.split(command)[1:]:
        if not re.fullmatch(r"[a-z][a-z-]+", word):
            break
        words.append(word)
    return words


def test_pages_print_commands():
    assert all_commands({"make"}) and all_commands({"course-nlp"}), "the patterns of this file find nothing"


@pytest.mark.parametrize("command", all_commands({"make"}))
def test_printed_make_targets_exist(command):
    words = [word for word in shlex.split(command)[1:] if "=" not in word]
    known = set(re.findall(r"^([a-z]+):", text("Makefile"), re.M))
    assert set(words) <= known


@pytest.mark.parametrize("command", sorted({" ".join(course_nlp_words(c)) for c in all_commands({"course-nlp"})} - {""}))
def test_printed_course_nlp_commands_exist(command):
    done = subprocess.run(
        [Path(sys.executable).with_name("course-nlp"), *command.split(), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and "Usage" in done.stdout, done.stderr


@pytest.mark.parametrize("command", all_commands({"nbdev-export", "nbdev-update", "nbdev-test", "nbdev-install-hooks", "nbdev-clean"}))
def test_printed_nbdev_commands_exist(command):
    done = subprocess.run(
        [Path(sys.executable).with_name(Path(command.split()[0]).name), "--help"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0
    for option in re.findall(r"--[a-z_-]+", command):
        assert option in done.stdout


def test_readme_lists_every_command():
    listed = text("README.md")
    shown = subprocess.run(
        [Path(sys.executable).with_name("course-nlp"), "--help"], capture_output=True, text=True, check=True, env=os.environ | {"COLUMNS": "200"}
    ).stdout
    names = re.findall(r"^[│|]\s+([a-z][a-z-]+)\s{2,}", shown, re.M)
    assert len(names) > 8
    assert [name for name in names if f"`course-nlp {name}" not in listed and f"`{name}`" not in listed] == []


@pytest.mark.parametrize("page", [*PAGES, "CHANGELOG.md"])
def test_links_to_files_hold(page):
    links = re.findall(r"\]\((?!\w+:|#)([^)#]+)", text(page))
    paths = re.findall(r"`((?:nbs|tests|tools|course_nlp|data_src|\.ci|\.github)/[\w./-]*)`", text(page))
    assert [link for link in {*links, *paths} if not (ROOT / link).exists()] == []


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_are_sound(path):
    workflow = yaml.safe_load(path.read_text(encoding="utf-8"))
    triggers = workflow[True]  # YAML 1.1 reads the key `on` as true
    assert triggers and workflow["permissions"]["contents"] == "read"
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            assert ("uses" in step) != ("run" in step)
            if "uses" in step:
                assert re.fullmatch(r"[\w./-]+@v\d+", step["uses"])
            for target in re.findall(r"(?:^|\s)make ([a-z]+)", step.get("run", "")):
                assert re.search(rf"^{target}:", text("Makefile"), re.M)


def test_every_change_and_every_week():
    tests, weekly = (yaml.safe_load(text(f".github/workflows/{name}.yml")) for name in ("tests", "weekly"))
    assert "pull_request" in tests[True] and ".ci/run" in json.dumps(tests["jobs"])
    assert set(tests["jobs"]["test"]["strategy"]["matrix"]["python"]) == {"3.11", "3.12"}
    assert "schedule" in weekly[True] and "CONSTRAINTS=/dev/null" in json.dumps(weekly["jobs"]["newest"])
    assert "make campaign" in json.dumps(weekly["jobs"]["campaign"])


def test_citation_names_this_version():
    citation = yaml.safe_load(text("CITATION.cff"))
    assert citation["version"] == course_nlp.__version__ and citation["cff-version"] == "1.2.0"
    assert {"message", "title", "authors", "type"} <= set(citation)


def test_dev_container_installs_what_make_does():
    container = json.loads(text(".devcontainer/devcontainer.json"))
    assert (ROOT / ".devcontainer" / container["build"]["dockerfile"]).is_file()
    stamps = re.findall(r"\.installed-\w+", container["postCreateCommand"])
    assert set(stamps) == set(re.findall(r"\.installed-\w+", text("Makefile")))
    packages = text(".devcontainer/Dockerfile")
    assert all(name in packages for name in re.findall(r"missing\+=\(([^)]+)\)", text(".ci/run"))[0].split())
    for group in re.findall(r"missing\+=\(([^)]+)\)", text(".ci/run")):
        assert group == "make" or all(name in packages for name in group.split())


@pytest.mark.parametrize("script", [".ci/run"])
def test_shell_scripts_parse(script):
    subprocess.run(["bash", "-n", ROOT / script], check=True)
    assert os.access(ROOT / script, os.X_OK)


def test_python_versions_agree():
    project = tomllib.loads(text("pyproject.toml"))["project"]
    offered = {line.rpartition(" ")[2] for line in project["classifiers"] if re.search(r":: 3\.\d+$", line)}
    assert offered == {"3.11", "3.12"} and project["requires-python"] == ">=3.11"
