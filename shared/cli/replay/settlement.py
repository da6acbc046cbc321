"""Waiting until the whole system has processed what it was sent."""

from collections.abc import Callable, Mapping

from shared.cli.console import console
from shared.cli.stack import RunningStack
from shared.processes import CONSUMERS
from shared.stream.lag import ServiceLag, wait_until_settled


async def show_settlement(stack: RunningStack) -> None:
    """Wait until everything is processed, showing what is left to do."""
    with console.status("waiting for the system to finish …") as status:

        def watch(lags: Mapping[str, ServiceLag]) -> None:
            status.update(f"waiting: {_backlog(lags)}")

        await wait_for_settlement(stack, watch=watch)


async def wait_for_settlement(
    stack: RunningStack, *, watch: Callable[[Mapping[str, ServiceLag]], None] = lambda _: None
) -> None:
    """Wait until all checkpoints are at the end of their log and all outboxes are empty.

    `watch` is called with each reading of what is left.
    """
    state = stack.state
    workers = [service for service in CONSUMERS if f"{service}-worker" in state.urls]
    await wait_until_settled(
        state.kafka_bootstrap, state.database_url, workers=workers, watch=watch
    )


def _backlog(lags: Mapping[str, ServiceLag]) -> str:
    parts = (
        f"{service} {lag.behind:,} behind, {lag.unpublished:,} unpublished"
        for service, lag in lags.items()
    )
    return " · ".join(parts)
