"""Many writers, several servers, and processes that die at the worst moment."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_checks import fsck
from huggingface_hub import HfApi

from course_nlp import hub_store
from course_nlp.hub import serve
from course_nlp.hub_store import Store, prune

SCRIPT = Path(__file__).with_name("writer_script.py")


def test_24_uploads_at_once_are_all_kept(ada, store, root):
    ada.create_repo("m")
    put = lambda n: ada.upload_file(
        repo_id="ada/m", path_in_repo=f"{n}.bin" if n % 4 == 0 else f"{n}.txt", path_or_fileobj=b"%d" % n
    )
    with ThreadPoolExecutor(24) as pool:
        commits = list(pool.map(put, range(24)))
    history = {c.sha for c in store.log("models", "ada/m")}
    assert {c.oid for c in commits} <= history and len(history) == 25
    for n in range(24):
        assert store.read("models", "ada/m", f"{n}.bin" if n % 4 == 0 else f"{n}.txt") == b"%d" % n
    assert fsck(store.path("models", "ada/m")) == []


def test_two_kernels_lose_no_commit(root, store, client_env):
    """Each process has a server of its own over the same folder, as two notebooks do, and pushes 25 commits."""
    store.create("models", "ada/m")
    writers = [
        subprocess.Popen([sys.executable, str(SCRIPT), str(root), name, "25"], env=client_env, stdout=subprocess.PIPE, text=True)
        for name in ("left", "right")
    ]
    acknowledged = [line.split() for writer in writers for line in writer.communicate(timeout=120)[0].splitlines()]
    assert [writer.returncode for writer in writers] == [0, 0] and len(acknowledged) == 50
    history = [c.sha for c in store.log("models", "ada/m")]
    assert len(history) == 51 and {sha for _, sha in acknowledged} <= set(history)
    assert {path for path, _ in acknowledged} <= {e.path for e in store.tree("models", "ada/m")}
    assert fsck(store.path("models", "ada/m")) == []


def test_api_and_git_push_share_the_lock(ada, store, git, server, tmp_path):
    """A push that races with uploads is refused or lands whole; every upload that was acknowledged stays."""
    ada.create_repo("m")
    url = f"{server.url.replace('//', '//ada:token-of-ada@')}/ada/m"
    git("clone", "-q", url, "clone")
    clone, pushed = tmp_path / "clone", 0

    def upload(n: int) -> str:
        return ada.upload_file(repo_id="ada/m", path_in_repo=f"api-{n}.txt", path_or_fileobj=b"x").oid

    with ThreadPoolExecutor(3) as pool:
        uploads = [pool.submit(upload, n) for n in range(12)]
        for n in range(12):
            (clone / f"git-{n}.txt").write_text("x")
            git("add", ".", cwd=clone)
            git("commit", "-q", "-m", f"git {n}", cwd=clone)
            for _ in range(20):
                try:
                    git("pull", "-q", "--rebase", cwd=clone)
                    git("push", "-q", cwd=clone)
                except subprocess.CalledProcessError:
                    continue  # somebody was faster: fetch again
                pushed += 1
                break
    history = {c.sha for c in store.log("models", "ada/m")}
    assert pushed == 12 and {u.result() for u in uploads} <= history and len(history) == 25
    assert fsck(store.path("models", "ada/m")) == []


def test_a_push_waits_for_the_lock(ada, store, git, server, tmp_path):
    ada.create_repo("m")
    git("clone", "-q", f"{server.url.replace('//', '//ada:token-of-ada@')}/ada/m", "clone")
    (tmp_path / "clone/a.txt").write_text("a")
    git("add", ".", cwd=tmp_path / "clone")
    git("commit", "-q", "-m", "Add a", cwd=tmp_path / "clone")
    with ThreadPoolExecutor(1) as pool:
        with store.lock("models", "ada/m"):
            push = pool.submit(git, "push", "-q", cwd=tmp_path / "clone")
            time.sleep(1)
            assert not push.done() and len(store.log("models", "ada/m")) == 1
        push.result(20)
    assert len(store.log("models", "ada/m")) == 2


def test_a_branch_that_moved_without_the_lock_is_not_overwritten(store, monkeypatch):
    """An orphan of a killed server may finish its push after the lock is gone; compare-and-swap is the second net."""
    store.create("models", "ada/m")
    other = store.commit("models", "ada/m", {"orphan.txt": b"x"}, message="m", author="ada", revision="main")
    first = store.log("models", "ada/m")[1].sha
    repo, write = store.path("models", "ada/m"), hub_store.write_commit
    hub_store.update_refs(repo, f"update refs/heads/main {first}")

    def orphan_comes_in_between(*arguments, **parts):
        written = write(*arguments, **parts)
        hub_store.update_refs(repo, f"update refs/heads/main {other} {first}")
        return written

    monkeypatch.setattr(hub_store, "write_commit", orphan_comes_in_between)
    with pytest.raises(hub_store.GitError, match="expected"):
        store.commit("models", "ada/m", {"mine.txt": b"x"}, message="m", author="ada")
    assert store.resolve("models", "ada/m") == other


def test_prune_beside_writers_takes_nothing_in_use(ada, store, root):
    ada.create_repo("m")
    with ThreadPoolExecutor(4) as pool:
        uploads = [
            pool.submit(ada.upload_file, repo_id="ada/m", path_in_repo=f"{n}.bin", path_or_fileobj=os.urandom(50)) for n in range(12)
        ]
        while not all(u.done() for u in uploads):
            prune(root, grace=60)
    assert all(u.result() for u in uploads)
    for n in range(12):
        assert len(store.read("models", "ada/m", f"{n}.bin")) == 50


def kill_in_mid_commit(root: Path, env: dict[str, str], round_number: int, whole_group: bool) -> list[list[str]]:
    """Let a process commit until it is killed at a random moment; return what it said was acknowledged."""
    writer = subprocess.Popen(
        [sys.executable, str(SCRIPT), str(root), f"round{round_number}", "1000"],
        env=env, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    first = writer.stdout.readline()  # it is at work now
    time.sleep(random.Random(round_number).uniform(0, 0.25))
    if whole_group:  # the git processes die as well, as in a power cut
        os.killpg(writer.pid, signal.SIGKILL)
    else:
        writer.kill()
    rest, _ = writer.communicate(timeout=30)
    complete = [line for line in (first + rest).split("\n")[:-1]]  # a line cut short was not said
    return [line.split() for line in complete]


def kill_and_check(root: Path, store: Store, env: dict[str, str], rounds: int) -> None:
    """Kill `rounds` writers one after the other; after each, nothing may be broken or lost and writing must work."""
    store.create("models", "ada/m")
    acknowledged: dict[str, str] = {}
    for n in range(rounds):
        said = kill_in_mid_commit(root, env, n, whole_group=n % 2 == 1)
        assert said
        acknowledged |= dict(said)
        assert fsck(store.path("models", "ada/m")) == []
        began = time.monotonic()
        acknowledged[f"after-{n}.txt"] = store.commit(
            "models", "ada/m", {f"after-{n}.txt": b"x"}, message="After the crash", author="ada"
        )
        assert time.monotonic() - began < 10
        assert set(acknowledged.values()) <= {c.sha for c in store.log("models", "ada/m")}
        entries = {e.path: e for e in store.tree("models", "ada/m")}
        assert set(acknowledged) <= set(entries)
        assert all(store.large.path(e.lfs.oid).exists() for e in entries.values() if e.lfs)
    prune(root, grace=0)
    assert fsck(store.path("models", "ada/m")) == [] and list((root / "tmp").iterdir()) == []
    assert {e.path: e for e in store.tree("models", "ada/m")} == entries
    for path in acknowledged:
        store.read("models", "ada/m", path)


def test_kill_9_in_mid_commit_loses_nothing_acknowledged(root, store, client_env):
    kill_and_check(root, store, client_env, rounds=4)


@pytest.mark.campaign
def test_kill_9_in_mid_commit_20_times(root, store, client_env):
    kill_and_check(root, store, client_env, rounds=20)


def test_a_killed_seed_leaves_no_half_repository(root, store, client_env):
    for n in range(3):
        code = f"from course_nlp.hub_store import Store; import itertools; s = Store({str(root)!r})\nprint('go', flush=True)\n"
        code += "for n in itertools.count(): s.seed('models', f'course/m{n}', {'config.json': b'%d' % n, 'w.bin': b'%d' % n})"
        writer = subprocess.Popen([sys.executable, "-c", code], env=client_env, stdout=subprocess.PIPE)
        writer.stdout.readline()
        time.sleep(random.Random(n).uniform(0.05, 0.3))
        writer.kill()
        writer.communicate()
        for repo in store.list("models"):
            assert fsck(store.path("models", repo)) == []
            number = repo.removeprefix("course/m").encode()
            assert store.read("models", repo, "config.json") == store.read("models", repo, "w.bin") == number
        shutil.rmtree(root / "models")
        (root / "models").mkdir()


def test_one_server_sees_at_once_what_another_wrote(root, ada, store):
    ada.create_repo("m")
    with serve(root, tokens={"t": "ada"}) as second:
        other = HfApi(endpoint=second.url, token="t")
        sha = other.upload_file(repo_id="ada/m", path_in_repo="a.txt", path_or_fileobj=b"a").oid
        assert ada.model_info("ada/m").sha == sha
        ada.delete_repo("ada/m")
        assert not other.repo_exists("ada/m")
