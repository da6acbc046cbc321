"""`stammkunde figures`: check the daily counts that figures are computed from, or rebuild them."""

from pathlib import Path
from typing import Final

import typer

from shared.cli.console import print_json, run, say
from shared.cli.options import DEFAULT_HOME, HomeOption, JsonOption
from shared.cli.stack import SHORT_PATIENCE_S, running_stack
from shared.client.lifecycle import AsyncLifecycleClient, CheckView, RebuildView

COUNT_TIMEOUT_S: Final = 1800.0
"""The service reads all transitions before it answers."""

figures = typer.Typer(
    no_args_is_help=True,
    help="Check or rebuild the daily counts that figures are computed from.",
)


@figures.command("check")
def check(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Compare the daily counts with the transitions. Changes nothing.

    Exits with 1 if they differ.
    """
    answer = run(_check(home))
    if as_json:
        print_json(answer)
    elif answer["equal"]:
        say(f"All {answer['rows']:,} daily counts are correct.")
    else:
        say(
            f"{answer['differing']:,} of {answer['rows']:,} daily counts differ. "
            "`stammkunde figures rebuild` corrects them."
        )
    if not answer["equal"]:
        raise typer.Exit(1)


@figures.command("rebuild")
def rebuild(home: HomeOption = DEFAULT_HOME, as_json: JsonOption = False) -> None:
    """Recount all transitions, correct the daily counts and drop stored figures.

    Workers wait meanwhile.
    """
    answer = run(_rebuild(home))
    if as_json:
        print_json(answer)
        return
    differing = answer["differing"]
    result = "none differed" if answer["equal"] else f"{differing:,} differed and were corrected"
    say(f"{answer['rows']:,} daily counts: {result}. Dropped {answer['dropped']:,} stored figures.")


async def _check(home: Path) -> CheckView:
    async with _lifecycle(home) as lifecycle:
        return await lifecycle.check_flows()


async def _rebuild(home: Path) -> RebuildView:
    async with _lifecycle(home) as lifecycle:
        return await lifecycle.rebuild_figures()


def _lifecycle(home: Path) -> AsyncLifecycleClient:
    stack = running_stack(home)
    return stack.lifecycle(timeout_s=COUNT_TIMEOUT_S, patience_s=SHORT_PATIENCE_S)
