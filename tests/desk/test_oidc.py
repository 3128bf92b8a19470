"""Login by a provider: state, nonce, PKCE and signatures are checked, and only whom the desk knows gets in."""

import base64
import hashlib
import json
import time
from html import unescape
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, RedirectResponse
from thermolang_desk import Access, Oidc, create_app, server
from thermolang_desk.components import own_page
from thermolang_desk.i18n import WORDS
from thermolang_desk.oidc import SECRET_VARIABLE, STATE_COOKIE

from tests.desk.conftest import BASE, PASSWORD, browser
from thermolang.errors import ThermolangError
from thermolang.review import ROLES, User, UserStore

httpx2 = pytest.importorskip("httpx2")
joserfc = pytest.importorskip("joserfc")
pytest.importorskip("authlib")
from joserfc import jwk, jwt  # noqa: E402

ISSUER = "https://login.example"
DISCOVERY = f"{ISSUER}/.well-known/openid-configuration"
CLIENT, SECRET = "the-desk", "a secret of the desk at the provider"
ANN = {"email": "ann@example.org", "email_verified": True}
TRAVEL = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


def new_keys():
    """The provider's key, and one of somebody else under its name."""
    return [jwk.RSAKey.generate_key(2048, {"kid": "one", "use": "sig", "alg": "RS256"}) for _ in range(2)]


@pytest.fixture(scope="module")
def keys():
    return new_keys()


