"""The command line of the project: `stammkunde`."""

from typing import Final

import typer

from shared.cli.commands.cadence import cadence
from shared.cli.commands.changes import changes
from shared.cli.commands.customers import customer, phases
from shared.cli.commands.demo import demo
from shared.cli.commands.export import export
from shared.cli.commands.figures import figures
from shared.cli.commands.operations import checkpoints, resume
from shared.cli.commands.replay import replay
from shared.cli.commands.schema import migrate, topics
from shared.cli.commands.simulate import simulate
from shared.cli.commands.simulate_policy import simulate_policy
from shared.cli.commands.stack import down, run_demo, status, up

SYSTEM: Final = "The system"
EVENTS: Final = "Events"
CUSTOMERS: Final = "Customers"
POLICIES: Final = "Policies"
OPERATIONS: Final = "Operations"

app = typer.Typer(
    name="stammkunde",
    help="Stammkunde keeps the phase of every customer of a shop: since when, why, and what happens next.",
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
app.add_typer(figures, name="figures", rich_help_panel=OPERATIONS)

if __name__ == "__main__":
    app()
