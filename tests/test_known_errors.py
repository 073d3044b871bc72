"""Every known error of older material that belongs to a written lesson is cited by a test; so is no number that nobody listed."""

import re

import known_errors
import pytest

from course_nlp.manifest import lessons

LISTED = known_errors.listed()
READY = [number for number, entry in LISTED.items() if lessons()[entry["lesson"]].ready]


def test_the_list_is_complete_and_says_what_was_wrong_and_what_is_right():
    assert list(LISTED) == [f"b{n:02}" for n in range(2, 21)] + [f"c{n:02}" for n in range(2, 24)]
    for number, entry in LISTED.items():
        assert set(entry) == {"lesson", "error"}
        assert re.fullmatch(r"[A-Zm].+; .+\.", entry["error"]) and ". " not in entry["error"], number


@pytest.mark.parametrize("number", READY)
def test_errors_of_written_lessons_are_cited(number):
    assert known_errors.cited().get(number), f"mark the test that proves it: @{known_errors.MARK}({number!r}). {LISTED[number]['error']}"


def test_tests_cite_only_what_is_listed():
    unknown = {number: tests for number, tests in known_errors.cited().items() if number not in LISTED}
    assert unknown == {}, "these numbers are not in tests/known_errors.toml"


def test_marks_are_read_from_test_functions_alone(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "test_a.py").write_text(
        'import pytest\n\n\n@pytest.mark.known_error("c06", "zz")\n@pytest.mark.slow("c07")\ndef test_a():\n    pass\n\n\n'
        '@pytest.mark.known_error("c08")\ndef helper():\n    pass\n'
    )
    (tmp_path / "helper.py").write_text('@pytest.mark.known_error("c09")\ndef test_b():\n    pass\n')
    assert known_errors.cited(tmp_path) == {"c06": ["sub/test_a.py::test_a"], "zz": ["sub/test_a.py::test_a"]}


def test_the_report_tells_missing_from_planned(monkeypatch):
    monkeypatch.setattr(known_errors, "cited", lambda: {"c04": ["x"], "c05": ["x"], "b02": ["x"]})
    first, *rest = known_errors.report()
    assert first == f"3 of {len(LISTED)} known errors of older material are cited by tests"
    assert {"MISSING, lesson 07.02: c02 c06", "to come, lesson 06.05: b09", "begun, lesson 05.03: b02"} <= set(rest)
    assert [line for line in rest if "07.02" in line or "05.03" in line] == ["begun, lesson 05.03: b02", "MISSING, lesson 07.02: c02 c06"]
