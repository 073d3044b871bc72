"""Repositories on disk: names, seeds, commits, cleaning up."""

import hashlib
import multiprocessing
import os
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hub_checks import fsck
from hypothesis import given
from hypothesis import strategies as st

from course_nlp import hub_store
from course_nlp.hub_store import (
    ATTRIBUTES,
    BadInput,
    HubError,
    LargeObjects,
    LfsPointer,
    Store,
    attributes_with,
    check_kind,
    check_name,
    check_path,
    check_ref_name,
    check_repo_id,
    commit_stream,
    is_large,
    prune,
    reset,
)

FILES = {"config.json": b"{}", "a/model.safetensors": bytes(500), "数据/readme.md": "你好\n".encode()}


@pytest.mark.parametrize("kind", ["model", "", None, "../models", "lfs", 3])
def test_an_unknown_kind_is_named(kind):
    with pytest.raises(ValueError, match="kind="):
        check_kind(kind)


@pytest.mark.parametrize(
    "repo_id",
    ["", "/", "a/", "/a", "a/b/c", "..", "a/..", "../a", "a/.b", "-a", "a/b-", "a b", "a\\b", "a/b.git", "a--b", "a..b",
     "a/b\n", "a\0", "é/x", "datasets/x", "api", "x" * 97, "a/b.lock", None, 7, b"a/b", Path("a/b")],
)  # fmt: skip
def test_a_bad_repo_id_is_refused_by_every_function_that_takes_one(store, repo_id):
    for call in (
        check_repo_id,
        lambda r: store.exists("models", r),
        lambda r: store.create("models", r),
        lambda r: store.seed("models", r, FILES),
        lambda r: store.commit("models", r, FILES, message="m", author="ada"),
        lambda r: store.delete("models", r),
        lambda r: store.resolve("models", r),
    ):
        with pytest.raises(ValueError, match="repo_id"):
            call(repo_id)
    assert not any(list(store.root.glob(f"{kind}/*")) for kind in hub_store.KINDS)


@pytest.mark.parametrize("path", ["", "/a", "a/", "a//b", "./a", "a/..", "../a", "a\\b", "a\nb", "\x7f", "\x85", ".git/x", "a/.GiT",
                                  "GIT~1/x", "x" * 256, "\ud800", None, 3])  # fmt: skip
def test_a_bad_path_is_refused_and_nothing_is_written(store, path):
    store.create("models", "ada/m")
    before = store.resolve("models", "ada/m")
    with pytest.raises(ValueError, match="path="):
        check_path(path)
    with pytest.raises(ValueError, match="path="):
        store.commit("models", "ada/m", {path: b"x"}, message="m", author="ada")
    with pytest.raises(ValueError, match="path="):
        store.read("models", "ada/m", path)
    assert store.resolve("models", "ada/m") == before


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=4).map("/".join))
def test_an_accepted_path_stays_inside_any_folder(path):
    try:
        check_path(path)
    except BadInput:
        return
    inside = os.path.normpath(os.path.join("/base/folder", path))
    assert inside.startswith("/base/folder/") and "\\" not in path and inside == f"/base/folder/{path}"


@given(st.text(max_size=12))
def test_an_accepted_ref_name_is_one_that_git_accepts(name):
    try:
        check_ref_name(name)
    except BadInput:
        return
    assert subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0, name


@pytest.mark.parametrize("name", ["", "a b", "<x>", "a\n", "..", None, "x.git"])
def test_a_bad_user_name_is_refused(store, name):
    store.create("models", "ada/m")
    with pytest.raises(ValueError, match="user="):
        check_name(name, "user")
    with pytest.raises(ValueError, match="author="):
        store.commit("models", "ada/m", {"x": b"x"}, message="m", author=name)


