"""Commands of whoever runs the system: are the daily counts that figures are made from right, and make them so."""

from pathlib import Path
from typing import Final

import typer

from shared.cli.commands.customers import JsonOption
from shared.cli.console import DEFAULT_HOME, PATIENCE_S, HomeOption, print_json, run, running, say
from shared.client.lifecycle import AsyncLifecycleClient, CheckView, RebuildView
from shared.processes import LIFECYCLE

COUNT_WITHIN_S: Final = 1800.0
"""All transitions are read."""

figures = typer.Typer(no_args_is_help=True, help="The daily counts that figures are made from.")


@figures.command("check")
def check_counts(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Compare the daily counts with the transitions; nothing is changed. Exit code 1 if they differ."""
    found = run(_check(home))
    if as_json:
        print_json(found)
    elif found["equal"]:
        say(f"{found['rows']:,} daily counts are all right.")
    else:
        told = f"{found['differing']:,} differ. `stammkunde figures rebuild` mends them."
        say(f"{found['rows']:,} daily counts: {told}")
    if not found["equal"]:
        raise typer.Exit(1)


@figures.command("rebuild")
def rebuild_counts(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Count all transitions anew, mend the daily counts, and drop stored figures. Workers wait meanwhile."""
    found = run(_rebuild(home))
    if as_json:
        print_json(found)
        return
    mended = (
        "none differed"
        if found["equal"]
        else f"{found['differing']:,} differed and have been mended"
    )
    say(f"{found['rows']:,} daily counts: {mended}. Dropped {found['dropped']:,} stored figures.")


async def _check(home: Path) -> CheckView:
    async with _lifecycle(home) as api:
        return await api.check_flows()


async def _rebuild(home: Path) -> RebuildView:
    async with _lifecycle(home) as api:
        return await api.rebuild_figures()


def _lifecycle(home: Path) -> AsyncLifecycleClient:
    state, key = running(home)
    return AsyncLifecycleClient(
        state.url(LIFECYCLE), key, timeout_s=COUNT_WITHIN_S, patience_s=PATIENCE_S
    )
