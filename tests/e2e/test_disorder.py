"""A log out of order gives every customer the same current history as the log in order."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec
import pytest

from shared.cli.replay import cdnow as log
from shared.instants import parse
from tests.e2e.conftest import Demonstrated
from tests.e2e.system import Moves, histories, open_system, query, stammkunde

SHARE = 10
UNTIL: Final = datetime(1997, 10, 1, tzinfo=UTC)
"""Half of the log: everybody has come by then, and every rule has fired."""
LATE = 0.10
LATEST = timedelta(days=3)
DOUBLED = 0.01


class Line(msgspec.Struct):
    subject: str
    time: str


def chosen(customer: str) -> bool:
    return int(customer.removeprefix("cdnow:")) % SHARE == 0


def sent(line: Line) -> bool:
    return chosen(line.subject) and parse(line.time) < UNTIL


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
    ordered = [line for line in log.lines() if sent(msgspec.json.decode(line, type=Line))]
    shuffled = disordered(ordered)
    assert shuffled != ordered
    file = tmp_path_factory.mktemp("disorder") / "log.ndjson"
    file.write_bytes(b"\n".join(shuffled))
    with open_system() as running:
        replayed = stammkunde("replay", running, str(file), "--until", UNTIL.isoformat())
        assert replayed.returncode == 0, replayed.stdout + replayed.stderr
        yield running


def test_every_customer_has_the_same_history_as_in_order(home: Path, cdnow: Demonstrated) -> None:
    """What is known later is added to a history, which does not change otherwise."""
    whole = {
        customer: moves for customer, moves in histories(cdnow.home).items() if _in_share(customer)
    }
    expected = {
        customer: [move for move in moves if move.occurred_at <= UNTIL]
        for customer, moves in whole.items()
    }
    found = histories(home)
    assert len(found) > 2_000
    assert found.keys() == expected.keys()
    assert [customer for customer in found if found[customer] != expected[customer]] == []
    assert _rules(found) == _rules(whole)


def test_histories_were_corrected_on_the_way(home: Path) -> None:
    assert query(home, "SELECT 1 FROM lifecycle.transition WHERE withdrawn IS NOT NULL")
    assert query(home, "SELECT 1 FROM lifecycle.dead_letter") == []


def _in_share(customer: str) -> bool:
    return customer.startswith("cdnow:") and chosen(customer)


def _rules(found: Moves) -> set[str]:
    return {move.rule for move in chain.from_iterable(found.values())}
