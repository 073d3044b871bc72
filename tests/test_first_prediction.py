"""The first lesson on a fresh machine: its first prediction stands within two minutes, and needs one model only."""

import time

from lesson_runs import environment, read, run_lesson

from course_nlp.catalog import entries, plan
from course_nlp.manifest import find_lesson

LAST = "can-classifier"  # the cell of the first prediction


def test_what_comes_first_is_one_wheel():
    found = find_lesson("01.03")
    first, all_of_it = plan(repos=found.first), plan([found.id])
    assert sum(step.download > 0 for step in first) == 1
    assert sum(step.download for step in first) < 100e6 < sum(step.download for step in all_of_it)


def test_the_first_prediction_stands_within_two_minutes_of_opening(tmp_path):
    begun = time.monotonic()
    outcome = run_lesson("01.03", tmp_path / "run", environment("01.03", "small", tmp_path / "empty"), last=LAST)
    seconds = time.monotonic() - begun  # a kernel's start, the download, the build, every import
    assert outcome.run.state == "passed", outcome.run.error
    (answer,) = (cell for cell in outcome.nb.cells if cell.id == LAST)
    assert "POSITIVE" in answer.outputs[-1]["data"]["text/plain"]
    assert seconds < 120
    built = {path.name for path in (tmp_path / "empty" / "hub" / "models" / "course").iterdir()}
    assert built == {f"{id.split('/')[1]}.git" for id in ("course/minilm-l6", *find_lesson("01.03").first)}


def test_the_rest_is_fetched_right_after_it_and_before_it_is_needed():
    ids = {cell.id: i for i, cell in enumerate(read("01.03").cells)}
    assert ids[LAST] < ids["can-fetch"]
    later = set(find_lesson("01.03").stand_ins) - set(find_lesson("01.03").first)
    for cell in read("01.03").cells[ids[LAST] : ids["can-fetch"]]:
        assert not [id for id in later if f'"{id}"' in cell.source and cell.cell_type == "code"]
    assert later <= set(entries())
