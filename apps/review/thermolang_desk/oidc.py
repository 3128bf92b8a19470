"""Login by an OpenID Connect provider: authorization code with PKCE, state and nonce, all of it by Authlib."""

from __future__ import annotations

import hashlib
import hmac
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route, request_response
from starlette.types import Receive, Scope, Send

from thermolang.errors import LoginError, StoreError, ThermolangError, require
from thermolang.review import ROLES, Role, UserStore
from thermolang_desk import components, texts
from thermolang_desk.access import COOKIE, is_secure, set_cookie
from thermolang_desk.i18n import WORDS, language_for

logger = logging.getLogger(__name__)

SECRET_VARIABLE = "THERMOLANG_OIDC_SECRET"  # nosec # B105: the name of it
STATE_COOKIE = "thermolang_oidc"
STATE_SECONDS = 600
_TIMEOUT = 10.0
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Oidc:
    """An OpenID Connect provider by which people log in.

    Attributes:
        discovery: Its discovery URL, which ends in ``/.well-known/openid-configuration``.
        client_id: The desk's id there.
        client_secret: The desk's secret there.
        name_claim: The claim that is the user's name on the desk. An e-mail address counts only if the provider says
            that it has verified it. Of others the provider must promise that they are unique and that nobody chooses
            their own.
        roles: From groups there to roles here. If there are any, they alone decide who gets in and as what: people are
            added at their first login, and who has none of the groups stays out. Without any, people must be known to
            the desk.
        role_claim: The claim that holds a person's groups, as a list or a text; dots lead into objects.
        scope: What the provider is asked to tell.
        transport: How requests are sent, for tests; by default over the network.

    Raises:
        ThermolangError: Something is missing, or the URL is not one of HTTPS.
    """

    discovery: str
    client_id: str
    client_secret: str = field(repr=False)
    name_claim: str = "email"
    roles: Mapping[str, Role] = field(default_factory=dict)
    role_claim: str = "groups"
    scope: str = "openid profile email"
    transport: Any = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        parts = urlsplit(self.discovery)
        if not parts.hostname or not (parts.scheme == "https" or (parts.scheme == "http" and _is_here(parts.hostname))):
            msg = f"the provider's discovery URL begins with https://, got {self.discovery[:200]!r}"
            raise ThermolangError(msg)
        if not self.client_id or not self.client_secret:
            msg = f"a provider needs the desk's client id, and the client's secret in {SECRET_VARIABLE}"
            raise ThermolangError(msg)
        if unknown := set(self.roles.values()) - set(ROLES):
            msg = f"unknown role {sorted(unknown)[0]!r}; one of {', '.join(ROLES)}"
            raise ThermolangError(msg)
        if "openid" not in self.scope.split():
            msg = f"the scope holds the word openid, got {self.scope!r}"
            raise ThermolangError(msg)

    def name_of(self, claims: Mapping[str, Any]) -> str:
        """The user's name on the desk; empty if the provider does not tell it."""
        if self.name_claim == "email" and claims.get("email_verified") is not True:
            return ""
        name = _claim(claims, self.name_claim)
        return name.strip() if isinstance(name, str) else ""

    def role_of(self, claims: Mapping[str, Any]) -> Role | None:
        """The highest role that a group of the user's stands for; None if none does."""
        given = _claim(claims, self.role_claim)
        groups = given if isinstance(given, list) else [given]
        found = [self.roles[group] for group in groups if isinstance(group, str) and group in self.roles]
        return max(found, key=ROLES.index, default=None)


def _is_here(host: str) -> bool:
    return host in _LOOPBACK


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim; its name may hold dots itself, or they lead into objects."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def add_routes(app: FastAPI, oidc: Oidc) -> None:
    """Add the two steps of the login: away to the provider, and back."""
    steps = _Steps(oidc)
    for path, step in (("/oidc/login", steps.begin), ("/oidc/callback", steps.end)):
        app.router.routes.append(Route(path, _Remembering(step, oidc), methods=["GET"]))


