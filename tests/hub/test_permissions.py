"""Who may see and change what: every endpoint against every kind of caller."""

import base64
import hashlib
import json
import re
import subprocess

import pytest

from course_nlp import hub_store
from course_nlp.hub import ENDPOINTS, OPEN, READ, WRITE, Hub, check_tokens
from course_nlp.hub_store import HubError, Store

CONTENT = b"large file of grace's"
OID = hashlib.sha256(CONTENT).hexdigest()
COMMIT = b"\n".join(
    json.dumps(line).encode()
    for line in (
        {"key": "header", "value": {"summary": "Intrusion"}},
        {"key": "file", "value": {"path": "intrusion.txt", "content": base64.b64encode(b"x").decode()}},
    )
)
BODIES = {
    "settings": {"visibility": "private"},
    "preupload": {"files": [{"path": "x.txt", "size": 1, "sample": "eA=="}]},
    "commit": COMMIT,
    "branch": {},
    "tag": {"tag": "intruder"},
    "super-squash": {"message": "Intrusion"},
    "paths-info": {"paths": ["config.json"]},
}


def fill(path: str, repo: str, revision: str = "main") -> str:
    """Put a repository and the rest into the pattern of a path."""
    for pattern, value in {r"\{kind:\w+\}": "models", r"\{prefix:\w+\}": "", r"\{repo:\w+\}": repo,
                           r"\{revision:\w+\}": revision, r"\{view:\w+\}": "resolve",
                           r"\{path:\w+\}": "folder" if "/tree/" in path else "config.json"}.items():  # fmt: skip
        path = re.sub(pattern, value, path)
    return path


def requests_for(access: str) -> list[tuple[str, str, str]]:
    """All (method, path pattern, key of the body) that need this access."""
    found = []
    for methods, path, needed, _ in ENDPOINTS:
        word = next((word for word in BODIES if f"/{word}" in path), "")
        found += [(method, path, word) for method in methods.split(",") if needed == access]
    return found


WRITES = [
    *((method, path, BODIES.get(word)) for method, path, word in requests_for(WRITE)),
    ("POST", "/{repo:x}.git/info/lfs/objects/batch", {"operation": "upload", "objects": [{"oid": OID, "size": len(CONTENT)}]}),
    ("GET", "/{repo:x}.git/info/refs?service=git-receive-pack", None),
    ("GET", "/{repo:x}/info/refs?service=git-receive-pack", None),
    ("POST", "/{repo:x}.git/git-receive-pack", b"0000"),
    ("DELETE", "/api/repos/delete", {"name": "m", "organization": "ada"}),
    ("POST", "/api/repos/move", {"fromRepo": "ada/m", "toRepo": "grace/m", "type": "model"}),
    ("POST", "/api/repos/move", {"fromRepo": "ada/m", "toRepo": "ada/n", "type": "model"}),
]
READS = [
    *((method, path, BODIES.get(word)) for method, path, word in requests_for(READ) if "lfs" not in path),
    ("POST", "/{repo:x}.git/info/lfs/objects/batch", {"operation": "download", "objects": [{"oid": OID, "size": len(CONTENT)}]}),
    ("GET", "/{repo:x}.git/info/refs?service=git-upload-pack", None),
    ("GET", "/{repo:x}/info/refs?service=git-upload-pack", None),
    ("POST", "/{repo:x}.git/git-upload-pack", b"0000"),
]


def state(store: Store) -> tuple:
    """Everything a request could have changed."""
    repos = [(kind, repo) for kind in hub_store.KINDS for repo in store.list(kind)]
    refs = [store.refs(kind, repo) for kind, repo in repos]
    return repos, refs, [store.details(kind, repo) for kind, repo in repos], sorted(p.name for p in store.large.folder.iterdir())


@pytest.fixture
def target(store: Store, server) -> str:
    """A repository of ada's, seeded with a file."""
    store.seed("models", "ada/m", {"config.json": b'{"secret": "of ada"}', "folder/x.txt": b"of ada"})
    return "ada/m"


def test_every_endpoint_that_changes_something_needs_the_right_to_write():
    """A new endpoint must be WRITE, or be one of those that check the repository in their body or change nothing."""
    free = {"validate_yaml", "paths_info", "lfs_batch", "create_repo", "delete_repo", "move_repo"}
    for methods, path, access, function in ENDPOINTS:
        if not set(methods.split(",")) <= {"GET", "HEAD"}:
            assert access == WRITE or function.__name__ in free, path
        assert access != OPEN or "{repo" not in path, path


