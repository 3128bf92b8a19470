"""Users, passwords and sessions; guessing is slowed down."""

import pytest
from sqlalchemy import text

from thermolang.errors import LoginError, StoreError
from thermolang.review import User, UserStore
from thermolang.review.users import FAILURES, SESSION, WINDOW

PASSWORD = "correct horse battery"


@pytest.fixture
def users(any_store, clock):
    pytest.importorskip("argon2")
    return UserStore(any_store, clock=clock)


def everything_in(store):
    with store._engine.connect() as connection:
        tables = ("users", "sessions", "failed_logins")
        return str([connection.execute(text(f"SELECT * FROM {table}")).all() for table in tables])


def test_a_login_gives_a_token_and_the_token_gives_the_user(users, any_store):
    users.add("ann", PASSWORD, "lead")
    user, token = users.login(" ann ", PASSWORD)
    assert user == users.user_of(token) == User("ann", "lead")
    kept = everything_in(any_store)
    assert PASSWORD not in kept and token not in kept
    assert "argon2id" in kept


def test_every_login_gets_a_token_of_its_own(users):
    users.add("ann", PASSWORD)
    assert len({users.login("ann", PASSWORD)[1] for _ in range(3)}) == 3


def test_sessions_end_by_logout_by_time_by_password_and_with_the_user(users, clock):
    users.add("ann", PASSWORD)
    tokens = [users.login("ann", PASSWORD)[1] for _ in range(2)]
    users.logout(tokens[0])
    assert [users.user_of(token) is None for token in tokens] == [True, False]
    clock.move(seconds=SESSION.total_seconds())
    assert users.user_of(tokens[1]) is None
    token = users.login("ann", PASSWORD)[1]
    users.set_password("ann", PASSWORD + "!")
    assert users.user_of(token) is None
    token = users.login("ann", PASSWORD + "!")[1]
    users.remove("ann")
    assert users.user_of(token) is None
    assert users.all() == []


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", ""), ("ann", "x" * 5000)])
def test_a_wrong_name_and_a_wrong_password_sound_alike(users, name, password):
    users.add("ann", PASSWORD)
    with pytest.raises(LoginError, match=r"^the name or the password is wrong$"):
        users.login(name, password)


@pytest.mark.parametrize("token", ["", "x", "\ud800", "' OR 1=1"])
def test_unknown_tokens_are_nobodys(users, token):
    users.add("ann", PASSWORD)
    users.login("ann", PASSWORD)
    assert users.user_of(token) is None


def fail(users, times, name="ann", address="10.0.0.1"):
    for _ in range(times):
        with pytest.raises(LoginError, match="is wrong"):
            users.login(name, "wrong", address)


def test_after_some_failures_even_the_right_password_waits(users, clock):
    users.add("ann", PASSWORD)
    fail(users, FAILURES["both"])
    with pytest.raises(LoginError, match="too many failed logins; try again in 15 minutes"):
        users.login("ann", PASSWORD, "10.0.0.1")
    # Who guesses from elsewhere does not lock the owner out.
    assert users.login("ann", PASSWORD, "10.0.0.2")[0].name == "ann"
    clock.move(seconds=WINDOW.seconds)
    assert users.login("ann", PASSWORD, "10.0.0.1")[0].name == "ann"


def test_one_address_cannot_try_many_names(users, monkeypatch):
    monkeypatch.setitem(FAILURES, "address", 4)
    for number in range(4):
        fail(users, 1, f"user {number}")
    with pytest.raises(LoginError, match="too many"):
        users.login("another", "wrong", "10.0.0.1")


def test_many_addresses_cannot_try_one_name(users, monkeypatch):
    monkeypatch.setitem(FAILURES, "name", 4)
    for number in range(4):
        fail(users, 1, address=f"10.0.1.{number}")
    with pytest.raises(LoginError, match="too many"):
        users.login("ann", "wrong", "10.0.2.1")


@pytest.mark.parametrize(
    ("name", "password", "role", "message"),
    [
        ("ann", PASSWORD, "reviewer", "there is a user 'ann' already"),
        ("bob", "short", "reviewer", "a password has 10 to 1000 characters, got 5"),
        ("bob", PASSWORD, "king", "unknown role 'king'; one of reviewer, lead, admin"),
        (" ", PASSWORD, "reviewer", "needs the name"),
        ("x" * 201, PASSWORD, "reviewer", "the operator has 201 characters"),
        ("bob\u202e", PASSWORD, "reviewer", "characters that can be printed"),
    ],
)
def test_impossible_users_are_refused(users, name, password, role, message):
    users.add("ann", PASSWORD)
    with pytest.raises(StoreError, match=message):
        users.add(name, password, role)
    assert users.all() == [User("ann", "reviewer")]


def test_unknown_users_are_named(users):
    with pytest.raises(StoreError, match="there is no user 'ann'"):
        users.remove("ann")
    with pytest.raises(StoreError, match="there is no user 'ann'"):
        users.set_password("ann", PASSWORD)


@pytest.mark.parametrize(("role", "may"), [("reviewer", [1, 0, 0]), ("lead", [1, 1, 0]), ("admin", [1, 1, 1])])
def test_higher_roles_may_what_lower_ones_may(role, may):
    assert [User("ann", role).may(needed) for needed in ("reviewer", "lead", "admin")] == list(map(bool, may))


# by another login


def test_who_is_known_enters_without_a_password(users, clock):
    users.add("ann", PASSWORD, "lead")
    user, token = users.enter("ann")
    assert user == User("ann", "lead") and users.user_of(token) == user
    assert users.enter("ann")[1] != token
    clock.now += SESSION
    assert users.user_of(token) is None


@pytest.mark.parametrize("name", ["bob", "", "a\nb", "x" * 201])
def test_who_is_unknown_does_not_enter(users, name):
    with pytest.raises(LoginError):
        users.enter(name)
    assert users.all() == []


def test_a_role_of_the_other_login_adds_and_changes_users(users):
    assert users.enter("bob", "lead")[0] == users.named("bob") == User("bob", "lead")
    _, token = users.enter("bob", "reviewer")
    assert users.user_of(token) == User("bob", "reviewer")
    with pytest.raises(LoginError):
        users.login("bob", "")
