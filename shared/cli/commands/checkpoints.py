"""`stammkunde checkpoints`: how far each service has read, and moving one checkpoint by hand."""

from collections.abc import Sequence
from typing import Annotated, Final, NamedTuple

import typer

from shared.cli.console import print_json, run, say, show_table
from shared.cli.options import (
    DEFAULT_HOME,
    HomeOption,
    PartitionArgument,
    ServiceOption,
    TopicArgument,
    selected_services,
)
from shared.cli.service_database import service_connection
from shared.cli.stack import server_addresses
from shared.cli.tables.checkpoints import checkpoint_row, checkpoint_table
from shared.database.connection import Tx, transaction
from shared.errors import Misconfigured, Retryable
from shared.local.home import Home
from shared.processes import CONSUMERS
from shared.stream.lag import LogSpans, log_spans
from shared.stream.log.checkpoints import StoredCheckpoint, load_checkpoints, reset_checkpoint

EARLIEST: Final = "earliest"
LATEST: Final = "latest"


class Partition(NamedTuple):
    """One partition of a topic."""

    topic: str
    number: int

    def __str__(self) -> str:
        return f"{self.topic} {self.number}"


class Move(NamedTuple):
    """A checkpoint's move in a log with the offsets from `first` to before `end`."""

    current: int
    target: int
    first: int
    end: int

    @property
    def gone(self) -> int:
        """Records that were not applied and are not in the log any more."""
        return max(0, self.first - self.current)

    @property
    def skipped(self) -> int:
        """Records in the log that will not be applied."""
        return max(0, self.target - max(self.current, self.first))

    @property
    def repeated(self) -> int:
        """Records in the log, from the target on, that lie before the checkpoint."""
        return max(0, min(self.current, self.end) - self.target)

    @property
    def unknown(self) -> int:
        """Offsets before the checkpoint that the log does not reach."""
        return max(0, self.current - self.end)


checkpoints = typer.Typer(
    invoke_without_command=True,
    help="Show how far each service has applied each partition, or move one checkpoint.",
)


@checkpoints.callback()
def show(
    context: typer.Context,
    service: ServiceOption = None,
    home: HomeOption = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print the checkpoints as JSON.")] = False,
) -> None:
    """Show how far each service has applied each partition, or move one checkpoint."""
    if context.invoked_subcommand is not None:
        return
    services = selected_services(service)
    positions, spans = run(_read(Home(home), services))
    if as_json:
        rows = []
        for name in services:
            rows += [checkpoint_row(name, position, spans) for position in positions[name]]
        print_json(rows)
        return
    for name in services:
        show_table(name, checkpoint_table(name, positions[name], spans))


@checkpoints.command("reset")
def reset(
    service: Annotated[
        str, typer.Argument(metavar="SERVICE", help=f"One of {', '.join(CONSUMERS)}.")
    ],
    topic: TopicArgument,
    partition: PartitionArgument,
    to: Annotated[
        str, typer.Option("--to", metavar="earliest|latest|OFFSET", help="Where to read next.")
    ],
    yes: Annotated[
        bool, typer.Option("--yes", help="Do it. Without this option, only say what would happen.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make a service read a partition from another offset, after its log was lost or made anew.

    Moving back applies records again, which changes nothing that is already known.
    Moving forward skips records for good. A partition that has stopped goes on. A worker that
    owns it is fenced: it cannot write the batch it is working on, and takes it over anew.
    """
    selected_services(service)
    place = Partition(topic, partition)
    if not run(_reset(Home(home), service, place, to, yes=yes)):
        raise typer.Exit(1)


async def _read(
    home: Home, services: Sequence[str]
) -> tuple[dict[str, list[StoredCheckpoint]], LogSpans]:
    addresses = server_addresses(home)
    positions = {}
    for service in services:
        async with service_connection(addresses.database_url, service) as connection:
            positions[service] = await load_checkpoints(connection)
    topics = {position.topic for known in positions.values() for position in known}
    return positions, await log_spans(addresses.kafka_bootstrap, topics)


async def _reset(home: Home, service: str, place: Partition, to: str, *, yes: bool) -> bool:
    """Whether the checkpoint was moved."""
    addresses = server_addresses(home)
    async with service_connection(addresses.database_url, service) as connection:
        current = await _checkpoint(connection, service, place)
        spans = await log_spans(addresses.kafka_bootstrap, [place.topic])
        target = _target(to, place, spans)
        say(_consequence(service, place, Move(current, target, *spans[place])))
        if not yes:
            say("Nothing was changed. Add --yes to do it.")
            return False
        async with transaction(connection) as tx:
            if not await reset_checkpoint(tx, *place, expected=current, next_offset=target):
                raise Retryable(f"{service} has read on meanwhile: check again")
    say("Done. A running worker continues there within seconds.")
    return True


async def _checkpoint(connection: Tx, service: str, place: Partition) -> int:
    """The next offset that a service reads of a partition."""
    positions = await load_checkpoints(connection)
    for position in positions:
        if (position.topic, position.partition) == place:
            return position.next_offset
    topics = ", ".join(sorted({position.topic for position in positions})) or "nothing yet"
    raise Misconfigured(f"{service} has no checkpoint of {place}; it reads {topics}")


def _target(to: str, place: Partition, spans: LogSpans) -> int:
    """The offset that `to` means in this partition."""
    if place not in spans:
        raise Misconfigured(f"there is no {place} in Kafka")
    first, end = spans[place]
    if to == EARLIEST:
        return first
    if to == LATEST:
        return end
    if not to.isdecimal() or not first <= int(to) <= end:
        raise Misconfigured(
            f"--to must be {EARLIEST}, {LATEST} or an offset from {first} to {end}, not {to}"
        )
    return int(to)


def _consequence(service: str, place: Partition, move: Move) -> str:
    """What a move does, in words."""
    said = []
    if move.gone:
        said.append(f"{move.gone:,} records had left the log before {service} applied them")
    if move.skipped:
        said.append(f"{move.skipped:,} records and their effects are skipped and lost to {service}")
    if move.repeated:
        said.append(
            f"up to {move.repeated:,} records are applied again; "
            "of the same log, this changes nothing that is already known"
        )
    if move.unknown:
        said.append(f"of {move.unknown:,} records that were applied, this log has none")
    consequence = "; ".join(said) or "the checkpoint stays; its owner reads it again"
    return f"{service}, {place}: from {move.current:,} to {move.target:,}: {consequence}."
