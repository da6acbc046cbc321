"""The command that follows what is published: changes."""

import asyncio
import json
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.cli.common import DEFAULT_HOME, PATIENCE_S, HomeOption, problems, run, running
from shared.client.errors import Unavailable
from shared.client.lifecycle import AsyncLifecycleClient, ChangePage
from shared.services import LIFECYCLE

_PAGE: Final = 1000
_WAIT_S: Final = 30.0
_AGAIN_S: Final = 1.0


def changes(
    after: Annotated[
        str | None, typer.Option(help="Go on behind this cursor; `now`: only what comes from here on.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", help="Wait for more, until interrupted.")] = False,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Published transitions and corrections, one JSON object a line; in the end, on standard error, how to go on."""
    run(_tell(home, after, follow=follow))


async def _tell(home: Path, after: str | None, *, follow: bool) -> None:
    state, key = running(home)
    try:
        async with AsyncLifecycleClient(state.url(LIFECYCLE), key, patience_s=PATIENCE_S) as api:
            more = True
            while more:
                page = await _page(api, after, follow=follow)
                for item in page["items"]:
                    typer.echo(json.dumps(item, ensure_ascii=False, separators=(",", ":")))
                after, more = page["next"], follow or page["more"]
    finally:
        if after is not None:
            problems.print(f"go on with: --after {after}", markup=False, soft_wrap=True)


async def _page(api: AsyncLifecycleClient, after: str | None, *, follow: bool) -> ChangePage:
    """The next page; a follower waits for it, and for a service that does not answer."""
    while True:
        try:
            return await api.list_changes(after=after, limit=_PAGE, wait_s=_WAIT_S if follow else None)
        except Unavailable as error:
            if not follow:
                raise
            problems.print(f"{error}; trying again", markup=False, soft_wrap=True, style="yellow")
            await asyncio.sleep(_AGAIN_S)
