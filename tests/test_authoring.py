"""What authors are spared: the line under the title, the Colab cell, the draft of a new lesson."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_nlp import authoring
from course_nlp.authoring import (
    Origin,
    colab_cell,
    find_origin,
    lesson_line,
    parse_remote,
    steady_minutes,
    write_badges,
)
from course_nlp.lint import lint
from course_nlp.manifest import find_lesson, lessons

ROOT = Path(__file__).resolve().parents[1]
READY = [lesson for lesson in lessons().values() if lesson.ready]
ADA = Origin("ada", "course")


@pytest.fixture
def clone(tmp_path):
    """Return a copy of what authoring reads and writes: lessons, checkers, stored answers, settings, the package."""
    for name in ("settings.ini", "pyproject.toml"):
        shutil.copyfile(ROOT / name, tmp_path / name)
    shutil.copytree(ROOT / "course_nlp", tmp_path / "course_nlp", ignore=shutil.ignore_patterns("__pycache__", "adapters"))
    for name in ("nbs/checks", "tests/exercise_answers"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    homes = ["lib/02c_chunking.ipynb"]  # a module that lessons add to begins here; without its beginning, an export doubles it
    for name in [*(f"{lesson.file}.ipynb" for lesson in READY), *homes, "results.json"]:
        target = tmp_path / "nbs" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / "nbs" / name, target)
    return tmp_path


def contents(folder):
    """Return path -> bytes of all files of a folder."""
    files = (path for path in folder.rglob("*") if path.is_file() and not {"__pycache__", ".git"} & set(path.parts))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def changed(before, after):
    """Return the names of what differs."""
    return {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}


def write_settings(root, user="", repo="", branch="main"):
    text = (ROOT / "settings.ini").read_text(encoding="utf-8")
    text = text.replace("user =\n", f"user = {user}\n").replace("repo =\n", f"repo = {repo}\n").replace("branch = main", f"branch = {branch}")
    (root / "settings.ini").write_text(text, encoding="utf-8")


def set_remote(root, address):
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    subprocess.run(["git", "-C", str(root), "config", "remote.origin.url", address], check=True)


# Whose repository


@pytest.mark.parametrize("prefix", ["https://", "http://", "https://me@", "https://me:s3cret@", "ssh://git@", "git://", "git+ssh://git@"])
@pytest.mark.parametrize("host", ["github.com", "GitHub.com", "www.github.com"])
@pytest.mark.parametrize("end", ["", "/", ".git", ".git/"])
def test_addresses_on_github(prefix, host, end):
    assert parse_remote(f"{prefix}{host}/ada/my.course{end}\n") == ("ada", "my.course")


@pytest.mark.parametrize(
    "address",
    ["https://github.com.evil.org/a/b", "https://evil.org/github.com/a/b", "https://github.com@evil.org/a/b", "git@evil.org:github.com/a",
     "https://notgithub.com/a/b", "https://gist.github.com/a/b", "https://github.com/a", "https://github.com/a/b/c", "https://github.com//b",
     "/github.com/a/b", "file:///github.com/a/b", "../github.com/a/b", "C:\\github.com\\a", "ftp://github.com/a/b", "https://[github.com/a/b", ""],
)  # fmt: skip
def test_addresses_elsewhere(address):
    assert parse_remote(address) is None


@given(st.text(max_size=40))
def test_no_address_makes_it_stumble(text):
    found = parse_remote(text)
    assert found is None or len(found) == 2


def test_settings_win_over_git(clone):
    assert find_origin(clone) is None
    set_remote(clone, "git@github.com:fork/of-it.git")
    assert find_origin(clone) == Origin("fork", "of-it", "main")
    write_settings(clone, "ada", "course", "next")
    assert find_origin(clone) == Origin("ada", "course", "next")


def test_a_password_in_the_address_goes_nowhere(clone):
    set_remote(clone, "https://me:s3cret@github.com/ada/course")
    write_badges(clone)
    assert b"github/ada/course" in contents(clone)[f"nbs/{READY[0].file}.ipynb"]
    assert not any(b"s3cret" in text for text in contents(clone).values())


def test_half_a_repository_is_a_mistake(clone):
    write_settings(clone, user="ada")
    with pytest.raises(ValueError, match="repo = ''; fill in both, or neither"):
        write_badges(clone)


@pytest.mark.parametrize(("user", "repo", "branch"), [("a b", "c", "main"), ("a", "..", "main"), ("a", 'b"', "main"), ("a", "b", "x y"), ("a/b", "c", "main")])
def test_names_that_no_address_can_hold(user, repo, branch):
    with pytest.raises(ValueError, match="give letters"):
        Origin(user, repo, branch)


# The line


@pytest.mark.parametrize("lesson", READY, ids=lambda lesson: lesson.id)
def test_the_line_without_an_owner_links_nowhere(lesson):
    line = lesson_line(lesson)
    assert "http" not in line and "](" not in line and "\n" not in line and "minute" not in line
    assert all(f"`{id}`" in line for id in lesson.stand_ins)


def test_the_badge_is_our_own_picture_and_leads_to_colab():
    lesson = find_lesson("07.02")
    line = lesson_line(lesson, ADA, 2)
    assert line.startswith(f"[![Open in Colab](../images/open-in-colab.svg)](https://colab.research.google.com/github/ada/course/blob/main/nbs/{lesson.file}.ipynb) · ")
    assert " · Chapter 7: The main tasks · about 2 minutes on two CPU cores · " in line
    picture = (ROOT / "nbs" / lesson.file).parent / "../images/open-in-colab.svg"
    assert picture.is_file() and "Open in Colab</title>" in picture.read_text()
    assert "href" not in picture.read_text(), "the picture must ask no other host for anything"


def test_every_lesson_of_the_manifest_gets_a_line():
    lines = [lesson_line(lesson, ADA, 1) for lesson in lessons().values()]
    assert len(set(lines)) == len(lessons())


@given(st.floats(0, 7200), st.floats(0.9, 1.1))
def test_a_run_that_takes_a_little_longer_changes_nothing(seconds, factor):
    written = steady_minutes(seconds)
    assert abs(written - seconds / 60) <= 0.5
    assert steady_minutes(seconds, written) == steady_minutes(seconds * factor, written) == written


@pytest.mark.parametrize(("seconds", "written", "says"), [(20, 5, 0), (600, 1, 10), (20, None, 0), (100, 0, 2)])
def test_a_run_that_takes_much_longer_or_shorter_is_told(seconds, written, says):
    assert steady_minutes(seconds, written) == says


# Both cells, in all lessons


def test_the_lessons_of_this_clone_are_up_to_date():
    assert write_badges(ROOT, check=True) == [], "run `course-nlp badges`"


def test_no_written_lesson_has_a_part_of_the_template_left():
    for lesson in READY:
        nb = nbformat.read(ROOT / "nbs" / f"{lesson.file}.ipynb", 4)
        quiz = (ROOT / "course_nlp" / "data" / "quizzes" / f"{lesson.id}.yml").read_text(encoding="utf-8")
        assert [cell.id for cell in nb.cells if f"{authoring.MARK}:" in cell.source or f"{authoring.MARK}." in cell.source] == []
        assert f"{authoring.MARK}:" not in quiz


def test_writing_changes_two_cells_and_nothing_else(clone):
    write_settings(clone, "ada", "course")
    before = contents(clone)
    assert write_badges(clone) == [lesson.id for lesson in READY]
    after = contents(clone)
    assert changed(before, after) == {f"nbs/{lesson.file}.ipynb" for lesson in READY}
    for name in changed(before, after):
        old, new = json.loads(before[name]), json.loads(after[name])
        cells = {cell["id"]: cell for cell in old["cells"]}
        assert {cell["id"] for cell in new["cells"] if cell != cells.get(cell["id"])} <= {"lesson-line", "colab"}
        assert [c["id"] for c in new["cells"] if c["id"] in cells] == [c["id"] for c in old["cells"]]
        assert old | {"cells": []} == new | {"cells": []}
    assert write_badges(clone) == [] and contents(clone) == after
    subprocess.run([Path(sys.executable).with_name("nbdev-clean")], cwd=clone, check=True, capture_output=True)
    assert changed(after, contents(clone)) == set()


def test_check_writes_nothing_and_does_not_ask_git(clone):
    write_badges(clone)
    before = contents(clone)
    set_remote(clone, "https://github.com/fork/course")  # as on the machine of anybody who forked it
    assert write_badges(clone, check=True) == []
    write_settings(clone, "ada", "course")
    assert write_badges(clone, check=True) == [lesson.id for lesson in READY]
    assert changed(before, contents(clone)) == {"settings.ini"}


def test_badges_written_from_git_stay_up_to_date_elsewhere(clone):
    set_remote(clone, "https://github.com/ada/course")
    write_badges(clone)
    subprocess.run(["git", "-C", str(clone), "config", "remote.origin.url", "/some/folder"], check=True)
    assert write_badges(clone, check=True) == []


def test_check_sees_a_line_that_an_author_edited(clone):
    write_badges(clone)
    path = clone / "nbs" / f"{READY[0].file}.ipynb"
    path.write_text(path.read_text(encoding="utf-8").replace(f"Chapter {int(READY[0].chapter)}: ", "Chapter 99: "), encoding="utf-8")
    assert write_badges(clone, check=True) == [READY[0].id]


def test_missing_cells_are_put_in_their_place(clone):
    path = clone / "nbs" / f"{READY[0].file}.ipynb"
    nb = nbformat.read(path, 4)
    wanted = [cell.id for cell in nb.cells]
    nb.cells = [cell for cell in nb.cells if cell.id not in ("lesson-line", "colab")]
    nbformat.write(nb, path)
    assert READY[0].id in write_badges(clone)
    written = nbformat.read(path, 4)
    assert [cell.id for cell in written.cells] == wanted
    assert not [problem for problem in lint(written, READY[0]) if problem.rule == "head"]


def test_an_id_in_use_for_something_else_is_an_error(clone):
    path = clone / "nbs" / f"{READY[0].file}.ipynb"
    nb = nbformat.read(path, 4)
    next(cell for cell in nb.cells if cell.cell_type == "code").id = "lesson-line"
    nb.cells = [cell for cell in nb.cells if cell.id != "lesson-line" or cell.cell_type == "code"]
    nbformat.write(nb, path)
    with pytest.raises(ValueError, match="cell 'lesson-line' is a code cell"):
        write_badges(clone)


# The Colab cell


class Shell:
    """What `get_ipython()` returns, as far as the cell looks at it."""

    def __init__(self, kind):
        self.kind, self.magics = kind, []

    def __str__(self):
        return f"<{self.kind} object at 0x1>"

    def run_line_magic(self, *call):
        self.magics.append(call)


@pytest.mark.parametrize(
    ("origin", "kind", "calls"),
    [
        (None, "google.colab._shell.Shell", []),
        (ADA, "ipykernel.zmqshell.ZMQInteractiveShell", []),
        (ADA, "google.colab._shell.Shell", [("pip", "install -q 'course-nlp[colab] @ git+https://github.com/ada/course@main'")]),
    ],
)
def test_the_colab_cell_installs_on_colab_only(origin, kind, calls):
    shell = Shell(kind)
    exec(colab_cell(origin), {"get_ipython": lambda: shell})  # noqa: S102 - what a kernel does with it
    assert shell.magics == calls


def test_the_colab_cell_leaves_torch_alone_and_imports_nothing():
    source = colab_cell(ADA)
    assert "--upgrade" not in source and "-U" not in source.split() and "import " not in source and source.startswith("#| hide\n")
    torch = next(line for line in (ROOT / "pyproject.toml").read_text().splitlines() if line.strip().startswith('"torch'))
    assert torch.strip() == '"torch>=2.6",', "a range that Colab's own torch lies in; a pin would replace it"


# A new lesson


RUN = """
import sys, nbformat
from nbclient import NotebookClient
nb = nbformat.read(sys.argv[1], 4)
NotebookClient(nb, timeout=120, kernel_name="python3").execute()
nbformat.write(nb, sys.argv[1])
from exercise_answers.chapter_09 import ANSWERS
from course_nlp.exercise import exercise
assert list(ANSWERS) == ["09.09-a", "09.09-b"]
for id, stored in ANSWERS.items():
    exercise(id, stored.solution).require()
    assert exercise(id, stored.blank).state == "not answered yet"
    assert len(stored.wrong) >= 3
    for answer, words in stored.wrong:
        said = exercise(id, answer)
        assert said.state == "not yet" and words in said.text, said
