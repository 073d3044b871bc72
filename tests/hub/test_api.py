"""Every endpoint, through huggingface_hub's own client."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from huggingface_hub import (
    CommitOperationAdd,
    CommitOperationCopy,
    CommitOperationDelete,
    HfFileSystem,
    hf_hub_url,
)
from huggingface_hub.errors import (
    BadRequestError,
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.file_download import get_hf_file_metadata

from course_nlp.hub import SORT_KEYS, as_list, byte_range, infer_task, parse_card
from course_nlp.hub_store import HubError, LfsPointer


@pytest.fixture
def repo(ada) -> str:
    """A model repository of ada's."""
    return ada.create_repo("m").repo_id


def put(api, repo_id: str, path: str, content: bytes, **options):
    """Upload a few bytes."""
    return api.upload_file(repo_id=repo_id, path_in_repo=path, path_or_fileobj=content, **options)


def test_whoami_and_names(ada, send):
    assert ada.whoami()["name"] == "ada" and ada.get_full_repo_name("bert") == "ada/bert"
    assert ada.whoami()["auth"]["accessToken"]["role"] == "write"
    assert send("GET", "/api/whoami-v2").status == 401
    with pytest.raises(HfHubHTTPError) as caught:
        ada.whoami(token="wrong")
    assert caught.value.response.status_code == 401


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_repository_lives_and_dies(ada, server, kind):
    sdk = {"space_sdk": "gradio"} if kind == "space" else {}
    url = ada.create_repo("x", repo_type=kind, **sdk)
    assert url.repo_id == "ada/x" and url.repo_type == kind and url.startswith(server.url)
    with pytest.raises(HfHubHTTPError) as caught:
        ada.create_repo("ada/x", repo_type=kind, **sdk)
    assert caught.value.response.status_code == 409
    assert ada.create_repo("x", repo_type=kind, exist_ok=True, **sdk) == url
    assert ada.repo_exists("ada/x", repo_type=kind) and not ada.repo_exists("ada/y", repo_type=kind)
    put(ada, "ada/x", "a/b.txt", b"text", repo_type=kind)
    put(ada, "ada/x", "data.bin", b"large", repo_type=kind)
    assert ada.list_repo_files("ada/x", repo_type=kind) == [".gitattributes", "a/b.txt", "data.bin"]
    assert ada.repo_info("ada/x", repo_type=kind).id == "ada/x"
    ada.move_repo("ada/x", "ada/z", repo_type=kind)
    assert not ada.repo_exists("ada/x", repo_type=kind) and ada.file_exists("ada/z", "data.bin", repo_type=kind)
    ada.delete_repo("ada/z", repo_type=kind)
    assert not ada.repo_exists("ada/z", repo_type=kind)
    ada.delete_repo("ada/z", repo_type=kind, missing_ok=True)
    with pytest.raises(RepositoryNotFoundError):
        ada.delete_repo("ada/z", repo_type=kind)


def test_the_same_name_may_be_a_model_and_a_dataset(ada):
    ada.create_repo("x")
    ada.create_repo("x", repo_type="dataset")
    put(ada, "ada/x", "only-here.txt", b"1")
    assert not ada.file_exists("ada/x", "only-here.txt", repo_type="dataset")


def test_moving_onto_an_existing_name_is_refused(ada, repo):
    ada.create_repo("taken")
    with pytest.raises(HfHubHTTPError) as caught:
        ada.move_repo(repo, "ada/taken")
    assert caught.value.response.status_code == 409 and ada.repo_exists(repo)


@pytest.mark.parametrize(
    ("path", "content"),
    [("notes.txt", b"hello\n"), ("数据/你好 1.txt", "你好".encode()), ("model.safetensors", bytes(range(256)) * 100),
     ("empty.bin", b""), ("a b/c+d%20e#f?g.txt", b"odd name"), ("tokenizer.json", b"{" + b" " * 10_000_001 + b"}")],
)  # fmt: skip
def test_what_goes_up_comes_down(ada, repo, cache, path, content):
    commit = put(ada, repo, path, content)
    assert re.fullmatch("[0-9a-f]{40}", commit.oid) and ada.model_info(repo).sha == commit.oid
    downloaded = ada.hf_hub_download(repo, path, cache_dir=cache)
    with open(downloaded, "rb") as file:
        assert file.read() == content
    (entry,) = ada.get_paths_info(repo, path)
    assert entry.size == len(content) and bool(entry.lfs) == (len(content) > 10_000_000 or path.endswith(".safetensors"))
    again = put(ada, repo, path, content)
    assert again.oid == commit.oid and len(ada.list_repo_commits(repo)) == 2  # unchanged: no commit


