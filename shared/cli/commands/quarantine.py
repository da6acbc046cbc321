"""`stammkunde quarantine`: records that Kafka refuses, and their customers' later ones."""

from collections.abc import Sequence
from typing import Annotated

import typer

from shared.cli.console import run, say
from shared.cli.options import DEFAULT_HOME, HomeOption, ServiceOption, selected_services
from shared.cli.service_database import service_connection
from shared.cli.stack import server_addresses
from shared.database.connection import transaction
from shared.local.home import Home
from shared.stream.outgoing import quarantine as rows

ReleaseOption = Annotated[
    str | None,
    typer.Option(
        "--release",
        metavar="CUSTOMER",
        help="Publish what waits for this customer, in order; '' for records that are nobody's.",
    ),
]


def quarantine(
    release: ReleaseOption = None, service: ServiceOption = None, home: HomeOption = DEFAULT_HOME
) -> None:
    """Show the records that Kafka refused, by customer, with what waits behind; or release them.

    Exits with 1 if there was nothing to release.
    """
    services = selected_services(service)
    if release is None:
        run(_show(Home(home), services))
    elif not run(_release(Home(home), services, release or None)):
        say("nothing is in quarantine for that customer")
        raise typer.Exit(1)


async def _show(home: Home, services: Sequence[str]) -> None:
    database_url = server_addresses(home).database_url
    for service in services:
        async with service_connection(database_url, service) as connection:
            for held in await rows.load(connection):
                say(
                    f"{service}: {held.customer or 'nobody'} (partition {held.partition}): "
                    f"{held.rows:,} records since {held.since:%Y-%m-%dT%H:%M:%SZ}, "
                    f"the first {held.bytes:,} bytes to {held.topic}: {held.reason}"
                )


async def _release(home: Home, services: Sequence[str], customer: str | None) -> int:
    database_url = server_addresses(home).database_url
    released = 0
    for service in services:
        async with (
            service_connection(database_url, service) as connection,
            transaction(connection) as tx,
        ):
            count = await rows.release(tx, customer)
            if count:
                say(f"{service}: {count:,} records are to be published again")
            released += count
    return released
