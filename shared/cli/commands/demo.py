"""`stammkunde demo`: replay a real shop through the running stack."""

from pathlib import Path

from shared.cli.console import run, until_interrupted
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.replay.demonstration import play_cdnow
from shared.cli.stack import running_stack


def demo(home: HomeOption = DEFAULT_HOME) -> None:
    """Replay 18 months of a real shop (CDNOW) through the running stack, in log time."""
    run(until_interrupted(_demo(home)))


async def _demo(home: Path) -> None:
    await play_cdnow(running_stack(home))
