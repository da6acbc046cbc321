"""Tables of counts by name."""

from collections.abc import Mapping

from rich.table import Table

from shared.cli.console import show_table


def counts_table(noun: str, unit: str, counts: Mapping[str, int]) -> Table:
    """Counts by name, with their sum in the last row."""
    table = Table(show_footer=True)
    table.add_column(noun, footer="all", no_wrap=True)
    table.add_column(unit, justify="right", footer=f"{sum(counts.values()):,}", no_wrap=True)
    for name, number in counts.items():
        table.add_row(name, f"{number:,}", style="" if number else "dim")
    return table


def show_side_by_side(title: str, *tables: Table) -> None:
    """Print tables beside each other under one title."""
    grid = Table.grid(padding=(0, 2))
    grid.add_row(*tables)
    show_table(title, grid)