def test_bad_arguments_of_the_store_are_named(tmp_path, store):
    with pytest.raises(TypeError, match="root="):
        Store(3)
    (tmp_path / "file").write_text("x")
    with pytest.raises(NotADirectoryError, match="give a folder"):
        Store(tmp_path / "file")
    store.create("models", "ada/m")
    with pytest.raises(TypeError, match="private="):
        store.set_private("models", "ada/m", "yes")
    with pytest.raises(ValueError, match="message="):
        store.commit("models", "ada/m", {"x": b""}, message="nul\0", author="ada")
    with pytest.raises(TypeError, match=r"files\['x'\].*str"):
        store.commit("models", "ada/m", {"x": "text"}, message="m", author="ada")
    with pytest.raises(FileNotFoundError, match="is not a file"):
        store.seed("models", "ada/n", {"x": tmp_path / "missing"})
    for files in ({}, None, [("a", b"")]):
        with pytest.raises(ValueError, match="files="):
            store.seed("models", "ada/n", files)
    with pytest.raises(ValueError, match="was uploaded"):
        store.commit("models", "ada/m", {"x": LfsPointer("0" * 64, 3)}, message="m", author="ada")
    with pytest.raises(ValueError, match="not a branch"):
        store.commit("models", "ada/m", {"x": b""}, message="m", author="ada", revision=store.resolve("models", "ada/m"))
    with pytest.raises(ValueError, match="new_id="):
        store.move("models", "ada/m", "ada/m")
    for grace in (-1, True, "1"):
        with pytest.raises(ValueError, match="grace="):
            prune(store.root, grace)
    with pytest.raises(ValueError, match="namespace="):
        reset(store.root, "../x")
    for oid, size in (("abc", 1), ("A" * 64, 1), ("../" + "0" * 61, 1), (None, 1), ("0" * 64, -1), ("0" * 64, True)):
        with pytest.raises(ValueError, match="oid=|size="):
            LfsPointer(oid, size)


def test_a_missing_git_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match="install it"):
        Store(tmp_path / "hub")


def test_missing_things_are_404_with_the_code_the_client_knows(store):
    store.create("models", "ada/m")
    for code, call in {
        "RepoNotFound": lambda: store.resolve("models", "ada/other"),
        "RevisionNotFound": lambda: store.resolve("models", "ada/m", "no-such-branch"),
        "EntryNotFound": lambda: store.read("models", "ada/m", "no-such-file"),
    }.items():
        with pytest.raises(HubError) as caught:
            call()
        assert (caught.value.status, caught.value.code) == (404, code)


@pytest.mark.parametrize("revision", ["main~1", "main@{1}", "HEAD", "--all", "main:config.json", "^main", "", None, "refs/hub/x", "*"])
def test_git_expressions_are_no_revisions(store, revision):
    store.create("models", "ada/m")
    with pytest.raises(HubError) as caught:
        store.resolve("models", "ada/m", revision)
    assert caught.value.code == "RevisionNotFound"


def test_a_revision_may_be_branch_tag_request_or_commit(store):
    first = store.create("models", "ada/m")
    store.create_ref("models", "ada/m", "refs/tags/v1")
    store.create_ref("models", "ada/m", "refs/heads/feature/x")
    second = store.commit("models", "ada/m", {"x": b"x"}, message="m", author="ada", revision="feature/x")
    third, number = store.open_pull_request("models", "ada/m", {"y": b"y"}, message="m", author="ada")
    wanted = {"main": first, "v1": first, "feature/x": second, "refs/heads/feature/x": second, f"refs/pr/{number}": third,
              second: second, second[:7]: second, "refs/tags/v1": first}  # fmt: skip
    assert {revision: store.resolve("models", "ada/m", revision) for revision in wanted} == wanted
    assert number == 1 and store.open_pull_request("models", "ada/m", {"y": b"z"}, message="m", author="ada")[1] == 2
    store.commit("models", "ada/m", {"z": b"z"}, message="m", author="ada", revision="refs/pr/1")
    assert {e.path for e in store.tree("models", "ada/m", revision="refs/pr/1")} == {".gitattributes", "y", "z"}
    with pytest.raises(HubError, match="main cannot"):
        store.delete_ref("models", "ada/m", "refs/heads/main")
    with pytest.raises(ValueError, match="clashes"):
        store.create_ref("models", "ada/m", "refs/heads/feature")


def test_seeding_is_the_same_everywhere_and_twice(tmp_path, store):
    sha = store.seed("datasets", "course/d", FILES, message="Seed", author="course")
    other = Store(tmp_path / "elsewhere")
    assert sha == store.seed("datasets", "course/d", FILES, message="Seed", author="course")
    assert sha == other.seed("datasets", "course/d", dict(reversed(FILES.items())), message="Seed", author="course")
    assert sha != other.seed("datasets", "course/d", FILES | {"config.json": b"[]"}, message="Seed", author="course")
    assert {path: store.read("datasets", "course/d", path) for path in FILES} == FILES
    assert fsck(store.path("datasets", "course/d")) == []


