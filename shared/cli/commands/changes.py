"""`stammkunde changes`: what has been published, as one JSON object a line."""

import json
import math
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.cli.console import note, run, until_interrupted
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.stack import SHORT_PATIENCE_S, running_stack
from shared.client.errors import Unavailable
from shared.client.pages import afollow

_PAGE_SIZE: Final = 1000


def changes(
    after: Annotated[
        str | None,
        typer.Option(help="Continue after this cursor; `now` skips everything published so far."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more until interrupted.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Print published transitions and corrections, one JSON object a line.

    At the end, standard error says how to continue.
    """
    if run(until_interrupted(_print(home, after, follow=follow))) is None and not follow:
        raise typer.Exit(1)


async def _print(home: Path, after: str | None, *, follow: bool) -> bool:
    """Print all pages. A follower waits for more, and for a service that does not answer."""
    patience_s = math.inf if follow else SHORT_PATIENCE_S
    stack = running_stack(home)
    try:
        async with (
            stack.lifecycle(patience_s=patience_s, on_retry=_warn) as lifecycle,
            aclosing(afollow(lifecycle, after, limit=_PAGE_SIZE)) as pages,
        ):
            async for page in pages:
                for item in page["items"]:
                    typer.echo(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
                after = page["next"]
                if not follow and not page["more"]:
                    break
    finally:
        if after is not None:
            note(f"continue with: --after {after}")
    return True


def _warn(error: Unavailable) -> None:
    note(f"{error}; trying again", style="yellow")
