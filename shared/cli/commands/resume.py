"""`stammkunde resume`: let a partition that has stopped continue."""

from collections.abc import Sequence

import typer

from shared.cli.console import run, say
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
from shared.database.connection import transaction
from shared.local.home import Home
from shared.stream.log.checkpoints import resume_partition


def resume(
    topic: TopicArgument,
    partition: PartitionArgument,
    service: ServiceOption = None,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Resume a partition that has stopped, once its cause is dealt with.

    If its log is still not the one that was read before, it stops again: see
    `stammkunde checkpoints reset`. Exits with 1 if it had not stopped.
    """
    resumed = run(_resume(Home(home), selected_services(service), topic, partition))
    for name in resumed:
        say(f"{name}: {topic} {partition} continues")
    if not resumed:
        where = f" in {service}" if service else ""
        say(f"{topic} {partition} had not stopped{where}")
        raise typer.Exit(1)


async def _resume(home: Home, services: Sequence[str], topic: str, partition: int) -> list[str]:
    """The services in which the partition had stopped."""
    database_url = server_addresses(home).database_url
    resumed = []
    for service in services:
        async with (
            service_connection(database_url, service) as connection,
            transaction(connection) as tx,
        ):
            if await resume_partition(tx, topic, partition):
                resumed.append(service)
    return resumed
