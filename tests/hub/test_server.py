"""The server as a guest of its process: start, stop, fork, speed, silence."""

import errno
import logging
import multiprocessing
import os
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from huggingface_hub import HfApi

from course_nlp import hub
from course_nlp.hub import HubServer, link_into_cache, serve, start


def reachable(port: int) -> bool:
    """Whether something listens on the port."""
    with socket.socket() as probe:
        probe.settimeout(2)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_a_server_comes_and_goes(root):
    before = set(threading.enumerate())
    with serve(root, tokens={"t": "ada"}) as server:
        assert isinstance(server, HubServer) and server.url == f"http://127.0.0.1:{server.port}" and server.root == root
        HfApi(endpoint=server.url, token="t").create_repo("m")  # a request that needs a worker thread
    assert not reachable(server.port)
    deadline = time.monotonic() + 5
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.02)  # idle worker threads hear of the end a moment later
    assert not set(threading.enumerate()) - before
    server.stop()
    with serve(root, port=server.port) as again:
        assert again.port == server.port and [m.id for m in HfApi(endpoint=again.url).list_models()] == ["ada/m"]


def test_a_process_that_never_stops_its_server_ends_quietly(root):
    code = f"from course_nlp.hub import start; from huggingface_hub import HfApi; s = start({str(root)!r}, tokens={{'t': 'ada'}})\n"
    code += "HfApi(endpoint=s.url, token='t').create_repo('m')"
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and time.monotonic() - began < 20


def test_stop_does_not_wait_for_idle_connections(root):
    server = start(root)
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        idle.recv(1000)
        began = time.monotonic()
        server.stop()
        assert time.monotonic() - began < 2


def test_a_busy_port_is_a_clear_error(root, server):
    with pytest.raises(OSError, match=f"port={server.port} .*port=0") as caught:
        start(root, port=server.port)
    assert caught.value.errno == errno.EADDRINUSE


def test_bad_arguments_are_named(root, tmp_path):
    for port, error in ((-1, ValueError), (65536, ValueError), ("80", TypeError), (True, TypeError), (None, TypeError)):
        with pytest.raises(error, match="port="):
            start(root, port=port)
    with pytest.raises(TypeError, match="root="):
        start(None)
    with pytest.raises(TypeError, match="tokens"):
        start(root, tokens=["t"])
    (tmp_path / "file").write_text("")
    with pytest.raises(NotADirectoryError), serve(tmp_path / "file"):
        pass


def test_only_the_loopback_address_listens(server):
    assert server._socket.getsockname()[0] == "127.0.0.1"
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {"127.0.0.1"}
    for address in others:
        with socket.socket() as probe:
            probe.settimeout(2)
            if address.startswith("127."):
                continue  # another loopback address still is this machine only
            assert probe.connect_ex((address, server.port)) != 0
    assert "host" not in start.__annotations__ and "host" not in HubServer.__init__.__annotations__


def test_small_answers_are_not_held_back(ada, server):
    """Without TCP_NODELAY each one takes 40 ms, on the quietest machine."""
    seconds = []
    for _ in range(60):
        began = time.perf_counter()
        ada.whoami()
        seconds.append(time.perf_counter() - began)
    for connection in server._server.server_state.connections:
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    fastest = statistics.median(sorted(seconds)[:20])  # of the 20 calls that other work on this machine disturbed least
    assert fastest < 0.010, sorted(seconds)


CHILD = """
import multiprocessing, os, sys, time
from course_nlp.hub import start
server = start(sys.argv[1], tokens={"t": "ada"})
from huggingface_hub import HfApi
api = HfApi(endpoint=server.url, token="t")
print(server.port, flush=True)
sys.stdin.readline()  # somebody connects meanwhile
def child(pipe):
    pipe.send(HfApi(endpoint=server.url, token="t").whoami()["name"])
    server.stop()  # must not stop the parent's
    time.sleep(60)
context = multiprocessing.get_context("fork")
ours, theirs = context.Pipe()
worker = context.Process(target=child, args=(theirs,))
worker.start()
assert ours.recv() == "ada"
assert api.whoami()["name"] == "ada"
print(worker.pid, flush=True)
time.sleep(60)
"""