def test_the_hash_of_a_seed_is_known():
    """Holds the recipe: another date, author or attribute list would change every stand-in's commit."""
    stream = commit_stream("refs/hub/x", parent=None, adds={"a": b"b"}, deletes=[], message="m", author="course", when=5)
    assert stream == b"commit refs/hub/x\ncommitter course <course@users.local> 5 +0000\ndata 1\nm\n" + (
        b'M 100644 inline "a"\ndata 1\nb\n'
    )


def test_a_seed_replaces_what_was_there(store):
    store.create("models", "course/m")
    store.commit("models", "course/m", {"old.txt": b"old"}, message="m", author="course")
    store.create_ref("models", "course/m", "refs/tags/old")
    sha = store.seed("models", "course/m", FILES)
    assert set(FILES) | {".gitattributes"} == {e.path for e in store.tree("models", "course/m") if e.is_file}
    assert [c.sha for c in store.log("models", "course/m")] == [sha] and list(store.refs("models", "course/m")) == ["refs/heads/main"]


def test_a_seeded_file_shares_its_bytes_and_becomes_read_only(tmp_path, store):
    source = tmp_path / "model.safetensors"
    source.write_bytes(os.urandom(1000))
    link = tmp_path / "link.safetensors"
    link.symlink_to(source)
    small = tmp_path / "small.txt"
    small.write_text("small")
    store.seed("models", "course/m", {"model.safetensors": source, "copy.safetensors": link, "small.txt": small})
    kept = store.large.path(hashlib.sha256(source.read_bytes()).hexdigest())
    assert kept.stat().st_ino == source.stat().st_ino and kept.stat().st_mode & 0o777 == 0o444
    assert len(list(store.large.folder.iterdir())) == 1 and store.read("models", "course/m", "small.txt") == b"small"


def test_without_hard_links_a_seed_is_a_copy(tmp_path, store, monkeypatch):
    def no_link(*_, **__):
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", no_link)
    source = tmp_path / "model.safetensors"
    source.write_bytes(b"weights")
    store.seed("models", "course/m", {"model.safetensors": source})
    assert source.stat().st_nlink == 1 and source.stat().st_mode & 0o200
    assert store.read("models", "course/m", "model.safetensors") == b"weights"


def test_a_full_disk_leaves_nothing_behind(tmp_path, store, monkeypatch):
    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "rename", full)
    with pytest.raises(OSError, match="No space left"):
        store.seed("models", "course/m", {"config.json": b"{}"})
    with pytest.raises(OSError, match="No space left"):
        store.seed("models", "course/m", {"model.safetensors": b"x"})
    assert not store.exists("models", "course/m")
    assert list((store.root / "tmp").iterdir()) == [] == list(store.large.folder.iterdir())


def _seed_many(root: Path, barrier) -> None:
    store = Store(root)
    barrier.wait()
    for n in range(8):
        store.seed("models", f"course/m{n}", FILES | {"n.txt": b"%d" % n})


