"""The truth about the simulated world: what each customer does with an offer and without."""

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from shared.simulator.person.life import Life, PlacedOrder, Silence
from shared.simulator.person.outcomes import (
    CELLS,
    ENDS,
    WINDOW_DAYS,
    Cell,
    Duration,
    IncentiveKind,
    Reaction,
    reaction,
)
from shared.simulator.shop import Shop
from shared.simulator.world.calendar import DAY, OPENING, text
from shared.simulator.world.extras import NO_EXTRAS
from shared.simulator.world.parameters import LONGEST_SILENCE

_encode: Final = msgspec.json.Encoder().encode
_BEGINS: Final = (0, *(end for _, end in ENDS))
_SPANS: Final = tuple(zip(Duration, _BEGINS, (*_BEGINS[1:], LONGEST_SILENCE), strict=True))
"""Each duration with its first and last second of silence."""


def head(shop: Shop) -> Iterator[bytes]:
    """The first lines: what was simulated, and the effect of an offer in every cell."""
    yield _encode(
        {
            "kind": "world",
            "customers": shop.customers,
            "months": shop.months,
            "seed": shop.seed,
            "begins": OPENING,
            "ends": text(shop.span),
            "window_days": WINDOW_DAYS,
        }
    )
    for cell in CELLS:
        inside = _pair("", (cell.without, cell.with_offer))
        at_end = _pair("_at_end", cell.at_end)
        yield _encode({"kind": "cell", **_names(cell), **inside, **at_end})


def customer_line(shop: Shop, life: Life) -> bytes | None:
    """The line of a customer: every silence, and both outcomes in each cell it passes through.

    None for a customer without silences.
    """
    if not life.silences:
        return None
    silences = [_silence(shop.seed, life, silence) for silence in life.silences]
    return _encode({"kind": "customer", "customer": life.person.customer, "silences": silences})


def order_lines(shop: Shop, life: Life) -> Iterator[bytes]:
    """What has become of the orders of each id of a customer, if orders change in this shop."""
    if shop.extras == NO_EXTRAS:
        return
    by_id: dict[str, list[PlacedOrder]] = {}
    for order in life.placed:
        by_id.setdefault(_owner(life, order), []).append(order)
    for customer, orders in by_id.items():
        told = [_order(order) for order in orders]
        yield _encode({"kind": "orders", "customer": customer, "orders": told})


def _owner(life: Life, order: PlacedOrder) -> str:
    """The id to which an order belongs in the end: a merge that lasts brings it to the present."""
    if life.unmerged is None:
        return life.person.customer
    return life.id_of(order.placed, "")


def _order(order: PlacedOrder) -> dict[str, Any]:
    return {
        "order_id": order.order_id,
        "purchased_at": text(order.purchased),
        "total": order.total,
        "refunded": order.refunded,
        "stands": order.stands,
    }


def _silence(seed: int, life: Life, silence: Silence) -> dict[str, Any]:
    until = min(silence.lasts, life.end - silence.since)
    passed = [span for span in _SPANS if span[1] < until and span[2] > silence.begins]
    return {
        "since": text(silence.since),
        "value": silence.value,
        "returns_after_days": _days(silence.lasts),
        "outcomes": [_outcome(seed, life, silence, span) for span in passed],
    }


def _outcome(
    seed: int, life: Life, silence: Silence, span: tuple[Duration, int, int]
) -> dict[str, Any]:
    """Both outcomes of a customer in one cell.

    `without` is the day of silence on which the customer returns unprompted, if it lies in this
    cell. `with` says how many days after an offer the order comes, and which incentives have this
    effect; others change nothing.
    """
    duration, begin, end = span
    moved = dict[IncentiveKind, Reaction]()
    for incentive in IncentiveKind:
        cell = Cell(duration, silence.value, incentive)
        found = reaction(seed, life.person.customer, cell)
        if found:
            moved[incentive] = found
    after = next(iter(moved.values())).after if moved else None
    return {
        "duration": duration,
        "without": _days(silence.lasts) if begin < silence.lasts <= end else None,
        "with": {"after_days": _days(after), "incentives": list(moved)} if after else None,
    }


def _names(cell: Cell) -> dict[str, str]:
    return {"duration": cell.duration, "value": cell.value, "incentive": cell.incentive}


def _days(seconds: int) -> float:
    return round(seconds / DAY, 3)


def _pair(when: str, probabilities: tuple[float, float]) -> dict[str, float]:
    without, with_offer = probabilities
    return {f"without{when}": round(without, 6), f"with{when}": round(with_offer, 6)}