class _Remembering:
    """A step that finds in ``request.session`` what the one before it has put there.

    It is in a signed cookie of ten minutes. That one must come along when the provider's page sends the browser back,
    so it is not kept from other sites as strictly as a session's.
    """

    def __init__(self, step: Callable[[Request], Awaitable[Response]], oidc: Oidc) -> None:
        sessions = require("starlette.middleware.sessions", "oidc")
        # The same for all processes of a desk, and after a restart.
        key = hmac.new(oidc.client_secret.encode(), b"thermolang desk, state of a login", hashlib.sha256).hexdigest()
        common: dict[str, Any] = {"session_cookie": STATE_COOKIE, "max_age": STATE_SECONDS, "path": "/oidc"}
        inner = request_response(step)
        self._app = {
            secure: sessions.SessionMiddleware(inner, key, https_only=secure, **common) for secure in (True, False)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await self._app[is_secure(Request(scope))](scope, receive, send)


class _Steps:
    def __init__(self, oidc: Oidc) -> None:
        self._oidc = oidc
        options: dict[str, Any] = {"scope": oidc.scope, "code_challenge_method": "S256", "timeout": _TIMEOUT}
        if oidc.transport is not None:
            options["transport"] = oidc.transport
        self._client = (
            require("authlib.integrations.starlette_client", "oidc")
            .OAuth()
            .register(
                "desk",
                client_id=oidc.client_id,
                client_secret=oidc.client_secret,
                server_metadata_url=oidc.discovery,
                client_kwargs=options,
            )
        )

    async def begin(self, request: Request) -> Response:
        """Send the browser to the provider."""
        request.session["to"] = components.own_page(request.query_params.get("to", ""))
        scheme = "https" if is_secure(request) else "http"
        back = f"{scheme}://{request.headers['host']}/oidc/callback"
        try:
            await self._metadata()
            response: Response = await self._client.authorize_redirect(request, back)
        except Exception as error:  # of three libraries, and whatever a provider answers
            return _refused(request, "login_provider", error)
        return response

    async def end(self, request: Request) -> Response:
        """Log in whom the provider sends back."""
        to = components.own_page(request.session.get("to", ""))
        try:
            issuer = (await self._metadata())["issuer"]
            # By itself Authlib takes a token that is for another client, if it names this one as its party.
            options = {
                "iss": {"essential": True, "value": issuer},
                "aud": {"essential": True, "value": self._oidc.client_id},
            }
            claims = (await self._client.authorize_access_token(request, claims_options=options)).get("userinfo")
        except Exception as error:  # as above
            return _refused(request, "login_failed", error)
        finally:
            request.session.clear()
        if claims is None:
            return _refused(request, "login_failed", "the provider sent no ID token")
        return await self._entered(request, claims, to)

    async def _metadata(self) -> dict[str, Any]:
        """What the provider says of itself; tokens without a signature of its private key count for nothing."""
        metadata: dict[str, Any] = await self._client.load_server_metadata()
        names = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
        signed = [name for name in names if name != "none" and not name.startswith("HS")]
        metadata["id_token_signing_alg_values_supported"] = signed or ["RS256"]
        return metadata

    async def _entered(self, request: Request, claims: Mapping[str, Any], to: str) -> Response:
        oidc, users = self._oidc, _users(request)
        name, role = oidc.name_of(claims), oidc.role_of(claims)
        if not name or (oidc.roles and role is None):
            return _refused(request, "login_unknown", "no name or no role", name=name)
        try:
            _, token = await run_in_threadpool(users.enter, name, role)
            if before := request.cookies.get(COOKIE):
                await run_in_threadpool(users.logout, before)
        except LoginError as error:
            return _refused(request, "login_unknown", error, name=name)
        except StoreError as error:
            return _refused(request, "database", error)
        response = RedirectResponse(to, status_code=303)
        set_cookie(request, response, token)
        return response


def _users(request: Request) -> UserStore:
    users: UserStore = request.app.state.access.users
    return users


def _refused(request: Request, word: str, why: object, *, name: str = "") -> Response:
    """The login again, with a sentence; the reason itself is in the log."""
    # Errors of a provider may hold what the browser sent.
    logger.warning("a login by the provider failed: %s: %.300r", type(why).__name__, str(why))
    said = WORDS[language_for(request)][word].format(name=texts.visible(name)[:200] or "\N{EN DASH}")
    return HTMLResponse(components.login_for(request, wrong=said), status_code=401)
