"""`stammkunde migrate`: bring every service's schema up to date."""

from shared.cli.console import run, say
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.stack import server_addresses
from shared.database import migrations
from shared.local.home import Home


def migrate(home: HomeOption = DEFAULT_HOME) -> None:
    """Upgrade every service's schema to its latest migration."""
    run(_migrate(Home(home)))


async def _migrate(home: Home) -> None:
    database_url = server_addresses(home).database_url
    for service in await migrations.upgrade_all(database_url):
        say(f"{service}: at its latest migration")