class Provider:
    """An OpenID Connect provider without a network; tests change what it says."""

    def __init__(self, keys, issuer=ISSUER):
        self.keys, self.issuer, self.codes, self.down = keys, issuer, {}, False
        self.algorithms, self.changes, self.forged = ["RS256"], {}, ""
        self.app = FastAPI()
        self.app.add_api_route("/.well-known/openid-configuration", self.discovery)
        self.app.add_api_route("/authorize", self.authorize)
        self.app.add_api_route("/jwks", lambda: {"keys": [self.keys[0].as_dict(private=False)]})
        self.app.add_api_route("/token", self.token, methods=["POST"])

    def discovery(self):
        if self.down:
            return JSONResponse({}, status_code=503)
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "id_token_signing_alg_values_supported": self.algorithms,
        }

    def allow(self, asked, claims):
        """Let somebody in who was sent here; returns the code."""
        code = f"code{len(self.codes)}"
        self.codes[code] = asked, claims
        return code

    def authorize(self, request: Request):
        """Let Ann in at once, who has logged in here before."""
        asked = dict(request.query_params)
        query = urlencode({"code": self.allow(asked, ANN), "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{query}")

    async def token(self, request: Request):
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        expected = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        asked, claims = self.codes.pop(form["code"], (None, None))
        if asked is None or request.headers.get("authorization") != f"Basic {expected}":
            return JSONResponse({"error": "invalid_grant"}, status_code=400)
        digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if challenge != asked["code_challenge"] or form["redirect_uri"] != asked["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant", "error_description": "PKCE"}, status_code=400)
        return {"access_token": "x", "token_type": "Bearer", "expires_in": 60} | self.signed(asked, claims)

    def signed(self, asked, claims):
        now = int(time.time())
        content = {"iss": self.issuer, "aud": CLIENT, "sub": "1", "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        content |= claims | self.changes
        if self.forged == "missing":
            return {}
        if self.forged == "unsigned":
            parts = [json.dumps(part).encode() for part in ({"alg": "none", "kid": "one"}, content)]
            return {"id_token": ".".join(base64.urlsafe_b64encode(p).decode().rstrip("=") for p in parts) + "."}
        key = self.keys[1 if self.forged == "other key" else 0]
        return {"id_token": jwt.encode({"alg": "RS256", "kid": "one"}, content, key)}


@pytest.fixture
def provider(keys):
    return Provider(keys)


@pytest.fixture
def desk(store, provider):
    """Makes a client of a desk that knows the provider; a person's browser, which is sent to and fro."""

    def make(users=(), **options):
        for name, role in dict(users).items():
            UserStore(store).add(name, PASSWORD, role)
        transport = httpx2.ASGITransport(app=provider.app)
        oidc = Oidc(DISCOVERY, CLIENT, SECRET, transport=transport, **options)
        client = browser(create_app(store, Access(UserStore(store), oidc=oidc)))
        client.follow_redirects = False
        return client

    return make


def sent_away(client, to="/"):
    """What the provider is asked when the person chooses its login."""
    answer = client.get("/oidc/login", params={"to": to})
    assert answer.status_code == 302, answer.text
    address = urlsplit(answer.headers["location"])
    assert f"{address.scheme}://{address.netloc}{address.path}" == f"{ISSUER}/authorize"
    return {name: values[0] for name, values in parse_qs(address.query).items()}


def back(client, code, state, **headers):
    query = {"code": code, "state": state}
    del client.headers["origin"]
    answer = client.get("/oidc/callback", params=query, headers=TRAVEL | headers)
    client.headers["origin"] = BASE
    return answer


def logged_in(client, provider, claims=ANN, to="/", **headers):
    asked = sent_away(client, to)
    return back(client, provider.allow(asked, claims), asked["state"], **headers)


def test_a_known_user_gets_in(desk, provider):
    client = desk({"ann@example.org": "lead"})
    asked = sent_away(client)
    assert asked["response_type"] == "code" and asked["client_id"] == CLIENT
    assert asked["redirect_uri"] == f"{BASE}/oidc/callback" and asked["code_challenge_method"] == "S256"
    assert {"state", "nonce", "code_challenge"} <= asked.keys() and SECRET not in str(asked)
    answer = back(client, provider.allow(asked, ANN), asked["state"])
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    cookies = answer.headers.get_list("set-cookie")
    (session,) = [cookie.lower() for cookie in cookies if cookie.startswith("thermolang_desk=")]
    assert all(part in session for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"))
    assert client.get("/api/v1/me").json() == {"name": "ann@example.org", "role": "lead"}
    assert SECRET not in answer.text


def test_the_login_offers_it_only_where_there_is_one(desk, nobody):
    assert "/oidc/login" not in nobody.get("/").text
    assert nobody.get("/oidc/login").status_code == nobody.get("/oidc/callback").status_code == 404
    page = desk().get("/?status=all&text=a%22b")
    assert page.status_code == 401 and "/oidc/login?to=/%3Fstatus%3Dall" in page.text and 'a"b' not in page.text


def test_the_way_back_leads_to_the_page_that_was_asked_for(desk, provider):
    client = desk({"ann@example.org": "lead"})
    answer = logged_in(client, provider, to="/?status=all&item=1")
    assert answer.headers["location"] == "/?status=all&item=1"
    assert logged_in(client, provider, to="//evil.example/").headers["location"] == "/"


@pytest.mark.parametrize("address", ["/", "/?item=1", "/lead", "/lead/people", "/try"])
def test_own_pages_are_kept(address):
    assert own_page(address) == address


@pytest.mark.parametrize(
    "address",
    [
        *("https://evil.example/", "//evil.example", "///evil.example", "/\\evil.example", "javascript:alert(1)", ""),
        *("/api/v1/logout", "/oidc/login", "/?" + "x" * 3000, "/?\r\nset-cookie: a=b"),
    ],
)
def test_other_addresses_are_not(address):
    assert own_page(address) == "/"


def test_the_session_is_a_new_one_and_the_old_one_ends(desk, provider, store):
    """Session fixation: what was in the browser before the login is worth nothing after it."""
    client = desk({"ann@example.org": "reviewer", "bob": "reviewer"})
    assert client.post("/api/v1/login", json={"name": "bob", "password": PASSWORD}).status_code == 200
    before = client.cookies["thermolang_desk"]
    logged_in(client, provider)
    after = client.cookies["thermolang_desk"]
    users = UserStore(store)
    assert before != after and users.user_of(before) is None
    assert users.user_of(after) == User("ann@example.org", "reviewer")


@pytest.mark.parametrize(
    "claims",
    [
        {"email": "eve@example.org", "email_verified": True},
        {"email": "ann@example.org", "email_verified": False},
        {"email": "ann@example.org"},
        {"preferred_username": "ann@example.org"},
        {"email": ["ann@example.org"], "email_verified": True},
        {"email": "<b>eve</b>\u202e", "email_verified": True},
    ],
)
@pytest.mark.parametrize("language", ["en", "ja"])
def test_whom_the_desk_does_not_know_stays_out(desk, provider, claims, language):
    client = desk({"ann@example.org": "admin"})
    answer = logged_in(client, provider, claims, **{"accept-language": language})
    said = WORDS[language]["login_unknown"].split("{name}")[1]
    assert answer.status_code == 401 and said in answer.text and "<b>" not in answer.text
    assert client.get("/api/v1/me").status_code == 401


def refused(client, answer, caplog):
    """The login failed with a sentence, and nobody is logged in."""
    assert answer.status_code == 401
    assert WORDS["en"]["login_failed"] in unescape(answer.text)
    assert client.get("/api/v1/me").status_code == 401
    assert SECRET not in caplog.text
    return True


def test_a_state_of_somebody_else_is_refused(desk, provider, caplog):
    """Login forgery: an attacker's code, put into another person's browser, logs nobody in."""
    client, attacker = desk({"ann@example.org": "lead"}), desk()
    asked = sent_away(attacker)
    code = provider.allow(asked, ANN)
    assert refused(client, back(client, code, asked["state"]), caplog)
    own = sent_away(client)
    assert refused(client, back(client, code, own["state"]), caplog)  # and so does its PKCE
    assert provider.codes == {}


def test_a_way_back_is_gone_once(desk, provider, caplog):
    client = desk({"ann@example.org": "lead"})
    asked = sent_away(client)
    code = provider.allow(asked, ANN)
    assert back(client, code, asked["state"]).status_code == 303
    client.post("/api/v1/logout", json={})
    assert refused(client, back(client, code, asked["state"]), caplog)


def test_a_cookie_that_was_made_up_is_no_state(desk, provider, caplog):
    client = desk({"ann@example.org": "lead"})
    asked = sent_away(client)
    content = {f"_state_desk_{asked['state']}": {"data": {"nonce": asked["nonce"]}, "exp": time.time() + 100}}
    made_up = base64.b64encode(json.dumps(content).encode()).decode() + ".aaaaaa.bbbbbbbbbbbbbbbbbbbbbbbbbbb"
    other = desk()
    other.cookies.set(STATE_COOKIE, made_up, path="/oidc")
    assert refused(other, back(other, provider.allow(asked, ANN), asked["state"]), caplog)


@pytest.mark.parametrize("forged", ["missing", "unsigned", "other key"])
def test_a_forged_token_is_refused(desk, provider, forged, caplog):
    provider.forged, provider.algorithms = forged, ["none", "RS256", "HS256"]
    client = desk({"ann@example.org": "lead"})
    assert refused(client, logged_in(client, provider), caplog)


@pytest.mark.parametrize(
    "changes",
    [
        *({"nonce": "another"}, {"iss": "https://evil.example"}, {"exp": 1_000_000_000}),
        *({"aud": "another-client"}, {"aud": "another-client", "azp": CLIENT}, {"azp": "another-client"}),
    ],
)
def test_a_token_for_something_else_is_refused(desk, provider, changes, caplog):
    provider.changes = changes
    client = desk({"ann@example.org": "lead"})
    assert refused(client, logged_in(client, provider), caplog)


def test_what_the_provider_refuses_is_a_sentence(desk, caplog):
    client = desk()
    asked = sent_away(client)
    query = {"error": "access_denied", "error_description": "<script>alert(1)</script>", "state": asked["state"]}
    answer = client.get("/oidc/callback", params=query)
    assert refused(client, answer, caplog)
    assert "alert(1)" not in unescape(answer.text) and asked["state"] not in answer.text


def test_a_provider_that_is_down_is_a_sentence_and_later_it_works(desk, provider):
    client = desk({"ann@example.org": "lead"})
    provider.down = True
    answer = client.get("/oidc/login?to=/lead")
    assert answer.status_code == 401 and WORDS["en"]["login_provider"] in unescape(answer.text)
    assert 'data-to="/lead"' in answer.text
    provider.down = False
    assert logged_in(client, provider).status_code == 303


def test_a_database_that_is_down_is_a_sentence(desk, provider, store):
    client = desk({"ann@example.org": "lead"})
    asked = sent_away(client)
    store.close()
    answer = back(client, provider.allow(asked, ANN), asked["state"])
    assert answer.status_code == 401 and WORDS["en"]["database"] in answer.text


def test_groups_decide_who_gets_in_and_as_what(desk, provider, store):
    client = desk({"bob": "admin"}, name_claim="preferred_username", roles={"qa": "reviewer", "boss": "lead"})
    users = UserStore(store)
    for groups, role in ((["qa"], "reviewer"), (["x", "qa", "boss"], "lead"), ("qa", "reviewer")):
        answer = logged_in(client, provider, {"preferred_username": "ann", "groups": groups})
        assert answer.status_code == 303
        assert users.named("ann") == User("ann", role)
    # Nobody knows the password of who was added so.
    assert client.post("/api/v1/login", json={"name": "ann", "password": ""}).status_code == 401
    for groups in ([], ["x"], None, [["qa"]], {"qa": 1}):
        answer = logged_in(client, provider, {"preferred_username": "bob", "groups": groups})
        assert answer.status_code == 401
    assert users.named("bob") == User("bob", "admin")


def test_groups_may_lie_within_an_object(desk, provider, store):
    options = {"name_claim": "preferred_username", "role_claim": "realm_access.roles", "roles": {"qa": "reviewer"}}
    client = desk(**options)
    claims = {"preferred_username": "ann", "realm_access": {"roles": ["qa"]}}
    assert logged_in(client, provider, claims).status_code == 303
    assert UserStore(store).named("ann") == User("ann", "reviewer")


def test_behind_a_proxy_with_tls_cookies_and_addresses_are_secure(desk, provider):
    client = desk({"ann@example.org": "lead"})
    client.headers["x-forwarded-proto"] = "https"
    answer = client.get("/oidc/login")
    assert "secure" in answer.headers["set-cookie"].lower() and "httponly" in answer.headers["set-cookie"].lower()
    assert "redirect_uri=https%3A%2F%2F127.0.0.1" in answer.headers["location"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("http://login.example/x", CLIENT, SECRET), "begins with https://"),
        (("login.example", CLIENT, SECRET), "begins with https://"),
        ((DISCOVERY, "", SECRET), "client id"),
        ((DISCOVERY, CLIENT, ""), SECRET_VARIABLE),
        ((DISCOVERY, CLIENT, SECRET, "email", {"qa": "king"}), f"unknown role 'king'; one of {', '.join(ROLES)}"),
        ((DISCOVERY, CLIENT, SECRET, "email", {}, "groups", "email"), "the scope holds the word openid"),
    ],
)
def test_a_provider_must_be_stated_wholly(given, said):
    with pytest.raises(ThermolangError, match=said):
        Oidc(*given)


def test_the_secret_is_in_no_text():
    assert SECRET not in repr(Oidc(DISCOVERY, CLIENT, SECRET))


def test_without_users_it_begins_if_the_provider_tells_roles(store):
    with pytest.raises(ThermolangError, match="there are no users yet"):
        server._access(store, "127.0.0.1", login=True, oidc=Oidc(DISCOVERY, CLIENT, SECRET))
    oidc = Oidc(DISCOVERY, CLIENT, SECRET, roles={"qa": "reviewer"})
    assert server._access(store, "127.0.0.1", login=True, oidc=oidc).oidc is oidc