def test_upload_folder_with_patterns(ada, repo, tmp_path):
    folder = tmp_path / "folder"
    for path in ("keep.txt", "logs/a.log", "sub/x.bin", "secret.env"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (folder / ".gitignore").write_text("*.env\n")
    put(ada, repo, "stale.tmp", b"old")
    ada.upload_folder(repo_id=repo, folder_path=folder, ignore_patterns="logs/*", delete_patterns="*.tmp")
    assert ada.list_repo_files(repo) == [".gitattributes", ".gitignore", "keep.txt", "sub/x.bin"]
    (folder / "second.env").write_text("x")
    (folder / ".gitignore").unlink()
    ada.upload_folder(repo_id=repo, folder_path=folder, ignore_patterns="logs/*")
    assert not any(name.endswith(".env") for name in ada.list_repo_files(repo))  # the repository's own .gitignore holds


def test_one_commit_adds_deletes_and_copies(ada, repo, cache):
    put(ada, repo, "old.txt", b"old")
    put(ada, repo, "folder/a.txt", b"a")
    put(ada, repo, "w.bin", b"weights")
    ada.create_commit(
        repo,
        [
            CommitOperationAdd("new.txt", b"new"),
            CommitOperationDelete("folder/"),
            CommitOperationCopy("old.txt", "copy.txt"),
            CommitOperationCopy("w.bin", "copy.bin"),
            CommitOperationDelete("old.txt"),
        ],
        commit_message="All at once",
        commit_description="with a body",
    )
    assert ada.list_repo_files(repo) == [".gitattributes", "copy.bin", "copy.txt", "new.txt", "w.bin"]
    with open(ada.hf_hub_download(repo, "copy.bin", cache_dir=cache), "rb") as file:
        assert file.read() == b"weights"
    newest = ada.list_repo_commits(repo)[0]
    assert (newest.title, newest.message, newest.authors) == ("All at once", "with a body", ["ada"])
    assert abs((newest.created_at - datetime.now(UTC)).total_seconds()) < 60


def test_delete_file_and_folder(ada, repo):
    for path in ("a/1.txt", "a/2.txt", "b.txt"):
        put(ada, repo, path, b"x")
    ada.delete_file("b.txt", repo)
    ada.delete_folder("a", repo)
    assert ada.list_repo_files(repo) == [".gitattributes"]
    with pytest.raises(EntryNotFoundError):
        ada.delete_file("b.txt", repo)


def test_a_commit_on_an_outdated_parent_is_refused(ada, repo):
    parent = ada.model_info(repo).sha
    head = put(ada, repo, "a.txt", b"a", parent_commit=parent).oid
    with pytest.raises(HfHubHTTPError) as caught:
        put(ada, repo, "b.txt", b"b", parent_commit=parent)
    assert caught.value.response.status_code == 412 and ada.model_info(repo).sha == head


def test_branches_and_tags(ada, repo):
    first = ada.model_info(repo).sha
    ada.create_branch(repo, branch="feature/x")
    second = put(ada, repo, "a.txt", b"a", revision="feature/x").oid
    ada.create_branch(repo, branch="from-start", revision=first)
    ada.create_tag(repo, tag="v1", revision="feature/x", tag_message="first")
    ada.create_tag(repo, tag="v0")
    refs = ada.list_repo_refs(repo)
    assert {b.name: b.target_commit for b in refs.branches} == {"main": first, "feature/x": second, "from-start": first}
    assert {t.name: t.target_commit for t in refs.tags} == {"v0": first, "v1": second}
    assert ada.list_repo_files(repo, revision="v1") == [".gitattributes", "a.txt"]
    assert ada.revision_exists(repo, "v1") and not ada.revision_exists(repo, "v2")
    for create in (lambda: ada.create_branch(repo, branch="feature/x"), lambda: ada.create_tag(repo, tag="v1")):
        with pytest.raises(HfHubHTTPError) as caught:
            create()
        assert caught.value.response.status_code == 409
    ada.create_branch(repo, branch="feature/x", exist_ok=True)
    with pytest.raises(RevisionNotFoundError):
        ada.create_branch(repo, branch="y", revision="nowhere")
    with pytest.raises(BadRequestError):
        ada.create_branch(repo, branch="a..b")
    with pytest.raises(BadRequestError):
        put(ada, repo, "b.txt", b"b", revision="v1")
    ada.delete_tag(repo, tag="v1")
    ada.delete_branch(repo, branch="feature/x")
    assert not ada.revision_exists(repo, "v1") and not ada.revision_exists(repo, "feature/x")
    with pytest.raises(RevisionNotFoundError):
        ada.delete_branch(repo, branch="feature/x")
    with pytest.raises(HfHubHTTPError) as caught:
        ada.delete_branch(repo, branch="main")
    assert caught.value.response.status_code == 403


def test_pull_requests_live_in_refs(ada, repo, server):
    commit = put(ada, repo, "proposal.txt", b"p", create_pr=True)
    assert commit.pr_num == 1 and commit.pr_revision == "refs/pr/1" and commit.pr_url == f"{server.url}/{repo}/discussions/1"
    assert put(ada, repo, "other.txt", b"o", create_pr=True).pr_num == 2
    put(ada, repo, "more.txt", b"m", revision="refs/pr/1")
    assert ada.list_repo_files(repo) == [".gitattributes"]
    assert ada.list_repo_files(repo, revision="refs/pr/1") == [".gitattributes", "more.txt", "proposal.txt"]
    refs = ada.list_repo_refs(repo, include_pull_requests=True)
    assert [r.ref for r in refs.pull_requests] == ["refs/pr/1", "refs/pr/2"]
    assert [c.title for c in ada.list_repo_commits(repo, revision="refs/pr/1")][0] == "Upload more.txt with huggingface_hub"


def test_super_squash(ada, repo):
    put(ada, repo, "a.txt", b"a")
    put(ada, repo, "b.txt", b"b")
    ada.super_squash_history(repo, commit_message="One")
    assert [c.title for c in ada.list_repo_commits(repo)] == ["One"]
    assert ada.list_repo_files(repo) == [".gitattributes", "a.txt", "b.txt"]


def test_tree_and_paths_info(ada, repo):
    put(ada, repo, "a/b/c.txt", b"123")
    put(ada, repo, "a/w.bin", b"12345")
    head = put(ada, repo, "top.txt", b"1", commit_message="Add top").oid
    assert {e.path for e in ada.list_repo_tree(repo)} == {".gitattributes", "a", "top.txt"}
    assert {e.path for e in ada.list_repo_tree(repo, "a")} == {"a/b", "a/w.bin"}
    assert {e.path for e in ada.list_repo_tree(repo, "a", recursive=True)} == {"a/b", "a/b/c.txt", "a/w.bin"}
    tree = {e.path: e for e in ada.list_repo_tree(repo, recursive=True, expand=True)}
    assert tree["top.txt"].last_commit.oid == head and tree["top.txt"].last_commit.title == "Add top"
    assert tree["a"].last_commit.title == tree["a/w.bin"].last_commit.title == "Upload a/w.bin with huggingface_hub"
    large = tree["a/w.bin"]
    assert large.size == large.lfs.size == 5 and large.lfs.pointer_size > 100 and len(large.lfs.sha256) == 64
    info = ada.get_paths_info(repo, ["a/w.bin", "a", "missing"], expand=True)
    assert [e.path for e in info] == ["a", "a/w.bin"] and info[1].last_commit is not None
    with pytest.raises(EntryNotFoundError):
        list(ada.list_repo_tree(repo, "missing"))
    with pytest.raises(EntryNotFoundError):
        list(ada.list_repo_tree(repo, "top.txt"))
    with pytest.raises(RevisionNotFoundError):
        list(ada.list_repo_tree(repo, revision="missing"))


def test_model_info(ada, repo):
    card = "---\nlicense: mit\nlanguage: [en, fr]\ndatasets: squad\ntags:\n- demo\n---\n# Title\n"
    put(ada, repo, "README.md", card.encode())
    put(ada, repo, "config.json", b'{"architectures": ["BertForMaskedLM"], "model_type": "bert"}')
    put(ada, repo, "model.safetensors", b"x" * 7)
    info = ada.model_info(repo, files_metadata=True)
    files = {s.rfilename: s for s in info.siblings}
    assert files["model.safetensors"].lfs.size == 7 and files["config.json"].size == 60 and files["config.json"].blob_id
    assert info.pipeline_tag == "fill-mask" and info.library_name == "transformers" and info.author == "ada"
    assert {"demo", "en", "fr", "license:mit", "dataset:squad", "transformers", "fill-mask", "bert"} <= set(info.tags)
    assert info.card_data.license == "mit" and info.config["model_type"] == "bert" and info.private is False
    assert info.last_modified >= info.created_at and ada.model_info(repo, revision=info.sha).sha == info.sha
    with pytest.raises(RevisionNotFoundError):
        ada.model_info(repo, revision="missing")
    with pytest.raises(RepositoryNotFoundError):
        ada.model_info("ada/missing")


@pytest.mark.parametrize(
    ("architecture", "task"),
    [("BertForSequenceClassification", "text-classification"), ("BertForTokenClassification", "token-classification"),
     ("DistilBertForQuestionAnswering", "question-answering"), ("BertForMaskedLM", "fill-mask"), ("BertForPreTraining", "fill-mask"),
     ("GPT2LMHeadModel", "text-generation"), ("LlamaForCausalLM", "text-generation"), ("MarianMTModel", "translation"),
     ("T5ForConditionalGeneration", "text2text-generation"), ("WhisperForConditionalGeneration", "automatic-speech-recognition"),
     ("BertModel", "feature-extraction"), ("Something", None)],
)  # fmt: skip
def test_the_task_is_inferred_from_the_architecture(architecture, task):
    assert infer_task({"architectures": [architecture]}) == task


def test_the_card_overrules_the_architecture(ada, repo):
    put(ada, repo, "config.json", b'{"architectures": ["BertForMaskedLM"]}')
    put(ada, repo, "README.md", b"---\npipeline_tag: text-ranking\nlibrary_name: other\n---\n")
    info = ada.model_info(repo)
    assert (info.pipeline_tag, info.library_name) == ("text-ranking", "other")


@pytest.mark.parametrize("name", ["config.json", "README.md"])
@pytest.mark.parametrize("content", [b"{broken", b"[]", b"---\n: [\n---\n", b"---\n- a\n---", b'"text"'])
def test_a_broken_file_does_not_hide_the_repository(ada, store, name, content):
    store.seed("models", "ada/odd", {name: content})
    assert ada.model_info("ada/odd").pipeline_tag is None and [m.id for m in ada.list_models()] == ["ada/odd"]


def test_listing_filters_and_sorts(ada, store):
    card = "---\ntags: [{}]\n---\n"
    store.seed("models", "course/ner", {"config.json": b'{"architectures": ["BertForTokenClassification"]}', "README.md": card.format("a").encode()})
    store.seed("models", "course/lm", {"config.json": b'{"architectures": ["GPT2LMHeadModel"]}', "README.md": card.format("a, b").encode()})
    store.seed("datasets", "course/d", {"README.md": card.format("a").encode()})
    time.sleep(1.1)  # commits carry whole seconds
    ada.create_repo("mine")
    names = lambda **query: [m.id for m in ada.list_models(**query)]
    assert names() == ["ada/mine", "course/lm", "course/ner"]
    assert names(author="course") == ["course/lm", "course/ner"] and names(search="NER") == ["course/ner"]
    assert names(filter="a") == ["course/lm", "course/ner"] and names(filter=["a", "b"]) == ["course/lm"]
    assert names(pipeline_tag="token-classification") == ["course/ner"] and names(filter="text-generation") == ["course/lm"]
    assert names(limit=1) == ["ada/mine"] and names(author="nobody") == []
    for sort in SORT_KEYS:
        assert set(names(sort=sort)) == {"ada/mine", "course/lm", "course/ner"}
    assert [d.id for d in ada.list_datasets(filter="a")] == ["course/d"] and list(ada.list_spaces()) == []
    with pytest.raises(BadRequestError):
        names(sort="color")
    brief, full = next(ada.list_models(author="course")), next(ada.list_models(author="course", full=True))
    assert brief.siblings is None and len(full.siblings) == 3 and brief.last_modified == full.last_modified
    assert next(ada.list_models(author="course", expand=["config"])).config == full.config != brief.config


def test_settings(ada, nobody, repo):
    assert nobody.repo_exists(repo)
    ada.update_repo_settings(repo, private=True)
    assert ada.model_info(repo).private and not nobody.repo_exists(repo)
    ada.update_repo_settings(repo, visibility="public")
    assert nobody.repo_exists(repo)
    with pytest.raises(BadRequestError):
        ada.update_repo_settings(repo, gated="auto")


def test_auth_check(ada, grace, nobody, repo):
    ada.auth_check(repo)
    ada.auth_check(repo, write=True)
    nobody.auth_check(repo)
    with pytest.raises(HfHubHTTPError):
        grace.auth_check(repo, write=True)
    with pytest.raises(RepositoryNotFoundError):
        ada.auth_check("ada/missing")


def test_validate_yaml(ada):
    ada._validate_yaml("---\nlicense: mit\n---\n")
    for broken in ("---\ntags: [a\n---\n", "---\n- a\n---\n"):
        with pytest.raises(ValueError, match="YAML block"):
            ada._validate_yaml(broken)


def test_a_broken_card_is_refused_before_it_is_uploaded(ada, repo):
    with pytest.raises(ValueError, match="Invalid metadata"):
        put(ada, repo, "README.md", b"---\ntags: [a\n---\n")
    assert ada.list_repo_files(repo) == [".gitattributes"]


def test_errors_of_downloads(ada, repo, cache):
    for error, arguments in {
        RepositoryNotFoundError: ("ada/missing", "x", "main"),
        RevisionNotFoundError: (repo, "x", "missing"),
        EntryNotFoundError: (repo, "missing/x", "main"),
    }.items():
        with pytest.raises(error):
            ada.hf_hub_download(arguments[0], arguments[1], revision=arguments[2], cache_dir=cache)
    assert list(cache.glob("*/.no_exist/*/missing/x"))  # the client remembers, thanks to X-Repo-Commit
    assert ada.file_exists(repo, ".gitattributes") and not ada.file_exists(repo, "x")


def test_headers_of_a_file(ada, repo, server):
    commit = put(ada, repo, "w.bin", b"12345").oid
    meta = get_hf_file_metadata(hf_hub_url(repo, "w.bin", endpoint=server.url))
    assert meta.commit_hash == commit and meta.size == 5 and re.fullmatch("[0-9a-f]{64}", meta.etag)
    meta = get_hf_file_metadata(hf_hub_url(repo, ".gitattributes", endpoint=server.url))
    assert meta.commit_hash == commit and re.fullmatch("[0-9a-f]{40}", meta.etag)


@pytest.mark.parametrize("path", ["w.bin", "t.txt"])
def test_ranges(ada, repo, send, path):
    put(ada, repo, path, b"0123456789")
    get = lambda value: send("GET", f"/{repo}/resolve/main/{path}", Range=value)
    for value, part in {"bytes=0-3": b"0123", "bytes=4-": b"456789", "bytes=-2": b"89", "bytes=8-99": b"89"}.items():
        answer = get(value)
        assert (answer.status, answer.body) == (206, part), value
        start = b"0123456789".index(part)
        assert answer.headers["Content-Range"] == f"bytes {start}-{start + len(part) - 1}/10"
    assert get("bytes=10-").status == 416 and get("bytes=10-").headers["Content-Range"].endswith("*/10")
    whole = send("GET", f"/{repo}/resolve/main/{path}")
    assert (whole.status, whole.body, whole.headers["Accept-Ranges"]) == (200, b"0123456789", "bytes")
    head = send("HEAD", f"/{repo}/resolve/main/{path}")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", "10")


def test_raw_shows_what_git_holds(ada, repo, send):
    put(ada, repo, "w.bin", b"0123456789")
    put(ada, repo, "t.txt", b"text")
    pointer = send("GET", f"/{repo}/raw/main/w.bin")
    assert LfsPointer.parse(pointer.body).size == 10 and "ETag" in pointer.headers
    assert send("HEAD", f"/{repo}/raw/main/w.bin").headers["Content-Length"] == str(len(pointer.body))
    assert send("GET", f"/{repo}/raw/main/t.txt").body == b"text"
    put(ada, repo, "folder/x.txt", b"x")
    assert send("GET", f"/{repo}/raw/main/folder").status == send("HEAD", f"/{repo}/resolve/main/folder").status == 404


def test_byte_range_of_nothing():
    assert byte_range("", 10) is None
    with pytest.raises(HubError):
        byte_range("bytes=-1", 0)


def test_snapshot_download(ada, repo, cache):
    for path in ("a.txt", "sub/w.bin"):
        put(ada, repo, path, path.encode())
    folder = ada.snapshot_download(repo, cache_dir=cache, allow_patterns=["*.txt", "*.bin"])
    assert {p.relative_to(folder).as_posix(): p.read_bytes() for p in Path(folder).rglob("*") if p.is_file()} == {
        "a.txt": b"a.txt", "sub/w.bin": b"sub/w.bin",
    }  # fmt: skip


def test_file_system(ada, repo, server):
    put(ada, repo, "a/one.txt", b"one")
    fs = HfFileSystem(endpoint=server.url, token="token-of-ada")
    assert fs.ls(f"{repo}/a", detail=False) == [f"{repo}/a/one.txt"]
    with fs.open(f"{repo}/a/two.txt", "w") as file:
        file.write("two")
    fs.invalidate_cache()
    assert fs.cat(f"{repo}/a/two.txt") == b"two" and fs.cat_file(f"{repo}/a/one.txt", start=1, end=2) == b"n"
    assert sorted(fs.glob(f"{repo}/a/*.txt")) == [f"{repo}/a/one.txt", f"{repo}/a/two.txt"]


def test_agent_harnesses_and_unknown_endpoints(send):
    assert send("GET", "/api/agent-harnesses").json() == {"standardEnvVars": [], "harnesses": {}}
    for method, path in [("GET", "/api/datasets/ada/x/parquet"), ("GET", "/api/nothing"), ("POST", "/api/models/a/b/discussions"), ("GET", "/")]:
        answer = send(method, path)
        assert answer.status == 404 and "error" in answer.json() and answer.headers["X-Error-Message"], path
    assert send("PATCH", "/api/whoami-v2").status == 405


def test_dates_are_in_the_one_form_that_clients_read(send, ada, repo):
    info, commits = send("GET", f"/api/models/{repo}").json(), send("GET", f"/api/models/{repo}/commits/main").json()
    for text in (info["createdAt"], info["lastModified"], commits[0]["date"]):
        assert datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"3", b"\xff", b'{"name": 3}', b'{"name": "x", "type": "planet"}',
                                  b'{"name": "x", "private": "yes"}', b'{"name": ["x"]}', b'{"name": "x", "organization": 5}'])  # fmt: skip
