"""The doctor: each thing that can be wrong is made wrong, and must be found with a remedy that mends it."""

import json
import os
import re
import shutil
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from filelock import FileLock
from packaging.requirements import Requirement

from course_nlp import catalog, doctor
from course_nlp.doctor import Check
from course_nlp.scale import Settings

PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    """Use an empty cache with the real manifest."""
    monkeypatch.setenv("COURSE_NLP_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def clean_environment(monkeypatch):
    """Take away what this machine sets: proxies and variables of the Hugging Face libraries."""
    for name in [*PROXIES, *map(str.upper, PROXIES), *(name for name in os.environ if name.startswith(("HF_", "TRANSFORMERS_")))]:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server():
    """Yield the address of a server on loopback that refuses every request with 401."""

    class Refuse(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_HEAD

        def log_message(self, *_):
            """Be quiet."""

    with HTTPServer(("127.0.0.1", 0), Refuse) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def by_name(checks):
    return {check.name: check for check in checks}


def test_it_is_content_here(empty_cache, clean_environment):
    rows = by_name(doctor.examine())
    always = {"python", "packages", "packages [course]", "git", "git-lfs", "kernel", "torch builds", "settings", "torch", "variables"}
    assert always | {"cache folder", "hard links", "locks", "stand-ins", "disk space", "proxy", "local Hub"} <= set(rows)
    assert [check for check in rows.values() if check.state == "fail"] == []
    ready = catalog.plan()
    assert rows["stand-ins"].state == "warn" and f"0 of {len(ready)} ready" in rows["stand-ins"].found


def test_it_runs_on_the_base_install():
    base = {requirement.name for requirement in doctor.declared()[""]}
    assert {"packaging", "filelock", "rich", "typer"} <= base, "whoever lacks the rest needs the doctor most"


def test_every_finding_has_a_remedy():
    with pytest.raises(ValueError, match="remedy is empty"):
        Check("git", "fail", "not found")
    with pytest.raises(ValueError, match="state must be one of"):
        Check("git", "bad", "not found")


def pretend_versions(monkeypatch, **changed):
    """Let importlib.metadata report other versions; None = not installed."""
    real = doctor.metadata.version

    def version(name):
        if name in changed and changed[name] is None:
            raise doctor.metadata.PackageNotFoundError(name)
        return changed.get(name) or real(name)

    monkeypatch.setattr(doctor.metadata, "version", version)


def test_old_and_missing_packages(monkeypatch):
    pretend_versions(monkeypatch, peft=None, datasets="3.9", ruff="0.1", gradio="6.0")
    rows = by_name(doctor.check_packages())
    assert rows["packages"].state == "ok"
    course = rows["packages [course]"]
    assert course.state == "fail" and course.found == "datasets 3.9 is not >=4.0; peft is missing"
    assert rows["packages [dev]"].state == "warn" and rows["packages [demos]"].state == "ok"


def test_in_a_clone_the_remedy_installs_the_tested_versions(monkeypatch, tmp_path):
    clone = tmp_path / "my course"
    (clone / "course_nlp").mkdir(parents=True)
    (clone / "constraints.txt").touch()
    monkeypatch.setattr(doctor, "DATA", clone / "course_nlp" / "data")
    pretend_versions(monkeypatch, peft=None)
    remedy = by_name(doctor.check_packages())["packages [course]"].remedy
    assert remedy == f"`{sys.executable} -m pip install -c '{clone}/constraints.txt' -e '{clone}[course]'`"


def test_outside_a_clone_the_remedy_never_asks_an_index_for_our_own_name(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "DATA", tmp_path / "course_nlp" / "data")
    pretend_versions(monkeypatch, peft=None, datasets="3.9")
    remedy = by_name(doctor.check_packages())["packages [course]"].remedy
    assert remedy == f"`{sys.executable} -m pip install 'datasets>=4.0' 'peft>=0.18'`"


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 10, 2, "final", 0))
    row = doctor.check_python()
    monkeypatch.undo()
    assert row.state == "fail" and row.found == "3.10.2" and ">=3.11" in row.remedy


