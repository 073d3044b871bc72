"""git itself as a client: clone, push, LFS."""

import subprocess
from pathlib import Path

import pytest
from hub_checks import fsck

from course_nlp.hub_store import LfsPointer


@pytest.fixture
def url(ada, server) -> str:
    """The address of a repository of ada's, with her token in it."""
    ada.create_repo("m")
    return f"{server.url.replace('//', '//ada:token-of-ada@')}/ada/m"


def commit(git, clone: Path, path: str, content: bytes) -> None:
    """Write a file and commit it."""
    (clone / path).parent.mkdir(parents=True, exist_ok=True)
    (clone / path).write_bytes(content)
    git("add", ".", cwd=clone)
    git("commit", "-q", "-m", f"Add {path}", cwd=clone)


def test_clone_push_fetch(git, ada, url, store, tmp_path):
    ada.upload_file(repo_id="ada/m", path_in_repo="数据/a.txt", path_or_fileobj=b"from the API")
    git("clone", "-q", url, "clone")
    assert (tmp_path / "clone/数据/a.txt").read_bytes() == b"from the API"
    commit(git, tmp_path / "clone", "b.txt", b"from git")
    git("push", "-q", cwd=tmp_path / "clone")
    git("push", "-q", "origin", "HEAD:feature/x", cwd=tmp_path / "clone")
    git("tag", "-a", "v1", "-m", "first", cwd=tmp_path / "clone")
    git("push", "-q", "origin", "v1", cwd=tmp_path / "clone")
    head = git("rev-parse", "HEAD", cwd=tmp_path / "clone").strip()
    refs = ada.list_repo_refs("ada/m")
    assert {b.name: b.target_commit for b in refs.branches} == {"main": head, "feature/x": head}
    assert [(t.name, t.target_commit) for t in refs.tags] == [("v1", head)]  # the commit, not the tag object
    assert store.read("models", "ada/m", "b.txt") == b"from git" and fsck(store.path("models", "ada/m")) == []
    ada.upload_file(repo_id="ada/m", path_in_repo="c.txt", path_or_fileobj=b"c", create_pr=True)
    git("fetch", "-q", "origin", "refs/pr/1:pr", cwd=tmp_path / "clone")
    assert "c.txt" in git("ls-tree", "--name-only", "pr", cwd=tmp_path / "clone")
    assert "refs/hub" not in git("ls-remote", url)


@pytest.mark.parametrize("kind", ["dataset", "space"])
@pytest.mark.parametrize("suffix", ["", ".git"])
def test_other_kinds_have_their_prefix(git, ada, server, tmp_path, kind, suffix):
    ada.create_repo("x", repo_type=kind, space_sdk="static" if kind == "space" else None)
    git("clone", "-q", f"{server.url}/{kind}s/ada/x{suffix}", "clone")
    assert (tmp_path / "clone/.gitattributes").exists()


def test_a_large_push_arrives(git, url, store, tmp_path):
    """Over http.postBuffer git sends in chunks, without announcing the length."""
    git("clone", "-q", url, "clone")
    content = Path(__file__).read_bytes() * 500 + b"%d" % 7
    noise = "".join(f"{n * 2654435761 % 2**32:08x}\n" for n in range(300_000)).encode()
    commit(git, tmp_path / "clone", "big.txt", content + noise)
    git("push", "-q", cwd=tmp_path / "clone")
    assert store.read("models", "ada/m", "big.txt") == content + noise


@pytest.mark.parametrize("user", ["", "grace:token-of-grace@", "ada:nonsense@"])
def test_a_push_needs_the_owners_token(git, url, server, store, tmp_path, user):
    git("clone", "-q", url, "clone")
    commit(git, tmp_path / "clone", "b.txt", b"b")
    before = store.refs("models", "ada/m")
    with pytest.raises(subprocess.CalledProcessError):
        git("push", f"{server.url.replace('//', '//' + user)}/ada/m", "HEAD:main", cwd=tmp_path / "clone")
    assert store.refs("models", "ada/m") == before


@pytest.mark.parametrize("name", ["back\\slash", "tab\there", "line\nbreak", "bell\x07", "del\x7f", 'both"\\'])
def test_a_push_with_names_that_the_api_refuses_is_refused(git, url, store, tmp_path, name):
    git("clone", "-q", url, "clone")
    commit(git, tmp_path / "clone", f"folder/{name}", b"b")
    with pytest.raises(subprocess.CalledProcessError, match="push") as caught:
        git("push", cwd=tmp_path / "clone")
    assert "must not contain" in caught.value.stderr
    assert len(store.log("models", "ada/m")) == 1


