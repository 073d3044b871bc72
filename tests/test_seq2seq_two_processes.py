"""A model scored by what it writes: on two processes, with an uneven last batch, the same rows and the same BLEU as on one."""


import pytest
from seq2seq_runs import run_on_one_and_two
from seq2seq_worker import ROWS

from course_nlp.metrics import bleu


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """Run the evaluation in its three ways."""
    return run_on_one_and_two(tmp_path_factory.mktemp("two"))


def test_the_rows_do_not_come_out_even_and_the_score_is_no_round_one(reports):
    assert len(ROWS) % 8 and reports["two"]["processes"] == 2 and reports["one"]["processes"] == 1
    assert 10 < reports["one"]["bleu"] < 99


@pytest.mark.known_error("c02")
def test_two_processes_score_every_row_once_in_order(reports):
    one, two = reports["one"], reports["two"]
    assert two["rows"] == one["rows"] == len(ROWS)
    assert (two["pred"], two["ref"]) == (one["pred"], one["ref"]) and one["ref"] == [target for _, target in ROWS]
    assert two["bleu"] == pytest.approx(one["bleu"], abs=1e-6)
    assert one["bleu"] == pytest.approx(bleu(one["pred"], [target for _, target in ROWS]), abs=1e-6)


def test_labels_keep_their_own_filler(reports):
    """-100 reaches as many places on two processes as on one: padding across processes used the filler of labels."""
    assert reports["two"]["ignored"] == reports["one"]["ignored"] and max(reports["one"]["ignored"]) > 0


def test_the_check_can_fail(reports):
    """With plain `gather` rows are counted twice, and the score is another one."""
    wrong = reports["two, all rows"]
    assert wrong["rows"] == 16 and abs(wrong["bleu"] - reports["one"]["bleu"]) > 1e-3
