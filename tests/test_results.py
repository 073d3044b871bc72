"""record, collect, and merge: figures kept, bands asserted, nothing typed twice."""

import json

import pytest

from course_nlp import results
from course_nlp.results import begin, collect, merge, record, results_folder
from course_nlp.scale import Settings, activate


@pytest.fixture(autouse=True)
def in_a_lesson(tmp_path, monkeypatch):
    """Run each test inside lesson 07.02 with a cache of its own."""
    monkeypatch.delenv("COURSE_NLP_ASSERT_BANDS", raising=False)
    activate(Settings(cache=tmp_path))
    begin("07.02")
    yield
    begin(None)
    activate(None)


def test_a_figure_is_kept_with_its_band_and_baseline():
    assert record("entity F1", 0.8, baseline=0.5, small=(0.7, 0.9), full=(0.9, 1.0)) == 0.8
    record("seconds", 3, small=None)
    (run,) = collect()
    assert (run["lesson"], run["scale"]) == ("07.02", "small")
    assert run["figures"]["entity F1"] == {"value": 0.8, "baseline": 0.5, "low": 0.7, "high": 0.9, "better": "higher"}
    assert run["figures"]["seconds"]["low"] is None


@pytest.mark.parametrize(
    ("value", "kwargs", "said"),
    [
        (0.6, {"small": (0.7, 0.9)}, "lies outside 0.7 to 0.9"),
        (0.95, {"small": (0.7, 0.9)}, "lies outside"),
        (0.5, {"baseline": 0.5}, "does not beat its baseline 0.5"),
        (30.0, {"baseline": 20.0, "better": "lower"}, "does not beat its baseline 20"),
    ],
)
def test_a_figure_outside_its_band_or_below_its_baseline_fails(value, kwargs, said, monkeypatch):
    with pytest.raises(AssertionError, match=said):
        record("x", value, **kwargs)
    assert "x" in collect()[0]["figures"], "a failing figure is kept too, so that a report can show it"
    monkeypatch.setenv("COURSE_NLP_ASSERT_BANDS", "0")
    assert record("x", value, **kwargs) == value


def test_the_band_is_that_of_the_running_scale(tmp_path):
    activate(Settings(cache=tmp_path, scale="full"))
    assert record("x", 5.0, small=(0, 1), full=(4, 6)) == 5.0
    assert (results_folder() / "07.02-full.json").is_file()


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda: record("x", float("nan")), ValueError, "value must be finite, got nan"),
        (lambda: record("x", "0.5"), TypeError, "value must be a number, got '0.5'"),
        (lambda: record("x", 0.5, small=(0.9, 0.1)), ValueError, r"small must be \(low, high\)"),
        (lambda: record("x", 0.5, full=0.1), TypeError, r"full must be \(low, high\), got 0.1"),
        (lambda: record("", 0.5), ValueError, "name must say"),
        (lambda: record("x", 0.5, better="up"), ValueError, "better must be .* got 'up'"),
    ],
)
def test_bad_input(call, error, said):
    with pytest.raises(error, match=said):
        call()
    assert not collect()


def test_record_needs_a_lesson():
    begin(None)
    with pytest.raises(ValueError, match="run lesson"):
        record("x", 1.0)


def test_merge_replaces_a_lesson_and_keeps_the_rest(tmp_path):
    target = tmp_path / "results.json"
    target.write_text(json.dumps({"02.02": {"small": {"seconds": 9}}, "07.02": {"small": {"seconds": 1}, "full": {"seconds": 2}}}))
    record("entity F1", 0.8)
    merge([run | {"seconds": 40.5, "peak_mb": 900} for run in collect()], target)
    merged = json.loads(target.read_text())
    assert list(merged) == ["02.02", "07.02"]
    assert merged["02.02"]["small"] == {"seconds": 9}
    assert merged["07.02"]["full"] == {"seconds": 2}
    assert merged["07.02"]["small"]["seconds"] == 40.5
    assert merged["07.02"]["small"]["figures"]["entity F1"]["value"] == 0.8
    assert results._lesson == "07.02"
