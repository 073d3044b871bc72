"""Run tiny lessons for real: two workers, a kernel each, in a pretend clone of the course."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output
from tiny_lessons import LESSONS, pretend_clone

from course_nlp import manifest, results, runner
from course_nlp.runner import LessonRun, check_outputs, execute, lesson_environment, run_lessons, scrub_outputs, stage
from course_nlp.scale import Settings


@pytest.fixture(scope="module")
def clone(tmp_path_factory):
    with pytest.MonkeyPatch.context() as monkeypatch:
        yield pretend_clone(tmp_path_factory.mktemp("clone"), monkeypatch)
    manifest.lessons.cache_clear()
    manifest.chapters.cache_clear()


@pytest.fixture(scope="module")
def report(clone):
    """One run of everything: two workers, strict, and a wish to save that must not be granted."""
    return run_lessons(jobs=2, strict=True, save=True, root=clone)


def by_id(report):
    return {run.id: run for run in report.lessons}


def test_states_of_a_mixed_run(report):
    assert {id for id, run in by_id(report).items() if run.state == "passed"} == {"01.01", "01.02"}
    assert {id for id, run in by_id(report).items() if run.state == "failed"} == set(LESSONS) - {"01.01", "01.02"}
    assert not report.ok


def test_failing_cell_is_shown_with_source_and_traceback(report):
    error = runner.ANSI.sub("", by_id(report)["01.03"].error)
    assert "1 / total" in error and "ZeroDivisionError" in error and "never" not in error and "[gw" not in error


def test_lesson_that_runs_no_cell_fails(report):
    run = by_id(report)["01.04"]
    assert run.cells == 0 and "no code cell was executed" in run.error


def test_unfit_output_fails_a_strict_run(report):
    run = by_id(report)["01.05"]
    assert run.problems == ("cell unfit: on standard error: Warning: old",) and "Warning: old" in run.error


def test_environment_reaches_the_kernel(report):
    nb = nbformat.read(report.folder / "01_tiny" / "0.ipynb", as_version=4)
    shown = {cell.id: cell.outputs[0].data["text/plain"] for cell in nb.cells if cell.id in ("good-env", "good-cache")}
    assert shown["good-env"] == "['1', '1', 'module://matplotlib_inline.backend_inline']"  # not the caller's agg
    assert shown["good-cache"] == "True"


def test_memory_time_and_cells_are_measured(report):
    run = by_id(report)["01.01"]
    assert run.peak_mb > 230 and run.seconds > 0.5 and run.cells == 5  # the kernel itself takes some 50 MB
    assert by_id(report)["01.02"].peak_mb < run.peak_mb - 150


def test_run_json_is_complete(report):
    kept = json.loads((report.folder / "run.json").read_text())
    assert kept["scale"] == "small" and kept["strict"] is True and kept["ok"] is False and kept["seconds"] > 1
    assert list(kept["lessons"]) == list(LESSONS)  # in the order of the curriculum, though one trains and runs first
    first = kept["lessons"]["01.01"]
    assert set(first) == {f.name for f in LessonRun.__dataclass_fields__.values()}
    assert first["figures"]["accuracy"]["value"] == 0.9 and first["figures"]["accuracy"]["baseline"] == 0.5
    assert "\x1b" not in kept["lessons"]["01.03"]["error"]


def test_headline_is_the_first_figure(report):
    assert runner.headline(by_id(report)["01.01"].figures) == "accuracy 0.9 (baseline 0.5)"
    assert runner.headline({}) == ""


def test_throwaway_cache_is_removed(report, clone):
    assert list((clone / "build").glob("cache-*")) == []
    assert not (clone / "cache" / "results").exists()


def test_report_prints_table_and_failures(report, capsys):
    from rich.console import Console

    runner.print_report(report, Console(width=120))
    printed = capsys.readouterr().out
    assert "7 lessons at scale small" in printed and "accuracy 0.9 (baseline 0.5)" in printed
    assert "ZeroDivisionError" in printed and "run.json" in printed


def test_failed_run_stores_nothing(report, clone):
    assert not (clone / "nbs" / "results.json").exists()
    nb = nbformat.read(clone / "nbs" / "01_tiny" / "1.ipynb", as_version=4)
    assert [cell.outputs for cell in nb.cells] == [[], []]
    with pytest.raises(ValueError, match="not every lesson passed"):
        runner.save_run(report, clone)


def test_save_stores_outputs_and_results(report, clone):
    assert run_lessons(["01.02"], jobs=1, save=True, root=clone).ok
    nb = nbformat.read(clone / "nbs" / "01_tiny" / "1.ipynb", as_version=4)
    assert [cell.execution_count for cell in nb.cells] == [None, None] and "execution" not in nb.metadata
    assert nb.cells[0].metadata == {"tags": ["raises-exception"]} and nb.cells[0].outputs[0].ename == "KeyError"
    assert nb.cells[1].outputs[0].data["text/plain"] == "5" and nb.cells[1].outputs[0].execution_count is None
    kept = json.loads((clone / "nbs" / "results.json").read_text())
    assert set(kept) == {"01.02"} and set(kept["01.02"]["small"]) == {"seconds", "peak_mb", "figures"}


@pytest.mark.parametrize(("strict", "save", "state"), [(False, False, "passed"), (True, False, "failed"), (False, True, "failed")])
def test_unfit_outputs_are_told_or_fatal(clone, monkeypatch, strict, save, state):
    def pretend(runs, folder, env, jobs, **display):
        (run,) = runs
        nb = nbformat.read(folder / run.notebook, as_version=4)
        nb.cells[0].outputs = [stderr("Warning: old")]
        nbformat.write(nb, folder / run.notebook)
        return [runner.replace(run, state="passed", cells=1)]

    monkeypatch.setattr(runner, "execute", pretend)
    (run,) = run_lessons(["01.05"], strict=strict, save=save, root=clone).lessons
    assert run.state == state and run.problems == ("cell unfit: on standard error: Warning: old",)


def test_save_refuses_a_source_edited_meanwhile(tmp_path):
    for name, source in (("a.ipynb", "1"), ("b.ipynb", "2")):
        nbformat.write(new_notebook(cells=[new_code_cell(source, id="x")]), tmp_path / name)
    with pytest.raises(ValueError, match=r"a\.ipynb was edited"):
        runner.save_outputs(tmp_path / "a.ipynb", tmp_path / "b.ipynb")


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"ids": "01.01"}, TypeError, "ids must be a list"),
        ({"ids": ["01.1"]}, ValueError, "'01.1' is no lesson; did you mean 01.01"),
        ({"ids": ["01.99"]}, ValueError, "01.99 is not written yet"),
        ({"jobs": 0}, ValueError, "jobs must be a whole number from 1 up, got 0"),
        ({"scale": "medium"}, ValueError, "scale = 'medium' is not valid"),
    ],
)
def test_bad_arguments(clone, kwargs, error, words):
    with pytest.raises(error, match=words):
        run_lessons(root=clone, **kwargs)


def test_second_run_in_the_same_folder_is_refused(tmp_path):
    with runner._run_folder(tmp_path / "run") as folder:
        (folder / "x").touch()
        with pytest.raises(ValueError, match="another run is using it"), runner._run_folder(tmp_path / "run"):
            pass
    with runner._run_folder(tmp_path / "run") as folder:
        assert [p.name for p in folder.iterdir()] == ["events.jsonl"]


def test_foreign_folder_is_never_emptied(tmp_path):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match="holds files that no run made"), runner._run_folder(tmp_path):
        pass
    assert (tmp_path / "thesis.txt").exists()


def test_missing_notebook_and_missing_clone(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="'no.ipynb' is not in"):
        stage({"no.ipynb": 5}, tmp_path, tmp_path / "out")
    monkeypatch.setattr(runner, "DATA", tmp_path / "course_nlp" / "data")
    with pytest.raises(ValueError, match="not inside a clone of the course"):
        runner.clone_root(tmp_path)


def test_cell_out_of_time_fails(report):
    run = by_id(report)["01.06"]  # its limit is the one that settings.ini gives this lesson
    assert "timed out" in run.error and "time.sleep(60)" in run.error and 2 < run.seconds < 30


def test_dead_kernel_fails(report):
    assert "DeadKernel" in by_id(report)["01.07"].error.replace(" ", "")


def test_copy_that_pytest_never_reached_is_not_run(tmp_path):
    (tmp_path / "events.jsonl").touch()
    (run,) = execute([LessonRun("x", "x", "missing.ipynb")], tmp_path, lesson_environment(Settings(), tmp_path), jobs=1)
    assert run.state == "not run" and "missing.ipynb" in run.error


def test_bars_on_a_terminal():
    import io

    from rich.console import Console

    runs = [LessonRun("01.01", "First", "a.ipynb"), LessonRun("01.02", "Second", "b.ipynb")]
    screen = io.StringIO()
    bars = runner._Bars(runs, {"01.01": 10.0}, Console(file=screen, force_terminal=True, width=100))
    with bars.progress:
        bars.progress.refresh()
        bars.show({"event": "start", "notebook": "a.ipynb"})
        bars.tick()
        bars.progress.refresh()
        bars.show({"event": "end", "notebook": "a.ipynb", "state": "failed", "seconds": 1.0})
        bars.progress.refresh()
    shown = runner.ANSI.sub("", screen.getvalue())
    assert [shown.index(word) for word in ("waiting", "running", "failed")] == sorted(shown.index(word) for word in ("waiting", "running", "failed"))


def test_plain_lines_elsewhere(capsys):
    from rich.console import Console

    bars = runner._Bars([LessonRun("01.01", "First [x]", "a.ipynb")], {}, Console(width=100))
    with bars.progress:
        bars.show({"event": "start", "notebook": "a.ipynb"})
        bars.tick()
        bars.show({"event": "end", "notebook": "a.ipynb", "state": "passed", "seconds": 1.26})
    assert capsys.readouterr().out == "01.01 First [x]: started\n01.01 First [x]: passed after 1.3 s\n"


# a job started in the background of a script ignores interrupts, and so would all its children: put the default back
DRIVER = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)
from pathlib import Path
from course_nlp.runner import LessonRun, _run_folder, execute, lesson_environment, stage
from course_nlp.scale import Settings
root = Path(sys.argv[1])
with _run_folder(root / "run") as run:
    stage({"sleep.ipynb": 100}, root, run)
    execute([LessonRun("s", "s", "sleep.ipynb")], run, lesson_environment(Settings(), root / "cache"), jobs=1)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT")
def test_interrupt_ends_pytest_and_kernels(tmp_path):
    cells = [new_code_cell("open('alive', 'w').close()\nimport time; time.sleep(90)", id="sleep")]
    nbformat.write(new_notebook(cells=cells), tmp_path / "sleep.ipynb")
    driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "run" / "alive").exists():
        assert time.monotonic() < deadline and driver.poll() is None
        time.sleep(0.1)
    family = psutil.Process(driver.pid).children(recursive=True)
    assert len(family) >= 2  # pytest and the kernel
    driver.send_signal(signal.SIGINT)
    assert driver.wait(20) != 0
    _, alive = psutil.wait_procs(family, timeout=10)
    assert alive == []


def cell_with(*outputs, tags=()):
    return new_notebook(cells=[new_code_cell("...", id="c", outputs=list(outputs), metadata={"tags": list(tags)})])


def result(text, mime="text/plain"):
    return new_output("execute_result", data={mime: text})


def stderr(text):
    return new_output("stream", name="stderr", text=text)


REPORT = """
[transformers] \x1b[1mBertForTokenClassification LOAD REPORT\x1b[0m from: course/minilm-l6
Key               | Status  |
------------------+---------+-
classifier.weight | MISSING |

Notes:
- MISSING:\tthose params were newly initialized because missing from the checkpoint.
"""
BOOM = new_output("error", ename="KeyError", evalue="'x'", traceback=["KeyError: 'x'"])


@pytest.mark.parametrize(
    ("nb", "words"),
    [
        (cell_with(result("hf_" + "aB3" * 8)), "looks like a token"),
        (cell_with(result("local-" + "aB3_" * 8)), "looks like a token"),
        (cell_with(result("the password is s3cret-word")), "looks like a token"),
        (cell_with(result(f"saved in {Path.home()}/models")), "a path of this machine"),
        (cell_with(result(f"<a href='{Path.cwd()}/x'>", "text/html")), "a path of this machine"),
        (cell_with(result("<svg>/opt/hidden/x</svg>", "image/svg+xml")), "a path of this machine"),
        (cell_with(new_output("display_data", data={"application/json": {"dir": "/opt/hidden/x"}})), "a path of this machine"),
        (cell_with(new_output("stream", name="stdout", text="see /opt/hidden")), "a path of this machine"),
        (cell_with(stderr("UserWarning: deprecated\n")), "on standard error: UserWarning: deprecated"),
        (cell_with(stderr("\rMap: 10%|# | 1/10 [00:00<00:09, 1.0 it/s]\rboom\n")), "on standard error: boom"),
        (cell_with(stderr(REPORT + "[transformers] `x` is deprecated")), "on standard error: [transformers] `x` is deprecated"),
        (cell_with(stderr("x.py:3: FutureWarning: soon\n" + REPORT)), "on standard error: x.py:3: FutureWarning: soon"),
        (cell_with(BOOM), "KeyError, and the cell is not tagged"),
    ],
)
def test_check_outputs_finds(nb, words):
    places = [Path.home(), Path.cwd(), Path("/opt/hidden")]
    (problem,) = check_outputs(nb, secrets=["s3cret-word"], places=places)
    assert problem.startswith("cell c: ") and words in problem and "s3cret" not in problem and "aB3" not in problem


@pytest.mark.parametrize(
    "nb",
    [
        cell_with(result("hf_hub_download, ~/models, local-files-only, https://example.org/opt/hidden")),
        cell_with(result("/opt/hidden", "image/png")),
        cell_with(stderr("Generating train split: 400 examples [00:00, 5120.33 examples/s]\n\x1b[A")),
        cell_with(stderr("100%|##########| 3/3 [01:02:03<00:00,  2.31s/it]")),
        cell_with(stderr(REPORT)),
        cell_with(BOOM, tags=["raises-exception"]),
    ],
)
def test_check_outputs_lets_pass(nb):
    assert check_outputs(nb, places=[Path("/opt/hidden")]) == []


def test_check_outputs_reads_notebooks_as_json_does(tmp_path):
    nbformat.write(cell_with(result("a\n/opt/hidden\nb"), stderr("one\ntwo\n")), tmp_path / "x.ipynb")
    problems = check_outputs(json.loads((tmp_path / "x.ipynb").read_text()), places=[Path("/opt/hidden")])
    assert problems == ["cell c: a path of this machine: /opt/hidden", "cell c: on standard error: one"]


def test_check_outputs_knows_this_machine_by_default(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_NLP_CACHE", "/somewhere/special")
    assert len(check_outputs(cell_with(result("/somewhere/special/hub")))) == 1
    assert len(check_outputs(cell_with(result(str(tmp_path))))) == 1


def test_scrub_keeps_what_says_something():
    traceback = ["File \x1b[32m~/me/.venv/lib/python3.11/site-packages/torch/x.py:1\x1b[39m", "Cell In[3], line 1"]
    error = new_output("error", ename="E", evalue="", traceback=traceback)
    nb = cell_with(stderr("5%|# | 1/20 [00:01<00:19, 1.0it/s]"), error, stderr("UserWarning: kept"), result("7"))
    scrub_outputs(nb)
    kept = nb.cells[0].outputs
    assert [o.output_type for o in kept] == ["error", "stream", "execute_result"]
    assert kept[0].traceback == ["File \x1b[32m.../site-packages/torch/x.py:1\x1b[39m", "Cell In[3], line 1"]


def test_no_time_is_no_run():
    assert "no kernel was started" in runner.why_not_run(5, 0.004) and runner.why_not_run(5, 0.4) == ""
    with pytest.raises(ValueError, match="pause must be above 0"):
        runner.PeakMemory(pause=0)


def test_memory_that_a_fork_shares_counts_once():
    fork_often = "import os, time; x = b'x' * 200_000_000\n"
    fork_often += "for _ in range(60):\n    pid = os.fork()\n    if not pid: time.sleep(0.01); os._exit(0)\n    os.waitpid(pid, 0)"
    with runner.PeakMemory(pause=0.03) as peak:
        subprocess.run([sys.executable, "-c", fork_often], check=True)
    assert 200e6 < peak.bytes < 350e6


def test_memory_of_a_lasting_child_counts():
    parent = "import subprocess, sys; x = b'x' * 100_000_000; "
    parent += "subprocess.run([sys.executable, '-c', 'import time; x = bytearray(150_000_000); x[::4096] = x[::4096]; time.sleep(0.4)'])"
    with runner.PeakMemory(pause=0.03) as peak:
        subprocess.run([sys.executable, "-c", parent], check=True)
    assert 250e6 < peak.bytes < 450e6


def test_merge_keeps_other_scales(tmp_path):
    target = tmp_path / "results.json"
    results.merge([{"lesson": "01.01", "scale": "full", "seconds": 9.0}], target)
    results.merge([{"lesson": "01.01", "scale": "small", "seconds": 1.0}], target)
    assert set(json.loads(target.read_text())["01.01"]) == {"small", "full"}
