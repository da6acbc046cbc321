"""`stammkunde status`: the processes of a stack, whether they are ready, and how far behind."""

import asyncio
from collections.abc import Mapping

import httpx

from shared.cli.console import console, run, say
from shared.cli.options import DEFAULT_HOME, HomeOption, command_line
from shared.cli.tables.processes import process_table
from shared.local.home import Home
from shared.local.readiness import is_ready
from shared.stream.lag import ServiceLag, service_lags


def status(home: HomeOption = DEFAULT_HOME) -> None:
    """Show the processes, whether they are ready, and how far behind they are."""
    run(_status(Home(home)))


async def _status(home: Home) -> None:
    state = home.running()
    ready = await _readiness(state.urls)
    lags = await service_lags(state.kafka_bootstrap, state.database_url)
    console.print(process_table(state, ready, lags))
    _show_stops(home, lags)


async def _readiness(urls: Mapping[str, str]) -> dict[str, bool]:
    """Whether each process answers that it is ready."""
    async with httpx.AsyncClient(timeout=5) as client:
        answers = await asyncio.gather(*(is_ready(client, url) for url in urls.values()))
    return dict(zip(urls, answers, strict=True))


def _show_stops(home: Home, lags: Mapping[str, ServiceLag]) -> None:
    for service, lag in lags.items():
        for partition, reason in lag.stopped.items():
            say(
                f"{service}: {partition} has stopped: {reason}; "
                f"`{command_line(f'resume {partition}', home)}` continues it"
            )
