"""Win-back said once more, as plainly as can be: everything anew at each step, no cleverness.

One customer, one shop, one currency, offers and returns of 30 days, a cooldown of 90.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from services.reactivation.domain.cases import Lapse
from services.reactivation.domain.history import OrderEvent
from shared.orders.facts import OrderAction
from tests.support.winback_lives import code, day

WINDOW = timedelta(days=30)
COOLDOWN = timedelta(days=90)


@dataclass
class PlainOrder:
    id: str
    bought: datetime
    total: int
    is_purchase: bool
    codes: set[str]
    is_cancelled: bool = False
    refunds: int = 0
    has_refund: bool = False

    @property
    def stands(self) -> bool:
        is_refunded = self.has_refund and self.refunds >= self.total
        return self.is_purchase and not self.is_cancelled and not is_refunded


@dataclass
class PlainCase:
    lapse: Lapse
    code: str
    state: str = "offered"
    ended: datetime | None = None
    order_id: str | None = None
    used_for: str | None = None
    was_undone: bool = False
    gave_way: datetime | None = None


def orders_after(events: Sequence[OrderEvent]) -> list[PlainOrder]:
    """The orders after these events, which are in order; what comes before its order waits."""
    orders: dict[str, PlainOrder] = {}
    waiting: list[OrderEvent] = []
    for event in events:
        id = event.fact.details.order_id
        if event.fact.action is OrderAction.COMPLETED:
            complete(orders, event)
            for early in [each for each in waiting if each.fact.details.order_id == id]:
                undo(orders[id], early)
                waiting.remove(early)
        elif event.fact.action is OrderAction.UPDATED:
            if id in orders:
                update(orders[id], event)
        elif id in orders:
            undo(orders[id], event)
        else:
            waiting.append(event)
    return sorted(orders.values(), key=lambda order: (order.bought, order.id))


def complete(orders: dict[str, PlainOrder], event: OrderEvent) -> None:
    said = event.fact.details
    found = orders.get(said.order_id)
    if found is None:
        found = PlainOrder(said.order_id, event.fact.time, 0, said.replacement_of is None, set())
        orders[said.order_id] = found
    update(found, event)
    if found.is_cancelled:
        found.is_cancelled = False
        found.bought = event.fact.time
    found.codes |= set(event.codes)


def update(order: PlainOrder, event: OrderEvent) -> None:
    assert event.fact.details.total
    order.total = event.fact.details.total.amount


def undo(order: PlainOrder, event: OrderEvent) -> None:
    if event.fact.action is OrderAction.CANCELLED:
        order.is_cancelled = True
        return
    amount = event.fact.details.amount
    left = 0 if order.is_cancelled else max(order.total - order.refunds, 0)
    if order.has_refund and order.refunds >= order.total:
        left = 0
    order.refunds += left if amount is None else amount.amount
    order.has_refund = True


def judge(case: PlainCase, events: Sequence[OrderEvent], now: datetime) -> None:
    """Set the state of a case as of `now`, from all events up to then."""
    start = case.lapse.occurred_at
    standing = [order for order in orders_after(events) if order.stands]
    in_time = [order for order in standing if start <= order.bought < start + WINDOW]
    with_code = [order for order in in_time if case.code in order.codes]
    case.used_for = with_code[0].id if with_code else None
    case.order_id = in_time[0].id if in_time else None
    if in_time:
        case.state, case.ended = "won_back", in_time[0].bought
    elif case.gave_way:
        case.state, case.ended = "expired", case.gave_way
    elif start + WINDOW <= now:
        case.state, case.ended = "expired", start + WINDOW
    else:
        case.state, case.ended = "reopened" if case.was_undone else "offered", None


def plain_cases(
    lapses: Sequence[Lapse], events: Sequence[OrderEvent], until: datetime
) -> list[PlainCase]:
    """The cases of a customer, from all lapses and events about orders."""
    steps: list[tuple[datetime, int, object, Lapse | OrderEvent]] = []
    steps += [(lapse.occurred_at, 0, lapse.rule, lapse) for lapse in lapses]
    steps += [(event.fact.time, 1, event.fact.key, event) for event in events]
    steps.sort(key=lambda step: step[:3])
    cases: list[PlainCase] = []
    seen: list[OrderEvent] = []
    now = until
    for now, _, _, step in steps:
        for case in cases:
            judge(case, seen, now)
        if isinstance(step, Lapse):
            open_case(cases, step)
        else:
            seen.append(step)
            judge_again(cases, seen, now)
    for case in cases:
        judge(case, seen, max(now, until))
    return cases


def open_case(cases: list[PlainCase], lapse: Lapse) -> None:
    if all(case.ended and case.ended + COOLDOWN <= lapse.occurred_at for case in cases):
        number = (lapse.occurred_at - day(0)) / timedelta(days=1)
        cases.append(PlainCase(lapse, code(number, rule=lapse.rule)))


def judge_again(cases: Sequence[PlainCase], events: Sequence[OrderEvent], now: datetime) -> None:
    """Judge cases after another event; those that were won back may be open again."""
    won = [case for case in cases if case.state == "won_back"]
    for case in cases:
        judge(case, events, now)
    for case in won:
        if case.state == "won_back":
            continue
        is_alone = all(other.ended for other in cases if other is not case)
        case.was_undone = is_alone
        case.gave_way = None if is_alone else min(now, case.lapse.occurred_at + WINDOW)
        judge(case, events, now)
