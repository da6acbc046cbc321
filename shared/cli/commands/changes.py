"""The command that follows what is published: changes."""

import json
import math
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.cli.console import (
    DEFAULT_HOME,
    PATIENCE_S,
    HomeOption,
    problems,
    run,
    running,
    until_interrupted,
)
from shared.client.errors import Unavailable
from shared.client.lifecycle import AsyncLifecycleClient
from shared.client.pages import afollow
from shared.processes import LIFECYCLE

_PAGE: Final = 1000


def changes(
    after: Annotated[
        str | None,
        typer.Option(help="Go on behind this cursor; `now`: only what comes from here on."),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more, until interrupted.")
    ] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Published transitions and corrections, one JSON object a line; in the end, on standard error, how to go on."""
    if run(until_interrupted(_tell(home, after, follow=follow))) is None and not follow:
        raise typer.Exit(1)


async def _tell(home: Path, after: str | None, *, follow: bool) -> bool:
    """A follower waits for more, and for a service that does not answer."""
    state, key = running(home)
    patience_s = math.inf if follow else PATIENCE_S
    try:
        async with (
            AsyncLifecycleClient(
                state.url(LIFECYCLE), key, patience_s=patience_s, on_retry=_warn
            ) as api,
            aclosing(afollow(api, after, limit=_PAGE)) as pages,
        ):
            async for page in pages:
                for item in page["items"]:
                    typer.echo(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
                after = page["next"]
                if not follow and not page["more"]:
                    break
    finally:
        if after is not None:
            problems.print(f"go on with: --after {after}", markup=False, soft_wrap=True)
    return True


def _warn(error: Unavailable) -> None:
    problems.print(f"{error}; trying again", markup=False, soft_wrap=True, style="yellow")
