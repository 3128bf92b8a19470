"""Tokens of programs that submit answers from other machines; see ``ReviewClient``."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from datetime import datetime

from sqlalchemy import delete, select

from thermolang.errors import RefusedError
from thermolang.review.checks import check, check_lengths
from thermolang.review.records import utc_now
from thermolang.review.schema import TokenRow
from thermolang.review.store import ReviewStore

PREFIX = "thermolang_"
"""How every token begins, so that scanners find one that was published by mistake."""


class TokenStore:
    """Who may submit answers over the desk's API, in the database of a review store.

    A token is for submitting and for reading what was submitted; nobody can log in or decide with it.

    Args:
        store: Where they are; it stays open.
        clock: Returns the time now, aware.
    """

    def __init__(self, store: ReviewStore, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store, self._clock = store, clock

    def add(self, name: str) -> str:
        """Make a token; it is not kept, so this is the only time that it is seen.

        Raises:
            StoreError: The name is taken, empty or cannot be printed.
        """
        name = name.strip()
        check(name != "" and name.isprintable(), "a token needs the name of its program, of characters that print")
        check_lengths(operator=name)
        token = PREFIX + secrets.token_urlsafe(32)
        with self._store._transaction() as session:
            taken = session.get(TokenRow, name) is not None
            check(not taken, f"there is a token for {name!r} already: revoke it first, or take another name")
            session.add(TokenRow(name=name, token_hash=_digest(token), created_at=self._clock()))
        return token

    def revoke(self, name: str) -> None:
        """Make a token worthless, at once.

        Raises:
            StoreError: There is no token for this name.
        """
        with self._store._transaction() as session:
            if session.get(TokenRow, name.strip()) is None:
                msg = f"there is no token for {name!r}"
                raise RefusedError(msg)
            session.execute(delete(TokenRow).where(TokenRow.name == name.strip()))

    def all(self) -> list[tuple[str, datetime]]:
        """The names that tokens were made for, and when."""
        with self._store._transaction() as session:
            rows = session.scalars(select(TokenRow).order_by(TokenRow.name))
            return [(row.name, row.created_at) for row in rows]

    def name_of(self, token: str) -> str | None:
        """Whom a token was made for; None if it is unknown or was revoked."""
        with self._store._transaction() as session:
            return session.scalar(select(TokenRow.name).where(TokenRow.token_hash == _digest(token)))


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