def test_a_bad_body_is_400_and_creates_nothing(send, store, body):
    answer = send("POST", "/api/repos/create", body, token="token-of-ada")
    assert answer.status == 400 and answer.json()["error"] and answer.headers["X-Error-Message"]
    assert not any(store.list(kind) for kind in ("models", "datasets", "spaces"))


@pytest.mark.parametrize("lines", [b"not json", b"{}", b'{"key": "file", "value": {"path": "x"}}', b'{"key": "file", "value": {"path": "x", "content": "%%%"}}',
                                   b'{"key": "lfsFile", "value": {"path": "x", "oid": "../../etc/passwd"}}',
                                   b'{"key": "lfsFile", "value": {"path": "x", "oid": "' + b"0" * 64 + b'"}}',
                                   b'{"key": "header", "value": {"summary": 3}}', b'{"key": "surprise", "value": {"path": "x"}}', b""])  # fmt: skip
def test_a_bad_commit_is_400_and_changes_nothing(send, ada, repo, lines):
    head = ada.model_info(repo).sha
    answer = send("POST", f"/api/models/{repo}/commit/main", lines, token="token-of-ada")
    assert answer.status == 400 and answer.json()["error"]
    assert ada.model_info(repo).sha == head


def test_odd_cards_are_errors_or_empty_lists():
    with pytest.raises(ValueError, match="YAML"):
        parse_card("---\na: [\n---\n")
    assert as_list({"a": 1}) == [] and as_list(["a", {"b": 1}, 2]) == ["a", "2"]


def test_cards_and_metadata(ada, repo, run_script):
    put(ada, repo, "README.md", b"---\nlicense: mit\n---\n# Title\n")
    ada.create_repo("carded")
    run_script("client_script.py", repo, "ada/carded")
    info = ada.model_info(repo)
    assert info.pipeline_tag == "token-classification" and "fresh" in info.tags
    assert [m.id for m in ada.list_models(filter="fresh")] == [repo]
    assert "license:apache-2.0" in ada.model_info("ada/carded").tags
