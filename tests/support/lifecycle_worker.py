"""Run lifecycle's worker in the test's process, and read what it leaves in the database."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Final

from services.lifecycle.batch.handler import LifecycleHandler
from services.lifecycle.batch.schedule_watch import PolicyFile
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.worker import SUBSCRIPTION
from shared.ids import partition_of
from shared.stream.session import Session
from tests.support.fresh_servers import PARTITIONS
from tests.support.pipeline import rows, running, worker_settings
from tests.support.server_stack import Stack

POLICY: Final = Policy(act_within_days=1000)


def worker(
    stack: Stack,
    database: str,
    *,
    watch: Callable[[Session], None] = lambda _: None,
    judged_by: Policy = POLICY,
    **settings: Any,
) -> AbstractAsyncContextManager[None]:
    """Run a worker until the block ends; `watch` is called with each of its sessions."""
    config, file = worker_settings(stack, database, **settings), PolicyFile(judged_by)
    return running(
        SUBSCRIPTION, config, lambda reader: LifecycleHandler(reader, config, file), watch
    )


def on(partition: int, name: str) -> str:
    """Name a customer of a partition."""
    return next(
        c for c in (f"{name}-{n}" for n in range(1000)) if partition_of(c, PARTITIONS) == partition
    )


async def orders_of(database: str, customer: str) -> int | None:
    found = await rows(
        database,
        "SELECT (state::jsonb ->> 'orders')::int AS n FROM lifecycle.customer WHERE customer = $1",
        customer,
    )
    return found[0]["n"] if found else None


async def history(database: str, customer: str) -> list[tuple[Any, ...]]:
    """Every transition ever recorded: (rule, instant, withdrawn?, historical?)."""
    found = await rows(
        database,
        "SELECT rule, occurred_at, withdrawn IS NOT NULL AS void,"
        " (convert_from(body, 'UTF8')::jsonb ->> 'historical')::boolean AS historical"
        " FROM lifecycle.transition WHERE customer = $1 ORDER BY version, position",
        customer,
    )
    return [tuple(row) for row in found]
