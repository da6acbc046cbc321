"""What becomes of orders in the traffic: edited, cancelled, paid after all, refunded, withdrawn."""

import random
from collections.abc import Iterator
from typing import Any

from tests.support.builders import event, order

Arrival = tuple[float, dict[str, Any]]


def changes_of(rnd: random.Random, at: float, made: dict[str, Any]) -> Iterator[Arrival]:
    """What happens to an order, if anything does; some of it at one instant, some out of order."""
    fate = rnd.random()
    if fate < 0.12:
        yield _edited(rnd, at + rnd.uniform(0, 4), made)
    elif fate < 0.24:
        yield from _cancelled(rnd, at, made)
    elif fate < 0.42:
        yield from _refunded(rnd, at + rnd.uniform(-0.5, 12), made)
        if rnd.random() < 0.3:
            yield _edited(rnd, at + rnd.uniform(0, 12), made)


def _edited(rnd: random.Random, at: float, made: dict[str, Any]) -> Arrival:
    total = {"amount": rnd.choice((0, rnd.randrange(300, 9000))), "currency": "EUR"}
    return at, _about(made, "order.updated", at, total=total)


def _cancelled(rnd: random.Random, at: float, made: dict[str, Any]) -> Iterator[Arrival]:
    """Cancel it; some orders are completed again when the payment comes."""
    cancelled = at + rnd.uniform(-0.1, 3)
    yield cancelled, _about(made, "order.cancelled", cancelled)
    if rnd.random() < 0.5:
        paid = cancelled + rnd.choice((0, rnd.uniform(0, 20)))
        again = order(made["subject"], paid, id=f"{made['id']}-paid")
        yield paid, again | {"data": made["data"]}


def _refunded(rnd: random.Random, at: float, made: dict[str, Any]) -> Iterator[Arrival]:
    """Refund it, wholly or in part, with an id or without; some are repeated, some withdrawn."""
    total = made["data"]["total"]
    content: dict[str, Any] = {}
    if rnd.random() < 0.6:
        share = rnd.choice((0.3, 0.7, 1))
        content["amount"] = {"amount": int(total["amount"] * share), "currency": "EUR"}
    if rnd.random() < 0.7:
        content["refund_id"] = f"{made['id']}-r"
    yield at, _about(made, "order.refunded", at, **content)
    if rnd.random() < 0.3:
        again = at + rnd.uniform(0, 3)
        yield again, _about(made, "order.refunded", again, again="-again", **content)
    if content and rnd.random() < 0.4:
        withdrawn = at + rnd.choice((0, rnd.uniform(0, 30)))
        yield withdrawn, _about(made, "order.refund_withdrawn", withdrawn, **content)


def _about(
    made: dict[str, Any], kind: str, at: float, *, again: str = "", **content: Any
) -> dict[str, Any]:
    name = f"{made['id']}-{kind.removeprefix('order.')}{again}"
    return event(made["subject"], kind, at, id=name, order_id=made["data"]["order_id"], **content)