@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda v: v if isinstance(v, str) else "")
def test_only_the_owner_writes(send, store, target, method, path, body, private):
    store.set_private("models", target, private)
    before = state(store)
    foreign = 404 if private else 403
    for token, statuses in {None: {401}, "nonsense": {401}, "token-of-grace": {foreign}}.items():
        answer = send(method, fill(path, target), body, token=token)
        assert answer.status in statuses, (token, answer.body)
        assert b"of ada" not in answer.body
    assert state(store) == before


@pytest.mark.parametrize(("method", "path", "body"), WRITES, ids=lambda v: v if isinstance(v, str) else "")
def test_the_owner_gets_through(send, store, target, method, path, body):
    """The other half of the test above: the refusals there are about who asks, not about how."""
    if isinstance(body, dict) and body.get("toRepo") == "grace/m":
        assert send(method, path, body, token="token-of-ada").status == 403  # ada owns only one of the two names
        return
    revision = "side" if "/branch/" in path else "main"
    if method == "DELETE" and ("/branch/" in path or "/tag/" in path):
        store.create_ref("models", target, "refs/heads/gone" if "/branch/" in path else "refs/tags/gone")
        revision = "gone"
    answer = send(method, fill(path, target, revision), body, token="token-of-ada")
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(("method", "path", "body"), READS, ids=lambda v: v if isinstance(v, str) else "")
def test_a_private_repository_is_hidden(send, store, target, method, path, body):
    missing = fill(path, "ada/none")
    public = send(method, fill(path, target), body)
    assert public.status == 200, public.body
    store.set_private("models", target, True)
    for token, status in {None: 401, "nonsense": 401, "token-of-grace": 404}.items():
        answer, absent = send(method, fill(path, target), body, token=token), send(method, missing, body, token=token)
        assert answer.status == absent.status == status, answer.body
        assert answer.body.replace(b"ada/m", b"ada/none") == absent.body  # no telling hidden from missing
    assert send(method, fill(path, target), body, token="token-of-ada").status == 200


def test_lists_leave_private_repositories_out(ada, grace, nobody, store, server):
    for kind in hub_store.KINDS:
        store.seed(kind, "ada/hidden", {"a": b"a"})
        store.set_private(kind, "ada/hidden", True)
        store.seed(kind, "ada/shown", {"a": b"a"})
    for api, seen in ((ada, 2), (grace, 1), (nobody, 1)):
        for listing in (api.list_models, api.list_datasets, api.list_spaces):
            assert len(list(listing())) == len(list(listing(author="ada"))) == seen
        assert api.repo_exists("ada/hidden") == (api is ada)


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
@pytest.mark.parametrize("owner", ["grace", "course", "evaluate-metric", "adam", "Ada"])
def test_nobody_creates_under_another_name(send, store, kind, owner):
    body = {"name": "x", "organization": owner, "type": kind, "sdk": "gradio"}
    assert send("POST", "/api/repos/create", body, token="token-of-ada").status == 403
    assert send("POST", "/api/repos/create", body).status == 401
    assert not any(store.list(k) for k in hub_store.KINDS)


def test_moving_needs_both_names(send, store):
    store.create("models", "ada/m")
    store.create("models", "grace/m")
    for source, target in (("ada/m", "grace/x"), ("grace/m", "ada/x"), ("grace/m", "grace/x"), ("ada/m", "gpt2")):
        body = {"fromRepo": source, "toRepo": target, "type": "model"}
        assert send("POST", "/api/repos/move", body, token="token-of-ada").status == 403, body
    assert store.list("models") == ["ada/m", "grace/m"]


def test_without_tokens_nobody_writes(root):
    hub = Hub(Store(root), {}, "http://127.0.0.1:1")
    with pytest.raises(HubError) as caught:
        hub.user("Bearer ")
    assert caught.value.status == 401 and hub.user("") is None
    with pytest.raises(HubError):
        hub.check_namespace(None, "/x")


@pytest.mark.parametrize("header", ["Bearer", "Bearer  ", "Basic", "Basic !!!", "Basic YWRh", "Basic YWRhOng=", "token-of-ada", "Digest x",
                                    "Bearer token-of-ad", "Bearer token-of-adaa", "Bearer tökén"])  # fmt: skip
def test_a_wrong_header_is_nobody(send, header):
    assert send("GET", "/api/whoami-v2", Authorization=header.encode().decode("latin-1")).status == 401


def test_basic_and_bearer_both_carry_the_token(send):
    basic = "Basic " + base64.b64encode(b"anything:token-of-ada").decode()
    for header in (basic, "Bearer token-of-ada", "bearer token-of-ada"):
        assert send("GET", "/api/whoami-v2", Authorization=header).json()["name"] == "ada"


