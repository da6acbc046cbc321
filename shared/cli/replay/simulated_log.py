"""Writes the log of a simulated shop, and the truth about its customers."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeAlias

from shared.cli.replay.log_file import writable_log
from shared.cli.replay.progress import EventProgress
from shared.simulator.log import Log
from shared.simulator.person.life import Life
from shared.simulator.shop import Line, Shop, lives
from shared.simulator.world import ground_truth

LinesOfLife: TypeAlias = Callable[[Life], Iterable[Line]]
_UPDATE_EVERY: Final = 100


def generate(shop: Shop, lines_of_life: LinesOfLife, log: Log, truth_file: Path) -> Counter[str]:
    """Simulate all customers: their events go into the log, what is true of them into the file.

    Returns the number of events by type.
    """
    counts: Counter[str] = Counter()
    with (
        writable_log(truth_file) as truth,
        EventProgress("Customers", total=shop.customers) as progress,
    ):
        truth.writelines(line + b"\n" for line in ground_truth.head(shop))
        for number, life in enumerate(lives(shop), start=1):
            events = list(lines_of_life(life))
            log.add(events)
            counts.update([event.kind for event in events])
            if line := ground_truth.customer_line(shop, life):
                truth.write(line + b"\n")
            truth.writelines(line + b"\n" for line in ground_truth.order_lines(shop, life))
            if number % _UPDATE_EVERY == 0 or number == shop.customers:
                progress.update(counts.total(), completed=number)
    return counts


def write_log(log: Log, file: Path, total: int) -> None:
    """Write all lines of a log, in the order of arrival."""
    written = 0
    with writable_log(file) as out, EventProgress("Writing", total=total) as progress:
        for lines in log.read_parts():
            out.write(b"".join(lines))
            written += len(lines)
            progress.update(written)