def test_a_forked_child_does_not_keep_the_port(root):
    """A kernel killed with workers alive must leave a port that refuses, not one that accepts and never answers."""
    command = [sys.executable, "-c", CHILD, str(root)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        port, child = int(parent.stdout.readline()), None
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
                connection.sendall(b"GET /api/models HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                answer = connection.recv(65536)
                while not answer.endswith(b"[]"):  # head and body may come in two pieces
                    answer += connection.recv(65536)
                assert answer.startswith(b"HTTP/1.1 200")
                print(file=parent.stdin, flush=True)
                child = int(parent.stdout.readline())
                assert reachable(port)
                parent.kill()
                parent.wait()
                os.kill(child, 0)  # still there
                assert not reachable(port)
                assert connection.recv(65536) == b""  # closed, not left hanging
        finally:
            parent.kill()
            if child:
                os.kill(child, signal.SIGKILL)


def test_the_sockets_of_a_child_are_put_out_of_reach(server, ada):
    """In a forked child neither the port nor a connection is left, and no file descriptor number is closed twice."""
    ada.whoami()
    connection = next(iter(server._server.server_state.connections))
    number = connection.transport.get_extra_info("socket").fileno()

    def look(pipe):
        pipe.send((server._socket.fileno(), os.readlink(f"/proc/self/fd/{number}")))

    if not Path("/proc/self/fd").exists():
        pytest.skip("needs /proc")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    worker = context.Process(target=look, args=(theirs,))
    worker.start()
    assert ours.recv() == (-1, os.devnull)
    worker.join()
    assert ada.whoami()["name"] == "ada"


def test_large_files_are_linked_into_the_cache(ada, server, store, cache):
    ada.create_repo("m")
    content = os.urandom(200_000)
    ada.upload_file(repo_id="ada/m", path_in_repo="w.bin", path_or_fileobj=content)
    ada.upload_file(repo_id="ada/m", path_in_repo="t.txt", path_or_fileobj=b"text")
    path = Path(ada.hf_hub_download("ada/m", "w.bin", cache_dir=cache))
    (kept,) = store.large.folder.iterdir()
    assert path.read_bytes() == content and path.stat().st_ino == kept.stat().st_ino and path.stat().st_mode & 0o777 == 0o444
    forced = Path(ada.hf_hub_download("ada/m", "w.bin", cache_dir=cache, force_download=True))
    assert forced.read_bytes() == content == kept.read_bytes()
    assert Path(ada.hf_hub_download("ada/m", "t.txt", cache_dir=cache)).read_bytes() == b"text"
    elsewhere = Path(ada.hf_hub_download("ada/m", "w.bin", cache_dir=cache.parent / "other"))
    assert elsewhere.read_bytes() == content and elsewhere.stat().st_ino != kept.stat().st_ino


def test_without_hard_links_the_client_downloads(ada, cache, monkeypatch):
    def no_link(*_):
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(hub.os, "link", no_link)
    ada.create_repo("m")
    ada.upload_file(repo_id="ada/m", path_in_repo="w.bin", path_or_fileobj=b"weights")
    path = Path(ada.hf_hub_download("ada/m", "w.bin", cache_dir=cache))
    assert path.read_bytes() == b"weights" and path.stat().st_nlink == 1


def test_linking_twice_is_no_error(tmp_path):
    (tmp_path / ("0" * 64)).write_bytes(b"x")
    for _ in range(2):
        assert link_into_cache(tmp_path / "cache", "models", "ada/m", tmp_path / ("0" * 64))
    assert (tmp_path / "cache" / "models--ada--m" / "blobs" / ("0" * 64)).exists()
    (tmp_path / "file").write_text("")
    assert not link_into_cache(tmp_path / "file", "models", "ada/m", tmp_path / ("0" * 64))


def test_logs_hold_no_token_and_no_signature(ada, send, caplog, store):
    with caplog.at_level(logging.DEBUG):
        ada.create_repo("m")
        ada.upload_file(repo_id="ada/m", path_in_repo="w.bin", path_or_fileobj=b"weights")
        ada.whoami()
        send("GET", "/api/whoami-v2?token=token-of-ada", token="nonsense-token")
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("course_nlp", "uvicorn"))]
    assert any(m.startswith("GET /api/whoami-v2 [200]") for m in ours) and any("/api/lfs/" in m for m in ours)
    assert not any(secret in m for m in ours for secret in ("token-of-ada", "nonsense-token", "signature"))


def test_nothing_is_logged_above_debug(ada, send, caplog):
    with caplog.at_level(logging.INFO):
        ada.create_repo("m")
        ada.upload_file(repo_id="ada/m", path_in_repo="a.txt", path_or_fileobj=b"a")
        send("GET", "/nothing")
    assert [r for r in caplog.records if r.name.startswith(("course_nlp", "uvicorn", "asyncio"))] == []


def test_an_unexpected_failure_is_a_500_and_the_server_goes_on(ada, send, store, monkeypatch, caplog):
    def broken(*_):
        raise ZeroDivisionError("surprise")

    monkeypatch.setattr(hub, "timestamp", broken)
    answer = send("GET", "/api/whoami-v2", token="token-of-ada")
    assert answer.status == 500 and answer.json() == {"error": "ZeroDivisionError: surprise"}
    assert any("failed" in r.getMessage() and r.exc_info for r in caplog.records)
    monkeypatch.undo()
    assert send("GET", "/api/whoami-v2", token="token-of-ada").status == 200


def test_a_full_disk_is_said_and_leaves_nothing(ada, store, monkeypatch):
    ada.create_repo("m")

    def full(self, chunk):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("course_nlp.hub_store.Incoming.write", full)
    with pytest.raises(Exception, match="Error while uploading") as caught:
        ada.upload_file(repo_id="ada/m", path_in_repo="w.bin", path_or_fileobj=b"weights")
    assert caught.value.__cause__.response.status_code == 507
    assert list((store.root / "tmp").iterdir()) == [] == list(store.large.folder.iterdir())


def test_a_client_that_hangs_up_leaves_nothing(server, store, ada):
    ada.create_repo("m")
    link = hub.Hub.link.__get__(server._server.config.app.state.hub)("PUT", "0" * 64)["href"].partition(str(server.port))[2]
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        head = f"PUT {link} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\n\r\n"
        connection.sendall(head.encode() + bytes(200_000))
        time.sleep(0.2)
    for _ in range(50):
        if not list((store.root / "tmp").iterdir()):
            break
        time.sleep(0.1)
    assert list((store.root / "tmp").iterdir()) == [] == list(store.large.folder.iterdir())


def test_readers_do_not_wait_for_a_writer(ada, store, send):
    """Git work runs on worker threads; a commit that waits for its lock must not hold up the event loop."""
    ada.create_repo("m")
    with ThreadPoolExecutor(1) as pool:
        with store.lock("models", "ada/m"):
            upload = pool.submit(ada.upload_file, repo_id="ada/m", path_in_repo="a.txt", path_or_fileobj=b"a")
            time.sleep(0.3)
            began = time.perf_counter()
            assert send("GET", "/api/models/ada/m").json()["id"] == "ada/m"
            assert time.perf_counter() - began < 5 and not upload.done()
        assert upload.result(20)
