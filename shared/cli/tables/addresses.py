"""Where the APIs of a stack answer."""

from rich.table import Table

from shared.cli.console import console, show_table
from shared.cli.stack import RunningStack
from shared.processes import PROCESSES


def show_addresses(stack: RunningStack) -> None:
    """Print the address of each API, and the header that carries the key, which is not shown."""
    show_table(f"Stammkunde, clock {stack.state.clock}", _address_table(stack, ""))
    header = f"Key: Authorization: Bearer {stack.key_in_shell}"
    console.print(header, markup=False, soft_wrap=True)


def show_example_request(stack: RunningStack, *, customer: str) -> None:
    """Print the address of each API, and a line to paste that asks about a customer."""
    show_table("Try it yourself", _address_table(stack, "/v1"))
    url = f"{stack.lifecycle_url}/v1/customers/{customer}"
    line = f'curl -H "Authorization: Bearer {stack.key_in_shell}" {url}'
    console.print(line, markup=False, soft_wrap=True, style="cyan")


def _address_table(stack: RunningStack, suffix: str) -> Table:
    table = Table()
    table.add_column("API", no_wrap=True)
    table.add_column("URL", no_wrap=True)
    for process in PROCESSES:
        if process.is_api and process.name in stack.state.urls:
            table.add_row(process.name, f"{stack.state.urls[process.name]}{suffix}")
    return table
