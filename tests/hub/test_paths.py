"""Names from the network never leave the Hub's folder."""

import base64
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from course_nlp.hub_store import check_path, check_repo_id

CANARY = b"canary that nobody may read"
EVIL = ["..", ".", "", "../..", "../../canary", "/etc/passwd", "..\\canary", "a\\b", "a\0b", "a\nb", ".git", ".GIT", ".git/config", "a/../b",
        "%2e%2e", "x" * 300, "\x7f", "....//", "~", "-c", "--upload-pack=x", "$(id)", "main:config.json", "canary", "hub.json", "lfs", "locks"]  # fmt: skip
PATTERNS = [
    ("GET", "/api/models/{}"), ("GET", "/api/models/ada/{}"), ("GET", "/api/{}/ada/m"), ("GET", "/api/models/ada/m/tree/{}"),
    ("GET", "/api/models/ada/m/tree/main/{}"), ("GET", "/api/models/ada/m/revision/{}"), ("GET", "/api/models/ada/m/commits/{}"),
    ("GET", "/ada/m/resolve/main/{}"), ("GET", "/ada/m/resolve/{}/config.json"), ("GET", "/ada/{}/resolve/main/config.json"),
    ("HEAD", "/{}/m/resolve/main/config.json"), ("GET", "/datasets/{}/resolve/main/config.json"), ("GET", "/ada/m/raw/main/{}"),
    ("GET", "/{}.git/info/refs"), ("GET", "/ada/{}.git/info/refs?service=git-upload-pack"), ("GET", "/api/lfs/{}"), ("PUT", "/api/lfs/{}"),
    ("POST", "/api/models/ada/m/branch/{}"), ("POST", "/api/models/ada/m/tag/{}"), ("DELETE", "/api/models/ada/m/branch/{}"),
    ("DELETE", "/api/models/ada/m/tag/{}"), ("POST", "/api/models/ada/m/commit/{}"), ("POST", "/api/models/{}/commit/main"),
    ("POST", "/api/models/ada/m/super-squash/{}"), ("PUT", "/api/models/{}/settings"), ("GET", "/{}"),
]  # fmt: skip
BODIES = [
    ("POST", "/api/repos/create", lambda s: {"name": s, "type": "space"}),
    ("POST", "/api/repos/create", lambda s: {"name": "x", "organization": s, "type": "space"}),
    ("POST", "/api/repos/create", lambda s: {"name": "m", "type": s}),
    ("DELETE", "/api/repos/delete", lambda s: {"name": s, "type": "space"}),
    ("DELETE", "/api/repos/delete", lambda s: {"name": "m", "organization": s, "type": "dataset"}),
    ("POST", "/api/repos/move", lambda s: {"fromRepo": "ada/a", "toRepo": f"ada/{s}", "type": "space"}),
    ("POST", "/api/repos/move", lambda s: {"fromRepo": s, "toRepo": "ada/n", "type": "space"}),
    ("POST", "/api/repos/move", lambda s: {"fromRepo": "ada/m", "toRepo": "ada/n", "type": s}),
    ("POST", "/api/models/ada/m/preupload/main", lambda s: {"files": [{"path": s, "size": 1, "sample": "eA=="}], "gitIgnore": s}),
    ("POST", "/api/models/ada/m/paths-info/main", lambda s: {"paths": [s]}),
    ("POST", "/api/models/ada/m/tag/main", lambda s: {"tag": s}),
    ("POST", "/api/models/ada/m/branch/new", lambda s: {"startingPoint": s}),
    ("POST", "/ada/m.git/info/lfs/objects/batch", lambda s: {"operation": "download", "objects": [{"oid": s, "size": 1}]}),
]


@pytest.fixture
def guarded(tmp_path, store, server, send):
    """Send requests as ada, and check after each that nothing outside the Hub was read or written."""
    (tmp_path / "canary").write_bytes(CANARY)
    store.seed("models", "ada/m", {"config.json": b"{}"})
    store.seed("spaces", "ada/a", {"app.py": b""})
    outside = {p.name for p in tmp_path.iterdir()} | {"cache"}
    inside = {p.name for p in store.root.iterdir()}

    def request(method: str, path: str, body=None) -> int:
        answer = send(method, path, body, token="token-of-ada")
        assert answer.status < 500, (method, path, body, answer.body)
        assert CANARY not in answer.body
        assert {p.name for p in tmp_path.iterdir()} <= outside and {p.name for p in store.root.iterdir()} == inside
        assert store.list("models") == ["ada/m"] and not store.list("datasets")  # only Spaces come and go below
        assert all(check_repo_id(repo).startswith("ada/") for repo in store.list("spaces"))
        return answer.status

    return request


