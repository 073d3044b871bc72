"""A server of its own, on a folder of its own, for each test of the local Hub."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants

from course_nlp.hub import HubServer, serve
from course_nlp.hub_store import Store

TOKENS = {"token-of-ada": "ada", "token-of-grace": "grace"}


@pytest.fixture(autouse=True)
def plain_client(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the client off other transfer protocols, whoever imported it first in this process."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The folder of a Hub."""
    return tmp_path / "hub"


@pytest.fixture
def store(root: Path) -> Store:
    """The repositories in that folder."""
    return Store(root)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    """An empty cache folder for the client."""
    return tmp_path / "cache"


@pytest.fixture
def server(root: Path, cache: Path) -> Iterator[HubServer]:
    """A running Hub with the users ada and grace."""
    with serve(root, tokens=TOKENS, hf_cache=cache) as running:
        yield running


@pytest.fixture
def ada(server: HubServer) -> HfApi:
    """The client, logged in as ada."""
    return HfApi(endpoint=server.url, token="token-of-ada")


@pytest.fixture
def grace(server: HubServer) -> HfApi:
    """The client, logged in as grace."""
    return HfApi(endpoint=server.url, token="token-of-grace")


@pytest.fixture
def nobody(server: HubServer) -> HfApi:
    """The client without a token."""
    return HfApi(endpoint=server.url, token=False)


class Answer:
    """What a raw request got."""

    def __init__(self, response: http.client.HTTPResponse):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    def json(self) -> dict:
        """The body as JSON."""
        return json.loads(self.body)


@pytest.fixture
def send(server: HubServer) -> Callable[..., Answer]:
    """Send a request exactly as written: no client tidies up the path."""

    def request(method: str, path: str, body: bytes | dict | None = None, token: str | None = None, **headers: str) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        try:
            if isinstance(body, dict):
                body = json.dumps(body).encode()
            marks = {name.replace("_", "-"): value for name, value in headers.items()}
            if token:
                marks["Authorization"] = f"Bearer {token}"
            if path.endswith(("/git-upload-pack", "/git-receive-pack")):
                marks["Content-Type"] = f"application/x-{path.rpartition('/')[2]}-request"
            connection.putrequest(method, path, skip_host="Host" in marks, skip_accept_encoding=True)
            for name, value in (marks | {"Content-Length": str(len(body or b""))}).items():
                connection.putheader(name, value)
            connection.endheaders(body or b"")
            return Answer(connection.getresponse())
        finally:
            connection.close()

    return request


@pytest.fixture
def client_env(server: HubServer, tmp_path: Path) -> dict[str, str]:
    """The environment of a process that works with the Hub as ada, as a lesson would have it."""
    env = {key: value for key, value in os.environ.items() if not key.startswith(("HF_", "GIT_"))}
    return env | {
        "HF_ENDPOINT": server.url, "HF_TOKEN": "token-of-ada", "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false",
    }


@pytest.fixture
def run_script(client_env: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Run a Python file of this folder in a process of its own; return what it printed."""

    def run(name: str, *arguments: str, **extra: str) -> str:
        command = [sys.executable, str(Path(__file__).with_name(name)), *arguments]
        done = subprocess.run(command, env=client_env | extra, cwd=tmp_path, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, f"{name} failed:\n{done.stdout[-3000:]}\n{done.stderr[-5000:]}"
        return done.stdout

    return run


@pytest.fixture
def git(client_env: dict[str, str], tmp_path: Path) -> Callable[..., str]:
    """Run git as a person would, with settings of its own; return what it printed, or raise CalledProcessError."""
    env = client_env | {
        "HOME": str(tmp_path), "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0",
        "GIT_AUTHOR_NAME": "Ada", "GIT_AUTHOR_EMAIL": "ada@users.local",
        "GIT_COMMITTER_NAME": "Ada", "GIT_COMMITTER_EMAIL": "ada@users.local",
    }

    def run(*arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(["git", *arguments], env=env, cwd=cwd or tmp_path, capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise subprocess.CalledProcessError(done.returncode, arguments, done.stdout, done.stderr)
        return done.stdout

    return run


@pytest.fixture
def git_lfs(git: Callable[..., str]) -> None:
    """Have git-lfs at work in this test's git settings."""
    if not shutil.which("git-lfs"):
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("git-lfs is missing; .ci/run installs it: apt-get install git-lfs")
        pytest.skip("git-lfs is not installed: apt-get install git-lfs")
    git("lfs", "install", "--skip-repo")
