"""A connection to the schema of one service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from shared.database.connection import Tx, connect
from shared.errors import Misconfigured


@asynccontextmanager
async def service_connection(database_url: str, service: str) -> AsyncIterator[Tx]:
    """Open a connection that sees the tables of one service; Misconfigured if there are none."""
    try:
        connection = await connect(database_url, service)
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedTableError) as error:
        raise Misconfigured(f"{service} has no tables here: run `stammkunde migrate`") from error
