"""Commands that prepare servers: migrate, topics."""

from shared.cli.console import DEFAULT_HOME, HomeOption, run, say
from shared.database import migrations
from shared.errors import Misconfigured
from shared.kafka import topics as registry
from shared.local.home import Home
from shared.local.settings import LocalSettings


def migrate(home: HomeOption = DEFAULT_HOME) -> None:
    """Bring every service's schema to its newest migration."""
    run(_migrate(home_or_given(Home(home))[1]))


def topics(home: HomeOption = DEFAULT_HOME) -> None:
    """Create the topics that are missing."""
    run(_topics(home_or_given(Home(home))[0]))


def home_or_given(home: Home) -> tuple[str, str]:
    """Kafka and database: from the environment, else those of the stack that runs in this home."""
    given = LocalSettings()
    if given.kafka_bootstrap and given.database_url:
        return given.kafka_bootstrap, given.database_url
    state = home.load()
    if state is None or not home.is_running():
        raise Misconfigured(
            f"no stack is running in {home.path}; or set STAMMKUNDE_KAFKA_BOOTSTRAP and STAMMKUNDE_DATABASE_URL"
        )
    return given.kafka_bootstrap or state.kafka_bootstrap, given.database_url or state.database_url


async def _migrate(database_url: str) -> None:
    for service in await migrations.upgrade_all(database_url):
        say(f"{service}: at its newest migration")


async def _topics(bootstrap: str) -> None:
    settings = LocalSettings()
    found = await registry.ensure(
        bootstrap, partitions=settings.partitions, replication=settings.replication
    )
    for name, partitions in sorted(found.items()):
        say(f"{name}: {partitions} partitions")
