"""The true effect of offers: what the truth file says is what customers do."""

import gzip
import json
from collections import Counter
from math import sqrt
from pathlib import Path
from typing import Any, Final

import pytest

from shared.cli.commands.simulate import truth_file_of
from shared.cli.replay.log_file import read_lines
from shared.cli.replay.plan import Chunk, Tick, steps
from shared.cli.replay.reactions import Population, ReactingLog
from shared.cli.replay.simulated_log import generate, write_log
from shared.simulator.log import Log
from shared.simulator.person.known_customers import KnownCustomers, ReceivedOffer
from shared.simulator.person.life import Life
from shared.simulator.person.outcomes import (
    CELLS,
    WINDOW_DAYS,
    Cell,
    Duration,
    IncentiveKind,
    ValueClass,
    duration_of,
    reaction,
    value_class_of,
)
from shared.simulator.shop import Shop, lines, lives
from shared.simulator.world import ground_truth
from shared.simulator.world.calendar import DAY, since_opening
from shared.simulator.world.extras import NO_EXTRAS

SHOP: Final = Shop(customers=2000, months=24, seed=11)
TRIES: Final = 4000


@pytest.fixture(scope="module")
def everybody() -> list[Life]:
    return list(lives(SHOP))


def close(found: int, tried: int, probability: float) -> bool:
    """Within four standard deviations."""
    return abs(found - tried * probability) <= 4 * sqrt(tried * probability * (1 - probability)) + 1


def offers_to(life: Life, known: KnownCustomers, at: int) -> tuple[Life | None, Cell | None]:
    offer = ReceivedOffer(life.person.customer, at, at + DAY, "percent", "CODE")
    return known.react(offer), known.cell(offer)


def test_an_offer_never_harms_and_some_change_nothing() -> None:
    assert len(CELLS) == len(Duration) * len(ValueClass) * len(IncentiveKind)
    assert all(0 < cell.without <= cell.with_offer < 1 for cell in CELLS)
    assert [cell for cell in CELLS if cell.without == cell.with_offer]


@pytest.mark.parametrize(
    "cell", [cell for cell in CELLS if cell.incentive in ("discount", "reminder")]
)
def test_as_many_are_moved_as_the_cell_says(cell: Cell) -> None:
    moved = sum(reaction(1, f"c{n}", cell) is not None for n in range(TRIES))
    assert close(moved, TRIES, cell.moved)


def test_a_reaction_depends_on_nothing_but_seed_customer_and_cell() -> None:
    for n in range(200):
        found = {
            i: reaction(3, f"c{n}", Cell(Duration.UP_TO_365, ValueClass.HIGH, i))
            for i in IncentiveKind
        }
        assert found == {
            i: reaction(3, f"c{n}", Cell(Duration.UP_TO_365, ValueClass.HIGH, i))
            for i in IncentiveKind
        }
        if found[IncentiveKind.REMINDER]:
            assert len(set(found.values())) == 1, (
                "who is moved by the weakest is moved by all, and alike"
            )
    assert {reaction(4, f"c{n}", CELLS[0]) for n in range(50)} != {
        reaction(5, f"c{n}", CELLS[0]) for n in range(50)
    }


@pytest.mark.parametrize("duration", [Duration.UP_TO_180, Duration.UP_TO_365, Duration.LONGER])
def test_without_an_offer_as_many_return_as_the_cell_says(
    everybody: list[Life], duration: Duration
) -> None:
    begin = {Duration.UP_TO_180: 90, Duration.UP_TO_365: 180, Duration.LONGER: 365}[duration] * DAY
    tried: Counter[ValueClass] = Counter()
    returned: Counter[ValueClass] = Counter()
    for silence in (silence for life in everybody for silence in life.silences):
        if silence.lasts > begin and silence.begins <= begin:
            tried[silence.value] += 1
            returned[silence.value] += silence.lasts <= begin + WINDOW_DAYS * DAY
    for value in ValueClass:
        assert tried[value] > 100
        assert close(
            returned[value], tried[value], Cell(duration, value, IncentiveKind.DISCOUNT).without
        )


def test_the_truth_of_a_customer_is_the_life_that_was_written(everybody: list[Life]) -> None:
    told = 0
    for life in everybody[:300]:
        line = ground_truth.customer_line(SHOP, life)
        assert (line is None) == (not life.silences)
        bought = [t for t, _ in life.bought]
        for silence, found in zip(
            life.silences, json.loads(line)["silences"] if line else (), strict=True
        ):
            told += 1
            later = [t for t in bought if t > silence.since]
            if later:
                assert min(later) - silence.since == silence.lasts
                assert found["returns_after_days"] == pytest.approx(silence.lasts / DAY, abs=1e-3)
            for outcome in found["outcomes"]:
                _check_outcome(life.person.customer, silence.value, outcome)
    assert told > 100


