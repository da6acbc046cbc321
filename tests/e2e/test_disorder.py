"""A log out of order gives every customer the same current history as the log in order."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from shared.cli import cdnow as log
from shared.instants import parse
from tests.e2e.conftest import Demonstrated
from tests.e2e.system import histories, open_system, query, stammkunde

SHARE = 10
LATE, LATEST = 0.10, timedelta(days=3)
DOUBLED = 0.01


class Line(msgspec.Struct):
    subject: str
    time: str


def chosen(customer: str) -> bool:
    return int(customer.removeprefix("cdnow:")) % SHARE == 0


def disordered(lines: list[bytes]) -> list[bytes]:
    """One in ten up to three days late, one in a hundred twice; in the order of arrival."""
    dice = random.Random(1998)
    arrivals: list[tuple[datetime, int, bytes]] = []
    for number, line in enumerate(lines):
        time = parse(msgspec.json.decode(line, type=Line).time)
        delay = dice.random() * LATEST if dice.random() < LATE else timedelta(0)
        arrivals.append((time + delay, number, line))
        if dice.random() < DOUBLED:
            arrivals.append((time + delay + dice.random() * LATEST, number, line))
    return [line for _, _, line in sorted(arrivals)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A system through which a tenth of the customers' events went out of order."""
    ordered = [line for line in log.lines() if chosen(msgspec.json.decode(line, type=Line).subject)]
    shuffled = disordered(ordered)
    assert shuffled != ordered
    file = tmp_path_factory.mktemp("disorder") / "log.ndjson"
    file.write_bytes(b"\n".join(shuffled))
    with open_system() as running:
        replayed = stammkunde("replay", running, str(file), "--until", log.END.isoformat())
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        yield running


def test_every_customer_has_the_same_current_history(home: Path, cdnow: Demonstrated) -> None:
    expected = {customer: moves for customer, moves in histories(cdnow.home).items() if _in_share(customer)}
    found = histories(home)
    assert len(found) > 2_000
    assert found.keys() == expected.keys()
    assert [customer for customer in found if found[customer] != expected[customer]] == []


def test_histories_were_corrected_on_the_way(home: Path) -> None:
    assert query(home, "SELECT 1 FROM lifecycle.transition WHERE withdrawn IS NOT NULL")
    assert query(home, "SELECT 1 FROM lifecycle.dead_letter") == []


def _in_share(customer: str) -> bool:
    return customer.startswith("cdnow:") and chosen(customer)
