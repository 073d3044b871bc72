"""Fixtures that several test files use."""

import os

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def stand_in_cache():
    """Build the stand-ins of all written lessons once, in the real cache, and return its folder."""
    from course_nlp.catalog import prepare
    from course_nlp.scale import current

    prepare()
    return current().cache


@pytest.fixture
def borrowed_cache(stand_in_cache, tmp_path, monkeypatch):
    """Return a throw-away cache that has the stand-ins, and make it the one in force."""
    from course_nlp.catalog import borrow

    folder = borrow(tmp_path / "cache")
    monkeypatch.setenv("COURSE_NLP_CACHE", str(folder))
    return folder


def pytest_terminal_summary(terminalreporter):
    """Say which known errors no test cites yet, at the end of every run that had them checked."""
    reports = [report for kind in ("passed", "failed") for report in terminalreporter.stats.get(kind, ())]
    if any("test_known_errors.py::" in report.nodeid for report in reports):
        from known_errors import report

        terminalreporter.section("known errors")
        for line in report():
            terminalreporter.line(line)