@pytest.mark.parametrize("name", ['quo"te', "数据", "sp ace", "-dash", "$(id)", "'", "a;b"])
def test_a_push_with_unusual_but_harmless_names_is_accepted(git, url, store, tmp_path, name):
    git("clone", "-q", url, "clone")
    commit(git, tmp_path / "clone", name, b"b")
    git("push", "-q", cwd=tmp_path / "clone")
    assert store.read("models", "ada/m", name) == b"b"


def test_a_push_with_a_forged_tree_is_refused(git, url, store, tmp_path):
    """git itself would never write `..` into a tree; a forger may."""
    git("clone", "-q", url, "clone")
    clone = tmp_path / "clone"
    (clone / "x").write_bytes(b"x")
    blob = git("hash-object", "-w", "x", cwd=clone).strip()
    (tmp_path / "tree").write_bytes(b"100644 ..\0" + bytes.fromhex(blob))
    tree = git("hash-object", "-t", "tree", "-w", "--literally", str(tmp_path / "tree"), cwd=clone).strip()
    forged = git("commit-tree", "-m", "forged", "-p", "HEAD", tree, cwd=clone).strip()
    with pytest.raises(subprocess.CalledProcessError, match="push"):
        git("push", "origin", f"{forged}:main", cwd=clone)
    assert len(store.log("models", "ada/m")) == 1


def test_main_survives_a_push_that_deletes_it(git, url, store, tmp_path):
    git("clone", "-q", url, "clone")
    with pytest.raises(subprocess.CalledProcessError):
        git("push", "origin", ":main", cwd=tmp_path / "clone")
    assert store.resolve("models", "ada/m")


def test_private_refs_cannot_be_pushed(git, url, store, tmp_path):
    git("clone", "-q", url, "clone")
    with pytest.raises(subprocess.CalledProcessError):
        git("push", "origin", "HEAD:refs/hub/x", cwd=tmp_path / "clone")


def test_lfs_both_ways(git, git_lfs, ada, url, store, tmp_path, cache):
    ada.upload_file(repo_id="ada/m", path_in_repo="api.bin", path_or_fileobj=b"from the API")
    ada.upload_file(repo_id="ada/m", path_in_repo="weights", path_or_fileobj=bytes(100))  # large for what it holds
    git("clone", "-q", url, "clone")
    clone = tmp_path / "clone"
    assert (clone / "api.bin").read_bytes() == b"from the API" and (clone / "weights").read_bytes() == bytes(100)
    commit(git, clone, "sub/git.safetensors", b"from git" * 1000)
    git("push", "-q", cwd=clone)
    entry = store.entry("models", "ada/m", "sub/git.safetensors")
    assert entry.lfs and entry.size == 8000
    with open(ada.hf_hub_download("ada/m", "sub/git.safetensors", cache_dir=cache), "rb") as file:
        assert file.read() == b"from git" * 1000
    git("clone", "-q", url, "second")
    assert (tmp_path / "second/sub/git.safetensors").read_bytes() == b"from git" * 1000


def test_lfs_of_a_private_repository(git, git_lfs, ada, url, server, store, tmp_path):
    ada.upload_file(repo_id="ada/m", path_in_repo="w.bin", path_or_fileobj=b"weights")
    ada.update_repo_settings("ada/m", private=True)
    git("clone", "-q", url, "clone")
    assert (tmp_path / "clone/w.bin").read_bytes() == b"weights"


def test_lfs_upload_under_another_name_is_refused(git, git_lfs, url, server, store, tmp_path):
    git("clone", "-q", url, "clone")
    commit(git, tmp_path / "clone", "w.bin", b"weights of an intruder")
    with pytest.raises(subprocess.CalledProcessError):
        git("push", f"{server.url.replace('//', '//x:token-of-grace@')}/ada/m", "HEAD:main", cwd=tmp_path / "clone")
    assert list(store.large.folder.iterdir()) == []


def test_a_pointer_without_content_is_said_to_be_missing(git, url, store, tmp_path):
    """Pushed by a git without git-lfs: the pointer is there, the file is not."""
    git("clone", "-q", url, "clone")
    clone = tmp_path / "clone"
    (clone / ".gitattributes").write_text("")
    commit(git, clone, "w.bin", LfsPointer("1" * 64, 5).text())
    git("push", "-q", cwd=clone)
    with pytest.raises(Exception, match="never uploaded"):
        store.read("models", "ada/m", "w.bin")