def fire(guarded, kind: int, text: str, encoded: bool) -> None:
    """Put `text` into one of the requests above and send it."""
    if kind < len(PATTERNS):
        method, pattern = PATTERNS[kind]
        raw = quote(text, safe="" if encoded else "/.~-$()=:%")
        guarded(method, pattern.format(raw), {} if method in ("POST", "PUT") else None)
    else:
        method, path, body = BODIES[kind - len(PATTERNS)]
        guarded(method, path, body(text))


texts = st.one_of(st.sampled_from(EVIL), st.lists(st.sampled_from([*EVIL, "a", "m"]), max_size=4).map("/".join), st.text(max_size=10))
fuzz = given(st.integers(0, len(PATTERNS) + len(BODIES) - 1), texts.filter(lambda t: t.isprintable() or len(t) < 8), st.booleans())
relaxed = {"deadline": None, "suppress_health_check": [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]}


def is_utf8(text: str) -> bool:
    """Whether the text can be sent at all."""
    return not any(0xD800 <= ord(c) < 0xE000 for c in text)


@settings(max_examples=120, **relaxed)
@fuzz
def test_no_name_leads_outside(guarded, kind, text, encoded):
    if is_utf8(text):
        fire(guarded, kind, text, encoded)


@pytest.mark.campaign
@settings(max_examples=2000, **relaxed)
@fuzz
def test_no_name_leads_outside_2000(guarded, kind, text, encoded):
    if is_utf8(text):
        fire(guarded, kind, text, encoded)


@pytest.mark.parametrize("text", ["..", "a\\b", "a\nb", ".git", "a/../../x", "\x7f"])
def test_what_cannot_be_a_name_is_400(guarded, text):
    raw = quote(text, safe="")
    for path in ("/ada/m/resolve/main/{}", "/api/models/ada/m/tree/main/{}", "/api/models/ada%2F{}", "/ada/{}/resolve/main/config.json"):
        assert guarded("GET", path.format(raw)) == 400, path
    assert guarded("POST", "/api/repos/create", {"name": text}) == 400
    assert guarded("POST", "/api/repos/create", {"name": "x", "organization": text}) in (400, 403)
    assert guarded("POST", "/api/models/ada/m/branch/" + raw, {}) == 400
    assert guarded("POST", "/api/models/ada/m/preupload/main", {"files": [{"path": text, "size": 1, "sample": ""}]}) == 400


def test_bytes_that_are_no_text_are_400(send, store):
    store.seed("models", "ada/m", {"config.json": b"{}"})
    for path in ("/ada/m/resolve/main/%ff", "/api/models/ada/%c3%28", "/api/models/ada/m/tree/%80"):
        assert send("GET", path).status == 400


@settings(max_examples=60, **relaxed)
@given(st.one_of(st.sampled_from(EVIL), st.text(max_size=12), st.lists(st.sampled_from([*EVIL, "a", "é"]), min_size=1, max_size=3).map("/".join)))
def test_a_commits_paths_are_checked_and_an_accepted_one_reads_back(guarded, store, send, text):
    if not is_utf8(text):
        return
    head = store.resolve("models", "ada/m")
    lines = [
        {"key": "header", "value": {"summary": "m"}},
        {"key": "file", "value": {"path": text, "content": base64.b64encode(text.encode() + b"!").decode()}},
    ]
    status = guarded("POST", "/api/models/ada/m/commit/main", "\n".join(json.dumps(line) for line in lines).encode())
    try:
        check_path(text)
    except ValueError:
        assert status == 400 and store.resolve("models", "ada/m") == head
    else:
        assert status == 200
        answer = send("GET", f"/ada/m/resolve/main/{quote(text)}")
        assert (answer.status, answer.body) == (200, text.encode() + b"!")
