"""The command line of the project: `stammkunde`."""

from typing import Final

import typer

from shared.cli.commands.cadence import cadence
from shared.cli.commands.changes import changes
from shared.cli.commands.checkpoints import checkpoints
from shared.cli.commands.customer import customer
from shared.cli.commands.demo import demo
from shared.cli.commands.down import down
from shared.cli.commands.export import export
from shared.cli.commands.figures import figures
from shared.cli.commands.migrate import migrate
from shared.cli.commands.phases import phases
from shared.cli.commands.quarantine import quarantine
from shared.cli.commands.replay import replay
from shared.cli.commands.resume import resume
from shared.cli.commands.run import run_demo
from shared.cli.commands.simulate import simulate
from shared.cli.commands.simulate_policy import simulate_policy
from shared.cli.commands.status import status
from shared.cli.commands.topics import topics
from shared.cli.commands.up import up

SYSTEM: Final = "The system"
EVENTS: Final = "Events"
CUSTOMERS: Final = "Customers"
POLICIES: Final = "Policies"
OPERATIONS: Final = "Operations"

app = typer.Typer(
    name="stammkunde",
    help="Stammkunde tracks the phase of every customer of a shop: "
    "since when, why, and what happens next.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)

app.command(rich_help_panel=SYSTEM)(up)
app.command("run", rich_help_panel=SYSTEM)(run_demo)
app.command(rich_help_panel=SYSTEM)(status)
app.command(rich_help_panel=SYSTEM)(down)
app.command(rich_help_panel=EVENTS)(demo)
app.command(rich_help_panel=EVENTS)(replay)
app.command(rich_help_panel=EVENTS)(simulate)
app.command(rich_help_panel=CUSTOMERS)(phases)
app.command(rich_help_panel=CUSTOMERS)(customer)
app.command(rich_help_panel=CUSTOMERS)(export)
app.command(rich_help_panel=CUSTOMERS)(changes)
app.command(rich_help_panel=POLICIES)(simulate_policy)
app.add_typer(cadence, name="cadence", rich_help_panel=CUSTOMERS)
app.command(rich_help_panel=OPERATIONS)(migrate)
app.command(rich_help_panel=OPERATIONS)(topics)
app.add_typer(checkpoints, name="checkpoints", rich_help_panel=OPERATIONS)
app.command(rich_help_panel=OPERATIONS)(resume)
app.command(rich_help_panel=OPERATIONS)(quarantine)
app.add_typer(figures, name="figures", rich_help_panel=OPERATIONS)

if __name__ == "__main__":
    app()
