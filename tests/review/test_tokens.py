"""Tokens of programs: stored as hashes, worthless once revoked."""

import pytest
from sqlalchemy import text

from thermolang.errors import StoreError
from thermolang.review import TokenStore


def test_a_token_names_its_program_until_it_is_revoked(any_store, clock):
    tokens = TokenStore(any_store, clock=clock)
    made, other = tokens.add(" router "), tokens.add("batch")
    assert (tokens.name_of(made), tokens.name_of(other)) == ("router", "batch")
    assert tokens.all() == [("batch", clock.now), ("router", clock.now)]
    tokens.revoke("router")
    assert (tokens.name_of(made), tokens.name_of(other)) == (None, "batch")
    assert tokens.name_of(tokens.add("router")) == "router"


def test_the_database_holds_no_token(any_store):
    made = TokenStore(any_store).add("router")
    with any_store._engine.connect() as connection:
        rows = connection.execute(text("SELECT * FROM tokens")).all()
    assert made.startswith("thermolang_") and len(made) > 40
    assert made not in str(rows) and made.removeprefix("thermolang_") not in str(rows)


@pytest.mark.parametrize("token", ["", "thermolang_", "\ud800", "' OR 1=1"])
def test_unknown_tokens_are_nobodys(any_store, token):
    TokenStore(any_store).add("router")
    assert TokenStore(any_store).name_of(token) is None


@pytest.mark.parametrize("name", ["", " ", "a\u202eb", "x" * 201, "router"])
def test_impossible_names_are_refused(any_store, name):
    TokenStore(any_store).add("router")
    with pytest.raises(StoreError, match=r"needs the name|201 characters|a token for 'router' already"):
        TokenStore(any_store).add(name)
    with pytest.raises(StoreError, match="there is no token for 'nobody'"):
        TokenStore(any_store).revoke("nobody")
