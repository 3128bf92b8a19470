"""What ``thermolang desk`` makes of its options; secrets come from the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from thermolang.errors import InvalidInputError, require


def desk_package() -> Any:
    """The desk, or an error that says what to install."""
    for needed in ("fastapi", "uvicorn", "argon2", "markdown_it", "sqlalchemy", "alembic"):  # before the desk
        require(needed, "app")
    return require("thermolang_desk", "app")


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
