"""What waits for a commit: done once it is there, forgotten with what is rolled back."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from shared.database.connection import Tx, on_commit, transaction


class _Connection:
    """A connection that knows only whether it is in a transaction."""

    def __init__(self) -> None:
        self.depth = 0

    def is_in_transaction(self) -> bool:
        return self.depth > 0

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        self.depth += 1
        try:
            yield
        finally:
            self.depth -= 1


def connection() -> Tx:
    return cast(Tx, _Connection())


async def test_an_act_waits_for_the_commit_of_the_outermost_transaction() -> None:
    done: list[str] = []
    tx = connection()
    async with transaction(tx):
        on_commit(lambda: done.append("first"))
        async with transaction(tx):
            on_commit(lambda: done.append("second"))
        assert done == []
    assert done == ["first", "second"]


async def test_an_act_is_forgotten_with_its_transaction_or_savepoint() -> None:
    done: list[str] = []
    tx = connection()
    with pytest.raises(ZeroDivisionError):
        await _fail_after(tx, lambda: done.append("lost"))
    async with transaction(tx):
        on_commit(lambda: done.append("kept"))
        with pytest.raises(ZeroDivisionError):
            await _fail_after(tx, lambda: done.append("lost"))
    assert done == ["kept"]


async def _fail_after(tx: Tx, act: Callable[[], None]) -> None:
    async with transaction(tx):
        on_commit(act)
        raise ZeroDivisionError


async def test_a_transaction_on_another_connection_commits_by_itself() -> None:
    done: list[str] = []
    async with transaction(connection()):
        async with transaction(connection()):
            on_commit(lambda: done.append("other"))
        assert done == ["other"]


async def test_without_a_transaction_an_act_is_done_at_once() -> None:
    done: list[str] = []
    on_commit(lambda: done.append("now"))
    assert done == ["now"]
