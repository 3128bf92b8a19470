"""People who may use the desk: passwords, roles, logins that end, and a limit for those who guess."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from thermolang.errors import LoginError, RefusedError, require
from thermolang.review import statements
from thermolang.review.checks import check, check_operator
from thermolang.review.records import utc_now
from thermolang.review.schema import ROLES, FailedLoginRow, Role, SessionRow, UserRow
from thermolang.review.store import ReviewStore

if TYPE_CHECKING:
    from argon2 import PasswordHasher

SESSION = timedelta(hours=12)
# Failed logins within the window, after which further ones are not even tried: for a name from one address, for an
# address, and for a name. The last one is high, or anybody could lock somebody out.
WINDOW = timedelta(minutes=15)
FAILURES = {"both": 5, "address": 20, "name": 50}
MIN_PASSWORD = 10
MAX_PASSWORD = 1000


@dataclass(frozen=True)
class User:
    """Somebody who may use the desk.

    Attributes:
        name: Also the name under which verdicts are recorded.
        role: ``"reviewer"`` decides, ``"lead"`` also reopens and sees what waits for a lead, ``"admin"`` may do all.
    """

    name: str
    role: Role

    def may(self, role: Role) -> bool:
        """Whether the user has this role or a higher one."""
        return ROLES.index(self.role) >= ROLES.index(role)


class UserStore:
    """Users and their logins, in the database of a review store.

    Args:
        store: Where they are; it stays open.
        clock: Returns the time now, aware.
    """

    def __init__(self, store: ReviewStore, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._store = store
        self._clock = clock

    def add(self, name: str, password: str, role: Role = "reviewer") -> User:
        """Add a user.

        Raises:
            StoreError: The name is taken or empty, the password too short, or the role unknown.
        """
        name = _checked_name(name)
        check(role in ROLES, f"unknown role {role!r}; one of {', '.join(ROLES)}")
        hashed = _hasher().hash(_checked_password(password))
        with self._store._transaction() as session:
            check(session.get(UserRow, name) is None, f"there is a user {name!r} already")
            session.add(UserRow(name=name, role=role, password_hash=hashed, created_at=self._clock()))
        return User(name, role)

    def set_password(self, name: str, password: str) -> None:
        """Change a password and end all logins of the user.

        Raises:
            StoreError: There is no such user, or the password is too short.
        """
        hashed = _hasher().hash(_checked_password(password))
        with self._store._transaction() as session:
            self._row(session, name).password_hash = hashed
            session.execute(delete(SessionRow).where(SessionRow.user_name == name))

    def remove(self, name: str) -> None:
        """Remove a user and end all their logins; their verdicts stay.

        Raises:
            StoreError: There is no such user.
        """
        with self._store._transaction() as session:
            row = self._row(session, name)
            session.execute(delete(SessionRow).where(SessionRow.user_name == name))
            session.delete(row)

    def all(self) -> list[User]:
        """All users, by name."""
        with self._store._transaction() as session:
            return [User(row.name, row.role) for row in session.scalars(select(UserRow).order_by(UserRow.name))]

    def named(self, name: str) -> User | None:
        """The user of a name that somebody else has checked, such as a proxy with a login of its own."""
        with self._store._transaction() as session:
            row = session.get(UserRow, name.strip()[:200])
            return User(row.name, row.role) if row else None

    def login(self, name: str, password: str, address: str = "") -> tuple[User, str]:
        """Check a password and begin a session.

        Args:
            name: The user's name.
            password: The user's password.
            address: Where the login comes from; failures are counted for it.

        Returns:
            The user, and a new token of 256 random bits for the browser; only its hash is kept here.

        Raises:
            LoginError: The name or the password is wrong (which of them is not told), or there were too many failures.
        """
        at, name = self._clock(), name.strip()[:200]
        keys = {"both": f"both {name} {address}"[:300], "address": f"address {address}"[:300], "name": f"name {name}"}
        with self._store._transaction() as session:
            self._refuse_guessing(session, keys, at)
            row = session.get(UserRow, name)
            known = (row.password_hash, row.role) if row else None
        # Outside the transaction: it takes a moment, on purpose. An unknown name takes as long as a wrong password.
        right = _verify(known[0] if known else _nobody(), password[:MAX_PASSWORD])
        with self._store._transaction() as session:
            if not (right and known):
                session.add_all(FailedLoginRow(key=key, at=at) for key in keys.values())
                session.execute(delete(FailedLoginRow).where(FailedLoginRow.at < at - WINDOW))
            else:
                return User(name, known[1]), _begun(session, name, at)
        msg = "the name or the password is wrong"
        raise LoginError(msg)

    def enter(self, name: str, role: Role | None = None) -> tuple[User, str]:
        """Begin a session for somebody whom another login has checked.

        Args:
            name: The name there, which is also the user's here.
            role: The role that the other login stands for: the user is added with it, or gets it, if need be. Without
                one the user must be known.

        Returns:
            The user and a new token, as ``login`` does.

        Raises:
            LoginError: There is no such user, or this can be no user's name.
        """
        try:
            name = _checked_name(name)
        except RefusedError as error:
            raise LoginError(str(error)) from error
        at = self._clock()
        # Outside the transaction, as it takes a moment. Nobody knows the password.
        password = _hasher().hash(secrets.token_urlsafe(48)) if role and self.named(name) is None else ""
        with self._store._transaction() as session:
            row = session.get(UserRow, name)
            if row is None and role and password:
                row = UserRow(name=name, role=role, password_hash=password, created_at=at)
                session.add(row)
                session.flush()
            if row is None:
                msg = f"there is no user {name!r}: thermolang users add {name} --by-proxy"
                raise LoginError(msg)
            row.role = role or row.role
            return User(name, row.role), _begun(session, name, at)

    def user_of(self, token: str) -> User | None:
        """The user that a token belongs to; None if it is unknown or its session has ended."""
        with self._store._transaction() as session:
            row = statements.user_of(session, _digest(token), self._clock())
            return User(row.name, row.role) if row else None

    def logout(self, token: str) -> None:
        """End a session."""
        with self._store._transaction() as session:
            session.execute(delete(SessionRow).where(SessionRow.token_hash == _digest(token)))

    def _row(self, session: Session, name: str) -> UserRow:
        row = session.get(UserRow, name)
        if row is None:
            msg = f"there is no user {name!r}"
            raise RefusedError(msg)
        return row

    def _refuse_guessing(self, session: Session, keys: dict[str, str], at: datetime) -> None:
        for kind, key in keys.items():
            recent = select(func.count()).where(FailedLoginRow.key == key, FailedLoginRow.at > at - WINDOW)
            if (session.scalar(recent) or 0) >= FAILURES[kind]:
                msg = f"too many failed logins; try again in {WINDOW.seconds // 60} minutes"
                raise LoginError(msg)


def _begun(session: Session, name: str, at: datetime) -> str:
    """Begin a session and return its token; sessions that have ended are forgotten."""
    token = secrets.token_urlsafe(32)
    session.execute(delete(SessionRow).where(SessionRow.expires_at <= at))
    session.add(SessionRow(token_hash=_digest(token), user_name=name, expires_at=at + SESSION))
    return token


def _checked_name(name: str) -> str:
    check_operator(name)
    check(name.isprintable(), "a name consists of characters that can be printed")
    return name.strip()


def _checked_password(password: str) -> str:
    fine = MIN_PASSWORD <= len(password) <= MAX_PASSWORD
    check(fine, f"a password has {MIN_PASSWORD} to {MAX_PASSWORD} characters, got {len(password)}")
    return password


@cache
def _hasher() -> PasswordHasher:
    hasher: PasswordHasher = require("argon2", "app").PasswordHasher()
    return hasher


@cache
def _nobody() -> str:
    """A hash that no password has."""
    return _hasher().hash(secrets.token_urlsafe())


def _verify(hashed: str, password: str) -> bool:
    argon2 = require("argon2", "app")
    try:
        return _hasher().verify(hashed, password)
    except (argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError):
        return False


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()