"""


@pytest.mark.parametrize(("id", "module"), [("02.03", None), ("09.09", "recap_by_hand")])
def test_a_draft_passes_the_lint_and_keeps_what_was_there(clone, id, module):
    before = contents(clone)
    written = authoring.new_lesson(id, clone, module)
    lesson, chapter = find_lesson(id), id[:2]
    path = clone / "nbs" / f"{lesson.file}.ipynb"
    assert path in written and lint(nbformat.read(path, 4), lesson) == []
    assert lint(nbformat.read(clone / "nbs" / "checks" / f"{chapter}.ipynb", 4), None) == []
    assert authoring.MARK in path.read_text(encoding="utf-8")
    after = contents(clone)
    modules = {f"course_nlp/checks/chapter_{chapter}.py", "course_nlp/_modidx.py", *([f"course_nlp/{module}.py"] if module else [])}
    assert {file.relative_to(clone).as_posix() for file in written} | modules == changed(before, after)
    for name in changed(before, after) & before.keys() - modules:  # what was there is still there, the line of imports apart
        lost = set(before[name].decode().splitlines()) - set(after[name].decode().splitlines())
        assert all("from course_nlp.exercise import" in line or line.strip() in ("]", "}") for line in lost), (name, lost)
    stored = after[f"tests/exercise_answers/chapter_{chapter}.py"].decode()
    assert compile(stored, "stored", "exec") and stored.count("import Stored") == 1 and f'"{id}-b": Stored(' in stored


def test_a_draft_runs_in_strict_mode_and_its_checkers_hold(clone):
    path = authoring.new_lesson("09.09", clone, "recap_by_hand")[0]
    env = os.environ | {"PYTHONPATH": f"{clone}{os.pathsep}{clone / 'tests'}", "COURSE_NLP_CACHE": str(clone / "cache"), "COURSE_NLP_STRICT": "1"}
    ran = subprocess.run([sys.executable, "-c", RUN, str(path)], env=env, cwd=path.parent, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
    results = json.loads((clone / "cache" / "results" / "09.09-small.json").read_text())
    assert results["figures"]["accuracy"]["value"] > results["figures"]["accuracy"]["baseline"]


def test_a_draft_never_replaces_anything(clone):
    quiz = clone / "course_nlp" / "data" / "quizzes" / "09.09.yml"
    quiz.write_text("- mine")
    before = contents(clone)
    for id, words in (("09.09", "09.09.yml"), ("02.02", "02_behind_the_pipeline.ipynb")):
        with pytest.raises(ValueError, match=f"{words}; new-lesson never replaces anything"):
            authoring.new_lesson(id, clone)
    answers = clone / "tests" / "exercise_answers" / "chapter_02.py"
    answers.write_text(answers.read_text() + '\nANSWERS |= {"02.03-a": None}\n')
    with pytest.raises(ValueError, match="knows the exercise 02.03-a already"):
        authoring.new_lesson("02.03", clone)
    assert changed(before, contents(clone)) == {"tests/exercise_answers/chapter_02.py"}


@pytest.mark.parametrize(("module", "words"), [("Models", "cannot be a module's name"), ("a-b", "cannot be"), ("runner", "exists already")])
def test_a_module_name_is_checked_before_anything_is_written(clone, module, words):
    before = contents(clone)
    with pytest.raises(ValueError, match=words):
        authoring.new_lesson("02.03", clone, module)
    assert changed(before, contents(clone)) == set()


def test_drafts_of_planned_lessons_pass_the_lint():
    planned = [lesson for lesson in lessons().values() if not lesson.ready]
    planned = [lesson for lesson in planned if not lesson.id[-1].isdigit()] + planned[::9] + planned[-1:]  # 03.03b, and a sample
    for lesson in planned:
        nb = authoring._draft(lesson, authoring._fields(lesson, None))
        authoring._update(nb, lesson, None, None)
        assert lint(nb, lesson) == [], lesson.id
