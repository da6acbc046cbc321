"""Commands of whoever runs the system: where every service stands, moving a checkpoint by hand, releasing a brake."""

import os
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Annotated, Final, TypeAlias

import asyncpg
import typer
from rich.table import Table

from shared.cli.commands.schema import home_or_given
from shared.cli.console import DEFAULT_HOME, HomeOption, print_json, run, say, show
from shared.database import connection as db
from shared.database.connection import Tx
from shared.errors import Misconfigured, Retryable
from shared.local.home import Home
from shared.processes import CONSUMERS
from shared.stream.lag import spans
from shared.stream.log import ownership
from shared.stream.log.ownership import Position

Spans: TypeAlias = Mapping[tuple[str, int], tuple[int, int]]
"""First and end offset by topic and partition."""

ServiceOption = Annotated[
    str | None, typer.Option("--service", help=f"Only this service: {', '.join(CONSUMERS)}.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print them as JSON.")]
TopicArgument = Annotated[str, typer.Argument(metavar="TOPIC")]
PartitionArgument = Annotated[int, typer.Argument(metavar="PARTITION", min=0)]
BEGINNING: Final = "beginning"
END: Final = "end"

checkpoints = typer.Typer(
    invoke_without_command=True, help="How far every service has applied each topic's partition."
)


@checkpoints.callback()
def show_checkpoints(
    context: typer.Context,
    service: ServiceOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: JsonOption = False,
) -> None:
    """How far every service has applied each topic's partition."""
    if context.invoked_subcommand is not None:
        return
    services = _services(service)
    found, where = run(_read(Home(home), services))
    if as_json:
        print_json([_row(name, position, where) for name in services for position in found[name]])
        return
    for name in services:
        show(name, _table(name, found[name], where))


@checkpoints.command("reset")
def reset_checkpoint(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help=", ".join(CONSUMERS))],
    topic: TopicArgument,
    partition: PartitionArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="beginning|end|OFFSET", help="Where to go on reading.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it; otherwise only say what it would mean.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Let a service go on reading a topic's partition elsewhere, after its log was lost or cut.

    Back: records are applied again, which changes nothing that is known already. On: records are skipped for good.
    A worker that owns the partition is fenced: what it has in hand is not written.
    """
    (name,) = _services(service)
    if not run(_reset(Home(home), name, (topic, partition), to, yes=yes)):
        raise typer.Exit(1)


def resume(
    topic: TopicArgument,
    partition: PartitionArgument,
    service: ServiceOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Release the brake of a partition that paused because of too many dead letters."""
    released = run(_resume(Home(home), _services(service), topic, partition))
    for name in released:
        say(f"{name}: {topic} {partition} goes on")
    if not released:
        say(f"{topic} {partition} was not paused{f' in {service}' if service else ''}")
        raise typer.Exit(1)


def _services(service: str | None) -> Sequence[str]:
    if service is not None and service not in CONSUMERS:
        raise typer.BadParameter(
            f"{service!r} is none of {', '.join(CONSUMERS)}", param_hint="SERVICE"
        )
    return CONSUMERS if service is None else (service,)


@asynccontextmanager
async def _connected(database_url: str, service: str) -> AsyncIterator[Tx]:
    try:
        connection = await db.connect(database_url, service)
        try:
            yield connection
        finally:
            await connection.close()
    except (asyncpg.InvalidParameterValueError, asyncpg.UndefinedTableError) as error:
        raise Misconfigured(f"{service} has no tables here: run `stammkunde migrate`") from error


async def _read(home: Home, services: Sequence[str]) -> tuple[dict[str, list[Position]], Spans]:
    bootstrap, database_url = home_or_given(home)
    found = {}
    for service in services:
        async with _connected(database_url, service) as connection:
            found[service] = await ownership.positions(connection)
    return found, await spans(
        bootstrap, {position.topic for some in found.values() for position in some}
    )


