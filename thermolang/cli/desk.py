"""What ``thermolang desk`` takes, and makes of it; secrets come from the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from thermolang.errors import InvalidInputError, require

if TYPE_CHECKING:
    from thermolang.review.mail import Mail
    from thermolang.review.webhooks import Webhooks

OidcOption = Annotated[
    str,
    typer.Option(
        envvar="THERMOLANG_OIDC",
        help="Discovery URL of an OpenID Connect provider; it ends in /.well-known/openid-configuration.",
    ),
]
OidcClientOption = Annotated[
    str, typer.Option(envvar="THERMOLANG_OIDC_CLIENT", help="The desk's client id at that provider.")
]
OidcNameOption = Annotated[str, typer.Option(help="Claim of the provider that is the user's name here.")]
OidcRoleOption = Annotated[
    list[str] | None,
    typer.Option(help="GROUP=ROLE: who is in that group there gets this role here, also if not known before."),
]
OidcRoleClaimOption = Annotated[str, typer.Option(help="Claim of the provider that holds a user's groups.")]
OidcScopeOption = Annotated[str, typer.Option(help="What the provider is asked to tell.")]
WebhookOption = Annotated[list[str] | None, typer.Option(help="URL that is told when an item waits, or is decided.")]
WebhookTextsOption = Annotated[
    bool, typer.Option("--webhook-texts", help="Tell webhooks questions, answers, corrections and notes, too.")
]
MailToOption = Annotated[
    list[str] | None, typer.Option(help="Address that is told by e-mail when items wait too long, and of alarms.")
]
MailFromOption = Annotated[str, typer.Option(envvar="THERMOLANG_MAIL_FROM", help="Address that e-mail comes from.")]
MailServerOption = Annotated[
    str,
    typer.Option(
        envvar="THERMOLANG_SMTP", help="Mail server, such as smtps://mail.example or smtp://mail.example:587."
    ),
]
MailAfterOption = Annotated[int, typer.Option(min=1, help="Minutes that an item waits before it is told by e-mail.")]
MailDecidedOption = Annotated[bool, typer.Option("--mail-decided", help="Tell by e-mail of verdicts, too.")]
MailDeskOption = Annotated[str, typer.Option(help="The desk's URL for links in e-mail, such as https://desk.example.")]
MailLanguageOption = Annotated[Literal["en", "ja"], typer.Option(help="Language of e-mail.")]
MailInsecureOption = Annotated[
    bool, typer.Option("--mail-insecure", help="Talk to the mail server without TLS, within a network of your own.")
]
TryOption = Annotated[
    str | None,
    typer.Option("--model", "-m", help="Also a page on which this model is asked: a folder, short name or hub id."),
]

LogJsonOption = Annotated[
    bool, typer.Option("--log-json", help="Write logs as lines of JSON, one for each request, without any text.")
]


def desk_package() -> Any:
    """The desk, or an error that says what to install."""
    for needed in (
        "fastapi",
        "uvicorn",
        "argon2",
        "markdown_it",
        "prometheus_client",
        "sqlalchemy",
        "alembic",
    ):  # before the desk
        require(needed, "app")
    return require("thermolang_desk", "app")


def webhooks_of(urls: Sequence[str] | None, *, texts: bool) -> Webhooks | None:
    """The webhooks of a desk, if it has any."""
    if not urls:
        return None
    require("sqlalchemy", "store")
    from thermolang.review.webhooks import SECRET_VARIABLE, Webhooks

    return Webhooks(tuple(urls), os.environ.get(SECRET_VARIABLE, ""), texts)


def mail_of(
    to: Sequence[str] | None, sender: str, server: str, *, after: int, decided: bool, **options: Any
) -> Mail | None:
    """Who is told by e-mail, if anybody is.

    Args:
        to: Addresses.
        sender: The address that it comes from.
        server: The mail server's URL.
        after: Minutes that an item waits before.
        decided: Whether verdicts are told, too.
        options: Attributes of ``Mail``.

    Raises:
        InvalidInputError: Something is missing or none.
    """
    if not to:
        return None
    if not sender or not server:
        msg = "--mail-to needs --mail-from, the address that e-mail comes from, and --mail-server"
        raise InvalidInputError(msg)
    require("sqlalchemy", "store")
    from thermolang.review.mail import PASSWORD_VARIABLE, USER_VARIABLE, Mail
    from thermolang.review.schema import DeliveryKind

    kinds: list[DeliveryKind] = ["item_waits", "alarm", *(["decided"] if decided else [])]  # type: ignore[list-item]
    account: dict[str, Any] = {
        "user": os.environ.get(USER_VARIABLE, ""),
        "password": os.environ.get(PASSWORD_VARIABLE, ""),
    }
    return Mail(tuple(to), sender, server, kinds=tuple(kinds), after=timedelta(minutes=after), **account, **options)


def oidc_of(discovery: str, client: str, *, name_claim: str, role_claim: str, roles: Sequence[str], scope: str) -> Any:
    """The provider by which people log in; None if none is named.

    Args:
        discovery: Its discovery URL.
        client: The desk's id there.
        name_claim: The claim that is the user's name.
        role_claim: The claim that holds groups.
        roles: Such as ``"reviewers=reviewer"``.
        scope: What it is asked to tell.

    Raises:
        InvalidInputError: There is a client or a role but no provider, or a role looks otherwise.
        MissingExtraError: ``thermolang[oidc]`` is not installed.
    """
    if not discovery:
        if client or roles:
            msg = "--oidc-client and --oidc-role need --oidc, the discovery URL of the provider"
            raise InvalidInputError(msg)
        return None
    require("authlib", "oidc")
    desk_package()
    oidc = require("thermolang_desk.oidc", "oidc")
    pairs = dict(_pair(each) for each in roles)
    secret = os.environ.get(oidc.SECRET_VARIABLE, "")
    return oidc.Oidc(discovery, client, secret, name_claim, pairs, role_claim, scope)


def _pair(text: str) -> tuple[str, str]:
    group, _, role = text.rpartition("=")
    if not group or not role:
        msg = f"--oidc-role looks like GROUP=ROLE, such as reviewers=reviewer, not {text!r}"
        raise InvalidInputError(msg)
    return group, role
