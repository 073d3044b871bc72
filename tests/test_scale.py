"""settings.ini, pick, and subset: what they read, and what they refuse."""

import tomllib
from pathlib import Path

import pytest

from course_nlp import scale
from course_nlp.scale import Settings, activate, current, pick, read_settings, settings, subset

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """Run each test without a lesson in progress and without the caller's environment."""
    for key in scale.PARSERS:
        monkeypatch.delenv(f"COURSE_NLP_{key.upper()}", raising=False)
    monkeypatch.delenv("COURSE_NLP_SETTINGS", raising=False)
    activate(None)
    yield
    activate(None)


@pytest.fixture
def ini(tmp_path, monkeypatch):
    """Return a function that writes a settings file and makes it the one in force."""

    def write(text):
        path = tmp_path / "settings.ini"
        path.write_text(text, encoding="utf-8")
        monkeypatch.setenv("COURSE_NLP_SETTINGS", str(path))
        return path

    return write


def test_the_shipped_file_is_the_one_at_the_top():
    assert (ROOT / "course_nlp/data/settings.ini").read_bytes() == (ROOT / "settings.ini").read_bytes()
    read_settings(ROOT / "settings.ini")


def test_settings_ini_and_pyproject_state_the_same():
    ours = settings().project
    meta = tomllib.loads((ROOT / "pyproject.toml").read_text())
    nbdev = meta["tool"]["nbdev"]
    assert ours["lib_name"] == meta["project"]["name"]
    for key in ("lib_path", "nbs_path", "doc_path", "title", "branch"):
        assert ours[key] == nbdev[key], key


def test_defaults_do_not_leak_into_sections(ini):
    ini("[DEFAULT]\nuser = ada\nrepo = course\n[course]\nseed = 1\n[small]\n[full]\n")
    assert settings(scale="full").project == {"user": "ada", "repo": "course"}


def test_lesson_beats_scale_and_environment_beats_both(ini, monkeypatch):
    ini("[course]\nthreads = 4\n[small]\nrows = 10\nthreads = 2\n[small 07.02]\nrows = 20\n[full]\nrows = all\n")
    assert (settings("02.02").rows, settings("07.02").rows, settings("07.02").threads) == (10, 20, 2)
    assert settings("07.02", scale="full").rows == "all"
    monkeypatch.setenv("COURSE_NLP_ROWS", "3")
    assert settings("07.02").rows == 3


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[DEFAULT]\nusr = x\n", "usr"),
        ("[course]\nsede = 1\n", "sede"),
        ("[tiny]\nrows = 1\n", "tiny"),
        ("[small]\nuser = ada\n", "user"),
        ("[course]\nseed = many\n", "many"),
        ("[course]\nseed = -1\n", "-1"),
        ("[course]\nhub_port = 70000\n", "70000"),
        ("[course]\nscale = medium\n", "medium"),
        ("[course]\nhub_user = Jo Do\n", "Jo Do"),
        ("[small]\nrows = some\n", "some"),
        ("[small]\nrows = 0\n", "0"),
        ("rows = 1\n", "settings.ini"),
    ],
)
def test_a_bad_file_names_what_is_wrong(ini, text, named):
    ini(text)
    with pytest.raises(ValueError, match="settings.ini") as error:
        settings()
    assert named in str(error.value)


@pytest.mark.parametrize(("key", "value"), [("SCALE", "huge"), ("ROWS", "-3"), ("HUB_PORT", "x"), ("WORKERS", "0")])
def test_a_bad_environment_variable_is_named(monkeypatch, key, value):
    monkeypatch.setenv(f"COURSE_NLP_{key}", value)
    with pytest.raises(ValueError, match=f"COURSE_NLP_{key}") as error:
        settings()
    assert repr(value) in str(error.value)


def test_a_missing_settings_file_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_NLP_SETTINGS", "nowhere.ini")
    with pytest.raises(ValueError, match="nowhere.ini"):
        settings()


def test_an_unknown_scale_argument_is_named():
    with pytest.raises(ValueError, match="argument scale: scale = 'tiny'"):
        settings(scale="tiny")


def test_pick_follows_the_scale():
    assert pick(small=1, full=2) == 1
    activate(Settings(scale="full"))
    assert (pick(small=1, full=2), current().scale) == (2, "full")
    with pytest.raises(TypeError):
        pick(1, 2)


class Rows(list):
    """The two methods of a data set that subset uses."""

    def select(self, indices):
        return Rows(self[int(i)] for i in indices)


def test_subset_draws_at_random_keeps_order_and_repeats():
    rows = Rows(range(1000))
    drawn = subset(rows, 50)
    assert drawn == subset(rows, 50) == sorted(drawn)
    assert len(set(drawn)) == 50
    assert drawn != list(range(50))
    assert subset(rows, 50, seed=1) != drawn
    assert subset(rows, 1000) is rows


@pytest.mark.parametrize(("rows", "expected"), [("lesson", 50), ("all", 1000), (20, 20), (200, 50)])
def test_rows_limits_subset(rows, expected):
    activate(Settings(rows=rows))
    assert len(subset(Rows(range(1000)), 50)) == expected


@pytest.mark.parametrize("n", [0, -1, 2.5, "10", True, None])
def test_subset_refuses_a_bad_n(n):
    with pytest.raises(ValueError, match="n must be a whole number") as error:
        subset(Rows([1]), n)
    assert repr(n) in str(error.value)


def test_subset_says_what_to_do_with_a_dataset_dict():
    with pytest.raises(TypeError, match=r"keys \['train'\]; pass one of them"):
        subset({"train": Rows([1])}, 1)
    with pytest.raises(TypeError, match="got int"):
        subset(3, 1)
