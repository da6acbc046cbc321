"""The fold: turns a customer's lapses, orders and the passing of time into win-back cases."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from operator import itemgetter
from typing import Final
from uuid import UUID, uuid5

from services.reactivation.domain import codes

_CASES: Final = UUID("5d6e0b5c-6f0f-5b0c-9d5e-3c1c1d6f2a10")
_FIRST_INSTANT: Final = datetime.min.replace(tzinfo=UTC)
_LAST_INSTANT: Final = datetime.max.replace(tzinfo=UTC)


class State(StrEnum):
    """The state of a case."""

    OPEN = "open"
    OFFERED = "offered"
    WON_BACK = "won_back"
    EXPIRED = "expired"
    CANCELLED = "cancelled"


RUNNING: Final = frozenset({State.OPEN, State.OFFERED})


@dataclass(frozen=True, slots=True)
class Lapse:
    """A customer who has bought went into `inactive` or `former`, recently enough to act on it."""

    occurred_at: datetime
    rule: str
    phase: str


@dataclass(frozen=True, slots=True)
class Order:
    """A completed order; `coupon` is canonical, and None unless it could be a code of ours."""

    time: datetime
    order_id: str
    coupon: str | None
    key: int


@dataclass(frozen=True, slots=True)
class Offer:
    """What was promised, and the orders for which the shop has reserved or used the code."""

    code: str
    percent: int
    made_at: datetime
    expires_at: datetime
    attributed_until: datetime
    reserved_for: str | None = None
    reserved_until: datetime | None = None
    confirmed_for: str | None = None
    confirmed_at: datetime | None = None

    @property
    def deadline(self) -> datetime:
        """From this instant on neither the code nor a return without it counts."""
        return max(self.expires_at, self.attributed_until)


@dataclass(frozen=True, slots=True)
class Case:
    """One attempt to win a customer back; `version` counts the records published about it.

    `order_id` is the order that ended it, `used_for` the one that came with the code. They may
    differ: a return without the code ends the case and not the offer.
    """

    id: UUID
    customer: str
    lapse: Lapse
    offer: Offer
    cooldown_days: int
    state: State = State.OFFERED
    ended_at: datetime | None = None
    order_id: str | None = None
    with_code: bool | None = None
    used_for: str | None = None
    reason: str | None = None
    version: int = 0

    @property
    def is_running(self) -> bool:
        return self.state in RUNNING

    @property
    def due(self) -> datetime | None:
        """The deadline of a running case."""
        return self.offer.deadline if self.is_running else None


@dataclass(frozen=True, slots=True)
class Terms:
    """What is offered, and for how long. Days are 24 hours."""

    secret: bytes = field(repr=False)
    percent: int = 10
    offer_days: int = 30
    attribution_days: int = 30
    cooldown_days: int = 90
    reservation_minutes: int = 30


@dataclass(frozen=True, slots=True)
class History:
    """All that is known of one customer.

    `cases` are those that were opened before, with the terms that they were opened under and the
    state of their codes: new settings never change a promise.
    """

    customer: str
    lapses: tuple[Lapse, ...] = ()
    orders: tuple[Order, ...] = ()
    cases: Mapping[UUID, Case] = field(default_factory=dict)


def case_id(customer: str, lapse: Lapse) -> UUID:
    """A lapse that is withdrawn and added again is the same lapse, and opens the same case."""
    return uuid5(_CASES, "\x1f".join((customer, lapse.occurred_at.isoformat(), lapse.rule)))


def fold_cases(
    history: History, terms: Terms, until: datetime, *, held_until: datetime = _FIRST_INSTANT
) -> tuple[Case, ...]:
    """The customer's cases, oldest first, after all events and the deadlines up to `until`.

    Lapses and orders may come in any order. At one instant a deadline comes first, then a confirmed
    code, then a lapse, then orders. A case that expired stays so even if `until` lies before its
    deadline. A deadline up to `held_until` passes only with something that happened later: what
    happened before it may still become known.
    """
    cases = list[Case]()
    for step in _in_order(history):
        if isinstance(step, Lapse):
            _pass_time(cases, step.occurred_at)
            if _may_open(cases, step):
                cases.append(_open(history, step, terms))
        else:
            _pass_time(cases, step.time)
            cases = [take_order(case, step) for case in cases]
    _pass_time(cases, _known_to_have_passed(history))
    if cases and cases[-1].offer.deadline > held_until:
        _pass_time(cases, until)
    return tuple(cases)


def pass_time(case: Case, until: datetime) -> Case:
    """A running case after the time up to and including `until`.

    It is won back when its code was confirmed, or expires at its deadline.
    """
    if not case.is_running:
        return case
    offer = case.offer
    confirmed_at = offer.confirmed_at
    if confirmed_at is not None and confirmed_at <= until and confirmed_at < offer.deadline:
        return _won_back(case, confirmed_at, offer.confirmed_for, with_code=True)
    if offer.deadline <= until:
        return replace(case, state=State.EXPIRED, ended_at=offer.deadline)
    return case


def take_order(case: Case, order: Order) -> Case:
    """A case after an order: won back with its code, or without it while a return still counts."""
    if _uses_code(case, order):
        used = replace(case, used_for=order.order_id)
        if not case.is_running:
            return used
        return _won_back(used, order.time, order.order_id, with_code=True)
    if case.is_running and order.time < case.offer.attributed_until:
        return _won_back(case, order.time, order.order_id, with_code=False)
    return case


def _in_order(history: History) -> list[Lapse | Order]:
    keyed: list[tuple[tuple[datetime, int, str, int], Lapse | Order]] = []
    keyed += [((lapse.occurred_at, 0, lapse.rule, 0), lapse) for lapse in history.lapses]
    keyed += [((order.time, 1, order.order_id, order.key), order) for order in history.orders]
    return [step for _, step in sorted(keyed, key=itemgetter(0))]


def _known_to_have_passed(history: History) -> datetime:
    """The latest instant that an earlier fold or a confirmation has reached.

    It may lie after `until`: the API confirms codes, and an earlier fold may have come further.
    """
    cases = history.cases.values()
    instants = [case.ended_at for case in cases if case.state is State.EXPIRED]
    instants += [case.offer.confirmed_at for case in cases]
    return max((instant for instant in instants if instant), default=_FIRST_INSTANT)


def _pass_time(cases: list[Case], until: datetime) -> None:
    if cases:
        cases[-1] = pass_time(cases[-1], until)


def _may_open(cases: list[Case], lapse: Lapse) -> bool:
    """Whether no case runs, and the last one has been over for its cooldown."""
    if not cases:
        return True
    last = cases[-1]
    if last.ended_at is None:
        return False
    return lapse.occurred_at >= _later(last.ended_at, last.cooldown_days)


def _open(history: History, lapse: Lapse, terms: Terms) -> Case:
    id = case_id(history.customer, lapse)
    known = history.cases.get(id)
    if known is not None:
        return Case(
            id, history.customer, lapse, known.offer, known.cooldown_days, version=known.version
        )
    offer = Offer(
        code=codes.code_of(id, terms.secret),
        percent=terms.percent,
        made_at=lapse.occurred_at,
        expires_at=_later(lapse.occurred_at, terms.offer_days),
        attributed_until=_later(lapse.occurred_at, terms.attribution_days),
    )
    return Case(id, history.customer, lapse, offer, terms.cooldown_days)


def _uses_code(case: Case, order: Order) -> bool:
    if case.offer.confirmed_for is not None:
        return order.order_id == case.offer.confirmed_for
    return (
        case.used_for is None
        and order.coupon == case.offer.code
        and order.time < case.offer.expires_at
    )


def _won_back(case: Case, at: datetime, order_id: str | None, *, with_code: bool) -> Case:
    return replace(case, state=State.WON_BACK, ended_at=at, order_id=order_id, with_code=with_code)


def _later(anchor: datetime, days: int) -> datetime:
    """So many days later, but no later than datetimes reach."""
    if (_LAST_INSTANT - anchor).days < days:
        return _LAST_INSTANT
    return anchor + timedelta(days=days)
