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

from course_nlp import catalog, cli, doctor, manifest, runner
from course_nlp.doctor import Check
from course_nlp.hub_store import Store
from course_nlp.runner import LessonRun, RunReport
from course_nlp.scale import Settings


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


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Use an empty cache with the real manifest."""
    monkeypatch.setenv("COURSE_NLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_help_loads_nothing_heavy():
    code = "import sys; from course_nlp import cli\ntry: cli.app(['--help'])\nexcept SystemExit: print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in ("list", "prepare", "run", "lab", "hub", "doctor", "results"):
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
        (ModuleNotFoundError("No module named 'torch'", name="torch"), "course-nlp: this needs the package 'torch': pip install 'course-nlp[course]'\n"),
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
    result = call("run", "07.02", "--scale", "small", "--jobs", "1", "--strict", "--save")
    assert result.exit_code == code and "1,234" in result.stdout and state in result.stdout
    del asked["console"]
    assert asked == {"ids": ["07.02"], "scale": "small", "jobs": 1, "strict": True, "save": True}


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


def test_doctor_is_content_here(empty_cache):
    rows = {check.name: check for check in doctor.examine()}
    assert {"python", "packages", "packages [course]", "git", "settings", "torch", "cache folder", "disk space", "local Hub"} <= set(rows)
    assert [check for check in rows.values() if check.state == "fail"] == []
    ready = catalog.plan()
    assert rows["stand-ins"].state == "warn" and f"0 of {len(ready)} ready" in rows["stand-ins"].found


def test_doctor_sees_an_old_and_a_missing_package(monkeypatch):
    real = doctor.metadata.version

    def version(name):
        if name == "peft":
            raise doctor.metadata.PackageNotFoundError(name)
        return {"datasets": "3.9", "ruff": "0.1", "gradio": "6.0"}.get(name) or real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)
    rows = {check.name: check for check in doctor.check_packages()}
    assert rows["packages"].state == "ok"
    course = rows["packages [course]"]
    assert course.state == "fail" and course.found == "datasets 3.9 is not >=4.0; peft is missing" and "course-nlp[course]" in course.remedy
    assert rows["packages [dev]"].state == "warn" and rows["packages [demos]"].state == "ok"


def test_doctor_sees_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 2, "final", 0))
    row = doctor.check_python()
    monkeypatch.undo()
    assert row.state == "fail" and row.found == "3.10.2" and ">=3.11" in row.remedy


def test_doctor_without_git(monkeypatch, empty_cache, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = {check.name: check for check in doctor.examine()}
    assert rows["git"].state == "fail" and rows["git-lfs"].state == "warn" and "stand-ins" not in rows


def test_doctor_names_a_bad_setting(monkeypatch):
    monkeypatch.setenv("COURSE_NLP_WORKERS", "many")
    *_, last = doctor.examine()
    assert last.name == "settings" and last.state == "fail" and "COURSE_NLP_WORKERS: workers = 'many'" in last.found


def test_doctor_sees_a_port_in_use_and_a_full_disk(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        row = doctor.check_port(Settings(hub_port=taken.getsockname()[1]))
    assert row.state == "fail" and "hub_port = 0" in row.remedy
    assert doctor.check_disk(Settings(cache=tmp_path), 10**18).state == "fail"
    (tmp_path / "file").touch()
    assert doctor.check_cache(Settings(cache=tmp_path / "file" / "cache")).state == "fail"


def test_check_must_say_what_to_do():
    with pytest.raises(ValueError, match="remedy is empty"):
        Check("git", "fail", "not found")
    with pytest.raises(ValueError, match="state must be one of"):
        Check("git", "bad", "not found", "install it")
