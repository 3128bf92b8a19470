"""Nobody gets in: without a login, from another page, with too much, under another name."""

import json

import pytest
from thermolang_desk import Access, Proxy, create_app
from thermolang_desk.guard import CONTENT_POLICY, MAX_BODY

from tests.desk.conftest import BASE, PASSWORD, browser
from thermolang import ThermolangError
from thermolang.review import User, UserStore

# What anybody may ask for; everything else needs a session.
OPEN = {"/", "/healthz", "/readyz", "/static/{name}", "/api/v1/login"}
ID = "0" * 32


def routes(app):
    found = set()
    for route in app.routes:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        for each in inner or [route]:
            found |= {(method, each.path) for method in each.methods or ()}
    return sorted(found)


def test_the_routes_are_these_and_no_others(app):
    paths = {path for _, path in routes(app)}
    assert paths == {
        *OPEN,
        *(f"/api/v1/{name}" for name in ("logout", "me", "changes", "stats", "tasks", "items", "next")),
        *(f"/api/v1/items/{{item_id}}/{name}" for name in ("open", "renew", "release", "decide", "leave", "undo")),
        *(f"/api/v1/items/{{item_id}}/{name}" for name in ("reopen", "draft", "events", "probe", "settle", "assign")),
        *("/lead", "/lead/load", "/lead/work", "/lead/people", "/lead/alarms", "/lead/settings", "/metrics"),
        *(f"/api/v1/producer/{name}" for name in ("items", "accepted", "items/{item_id}")),
        *(f"/api/v1/lead/{name}" for name in ("preview", "settings", "figures/{name}", "figures/{name}.csv")),
        "/api/v1/lead/alarms/{alarm_id}/seen",
    }


def test_every_other_route_without_a_login_answers_401_and_tells_nothing(app, three):
    for method, path in routes(app):
        if path in OPEN:
            continue
        answer = browser(app).request(method, path.format(item_id=three[0].id, name="people", alarm_id=1), json={})
        assert answer.status_code == 401, (method, path)
        if path.startswith("/lead"):
            assert 'id="login"' in answer.text and "question" not in answer.text
            continue
        needed = "a token is needed that was not revoked" if "/producer/" in path else "log in first"
        assert answer.json() == {"error": {"code": "unauthorized", "text": needed}}


