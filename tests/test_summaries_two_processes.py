"""Summaries scored by ROUGE on two processes, with an uneven last batch: every row once, and the score of one process."""


import pytest
from seq2seq_runs import run_on_one_and_two
from seq2seq_worker import ROWS

from course_nlp.metrics import rouge


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Run the evaluation in its three ways."""
    return run_on_one_and_two(tmp_path_factory.mktemp("two"))


def score(report):
    """Return ROUGE of what a run gathered."""
    return rouge(report["pred"], report["ref"])


@pytest.mark.known_error("c02")
def test_every_row_is_scored_once_and_rouge_is_that_of_one_process(reports):
    one, two = reports["one"], reports["two"]
    assert two["processes"] == 2 and len(ROWS) % 8 != 0
    assert len(two["pred"]) == len(ROWS) and two["ref"] == [target for _, target in ROWS]
    for name, value in score(two).items():
        assert value == pytest.approx(score(one)[name], abs=1e-6), name
    assert 0.1 < score(one)["rouge2"] < 0.99  # neither hopeless nor perfect: repeated rows would show


def test_the_check_can_fail(reports):
    wrong = reports["two, all rows"]
    assert len(wrong["pred"]) > len(ROWS)
    assert abs(score(wrong)["rouge2"] - score(reports["one"])["rouge2"]) > 1e-3
