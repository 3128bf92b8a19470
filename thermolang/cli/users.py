"""``thermolang users``: who may use the review desk."""

from __future__ import annotations

import secrets
import sys
from typing import Annotated, Literal

import typer

from thermolang.cli.common import StoreOption, console, errors, escaped, opened
from thermolang.errors import require

app = typer.Typer(help="Say who may use the review desk.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="The name, under which verdicts are recorded.")]
StdinOption = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of the standard input.")
]
# As in ``thermolang.review.schema``, which needs an extra.
RoleOption = Annotated[
    Literal["reviewer", "lead", "admin"],
    typer.Option(help="A reviewer decides, a lead also reopens what is decided, an admin may do all."),
]


@app.command()
def add(
    name: NameArgument,
    role: RoleOption = "reviewer",
    password_stdin: StdinOption = False,
    by_proxy: Annotated[
        bool, typer.Option("--by-proxy", help="Without a password: only a proxy with a login of its own lets them in.")
    ] = False,
    store: StoreOption = None,
) -> None:
    """Add a user of the review desk; the password is asked for."""
    require("argon2", "app")
    with opened(store) as reviews:
        from thermolang.review.users import UserStore

        password = secrets.token_urlsafe(48) if by_proxy else _password(password_stdin)
        user = UserStore(reviews).add(name, password, role)
        console.print(f"added {escaped(user.name)} ({user.role})")


@app.command()
def password(name: NameArgument, password_stdin: StdinOption = False, store: StoreOption = None) -> None:
    """Set a new password; the user is logged out everywhere."""
    require("argon2", "app")
    with opened(store) as reviews:
        from thermolang.review.users import UserStore

        UserStore(reviews).set_password(name, _password(password_stdin))
        console.print(f"new password for {escaped(name)}")


@app.command()
def remove(name: NameArgument, store: StoreOption = None) -> None:
    """Remove a user; the verdicts stay."""
    with opened(store) as reviews:
        from thermolang.review.users import UserStore

        UserStore(reviews).remove(name)
        console.print(f"removed {escaped(name)}")


@app.command("list")
def show(store: StoreOption = None) -> None:
    """List the users and their roles."""
    with opened(store) as reviews:
        from thermolang.review.users import UserStore

        for user in UserStore(reviews).all():
            console.print(f"{escaped(user.name)} ({user.role})")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="A name for the program that submits answers.")],
    store: StoreOption = None,
) -> None:
    """Make a token with which a program on another machine submits answers; it is shown this once."""
    with opened(store) as reviews:
        from thermolang.review.tokens import TokenStore

        made = TokenStore(reviews).add(name)
    print(made)  # noqa: T201  # alone, so that it can be piped
    errors.print(f"for {escaped(name)}; it is kept nowhere: put it into THERMOLANG_TOKEN there", soft_wrap=True)


@app.command()
def tokens(store: StoreOption = None) -> None:
    """List the programs that have a token."""
    with opened(store) as reviews:
        from thermolang.review.tokens import TokenStore

        for name, at in TokenStore(reviews).all():
            console.print(f"{escaped(name)} since {at:%Y-%m-%d}", highlight=False)


@app.command()
def revoke(
    name: Annotated[str, typer.Argument(help="The name that the token was made for.")], store: StoreOption = None
) -> None:
    """Make a program's token worthless."""
    with opened(store) as reviews:
        from thermolang.review.tokens import TokenStore

        TokenStore(reviews).revoke(name)
        console.print(f"revoked the token for {escaped(name)}")


def _password(stdin: bool) -> str:
    if stdin:
        return sys.stdin.readline().rstrip("\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
    return typed
