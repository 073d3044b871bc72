"""The second Hub: a server whose repositories have the real ids and the real shape, and a watch on all other hosts."""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from full.real_shapes import fill

from course_nlp.hub_store import Store


@dataclass(frozen=True)
class SecondHub:
    """A running Hub that stands in for huggingface.co."""

    url: str
    store: Store
    home: Path  # an empty HF_HOME

    def environment(self) -> dict[str, str]:
        """Return the variables with which someone who is logged in as `tester` would work with this Hub."""
        return {"HF_ENDPOINT": self.url, "HF_HOME": str(self.home), "HF_TOKEN": "token-of-tester", "HF_HUB_DISABLE_XET": "1"}


@pytest.fixture(scope="module")
def second_hub(stand_in_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecondHub]:
    """Serve all shapes."""
    from course_nlp.hub import serve

    root = tmp_path_factory.mktemp("second-hub")
    fill(Store(root))
    with serve(root, tokens={"token-of-tester": "tester"}) as server:
        yield SecondHub(server.url, server.store, tmp_path_factory.mktemp("home"))


@dataclass(frozen=True)
class OtherHosts:
    """A proxy that notes which hosts beside 127.0.0.1 are asked, and answers that it cannot reach them."""

    url: str
    asked: set[str] = field(default_factory=set)

    def environment(self) -> dict[str, str]:
        """Return the variables that send requests for other hosts here."""
        both = {"HTTP_PROXY": self.url, "HTTPS_PROXY": self.url, "NO_PROXY": "127.0.0.1,localhost"}
        return both | {name.lower(): value for name, value in both.items()}


@pytest.fixture
def other_hosts() -> Iterator[OtherHosts]:
    """Watch requests to other hosts."""

    class Refuse(BaseHTTPRequestHandler):
        def refuse(self) -> None:
            address = self.path if "//" in self.path else f"//{self.path}"  # CONNECT names the host alone
            hosts.asked.add(urlsplit(address).hostname or self.path)
            self.send_error(502)

        do_CONNECT = do_DELETE = do_GET = do_HEAD = do_POST = do_PUT = refuse

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refuse)
    hosts = OtherHosts(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield hosts
    server.shutdown()
    thread.join()
    server.server_close()
