"""lesson(): the switch, the local Hub, the guard, strict mode. Each test is a fresh process, as a kernel is."""

import os
import re
import subprocess
import sys
from textwrap import dedent

import pytest

from course_nlp.manifest import Lesson
from course_nlp.start import ALLOWED, LIBRARIES

# A lesson that needs little, so that these tests need little: the sentences and one metric.
SETUP = """
import course_nlp.manifest as manifest
manifest.lessons()["02.02"] = manifest.Lesson("02.02", "x/y", "A test", True, ("course/conll-ner", "evaluate-metric/accuracy"))
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Return a cache that starts empty and is shared by the tests of this file: the first one builds."""
    return tmp_path_factory.mktemp("start") / "cache"


@pytest.fixture
def kernel(cache):
    """Return a function that runs code in a fresh process."""

    def run(code, **env):
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("COURSE_NLP_", "HF_"))}
        env = clean | {"COURSE_NLP_CACHE": str(cache), "OMP_NUM_THREADS": "1"} | env
        return subprocess.run([sys.executable, "-c", SETUP + dedent(code)], env=env, capture_output=True, text=True, timeout=300)

    return run


def good(done):
    """Return what a process printed, after asserting that it went well."""
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_a_lesson_talks_to_the_local_hub_and_to_nobody_else(kernel):
    out = good(kernel("""
        import socket
        asked = []
        real = socket.getaddrinfo
        socket.getaddrinfo = lambda host, *a, **k: (asked.append(host), real(host, *a, **k))[1]
        from course_nlp.start import lesson, pick
        lesson("02.02")
        lesson("02.02")
        import os, datasets, evaluate, huggingface_hub
        ds = datasets.load_dataset(pick(small="course/conll-ner", full="lhoestq/conll2003"))
        metric = evaluate.load("accuracy")
        print(len(ds["test"]), metric.compute(predictions=[1, 0], references=[1, 1])["accuracy"])
        print(huggingface_hub.whoami()["name"], os.environ["HF_ENDPOINT"].startswith("http://127.0.0.1:"))
        print("asked", sorted(set(map(str, asked))))
    """))
    lines = out.strip().splitlines()
    assert lines[0] == lines[1] and lines[0].startswith("Lesson 02.02, A test | scale small | cpu | stand-ins: course/conll-ner for ")
    assert lines[2:] == ["120 0.5", "student True", "asked ['127.0.0.1']"]


def test_nothing_secret_is_printed_or_kept(kernel, cache):
    out = good(kernel("""
        from course_nlp.start import lesson
        lesson("02.02")
        import os
        print("T=" + os.environ["HF_TOKEN"])
    """))
    token = re.search("T=(.*)", out)[1]
    assert len(token) > 20 and out.count(token) == 1
    for path in cache.rglob("*"):
        if path.is_file():
            assert token.encode() not in path.read_bytes(), path


def test_seeds_repeat(kernel):
    code = """
        from course_nlp.start import lesson
        lesson("02.02")
        import random, numpy, torch
        print("drawn", random.random(), numpy.random.rand(), torch.rand(1).item())
    """
    first, second = (good(kernel(code)).split("drawn")[1] for _ in range(2))
    assert first == second
    assert good(kernel(code, COURSE_NLP_SEED="7")).split("drawn")[1] != first


def test_a_late_import_is_refused_with_the_remedy(kernel):
    done = kernel("""
        from huggingface_hub import constants
        from course_nlp.start import lesson
        lesson("02.02")
    """)
    assert done.returncode == 1
    assert "was imported before lesson()" in done.stderr and "Restart the kernel" in done.stderr


def test_an_early_import_of_the_package_itself_is_fine(kernel):
    good(kernel("""
        import datasets.utils  # noqa: F401  (what docs staging does in a process that never calls lesson)
        from course_nlp.start import lesson
    """))


def test_full_scale_redirects_nothing(kernel):
    out = good(kernel("""
        import os
        before = dict(os.environ)
        from course_nlp.start import lesson, pick
        lesson("02.02")
        print(pick(small=1, full=2), dict(os.environ) == before)
        import sys
        print("course_nlp.hub" in sys.modules)
    """, COURSE_NLP_SCALE="full"))
    assert out.splitlines()[0] == "Lesson 02.02, A test | scale full | cpu | huggingface.co"
    assert out.splitlines()[1:] == ["2 True", "False"]


def test_a_kernel_does_not_change_scale_half_way(kernel):
    done = kernel("""
        import os
        from course_nlp.start import lesson
        lesson("02.02")
        os.environ["COURSE_NLP_SCALE"] = "full"
        lesson("02.02")
    """)
    assert done.returncode == 1 and "restart it to run at scale full" in done.stderr


