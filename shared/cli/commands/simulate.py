"""`stammkunde simulate`: generate a shop, into a file or through the running system."""

from collections import Counter
from pathlib import Path
from typing import Annotated, Final

import typer

from shared.cli.console import run, say, show_table, until_interrupted
from shared.cli.options import DEFAULT_HOME, HomeOption
from shared.cli.replay.live_shop import READ_EVERY_DAYS, TRUTH_FILE, play_shop, require_ingest_of
from shared.cli.replay.log_file import GZIP_SUFFIX
from shared.cli.replay.simulated_log import generate, write_log
from shared.cli.stack import running_stack
from shared.cli.tables.counts import counts_table
from shared.clock import monotonic
from shared.instants import render
from shared.simulator.log import Log
from shared.simulator.shop import Shop, lines
from shared.simulator.world.calendar import MOST_MONTHS
from shared.simulator.world.extras import Extras
from shared.simulator.world.parameters import MERGED

_URL_SCHEMES: Final = ("http://", "https://")
_NDJSON: Final = ".ndjson"
_SUFFIX: Final = f"{_NDJSON}{GZIP_SUFFIX}"

CustomersOption = Annotated[
    int, typer.Option(min=1, max=1_000_000, help="The number of customers.")
]
MonthsOption = Annotated[
    int,
    typer.Option(min=1, max=MOST_MONTHS, help="The number of months, from January 2023 on."),
]
SeedOption = Annotated[int, typer.Option(help="The same seed gives the same bytes.")]
ToOption = Annotated[
    str | None,
    typer.Option(
        metavar="URL|FILE",
        help="A file for `stammkunde replay`, plain or .gz. Or the URL of ingest of the stack in "
        "--home, in log time: then customers also react to the offers and codes they get. "
        "Default: simulated-CUSTOMERSxMONTHS-SEED.ndjson.gz.",
    ),
]
TruthOption = Annotated[
    Path | None,
    typer.Option(
        dir_okay=False,
        help="Where to write the true effects of offers. Default: beside FILE, or in --home.",
    ),
]
DuplicatesOption = Annotated[
    float, typer.Option(min=0, max=1, help="The share of events that arrive twice.")
]
LateOption = Annotated[
    float, typer.Option(min=0, max=1, help="The share of events that arrive late.")
]
LateByOption = Annotated[
    float, typer.Option(min=0, max=365, metavar="DAYS", help="The longest delay of late events.")
]
EveryOption = Annotated[
    int,
    typer.Option(
        min=1, max=31, metavar="DAYS", help="With a URL: how often to read offers and codes."
    ),
]
EditedOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="The share of orders that are edited after they were placed."),
]
ReinstatedOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="The share of orders that are cancelled, and completed again when paid."
    ),
]
RefundIdsOption = Annotated[bool, typer.Option("--refund-ids", help="Give refunds an id.")]
RefundsRepeatedOption = Annotated[
    float,
    typer.Option(
        min=0, max=1, help="The share of refunds that are sent again, with the same refund id."
    ),
]
RefundsWithdrawnOption = Annotated[
    float, typer.Option(min=0, max=1, help="The share of refunds that are withdrawn.")
]
MergedOption = Annotated[
    float,
    typer.Option(min=0, max=1, help="The share of customers who were known by another id before."),
]
UnmergedOption = Annotated[
    float, typer.Option(min=0, max=1, help="The share of merges that are taken back.")
]


def simulate(
    customers: CustomersOption = 1000,
    months: MonthsOption = 24,
    seed: SeedOption = 1,
    to: ToOption = None,
    truth: TruthOption = None,
    duplicates: DuplicatesOption = 0.0,
    late: LateOption = 0.0,
    late_by: LateByOption = 5.0,
    every: EveryOption = READ_EVERY_DAYS,
    edited: EditedOption = 0.0,
    reinstated: ReinstatedOption = 0.0,
    refund_ids: RefundIdsOption = False,
    refunds_repeated: RefundsRepeatedOption = 0.0,
    refunds_withdrawn: RefundsWithdrawnOption = 0.0,
    merged: MergedOption = MERGED,
    unmerged: UnmergedOption = 0.0,
    home: HomeOption = DEFAULT_HOME,
) -> None:
    """Generate an imaginary shop whose customers react to offers in a known way."""
    extras = Extras(
        edited, reinstated, refund_ids, refunds_repeated, refunds_withdrawn, merged, unmerged
    )
    shop = Shop(customers, months, seed, duplicates, late, late_by, extras)
    if to is not None and to.startswith(_URL_SCHEMES):
        run(until_interrupted(_play(home, to, shop, truth, every)))
    else:
        _write(shop, Path(to or f"simulated-{customers}x{months}-{seed}{_SUFFIX}"), truth)


def truth_file_of(file: Path) -> Path:
    """Where the truth about a file is written: shop.truth.ndjson.gz beside shop.ndjson.gz."""
    compression = GZIP_SUFFIX if file.suffix == GZIP_SUFFIX else ""
    stem = file.name.removesuffix(GZIP_SUFFIX).removesuffix(_NDJSON)
    return file.with_name(f"{stem}.truth{_NDJSON}{compression}")


def _write(shop: Shop, file: Path, truth: Path | None) -> None:
    truth = truth or truth_file_of(file)
    began = monotonic()
    try:
        counts = _generate(shop, file, truth)
    except OSError as error:
        raise typer.BadParameter(f"cannot be written: {error}", param_hint="--to") from error
    seconds = monotonic() - began
    _show_counts(shop, counts)
    say(f"{counts.total():,} events in {file}, the truth in {truth}, after {seconds:.1f} s")
    say("To see the phases: stammkunde up --clock log --detach, then")
    say(f"  stammkunde replay {file} --until {render(shop.ends)}")
    say("  stammkunde phases")


def _generate(shop: Shop, file: Path, truth: Path) -> Counter[str]:
    with Log() as log:
        counts = generate(shop, lambda life: lines(shop, life), log, truth)
        write_log(log, file, counts.total())
    return counts


def _show_counts(shop: Shop, counts: Counter[str]) -> None:
    title = f"{shop.customers:,} customers in {shop.months} months, seed {shop.seed}"
    show_table(title, counts_table("Event", "Number", dict(counts.most_common())))


async def _play(home: Path, url: str, shop: Shop, truth: Path | None, every: int) -> None:
    stack = running_stack(home)
    require_ingest_of(stack, url)
    await play_shop(stack, shop, truth or home / TRUTH_FILE, every=every)