def test_two_processes_may_seed_the_same_repositories_at_once(store):
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    workers = [context.Process(target=_seed_many, args=(store.root, barrier)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    for n in range(8):
        assert fsck(store.path("models", f"course/m{n}")) == []
        assert store.read("models", f"course/m{n}", "n.txt") == b"%d" % n
        assert len(store.log("models", f"course/m{n}")) == 1
    assert list((store.root / "tmp").iterdir()) == []


def test_a_commit_that_changes_nothing_is_no_commit(store):
    store.create("models", "ada/m")
    sha = store.commit("models", "ada/m", FILES, message="m", author="ada")
    assert sha == store.commit("models", "ada/m", FILES, message="again", author="ada")
    assert sha == store.commit("models", "ada/m", {}, message="nothing", author="ada")
    assert len(store.log("models", "ada/m")) == 2
    assert not subprocess.check_output(["git", f"--git-dir={store.path('models', 'ada/m')}", "for-each-ref", "refs/hub"])


def test_deleting_what_is_not_there_is_an_error(store):
    store.create("models", "ada/m")
    with pytest.raises(HubError, match="no.txt") as caught:
        store.commit("models", "ada/m", {"x": b"x"}, ["no.txt"], message="m", author="ada")
    assert caught.value.code == "EntryNotFound" and len(store.log("models", "ada/m")) == 1


def test_squash_keeps_the_files_and_drops_the_history(store):
    store.create("models", "ada/m")
    store.commit("models", "ada/m", FILES, message="m", author="ada")
    before = store.tree("models", "ada/m")
    sha = store.squash("models", "ada/m", "main", message="One", author="ada")
    assert store.tree("models", "ada/m") == before and [c.sha for c in store.log("models", "ada/m")] == [sha]


def test_history_of_one_file(store):
    store.create("models", "ada/m")
    for n in range(3):
        store.commit("models", "ada/m", {f"{n}.txt": b"x"}, message=f"Add {n}\n\nwith\nbody", author="ada")
    assert [(c.title, c.body) for c in store.log("models", "ada/m", path="1.txt")] == [("Add 1", "with\nbody")]
    assert len(store.log("models", "ada/m", limit=2)) == 2


@pytest.mark.parametrize("sample", ["x" * 511 + "é", "文" * 200, "plain", ""])
def test_text_is_text_even_where_the_sample_cuts_a_character(sample):
    content = sample.encode()
    assert not is_large("notes.md", len(content), content[:512])


def test_binary_is_large_whatever_its_name():
    assert is_large("data", 300, bytes(range(256))) and is_large("x.txt", 4, b"\xff\xfe\x00a") and is_large("x", 3, b"ab\xe9")


@given(st.text(min_size=1, max_size=12))
def test_attributes_cover_each_large_path_once(name):
    try:
        check_path(name)
    except BadInput:
        return
    text = attributes_with(ATTRIBUTES, [name])
    assert text == attributes_with(text, [name]) and text.startswith(ATTRIBUTES)


@pytest.mark.parametrize("name", ["tokenizer.json", "a b/c d", 'quo"te', "st*r[1]?", "#hash", "!bang", "文 件", "deep/er/x"])
def test_git_agrees_that_the_path_is_covered(tmp_path, name):
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    (tmp_path / ".gitattributes").write_text(attributes_with("", [name]), "utf8")
    answer = subprocess.run(["git", "check-attr", "-z", "filter", name, "other"], cwd=tmp_path, capture_output=True, check=True)
    assert answer.stdout.decode().split("\0")[2::3] == ["lfs", "unspecified"]


def test_a_large_file_outside_the_usual_kinds_gets_its_line(store):
    store.create("models", "ada/m")
    store.commit("models", "ada/m", {"blob": bytes(10), "x.bin": b"x"}, message="m", author="ada")
    assert store.read("models", "ada/m", ".gitattributes").decode() == ATTRIBUTES + "/blob filter=lfs diff=lfs merge=lfs -text\n"


def test_a_wrong_hash_is_refused_and_leaves_nothing(store):
    with pytest.raises(HubError, match="announced"), store.large.incoming() as incoming:
        incoming.write(b"other")
        incoming.finish("0" * 64)
    assert list(store.large.folder.iterdir()) == [] == list((store.root / "tmp").iterdir())


def test_prune_keeps_every_tip_and_drops_the_rest(store):
    contents = {n: bytes([n]) * 1000 * n for n in range(1, 7)}
    for repo in ("ada/m", "ada/gone"):
        store.create("models", repo)
    commit = lambda n, **kw: store.commit("models", "ada/m", {"w.bin": contents[n]}, message="m", author="ada", **kw)
    old = commit(1)
    commit(2)
    store.create_ref("models", "ada/m", "refs/tags/v2")
    store.create_ref("models", "ada/m", "refs/heads/side")
    commit(3, revision="side")
    store.open_pull_request("models", "ada/m", {"w.bin": contents[4]}, message="m", author="ada")
    commit(5)
    store.commit("models", "ada/gone", {"w.bin": contents[6]}, message="m", author="ada")
    store.delete("models", "ada/gone")
    assert prune(store.root) >= 0 and len(list(store.large.folder.iterdir())) == 6  # all are young
    before = store.size()
    assert prune(store.root, grace=0) >= before - store.size() - 10 > 5000  # 10: git's own counters of a packed repository
    for revision, n in {"main": 5, "side": 3, "v2": 2, "refs/pr/1": 4}.items():
        assert store.read("models", "ada/m", "w.bin", revision) == contents[n]
    with pytest.raises(HubError, match="pruned"):
        store.read("models", "ada/m", "w.bin", old)
    assert len(list(store.large.folder.iterdir())) == 4 and fsck(store.path("models", "ada/m")) == []


def test_prune_removes_old_leftovers_only(store):
    for name, age in (("repo-old", 7200), ("repo-new", 0), ("lfs-old", 7200)):
        path = store.root / "tmp" / name
        path.mkdir() if name.startswith("repo") else path.write_bytes(b"x" * 100)
        os.utime(path, (time.time() - age,) * 2)
    assert prune(store.root) == 100
    assert [p.name for p in (store.root / "tmp").iterdir()] == ["repo-new"]


def test_a_claimed_object_survives_a_prune_under_way(store):
    """An old object that nobody points at yet is about to be committed: claiming it must protect it."""
    pointer = store.large.add_bytes(b"weights")
    os.utime(store.large.path(pointer.oid), (0, 0))
    assert store.large.claim(pointer.oid) == pointer
    assert store.large.remove_unused(set(), grace=60) == 0 and store.large.path(pointer.oid).exists()
    os.utime(store.large.path(pointer.oid), (0, 0))
    assert store.large.remove_unused(set(), grace=60) == 7 and store.large.claim(pointer.oid) is None


def test_bytes_that_a_cache_still_holds_do_not_count_as_freed(store, tmp_path):
    pointer = store.large.add_bytes(b"weights")
    os.link(store.large.path(pointer.oid), tmp_path / "cached")
    assert store.large.remove_unused(set(), grace=0) == 0 and (tmp_path / "cached").read_bytes() == b"weights"


def test_reset_removes_one_namespace(store):
    for kind, repo in (("models", "ada/m"), ("datasets", "ada/d"), ("models", "grace/m")):
        store.create(kind, repo)
    assert reset(store.root, "ada") == ["models/ada/m", "datasets/ada/d"] and reset(store.root, "ada") == []
    assert store.list("models") == ["grace/m"] and store.list("datasets") == []


def test_a_repository_without_namespace_is_listed_too(store):
    store.seed("models", "gpt2", FILES)
    store.seed("models", "course/a", FILES)
    assert store.list("models") == ["course/a", "gpt2"]


@pytest.mark.parametrize("name", ["refs/heads/main.lock", "HEAD.lock", "packed-refs.lock"])
def test_a_lock_that_a_killed_git_left_is_removed(store, name, monkeypatch):
    monkeypatch.setattr(hub_store, "STALE_AFTER", 0.2)
    store.create("models", "ada/m")
    lock = store.path("models", "ada/m") / name
    lock.touch()
    sha = store.commit("models", "ada/m", {"x": b"x"}, message="m", author="ada")
    assert store.resolve("models", "ada/m") == sha and not lock.exists()


def test_a_fresh_lock_is_waited_for(store, monkeypatch):
    """Its owner may be a git process that outlived a killed server by a moment."""
    monkeypatch.setattr(hub_store, "STALE_AFTER", 30)
    store.create("models", "ada/m")
    lock = store.path("models", "ada/m") / "refs/heads/main.lock"
    lock.touch()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.commit, "models", "ada/m", {"x": b"x"}, message="m", author="ada")
        time.sleep(0.3)
        assert not waiting.done()
        lock.unlink()
        assert waiting.result(10) == store.resolve("models", "ada/m")


def test_the_machines_own_git_settings_stay_out(store, tmp_path, monkeypatch):
    (tmp_path / "gitconfig").write_text("[core]\n\thooksPath = /nowhere\n[commit]\n\tgpgsign = true\n[init]\n\tdefaultBranch = trunk\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "gitconfig"))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "another"))
    store.create("models", "ada/m")
    assert store.squash("models", "ada/m", "main", message="m", author="ada") == store.resolve("models", "ada/m", "main")
    assert not (tmp_path / "another").exists()


def test_large_objects_know_only_hashes(store):
    with pytest.raises(ValueError, match="oid="):
        LargeObjects(store.root).path("../../etc/passwd")
