"""What the review server does with requests that mean no good."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from databases import quick_passwords
from fastapi.testclient import TestClient
from serving import LOCAL, PASSWORD, Browser, Site, verdict_body

from dapatlas.errors import DapatlasError
from dapatlas.review.accounts import Role
from dapatlas.review.database.connect import DatabaseError, connect
from dapatlas.review.server.errors import Refusal
from dapatlas.review.server.login_limits import LoginLimits, network_of
from dapatlas.review.server.run import check_accounts, is_loopback
from dapatlas.review.server.security import CONTENT_SECURITY_POLICY
from dapatlas.review.server.settings import Mode
from dapatlas.review.store import Store


@pytest.fixture(scope="module")
def sites(checked_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Mode, Site]]:
    """One server of each mode, for tests that change no verdict."""
    made, engines = {}, []
    for mode in Mode:
        engines.append(connect(f"sqlite:///{tmp_path_factory.mktemp('safe')}/review.sqlite"))
        made[mode] = Site(checked_atlas, Store(engines[-1], quick_passwords()), mode)
    yield made
    for engine in engines:
        engine.dispose()


@pytest.fixture
def site(sites: dict[Mode, Site]) -> Site:
    site = sites[Mode.ACCOUNTS]
    site.app.state.review.limits = LoginLimits()
    return site


@pytest.fixture
def chief(site: Site) -> Browser:
    return site.browser("chief", Role.ADMIN)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 200),
        ("GET", "/web/shell/api.js", 200),
        ("GET", "/api/session", 200),
        ("GET", "/api/cases", 401),
        ("GET", "/nothing", 404),
        ("GET", "/web/nothing.js", 404),
        ("DELETE", "/", 405),
        ("POST", "/api/session", 422),
        ("GET", "/openapi.json", 200),
    ],
)
def test_every_answer_has_the_headers(site: Site, method: str, path: str, status: int):
    answer = site.stranger().client.request(method, path)
    assert answer.status_code == status
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "DENY"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    if status >= 400:
        assert set(answer.json()) == {"code", "detail"}


@pytest.mark.parametrize(
    "path",
    [
        "/web/../server/app.py",
        "/web/..%2fserver%2fapp.py",
        "/web/%2e%2e/server/app.py",
        "/web/..%5cserver%5capp.py",
        "/web//etc/passwd",
        "/web/%00.js",
        "/web/./package.json",
        "/web/vendor/../package-lock.json",
        "/web/",
        "/web",
        "/etc/passwd",
        "//etc/passwd",
        "/api/cases/../../etc/passwd",
        "/api/cases/..%2f..%2fetc%2fpasswd",
        "/api/cases/%2e%2e",
        "/api/cases/%00",
        "/api/cases/{case}/layers/..%2f..%2fmasks/1.nii.gz",
        "/api/cases/{case}/layers/%2e%2e/1.nii.gz",
        "/api/cases/{case}/layers/%00/1.nii.gz",
        "/api/cases/{case}/layers/before/1.nii.gz",
        "/api/cases/{case}/layers/map/..%2f1.nii.gz",
        "/api/cases/%2ftmp%2f{case}",
        "/api/cases/{case}/layers/map.json/1.nii.gz",
    ],
)
def test_no_path_leads_out(chief: Browser, path: str):
    case = chief.get("/api/cases").json()["cases"][0]["case"]
    request = chief.client.build_request("GET", LOCAL)
    request.url = request.url.copy_with(
        raw_path=path.replace("{case}", case).encode()
    )  # as it is, not tidied up
    answer = chief.client.send(request)
    assert answer.status_code in (404, 422), answer.text
    assert "root:" not in answer.text
    assert "import" not in answer.text
    assert set(answer.json()) == {"code", "detail"}


def test_levels_that_are_none_are_refused(chief: Browser):
    case = chief.get("/api/cases").json()["cases"][0]["case"]
    for step, status in (("3", 422), ("01", 422), ("-1", 422), ("4", 404)):
        assert chief.get(f"/api/cases/{case}/layers/map/{step}.nii.gz").status_code == status


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8090", "127.0.0.1.evil.example", "", "[::2]", "127.0.0.2"]
)
def test_in_local_mode_other_hosts_are_not_answered(sites: dict[Mode, Site], host: str):
    answer = sites[Mode.LOCAL].stranger().get("/api/session", headers={"Host": host})
    assert (answer.status_code, answer.json()["code"]) == (400, "wrong-host")


@pytest.mark.parametrize("host", ["127.0.0.1:8090", "localhost", "LOCALHOST:1", "[::1]:8090"])
def test_in_local_mode_own_hosts_are(sites: dict[Mode, Site], host: str):
    assert sites[Mode.LOCAL].stranger().get("/api/session", headers={"Host": host}).status_code == 200


def test_with_accounts_hosts_are_checked_where_they_are_named(checked_atlas: Path, sqlite_store: Store):
    for hosts, status in (((), 200), (("*",), 200), (("atlas.example",), 200), (("other.example",), 400)):
        site = Site(checked_atlas, sqlite_store, Mode.ACCOUNTS, hosts=hosts)
        answer = site.stranger("http://atlas.example").get("/api/session")
        assert answer.status_code == status


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": LOCAL}, True),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "http://127.0.0.1:9999"}, False),  # another program of this machine
        ({"Origin": "null"}, False),
        ({"Origin": "http://[broken"}, False),
        ({"Origin": f"{LOCAL}.evil.example"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Sec-Fetch-Site": "same-origin", "Origin": LOCAL}, True),
    ],
)
def test_changes_come_from_our_own_pages_alone(
    sites: dict[Mode, Site], headers: dict[str, str], allowed: bool
):
    client = sites[Mode.LOCAL].stranger().client
    answer = client.post("/api/session", json={"name": "r-01"}, headers=headers)
    assert answer.status_code == (200 if allowed else 403)
    if not allowed:
        assert answer.json()["code"] == "wrong-origin"
        assert "set-cookie" not in answer.headers


def test_changes_need_the_token_of_the_pages(site: Site, chief: Browser):
    case = chief.get("/api/cases").json()["cases"][0]["case"]
    other = site.browser("chief").csrf  # of another login of the same reader
    changes = [
        ("PUT", f"/api/cases/{case}/verdict", verdict_body({"map_sha256": "0" * 64})),
        ("POST", f"/api/cases/{case}/claim", None),
        ("POST", "/api/queue/next", {}),
        ("PUT", "/api/queue/plan", {"order": "worst", "sample": None, "seed": 0, "readings": 1}),
        ("POST", "/api/readers", {"name": "x", "role": "admin"}),
        ("PATCH", "/api/readers/chief", {"active": False}),
        ("DELETE", "/api/session", None),
    ]
    for method, path, body in changes:
        for token in (None, "", "wrong", "ünicode", other):
            headers = {} if token is None else {"X-CSRF-Token": token.encode()}
            refused = chief.client.request(method, path, json=body, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (403, "wrong-token")
    assert chief.get("/api/session").json()["reader"]["name"] == "chief"
    assert site.store.verdicts() == ()


@pytest.mark.parametrize("secure", [False, True])
def test_cookies(checked_atlas: Path, sqlite_store: Store, secure: bool):
    site = Site(checked_atlas, sqlite_store, Mode.LOCAL, secure=secure)
    client = TestClient(site.app, base_url="https://localhost" if secure else "http://localhost")
    answer = client.post("/api/session", json={"name": "r-01"})
    name, *rest = (part.strip() for part in answer.headers["set-cookie"].split(";"))
    assert name.startswith("dapatlas_session=")
    assert {part.lower() for part in rest} == {"httponly", "samesite=strict", "path=/"} | (
        {"secure"} if secure else set()
    )
    assert ("strict-transport-security" in answer.headers) is secure
    token = name.partition("=")[2]
    assert token not in answer.text
    if secure:
        refused = client.post("/api/session", json={"name": "r-01"}, headers={"Origin": "http://localhost"})
        assert refused.status_code == 403
    again = client.post("/api/session", json={"name": "r-02"})
    assert again.status_code == 200
    client.cookies.clear()
    client.cookies.set("dapatlas_session", token)  # the login before is over
    assert client.get("/api/session").json()["reader"] is None
    client.cookies.clear()
    client.cookies.set("dapatlas_session", "forged")
    assert client.get("/api/cases").status_code == 401


def test_after_five_failures_a_name_has_to_wait(site: Site):
    site.browser("r-01")
    client = site.stranger().client

    def tried(name: str, password: str = "wrong password") -> int:
        return client.post("/api/session", json={"name": name, "password": password}).status_code

    assert [tried("r-01") for _ in range(5)] == [401] * 5
    refused = client.post("/api/session", json={"name": "R-01", "password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (429, "too-many")
    assert 1 <= int(refused.headers["retry-after"]) <= 300
    assert tried("r-02") == 401  # the others may go on
    assert [tried(f"n-{number}") for number in range(14)] == [401] * 14  # that makes 20 from this address
    assert tried("n-99") == 429


def test_right_passwords_do_not_count(site: Site):
    for _ in range(8):
        site.browser("r-01")


def test_tries_under_way_count_until_they_are_over():
    limits = LoginLimits()
    with limits.attempt("a", "::1"), limits.attempt("A", "::1"), limits.attempt("a", "::1"):
        with limits.attempt("a", "::1"), limits.attempt("a", "::1"), pytest.raises(Refusal, match="too many"):
            limits.attempt("a", "::1").__enter__()
        with limits.attempt("a", "::1"):
            pass


def test_a_department_that_logs_in_at_once_is_let_in():
    limits = LoginLimits()
    with ExitStack() as stack:
        for number in range(50):
            stack.enter_context(limits.attempt(f"r-{number}", "10.0.0.1"))


def test_one_customer_has_one_address():
    assert network_of("2001:db8::1") == network_of("2001:db8::ffff:1") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:10.0.0.1") == network_of("10.0.0.1") != network_of("10.0.0.2")
    assert network_of("testclient") == "testclient"


def test_large_bodies_are_refused(chief: Browser):
    refused = chief.client.post("/api/session", content=b"x" * 1_000_001)
    assert (refused.status_code, refused.json()["code"]) == (413, "too-large")

    def pieces() -> Iterator[bytes]:  # without saying how much is to come
        for _ in range(30):
            yield b"x" * 50_000

    assert chief.client.post("/api/session", content=pieces()).status_code == 413
    assert chief.client.post("/api/session", content=b"{" * 100_000).status_code == 422


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b"{", b"\xff\xfe", b'{"name": "a\\u0000"}', b'{"name": 1}']
)
def test_odd_bodies_are_refused(site: Site, body: bytes):
    answer = site.stranger().client.post(
        "/api/session", content=body, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


def test_errors_never_repeat_what_was_sent(site: Site):
    body = {"name": "r 01", "password": "my secret password"}
    answer = site.stranger().client.post("/api/session", json=body)
    assert answer.status_code == 422
    assert "secret" not in answer.text


def test_faults_tell_nothing_to_the_browser_and_all_to_the_log(
    site: Site, chief: Browser, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    def fail(*_: object) -> None:
        raise RuntimeError("an inner secret")

    monkeypatch.setattr(site.store, "plan", fail)
    answer = chief.get("/api/queue/plan")
    assert (answer.status_code, answer.json()["code"]) == (500, "fault")
    assert "secret" not in answer.text
    assert answer.headers["content-security-policy"] == CONTENT_SECURITY_POLICY
    assert "an inner secret" in caplog.text

    def unreachable(*_: object) -> None:
        raise DatabaseError("postgresql://host does not answer")

    monkeypatch.setattr(site.store, "plan", unreachable)
    answer = chief.get("/api/queue/plan")
    assert (answer.status_code, answer.json()["code"]) == (503, "database")
    assert "postgresql" not in answer.text


def test_the_log_has_a_line_a_request_and_no_secrets(site: Site, caplog: pytest.LogCaptureFixture):
    site.browser("r-01")
    with caplog.at_level(logging.INFO, "dapatlas.review"):
        browser = site.stranger()
        browser.log_in("r-01", PASSWORD)
        browser.get("/api/cases?token=secret")
        browser.get("/a%0ab")
    lines = [record.getMessage() for record in caplog.records if record.name == "dapatlas.review"]
    assert [line.rsplit(" ", 2)[0] for line in lines] == [
        "POST /api/session 200",
        "GET /api/cases 200",
        "GET /a\\nb 404",
    ]
    cookie = browser.client.cookies["dapatlas_session"]
    assert not any(secret in line for line in lines for secret in (PASSWORD, cookie, "secret", browser.csrf))


def test_roles_are_what_they_are_now(site: Site):
    site.browser("r-05")
    browser = site.browser("r-05")
    adjudicators = ["/api/export", "/api/cases/x/verdicts"]
    admins = ["/api/readers"]
    assert {browser.get(path).status_code for path in adjudicators + admins} == {403}
    site.store.change_reader("r-05", role=Role.ADJUDICATOR)
    assert [browser.get(path).status_code for path in adjudicators + admins] == [200, 404, 403]


def test_a_server_for_others_needs_somebody_who_can_log_in(sqlite_store: Store):
    check_accounts(Mode.LOCAL, sqlite_store)
    with pytest.raises(DapatlasError, match="nobody could log in"):
        check_accounts(Mode.ACCOUNTS, sqlite_store)
    sqlite_store.add_reader("r-01", Role.READER)
    with pytest.raises(DapatlasError, match="nobody could log in"):
        check_accounts(Mode.ACCOUNTS, sqlite_store)
    sqlite_store.add_reader("r-02", Role.READER, PASSWORD)
    check_accounts(Mode.ACCOUNTS, sqlite_store)


def test_loopback():
    assert all(is_loopback(host) for host in ("127.0.0.1", "localhost", "::1", "[::1]", "127.8.8.8"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.1", "atlas.example", ""))