@pytest.mark.parametrize(
    "path",
    [
        *("/openapi.json", "/docs", "/redoc", "/config", "/info", "/gradio_api/info", "/gradio_api/upload", "/upload"),
        *(
            "/gradio_api/file=/etc/passwd",
            "/queue/join",
            "/api/v1",
            "/api/v1/",
            "/api/v2/items",
            "/metrics/",
            "/healthz/",
        ),
        *(
            "/static/",
            "/static/app.py",
            "/static/../app.py",
            "/static/..%2fapp.py",
            "/static/%2e%2e/app.py",
            "//etc/passwd",
        ),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_the_desk_does_not_need_is_not_there(logged_in, path, method):
    assert logged_in("ann", "admin").request(method, path).status_code in (404, 405)


def test_without_a_session_the_page_is_a_login_without_data(nobody, three):
    answer = nobody.get("/")
    assert answer.status_code == 401
    assert "question" not in answer.text and "data-user" not in answer.text


def test_health_is_open_and_tells_nothing(nobody, store, three):
    assert (nobody.get("/healthz").json(), nobody.get("/readyz").json()) == ({"status": "ok"}, {"status": "ok"})
    store.close()
    answer = nobody.get("/readyz")
    assert (answer.status_code, answer.json()) == (503, {"status": "error"})
    assert nobody.get("/healthz").status_code == 200


# other pages


FOREIGN = [
    {"sec-fetch-site": "cross-site", "origin": "https://evil.example"},
    {"sec-fetch-site": "same-site", "origin": "http://127.0.0.1:8000"},  # another port of this machine
    {"sec-fetch-site": "same-site", "origin": "http://localhost:7861"},
    {"sec-fetch-site": "cross-site", "origin": "null"},
    {"sec-fetch-site": "none", "origin": BASE},
    {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:8000"},
    {"sec-fetch-site": "same-origin", "origin": "http://127.0.0.1:7861.evil.example"},
    {"sec-fetch-site": "cross-site", "origin": BASE},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_a_verdict_from_another_page_is_refused(alone, store, three, headers):
    body = {"action": "accept", "version": 1}
    answer = alone.post(f"/api/v1/items/{three[0].id}/decide", json=body, headers=headers)
    assert answer.status_code == 403
    assert store.get(three[0].id).status == "pending"


@pytest.mark.parametrize("headers", FOREIGN)
def test_another_page_does_not_read_the_queue(alone, three, headers):
    if headers["sec-fetch-site"] == "none":
        pytest.skip("who types the address reads what that person may read")
    answer = alone.get("/api/v1/items", headers=headers)
    assert answer.status_code == 403
    assert "question" not in answer.text
    assert "access-control-allow-origin" not in answer.headers


def test_a_link_from_elsewhere_opens_the_page_and_nothing_of_the_api(alone, three):
    navigation = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}
    del alone.headers["origin"]
    assert alone.get("/", headers=navigation).status_code == 200
    assert alone.get("/", headers=navigation | {"sec-fetch-dest": "iframe"}).status_code == 403
    assert alone.get("/api/v1/items", headers=navigation).status_code == 403
    assert alone.get("/api/v1/items", headers=navigation | {"sec-fetch-site": "none"}).status_code == 200


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""]
)
def test_what_a_form_can_send_is_refused(alone, store, three, kind):
    body = json.dumps({"action": "accept", "version": 1})
    answer = alone.post(f"/api/v1/items/{three[0].id}/decide", content=body, headers={"content-type": kind})
    assert answer.status_code == 415
    assert store.get(three[0].id).status == "pending"


@pytest.mark.parametrize("host", ["evil.example", "evil.example:7861", "127.0.0.1.evil.example", "", "[::2]:7861"])
def test_other_host_names_are_refused(alone, host):
    for path in ("/", "/healthz", "/api/v1/items"):
        assert alone.get(path, headers={"host": host}).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7861", "127.0.0.1:1", "[::1]:7861"])
def test_the_desks_own_names_are_known(alone, host):
    assert alone.get("/healthz", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


# bodies and headers


def test_a_long_body_is_refused_before_it_is_read(alone, store, three):
    path, text = f"/api/v1/items/{three[0].id}/draft", "x" * (MAX_BODY + 1)
    assert alone.put(path, json={"note": text}).status_code == 413

    def pieces():
        for _ in range(30):
            yield b"x" * 100_000

    assert alone.put(path, content=pieces()).status_code == 413
    assert alone.put(path, content=b"{}", headers={"content-length": "-1"}).status_code == 413


@pytest.mark.parametrize("path", ["/", "/healthz", "/static/desk.js", "/api/v1/me", "/nothing"])
def test_every_answer_has_the_strict_headers(nobody, path):
    headers = nobody.get(path).headers
    assert headers["content-security-policy"] == CONTENT_POLICY
    for part in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"):
        assert part in CONTENT_POLICY
    assert "unsafe" not in CONTENT_POLICY and "*" not in CONTENT_POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"


def test_the_page_has_nothing_inline(alone, nobody):
    for page in (alone.get("/").text, nobody.get("/").text):
        assert "<script>" not in page and "<style" not in page
        assert " style=" not in page and " onclick" not in page and "javascript:" not in page


# sessions


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites(app, store):
    UserStore(store).add("ann", PASSWORD)
    answer = browser(app).post("/api/v1/login", json={"name": "ann", "password": PASSWORD})
    cookie = answer.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in cookie
    assert PASSWORD not in answer.text and "secure" not in cookie
    secure = browser(app, **{"x-forwarded-proto": "https"})
    answer = secure.post("/api/v1/login", json={"name": "ann", "password": PASSWORD})
    assert "secure" in answer.headers["set-cookie"].lower()


def test_a_token_from_before_the_login_is_worth_nothing(app, store):
    """Session fixation: what somebody put into the browser does not become a session."""
    UserStore(store).add("ann", PASSWORD)
    client = browser(app)
    client.cookies.set("thermolang_desk", "planted")
    answer = client.post("/api/v1/login", json={"name": "ann", "password": PASSWORD})
    assert "planted" not in answer.headers["set-cookie"]
    assert browser(app).get("/api/v1/me", headers={"cookie": "thermolang_desk=planted"}).status_code == 401


def test_logging_out_ends_the_session_on_the_server(logged_in, app):
    client = logged_in("ann")
    cookie = f"thermolang_desk={client.cookies['thermolang_desk']}"
    assert browser(app).get("/api/v1/me", headers={"cookie": cookie}).json() == {"name": "ann", "role": "reviewer"}
    assert client.post("/api/v1/logout", json={}).status_code == 200
    assert browser(app).get("/api/v1/me", headers={"cookie": cookie}).status_code == 401


@pytest.mark.parametrize(("language", "wrong", "wait"), [("en", "is wrong", "15 minutes"), ("ja", "違います", "15 分")])
def test_guessing_is_slowed_down_in_the_readers_language(app, store, language, wrong, wait):
    UserStore(store).add("ann", PASSWORD)
    client, body = browser(app, **{"accept-language": language}), {"name": "ann", "password": "guess"}
    answers = [client.post("/api/v1/login", json=body) for _ in range(6)]
    assert [answer.status_code for answer in answers] == [401] * 5 + [429]
    assert wrong in answers[0].json()["error"]["text"]
    assert wait in answers[5].json()["error"]["text"]


def test_a_reviewer_cannot_do_what_a_lead_can(logged_in, store, three):
    reviewer, lead = logged_in("ann"), logged_in("lee", "lead")
    store.decide(three[0].id, "accept", operator="ann")
    path = f"/api/v1/items/{three[0].id}/reopen"
    answer = reviewer.post(path, json={"version": 2})
    assert (answer.status_code, answer.json()["error"]["text"]) == (403, "this is for the role lead")
    assert store.get(three[0].id).status == "accepted"
    assert 'id="reopen"' not in reviewer.get("/").text
    assert lead.post(path, json={"version": 2}).json()["item"]["status"] == "pending"


def test_a_verdict_is_recorded_under_the_name_of_the_session(logged_in, store, three):
    client = logged_in("ann")
    body = {"action": "accept", "version": 1, "operator": "bob"}
    assert client.post(f"/api/v1/items/{three[0].id}/decide", json=body).status_code == 422
    del body["operator"]
    assert client.post(f"/api/v1/items/{three[0].id}/decide", json=body).status_code == 200
    assert store.get(three[0].id).verdict.operator == "ann"


# a proxy with a login of its own


def test_a_proxys_header_is_believed_from_its_address_only(store):
    users = UserStore(store)
    users.add("ann", PASSWORD)
    own = {"x-user": "ann"}
    for address, status in (("testclient", 401), ("10.0.0.1", 200), ("10.9.9.9", 401)):
        app = create_app(store, Access(users, proxy=Proxy("x-user", ("10.0.0.0/24",))))
        client = browser(app)
        client._transport.client = (address, 1234)
        assert client.get("/api/v1/me", headers=own).status_code == status, address
    client._transport.client = ("10.0.0.1", 1)
    assert client.get("/api/v1/me", headers={"x-user": "stranger"}).status_code == 401


@pytest.mark.parametrize("proxy", [("x-user", ()), ("", ("10.0.0.1",)), ("x-user", ("somewhere",))])
def test_a_proxy_must_be_stated_wholly(proxy):
    with pytest.raises(ThermolangError, match="prox"):
        Proxy(*proxy)


def test_without_a_login_the_user_is_the_one_it_was_opened_for(alone):
    assert alone.get("/api/v1/me").json() == {"name": "ann", "role": "lead"}
    assert User("ann", "lead").may("reviewer")


def test_what_guards_the_desk_takes_no_number_that_can_be_guessed():
    import ast
    from pathlib import Path

    import thermolang_desk

    import thermolang.review

    desk, store = Path(thermolang_desk.__file__).parent, Path(thermolang.review.__file__).parent
    names = ("access", "guard", "logs", "metrics", "producers", "server")
    guards = [
        *(desk / f"{name}.py" for name in names),
        *(store / f"{name}.py" for name in ("users", "tokens", "audit")),
    ]
    for path in guards:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert "random" not in imported, path
    assert (desk / "guard.py") in guards
