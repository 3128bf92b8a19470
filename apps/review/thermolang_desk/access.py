"""Who asks: the user of a session's cookie, of a trusted proxy's header, or the one for whom the desk was opened."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, HTTPException, Request, Response

from thermolang.errors import ThermolangError
from thermolang.review import Role, User, UserStore

if TYPE_CHECKING:
    from thermolang_desk.oidc import Oidc

COOKIE = "thermolang_desk"
SESSION_SECONDS = 12 * 60 * 60
METRICS_VARIABLE = "THERMOLANG_METRICS_TOKEN"
MIN_TOKEN = 24


@dataclass(frozen=True)
class Proxy:
    """A reverse proxy that has checked who somebody is.

    Attributes:
        header: The header in which it tells the user's name; it must remove what a browser sends under this name.
        addresses: Where it asks from, as addresses or networks; the header of anybody else is ignored.
    """

    header: str
    addresses: tuple[str, ...]

    def __post_init__(self) -> None:
        try:
            networks = [ip_network(address, strict=False) for address in self.addresses]
        except ValueError as error:
            msg = f"the proxies' addresses must be IP addresses or networks: {error}"
            raise ThermolangError(msg) from error
        if not networks or not self.header:
            msg = "a trusted header needs its name and the addresses of the proxies that send it"
            raise ThermolangError(msg)

    def trusts(self, address: str) -> bool:
        """Whether a request comes from the proxy."""
        try:
            asking = ip_address(address)
        except ValueError:
            return False
        return any(asking in ip_network(network, strict=False) for network in self.addresses)


@dataclass(frozen=True)
class Access:
    """How the desk finds out who asks.

    Attributes:
        users: Users and their sessions.
        alone: The only user, without a login: for a desk that nobody else can reach.
        proxy: A proxy that tells who somebody is.
        oidc: A provider by which people log in, beside their passwords.
        metrics_token: Who sends it as a bearer token may read ``/metrics``, beside admins; at least 24 characters.
            Empty for nobody.
    """

    users: UserStore
    alone: User | None = None
    proxy: Proxy | None = None
    oidc: Oidc | None = None
    metrics_token: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.metrics_token and len(self.metrics_token) < MIN_TOKEN:
            msg = (
                f"anybody can ask for /metrics: put a token of at least {MIN_TOKEN} characters into {METRICS_VARIABLE}"
            )
            raise ThermolangError(msg)

    def user_of(self, request: Request) -> User | None:
        """Who asks; None if nobody is logged in."""
        if self.alone is not None:
            return self.alone
        proxy = self.proxy
        if proxy is not None and proxy.trusts(address_of(request)):
            return self.users.named(request.headers.get(proxy.header, ""))
        token = request.cookies.get(COOKIE, "")
        return self.users.user_of(token) if token else None


def address_of(request: Request) -> str:
    """The address that a request comes from."""
    return request.client.host if request.client else ""


def bearer(request: Request) -> str:
    """The token that a program sends; empty if there is none."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def user_of(request: Request) -> User:
    """Who asks; nobody else gets further."""
    user: User | None = request.app.state.access.user_of(request)
    if user is None:
        raise HTTPException(401, "log in first")
    request.state.user = user.name
    return user


def needs(role: Role) -> Callable[[User], Awaitable[User]]:
    """A dependency: the user, who must have this role or a higher one."""

    # Without waiting for anything, and so without a thread of its own.
    async def checked(user: Annotated[User, Depends(user_of)]) -> User:
        if not user.may(role):
            raise HTTPException(403, f"this is for the role {role}")
        return user

    return checked


Reviewer = Annotated[User, Depends(needs("reviewer"))]
Lead = Annotated[User, Depends(needs("lead"))]


def is_secure(request: Request) -> bool:
    """Whether the browser talks TLS, to the desk or to a proxy before it."""
    # Who makes this header up only gets cookies that are kept more strictly, and an address that no provider knows.
    return "https" in (request.url.scheme, request.headers.get("x-forwarded-proto"))


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Give the browser its token: no script reads it, and no other site makes the browser send it."""
    secure = is_secure(request)
    response.set_cookie(
        COOKIE, token, max_age=SESSION_SECONDS, httponly=True, samesite="strict", secure=secure, path="/"
    )