def upload_link(send, content: bytes = CONTENT) -> str:
    """Ask for a link to upload a large file to ada's repository; return it without the host."""
    oid = hashlib.sha256(content).hexdigest()
    body = {"operation": "upload", "objects": [{"oid": oid, "size": len(content)}]}
    answer = send("POST", "/ada/m.git/info/lfs/objects/batch", body, token="token-of-ada").json()
    return re.sub(r"http://[^/]+", "", answer["objects"][0]["actions"]["upload"]["href"])


def test_a_large_file_is_uploaded_through_a_signed_link_only(send, store, target, monkeypatch):
    link = upload_link(send)
    path, query = link.split("?")
    wrong = [path, f"{path}?{query[:-1]}", link.replace("expires=", "expires=9"), f"/api/lfs/{'0' * 64}?{query}", f"{path}?{query}0",
             re.sub(r"expires=\d+", "expires=", link), re.sub(r"signature=\w+", "signature=", link)]  # fmt: skip
    for bad in wrong:
        assert send("PUT", bad, CONTENT).status == 403, bad
        assert send("PUT", bad, CONTENT, token="token-of-ada").status == 403
    assert send("GET", link).status == 403  # the link is for one method
    assert list(store.large.folder.iterdir()) == [] == list((store.root / "tmp").iterdir())
    assert send("PUT", link, CONTENT).status == 200
    assert store.large.path(OID).read_bytes() == CONTENT


def test_a_link_expires(send, target, monkeypatch):
    link = upload_link(send)
    now = __import__("time").time()
    monkeypatch.setattr("course_nlp.hub.time.time", lambda: now + 3700)
    assert send("PUT", link, CONTENT).status == 403


@pytest.mark.parametrize("content", [b"", b"another content", CONTENT + b"x"])
def test_a_large_file_with_the_wrong_hash_is_refused_and_leaves_nothing(send, store, target, content):
    answer = send("PUT", upload_link(send), content)
    assert answer.status == 400 and OID in answer.json()["error"]
    assert list(store.large.folder.iterdir()) == [] == list((store.root / "tmp").iterdir())


@pytest.mark.parametrize("oid", ["", "abc", "../../../etc/passwd", "A" * 64, "0" * 63, "0" * 65, "0" * 63 + "g", 3, None])
def test_the_hash_of_a_large_file_has_64_digits(send, target, oid):
    body = {"operation": "upload", "objects": [{"oid": oid, "size": 3}]}
    assert send("POST", "/ada/m.git/info/lfs/objects/batch", body, token="token-of-ada").status == 400
    if isinstance(oid, str) and oid:
        quoted = oid.replace("/", "%2F")
        assert send("PUT", f"/api/lfs/{quoted}?expires=1&signature=x", b"x").status == 400


def test_a_missing_object_is_reported_in_the_batch(send, target):
    body = {"operation": "download", "objects": [{"oid": "0" * 64, "size": 3}]}
    answer = send("POST", "/ada/m.git/info/lfs/objects/batch", body)
    assert answer.json()["objects"][0]["error"]["code"] == 404
    assert send("POST", "/ada/m.git/info/lfs/objects/batch", body | {"operation": "guess"}).status == 400


def test_bad_tokens_are_named_without_being_shown():
    for tokens in ({"": "ada"}, {"with space": "ada"}, {"tökén": "ada"}, {3: "ada"}):
        with pytest.raises(ValueError, match="token of user 'ada'") as caught:
            check_tokens(tokens)
        assert "tökén" not in str(caught.value) and "with space" not in str(caught.value)
    with pytest.raises(TypeError, match="mapping"):
        check_tokens(["token"])
    with pytest.raises(ValueError, match="user="):
        check_tokens({"hf_secret": "../ada"})


def test_a_web_page_cannot_reach_the_hub_under_its_own_name(send):
    """A page that lets its host name point at 127.0.0.1 sends that name; it is not one of ours."""
    assert send("GET", "/api/models", Host="evil.example").status == 400
    assert send("GET", "/api/models", Host="localhost:1").status == 200


def test_git_stays_out_of_private_repositories(git, server, store, target, tmp_path):
    store.set_private("models", target, True)
    url = server.url.replace("http://", "http://x:{}@") + f"/{target}"
    for token in ("token-of-grace", "nonsense"):
        with pytest.raises(subprocess.CalledProcessError) as caught:
            git("clone", url.format(token), f"clone-{token}")
        assert "not found" in caught.value.stderr or "Authentication failed" in caught.value.stderr
    with pytest.raises(subprocess.CalledProcessError):
        git("clone", f"{server.url}/{target}", "clone-none")
    git("clone", url.format("token-of-ada"), "clone")
    assert (tmp_path / "clone" / "config.json").exists()