def test_strict_mode_raises_on_warnings_and_lets_the_listed_pass(kernel):
    out = good(kernel("""
        from course_nlp.start import lesson
        lesson("02.02")
        import logging, warnings
        def caught(call):
            try:
                call()
            except Warning as error:
                return type(error).__name__
        print(caught(lambda: warnings.warn("old", FutureWarning)))
        print(caught(lambda: logging.getLogger("transformers.models.x").warning("`a` is deprecated")))
        print(caught(lambda: logging.getLogger("transformers.models.x").warning("BertModel LOAD REPORT from: x")))
        print(caught(lambda: logging.getLogger("somebody.else").warning("hello")))
    """, COURSE_NLP_STRICT="1"))
    assert out.splitlines()[1:] == ["FutureWarning", "RuntimeWarning", "None", "None"]


def test_without_strict_mode_a_warning_is_a_warning(kernel):
    good(kernel("""
        from course_nlp.start import lesson
        lesson("02.02")
        import warnings
        warnings.warn("old", FutureWarning)
    """))


def test_a_fixed_port_is_used_and_a_busy_one_is_named(kernel):
    out = good(kernel("""
        import socket
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            print("port", s.getsockname()[1])
    """))
    port = out.split()[-1]
    assert f":{port}" in good(kernel("""
        from course_nlp.start import lesson
        lesson("02.02")
        import os; print(os.environ["HF_ENDPOINT"])
    """, COURSE_NLP_HUB_PORT=port))
    done = kernel("""
        import os, socket
        s = socket.socket(); s.bind(("127.0.0.1", int(os.environ["COURSE_NLP_HUB_PORT"]))); s.listen()
        from course_nlp.start import lesson
        lesson("02.02")
    """, COURSE_NLP_HUB_PORT=port)
    assert done.returncode == 1 and port in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("id", ["7.2", "99.99", ""])
def test_an_unknown_lesson_is_a_value_error(kernel, id):
    done = kernel(f"from course_nlp.start import lesson; lesson({id!r})")
    assert done.returncode == 1 and "ValueError: id = " in done.stderr


def test_the_allow_list_is_dated_and_small():
    assert len(ALLOWED) <= 10
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d", when) and why for when, _, why in ALLOWED)
    assert "transformers" in LIBRARIES
    assert Lesson("1", "f", "t").stand_ins == ()


def test_importing_the_package_is_quick(kernel):
    out = good(kernel("""
        import subprocess, sys
        done = subprocess.run([sys.executable, "-X", "importtime", "-c", "import course_nlp"], capture_output=True, text=True)
        print(done.stderr.strip().splitlines()[-1].split("|")[1])
    """))
    assert int(out.split()[-1]) < 300_000  # microseconds
    out = good(kernel("""
        import sys, course_nlp.start
        print(sorted({"torch", "transformers", "datasets", "huggingface_hub", "starlette", "matplotlib"} & set(sys.modules)))
    """))
    assert out.strip() == "[]"


def test_the_first_models_come_first_and_the_rest_on_request(kernel, tmp_path):
    out = good(kernel("""
        from course_nlp import manifest, start, catalog
        need = ("evaluate-metric/accuracy", "course/conll-ner")
        manifest.lessons()["02.02"] = manifest.Lesson("02.02", "x/y", "A test", True, need, first=need[:1])
        ready = lambda: [catalog.is_ready(catalog.entries()[id]) for id in need]
        start.lesson("02.02")
        print(ready())
        start.fetch_rest()
        print(ready())
        start.fetch_rest()
    """, COURSE_NLP_CACHE=str(tmp_path / "empty")))
    assert out.splitlines()[1:] == ["[True, False]", "[True, True]"]


def test_the_rest_needs_a_lesson_and_builds_nothing_at_full_scale(kernel, tmp_path):
    done = kernel("from course_nlp.start import fetch_rest; fetch_rest()")
    assert done.returncode == 1 and "call lesson() with its id first" in done.stderr
    folder = tmp_path / "empty"
    good(kernel("""
        from course_nlp import start
        start.lesson("02.02")
        start.fetch_rest()
    """, COURSE_NLP_CACHE=str(folder), COURSE_NLP_SCALE="full"))
    assert not (folder / "hub").exists()


def test_what_comes_first_must_be_a_stand_in_of_the_lesson():
    from course_nlp.manifest import _lesson

    with pytest.raises(ValueError, match="lesson 99.99: first names 'course/other', which is not among its stand_ins"):
        _lesson("99.99", {"file": "x/y", "title": "A test", "stand_ins": ["course/conll-ner"], "first": ["course/other"]})
