"""`stammkunde topics`: create the topics that are missing."""

from shared.cli.console import run, say
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.stack import server_addresses
from shared.kafka.topics import create_missing
from shared.local.home import Home
from shared.local.settings import LocalSettings


def topics(home: HomeOption = DEFAULT_HOME) -> None:
    """Create the topics that are missing."""
    run(_create(Home(home)))


async def _create(home: Home) -> None:
    settings = LocalSettings()
    partitions = await create_missing(
        server_addresses(home).kafka_bootstrap,
        partitions=settings.partitions,
        replication=settings.replication,
    )
    for name, number in sorted(partitions.items()):
        say(f"{name}: {number} partitions")