def test_no_programs(monkeypatch, empty_cache, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    rows = by_name(doctor.examine())
    assert rows["git"].state == "fail" and rows["git-lfs"].state == "warn" and "stand-ins" not in rows
    assert rows["Chromium"].state == "warn" and "only the tests of the site" in rows["Chromium"].remedy
    assert all("git" in rows[name].remedy for name in ("git", "git-lfs"))


def test_site_tools_do_not_matter_without_the_extra_dev(monkeypatch):
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None)
    assert list(doctor.check_site_tools()) == []


@pytest.mark.parametrize(
    ("places", "companions", "words"),
    [
        ({"/a": "2.9.0", "/b": "2.6.0"}, {}, "torch 2.9.0 in /a and torch 2.6.0 in /b"),
        ({"/a": "2.9.0+cpu"}, {"torchvision": ("0.24.0+cu126", [])}, "torchvision 0.24.0+cu126 was built for another torch"),
        ({"/a": "2.9.0"}, {"torchaudio": ("2.8.0", [Requirement("torch==2.8.0")])}, "torchaudio 2.8.0 was built for another torch"),
    ],
)
def test_conflicting_builds_of_torch(monkeypatch, places, companions, words):
    monkeypatch.setattr(doctor, "_installed_torch", lambda: (places, companions))
    row = doctor.check_torch_builds()
    assert row.state == "fail" and words in row.found and "pip uninstall -y torch" in row.remedy


@pytest.mark.parametrize("companions", [{}, {"torchvision": ("0.24.0+cu126", [Requirement("torch==2.9.0")])}])
def test_builds_that_fit(monkeypatch, companions):
    monkeypatch.setattr(doctor, "_installed_torch", lambda: ({"/a": "2.9.0+cu126"}, companions))
    assert doctor.check_torch_builds().state == "ok"


def test_no_torch_is_not_a_conflict(monkeypatch):
    monkeypatch.setattr(doctor, "_installed_torch", lambda: ({}, {"torchvision": ("0.24.0", [Requirement("torch==2.9.0")])}))
    row = doctor.check_torch_builds()
    assert row.state == "ok" and row.found == "no torch to compare with"


def install_metadata(folder, name, version):
    """Pretend that a package is installed in a folder."""
    info = folder / f"{name}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nRequires-Dist: torch==1.0\n")


def test_a_second_torch_on_the_path_is_found(monkeypatch, tmp_path):
    install_metadata(tmp_path, "torch", "1.0")
    install_metadata(tmp_path, "torchaudio", "1.0")
    monkeypatch.syspath_prepend(tmp_path)
    row = doctor.check_torch_builds()
    assert row.state == "fail" and f"torch 1.0 in {tmp_path}" in row.found
    places, companions = doctor._installed_torch()
    assert len(places) == 2 and companions["torchaudio"][0] == "1.0"


def test_a_module_that_shadows_torch(monkeypatch):
    pretend_versions(monkeypatch, torch="2.6.0")
    row = doctor.check_torch(Settings())
    assert row.state == "warn" and "pip installed 2.6.0" in row.found