def _row(service: str, position: Position, where: Spans) -> dict[str, object]:
    end = where.get((position.topic, position.partition), (0, 0))[1]
    return {
        "service": service,
        "topic": position.topic,
        "partition": position.partition,
        "next_offset": position.next_offset,
        "end": end,
        "lag": end - position.next_offset,
        "ticked": position.ticked.isoformat().replace("+00:00", "Z") if position.ticked else None,
        "braked": position.braked,
    }


def _table(service: str, positions: Sequence[Position], where: Spans) -> Table:
    table = Table()
    table.add_column("Topic", no_wrap=True)
    for name in ("Partition", "Next", "End", "Lag"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Ticked", no_wrap=True)
    if any(position.braked for position in positions):
        table.add_column("Paused because", style="red", overflow="fold")
    topic = ""
    for position in positions:
        if topic and topic != position.topic:
            table.add_section()
        row = _row(service, position, where)
        numbers = (f"{row[name]:,}" for name in ("partition", "next_offset", "end", "lag"))
        ticked, braked = str(row["ticked"] or ""), [position.braked] if position.braked else []
        table.add_row("" if topic == position.topic else position.topic, *numbers, ticked, *braked)
        topic = position.topic
    return table


async def _reset(home: Home, service: str, place: tuple[str, int], to: str, *, yes: bool) -> bool:
    bootstrap, database_url = home_or_given(home)
    async with _connected(database_url, service) as connection:
        known = {
            (p.topic, p.partition): p.next_offset for p in await ownership.positions(connection)
        }
        if place not in known:
            topics = ", ".join(sorted({topic for topic, _ in known})) or "nothing yet"
            raise Misconfigured(
                f"{service} has no checkpoint of {place[0]} {place[1]}; it reads {topics}"
            )
        target = _target(to, place, await spans(bootstrap, [place[0]]))
        _explain(service, place, known[place], target)
        if not yes:
            say("Nothing has been changed: add --yes to do it.")
            return False
        async with db.transaction(connection) as tx:
            if not await ownership.reset(tx, *place, expected=known[place], next_offset=target):
                raise Retryable(f"{service} has moved on meanwhile: look again")
    _restart_worker(home, service)
    return True


def _target(to: str, place: tuple[str, int], where: Spans) -> int:
    if place not in where:
        raise Misconfigured(f"there is no {place[0]} {place[1]} in Kafka")
    first, end = where[place]
    if to in (BEGINNING, END):
        return first if to == BEGINNING else end
    if not to.isdecimal() or not first <= int(to) <= end:
        raise Misconfigured(
            f"--to must be {BEGINNING}, {END} or an offset from {first} to {end}, not {to}"
        )
    return int(to)


def _explain(service: str, place: tuple[str, int], now: int, target: int) -> None:
    where = f"{service}, {place[0]} {place[1]}: from {now:,} to {target:,}"
    if target > now:
        say(
            f"{where}: {target - now:,} records are skipped and lost to {service}, with what should follow from them."
        )
    elif target < now:
        say(
            f"{where}: up to {now - target:,} records are applied again; what is known already changes nothing."
        )
    else:
        say(f"{where}: the checkpoint stays; its owner is fenced and reads it anew.")


def _restart_worker(home: Home, service: str) -> None:
    """A worker notices at its next batch; ours need not wait for one."""
    state = home.load() if home.is_running() else None
    pid = state.pids.get(f"{service}-worker") if state else None
    if pid is None:
        say(
            "Done. A running worker begins there with its next batch; restart it if nothing comes in."
        )
        return
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    say(f"Done. {service}-worker is being started again, from there.")


async def _resume(home: Home, services: Sequence[str], topic: str, partition: int) -> list[str]:
    _, database_url = home_or_given(home)
    released = []
    for service in services:
        async with (
            _connected(database_url, service) as connection,
            db.transaction(connection) as tx,
        ):
            if await ownership.resume(tx, topic, partition):
                released.append(service)
    return released
