"""The command that makes up a shop: into a file, or through the running system with all that comes of it."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.cli.commands.customers import counts_table
from shared.cli.console import DEFAULT_HOME, HomeOption, run, running, say, show, until_interrupted
from shared.cli.replay.live_shop import EVERY_DAYS, TRUTH, check, send
from shared.cli.replay.simulated_log import GZIP, generate, write_log
from shared.clock import monotonic
from shared.instants import render
from shared.simulator.log import Log
from shared.simulator.shop import Shop, lines
from shared.simulator.world.calendar import MOST_MONTHS

_URL: Final = ("http://", "https://")
_NDJSON: Final = ".ndjson"


def simulate(
    customers: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many people.")] = 1000,
    months: Annotated[int, typer.Option(min=1, max=MOST_MONTHS, help="From January 2023 on.")] = 24,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 1,
    to: Annotated[
        str | None,
        typer.Option(
            metavar="URL|FILE",
            help="Ingest's URL of the stack in --home, in log time: with what comes of its offers and codes. Or a file "
            "for `stammkunde replay`, .gz or plain: without. Default: simulated-CUSTOMERSxMONTHS-SEED.ndjson.gz.",
        ),
    ] = None,
    truth: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False, help="True effects of offers. Default: beside FILE, or in --home."
        ),
    ] = None,
    duplicates: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events that come twice.")
    ] = 0.0,
    late: Annotated[
        float, typer.Option(min=0, max=1, help="Share of events that come late.")
    ] = 0.0,
    late_by: Annotated[
        float, typer.Option(min=0, max=365, metavar="DAYS", help="By at most so much.")
    ] = 5.0,
    every: Annotated[
        int,
        typer.Option(
            min=1, max=31, metavar="DAYS", help="With a URL: how often offers and codes are read."
        ),
    ] = EVERY_DAYS,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Make up a shop that never existed, whose customers react to offers in a known way."""
    shop = Shop(customers, months, seed, duplicates=duplicates, late=late, late_days=late_by)
    if to is not None and to.startswith(_URL):
        run(until_interrupted(_send(home, to, shop, truth, every)))
    else:
        file = Path(to or f"simulated-{customers}x{months}-{seed}{_NDJSON}{GZIP}")
        try:
            _write(shop, file, truth or beside(file))
        except OSError as error:
            raise typer.BadParameter(f"cannot be written: {error}", param_hint="--to") from error


def beside(file: Path) -> Path:
    """Where the truth about a file is written: shop.ndjson.gz has its own in shop.truth.ndjson.gz."""
    packed = GZIP if file.suffix == GZIP else ""
    stem = file.name.removesuffix(GZIP).removesuffix(_NDJSON)
    return file.with_name(f"{stem}.truth{_NDJSON}{packed}")


def _write(shop: Shop, file: Path, truth: Path) -> None:
    began = monotonic()
    with Log() as log:
        counts = generate(shop, lambda life: lines(shop, life), log, truth)
        write_log(log, file, counts.total())
    _show_counts(shop, counts)
    say(
        f"{counts.total():,} events in {file}, the truth in {truth}, after {monotonic() - began:.1f} s"
    )
    say("To see the phases: stammkunde up --clock log --detach, then")
    say(f"  stammkunde replay {file} --until {render(shop.ends)}")
    say("  stammkunde phases")


def _show_counts(shop: Shop, counts: Counter[str]) -> None:
    title = f"{shop.customers:,} customers in {shop.months} months, seed {shop.seed}"
    show(title, counts_table("Event", "Number", dict(counts.most_common())))


async def _send(home: Path, url: str, shop: Shop, truth: Path | None, every: int) -> None:
    state, key = running(home)
    check(state, url)
    await send(state, key, shop, truth or home / TRUTH, every=every)