@pytest.mark.parametrize(("program", "state"), [("/nowhere/python", "fail"), (shutil.which("git"), "warn")])
def test_a_kernel_note_that_starts_something_else(monkeypatch, tmp_path, program, state):
    folder = tmp_path / "kernels" / "python3"
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps({"argv": [program, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "x", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    row = doctor.check_kernel()
    assert row.state == state and program in row.found and "-m ipykernel install --sys-prefix --name python3" in row.remedy


def test_no_ipykernel(monkeypatch):
    real = doctor.util.find_spec
    monkeypatch.setattr(doctor.util, "find_spec", lambda name: None if name == "ipykernel" else real(name))
    row = doctor.check_kernel()
    assert row.state == "fail" and "pip install" in row.remedy


@pytest.mark.parametrize("name", ["TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE", "HF_EVALUATE_OFFLINE"])
def test_an_offline_switch_stops_lessons_at_scale_small(monkeypatch, clean_environment, name):
    monkeypatch.setenv(name, "1")
    row = doctor.check_variables(Settings())
    assert row.state == "fail" and row.remedy == f"`unset {name}`"
    assert doctor.check_variables(Settings(scale="full")).state == "warn"


def test_what_lesson_sets_itself_does_not_interfere(monkeypatch, clean_environment):
    for name in ("HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_HUB_CACHE", "HF_DATASETS_CACHE"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert doctor.check_variables(Settings()).state == "ok"


def test_lesson_does_lift_what_the_doctor_says_it_lifts(clean_environment):
    from course_nlp import start

    made = start._environment("http://127.0.0.1:1", "token")
    assert {"HF_ENDPOINT", "HF_HOME", "HF_TOKEN", "HF_HUB_CACHE", "HF_DATASETS_CACHE"} <= set(made)
    assert not set(made) & set(doctor.OWN_PLACES), "lesson() sets it now; the doctor need not warn of it"


def test_own_places_and_left_over_addresses(monkeypatch, clean_environment):
    monkeypatch.setenv("HF_TOKEN_PATH", "/mine")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    small, full = doctor.check_variables(Settings()), doctor.check_variables(Settings(scale="full"))
    assert small.state == full.state == "warn" and "HF_TOKEN_PATH" in small.remedy and full.remedy == "`unset HF_ENDPOINT`"


def reached(url):
    """Return whether the library that huggingface_hub stands on reaches a server."""
    try:
        return httpx.get(url, timeout=5).status_code == 401
    except httpx.TransportError:
        return False


def test_a_proxy_that_catches_the_local_hub(monkeypatch, clean_environment, server):
    assert doctor.check_proxy().state == "ok" and reached(server)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "localhost,127.0.0.0/8")
        row = doctor.check_proxy()
        assert row.state == "fail" and not reached(server)
        value = re.search(r'NO_PROXY="([^"]+)"', row.remedy)[1]
        assert "no_proxy=`" in row.remedy  # the lower-case one would win
        monkeypatch.delenv("no_proxy")
        monkeypatch.setenv("NO_PROXY", value.replace("$NO_PROXY", ""))
        assert doctor.check_proxy().state == "ok" and reached(server)


def test_a_bad_setting_is_named(monkeypatch):
    monkeypatch.setenv("COURSE_NLP_WORKERS", "many")
    *_, last = doctor.examine()
    assert last.name == "settings" and last.state == "fail" and "COURSE_NLP_WORKERS: workers = 'many'" in last.found


def test_a_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        row = doctor.check_port(Settings(hub_port=taken.getsockname()[1]))
    assert row.state == "fail" and "COURSE_NLP_HUB_PORT=0" in row.remedy


def test_a_full_disk_and_a_folder_that_is_none(tmp_path):
    assert doctor.check_disk(Settings(cache=tmp_path), 10**18).state == "fail"
    (tmp_path / "file").touch()
    assert doctor.check_cache(Settings(cache=tmp_path / "file" / "cache")).state == "fail"


def test_a_file_system_without_hard_links(monkeypatch, tmp_path):
    assert doctor.check_links(Settings(cache=tmp_path)).state == "ok"

    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    row = doctor.check_links(Settings(cache=tmp_path))
    assert row.state == "warn" and "Operation not permitted" in row.found and list(tmp_path.iterdir()) == []


def test_a_lock_that_is_held(tmp_path):
    (tmp_path / "locks").mkdir()
    (tmp_path / "hub" / "locks").mkdir(parents=True)
    (tmp_path / "locks" / "left-over.lock").touch()  # of a process that is gone: nobody holds it
    assert doctor.check_locks(Settings(cache=tmp_path)).state == "ok"
    with FileLock(tmp_path / "hub" / "locks" / "models--a--b.lock"):
        row = doctor.check_locks(Settings(cache=tmp_path))
    assert row.state == "warn" and row.found == "models--a--b.lock is held"
    assert doctor.check_locks(Settings(cache=tmp_path)).state == "ok", "the doctor must not keep a lock"


def test_full_scale_needs_network_and_wants_a_token(monkeypatch, clean_environment, empty_cache, server):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", server)
    network, token = doctor.check_full()
    assert network.state == "ok" and token.state == "warn" and "hf auth login" in token.remedy
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{closed.getsockname()[1]}")
        monkeypatch.setenv("COURSE_NLP_SCALE", "full")
        rows = by_name(doctor.examine())
    assert rows["network"].state == "fail" and "COURSE_NLP_SCALE=small" in rows["network"].remedy
    assert {"stand-ins", "proxy", "local Hub"}.isdisjoint(rows)


@pytest.mark.skipif(os.name != "posix", reason="quotes as POSIX shells do")
def test_words_are_quoted_for_the_shell():
    assert doctor._quoted(Path("/my course/x")) == "'/my course/x'" and doctor._quoted("torch>=2") == "'torch>=2'"
