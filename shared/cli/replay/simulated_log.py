"""Lets all customers of a simulated shop live, and writes down what happened and what is true."""

import gzip
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, Final, TypeAlias, cast

from shared.cli.commands.replay import bar
from shared.simulator.log import Log
from shared.simulator.person.life import Life
from shared.simulator.shop import Line, Shop, lives
from shared.simulator.world import ground_truth

Take: TypeAlias = Callable[[Life], Iterable[Line]]
GZIP: Final = ".gz"
_LEVEL: Final = 3
_EVERY: Final = 100


def generate(shop: Shop, take: Take, log: Log, truth_file: Path) -> Counter[str]:
    """Put the lines that `take` makes of every life into the log; returns the number of events by type."""
    counts: Counter[str] = Counter()
    with writing(truth_file) as out, bar("Customers", total=shop.customers) as progress:
        out.writelines(line + b"\n" for line in ground_truth.head(shop))
        for number, life in enumerate(lives(shop), start=1):
            events = list(take(life))
            log.add(events)
            counts.update([event.kind for event in events])
            if line := ground_truth.of(shop, life):
                out.write(line + b"\n")
            if number % _EVERY == 0 or number == shop.customers:
                progress.update(progress.task_ids[0], completed=number, events=counts.total())
    return counts


def write_log(log: Log, file: Path, total: int) -> None:
    """All lines of a log, in the order of arrival."""
    written = 0
    with writing(file) as out, bar("Writing", total=total) as progress:
        for lines in log.read_parts():
            out.write(b"".join(lines))
            written += len(lines)
            progress.update(progress.task_ids[0], completed=written, events=written)


@contextmanager
def writing(file: Path) -> Iterator[BinaryIO]:
    """A file, compressed if it is named so, there whole or not at all; the same content gives the same bytes."""
    part = file.with_name(f"{file.name}.part")
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as opened:
            out: BinaryIO = opened.enter_context(part.open("wb"))
            if file.suffix == GZIP:
                packed = gzip.GzipFile(
                    filename="", mode="wb", compresslevel=_LEVEL, fileobj=out, mtime=0
                )
                out = cast("BinaryIO", opened.enter_context(packed))
            yield out
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