def _check_outcome(customer: str, value: ValueClass, outcome: dict[str, Any]) -> None:
    duration = Duration(outcome["duration"])
    if outcome["without"] is not None:
        assert duration_of(int(outcome["without"] * DAY)) is duration
    moved = set(outcome["with"]["incentives"]) if outcome["with"] else set()
    assert moved == {
        i for i in IncentiveKind if reaction(SHOP.seed, customer, Cell(duration, value, i))
    }


def test_an_offer_adds_orders_up_to_the_next_one_of_the_untouched_life(
    everybody: list[Life],
) -> None:
    known = KnownCustomers(SHOP.seed, SHOP.span, SHOP.extras)
    for life in everybody:
        known.add(life)
    coupons = 0
    for life in everybody:
        for silence in life.silences:
            at = silence.since + 181 * DAY
            if silence.lasts <= 181 * DAY or at + 40 * DAY > SHOP.span:
                continue
            added, cell = offers_to(life, known, at)
            found = reaction(SHOP.seed, life.person.customer, cell) if cell else None
            if found is None or added is None:
                assert added is None
                continue
            orders = sorted(
                (t, data) for t, kind, data in added.happenings if kind == "order.completed"
            )
            assert orders[0][0] == at + found.after
            assert orders[-1][0] < silence.since + silence.lasts
            assert ('"coupon":"CODE"' in orders[0][1]) == found.uses_code
            coupons += found.uses_code
            break
    assert coupons > 10


def test_an_offer_to_somebody_unknown_changes_nothing() -> None:
    known = KnownCustomers(1, 10 * DAY, NO_EXTRAS)
    assert known.react(ReceivedOffer("who", DAY, 2 * DAY, "percent", "CODE")) is None


def test_value_follows_the_margin_and_an_incentive_of_another_name_is_other() -> None:
    assert [value_class_of(m) for m in (0, 2_500, 8_000)] == [
        ValueClass.LOW,
        ValueClass.MEDIUM,
        ValueClass.HIGH,
    ]
    assert [duration_of(days * DAY) for days in (90, 91, 365, 366)] == [
        Duration.UP_TO_90, Duration.UP_TO_180, Duration.UP_TO_365, Duration.LONGER,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("shop.ndjson", "shop.truth.ndjson"),
        ("shop.ndjson.gz", "shop.truth.ndjson.gz"),
        ("a/log.json", "a/log.json.truth.ndjson"),
    ],
)
def test_the_truth_lies_beside_the_file(file: str, expected: str) -> None:
    assert truth_file_of(Path(file)) == Path(expected)


def test_a_file_can_be_replayed_and_is_the_same_compressed(tmp_path: Path) -> None:
    shop = Shop(30, 6, 1)
    for name in ("log.ndjson", "log.ndjson.gz", "again.ndjson.gz"):
        with Log() as log:
            counts = generate(shop, lambda life: lines(shop, life), log, tmp_path / f"truth-{name}")
            write_log(log, tmp_path / name, counts.total())
    plain = (tmp_path / "log.ndjson").read_bytes()
    packed = (tmp_path / "log.ndjson.gz").read_bytes()
    assert gzip.decompress(packed) == plain
    assert packed == (tmp_path / "again.ndjson.gz").read_bytes()
    assert not list(tmp_path.glob("*.part"))
    with (tmp_path / "log.ndjson.gz").open("rb") as file:
        script = list(steps(read_lines(file), ticking=True, until=shop.ends))
    assert sum(len(step.lines) for step in script if isinstance(step, Chunk)) == counts.total()
    assert isinstance(script[-1], Tick)
    assert script[-1].at == shop.ends
    kinds = Counter(
        json.loads(line)["kind"]
        for line in (tmp_path / "truth-log.ndjson").read_text().splitlines()
    )
    assert kinds["world"] == 1
    assert kinds["cell"] == len(CELLS)
    assert kinds["customer"] > 0


def test_without_a_referral_service_nobody_comes_with_a_code() -> None:
    shop = Shop(300, 24, 1)
    population = Population.of(shop)
    log = list[tuple[int, bytes]]()
    for life in lives(shop):
        log += [(line.arrival, line.json.encode()) for line in population.add(life)]
    assert population.invited
    assert sum(b"referral_code" in line for _, line in log) == len(population.invited)
    merged = list(ReactingLog(population).merge(sorted(log)))
    assert len(merged) == len(log)
    assert not any(b"referral_code" in line for line in merged)
    assert all(json.loads(line) for line in merged)


def test_seconds_since_the_opening_are_whole() -> None:
    assert since_opening(SHOP.ends) == SHOP.span
