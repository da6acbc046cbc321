"""Lapses, orders and permissions of one customer, in the fewest words a test of the fold needs."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from services.reactivation.domain.cases import (
    Case,
    Confirmation,
    Lapse,
    Offer,
    State,
    Terms,
    case_id,
)
from services.reactivation.domain.changes import CaseChange, find_changes
from services.reactivation.domain.codes import code_of
from services.reactivation.domain.fold import fold_history
from services.reactivation.domain.history import History, OrderEvent
from services.reactivation.domain.permissions import Permission, PermissionKind
from shared.events.ranks import rank_of
from shared.orders.facts import OrderAction, OrderDetails, OrderFact, Price

START: Final = datetime(2024, 1, 1, tzinfo=UTC)
TERMS: Final = Terms(secret=b"s")
FOREVER: Final = START + timedelta(days=5000)
Step = Lapse | OrderEvent | Permission
_TYPES: Final = {
    PermissionKind.SIGNED_UP: "customer.signed_up",
    PermissionKind.CLOSED: "customer.closed",
    PermissionKind.CONSENT_GRANTED: "consent.granted",
    PermissionKind.CONSENT_WITHDRAWN: "consent.withdrawn",
    PermissionKind.SUBSCRIBED: "newsletter.subscribed",
    PermissionKind.UNSUBSCRIBED: "newsletter.unsubscribed",
}


def day(n: float) -> datetime:
    return START + timedelta(days=n)


def lapse(n: float, rule: str = "fell_silent") -> Lapse:
    return Lapse(day(n), rule, "inactive" if rule == "fell_silent" else "former")


def change(
    action: OrderAction,
    n: float,
    order_id: str = "o1",
    coupon: str | None = None,
    *,
    customer: str = "c1",
    **details: object,
) -> OrderEvent:
    """An event about an order; its id is made of all that it says."""
    what = {"order_id": order_id, **details}
    id = f"{action} {n} {coupon} {sorted(map(str, what.items()))}"
    fact = OrderFact(
        action,
        day(n),
        "/shop",
        id,
        OrderDetails(**what),  # type: ignore[arg-type]
        customer,
    )
    return OrderEvent(fact, (coupon,) if coupon else ())


def order(
    n: float,
    order_id: str = "o1",
    coupon: str | None = None,
    *,
    amount: int = 1000,
    customer: str = "c1",
    **details: object,
) -> OrderEvent:
    """An order.completed."""
    total = Price(amount, "EUR")
    return change(
        OrderAction.COMPLETED, n, order_id, coupon, customer=customer, total=total, **details
    )


def cancelled(n: float, order_id: str = "o1", **details: object) -> OrderEvent:
    return change(OrderAction.CANCELLED, n, order_id, **details)  # type: ignore[arg-type]


def refunded(
    n: float, order_id: str = "o1", amount: int | None = None, **more: object
) -> OrderEvent:
    price = None if amount is None else Price(amount, "EUR")
    return change(OrderAction.REFUNDED, n, order_id, amount=price, **more)  # type: ignore[arg-type]


def updated(n: float, order_id: str = "o1", amount: int = 1000) -> OrderEvent:
    return change(OrderAction.UPDATED, n, order_id, total=Price(amount, "EUR"))


def said(kind: PermissionKind, n: float) -> Permission:
    return Permission(day(n), rank_of(_TYPES[kind]), "/shop", f"{kind} {n}", kind)


def history(*steps: Step, known: Iterable[Case] = (), customer: str = "c1") -> History:
    return History(
        customer,
        tuple(step for step in steps if isinstance(step, Lapse)),
        tuple(step for step in steps if isinstance(step, OrderEvent)),
        tuple(step for step in steps if isinstance(step, Permission)),
        {case.id: case for case in known},
    )


def fold(
    *steps: Step,
    until: datetime = FOREVER,
    known: Iterable[Case] = (),
    terms: Terms = TERMS,
    customer: str = "c1",
) -> list[Case]:
    """The cases that hold."""
    return list(fold_history(history(*steps, known=known, customer=customer), terms, until).cases)


def changes_of(before: History, until: datetime) -> list[CaseChange]:
    """What a fold of everything known changes about the cases."""
    return find_changes(before, fold_history(before, TERMS, until), until)


def offer_of(case: Case) -> Offer:
    assert case.offer is not None
    return case.offer


def confirmed(case: Case, *uses: tuple[str, float]) -> Case:
    """The case after the shop has used its code, each time for an order and on a day."""
    confirmations = tuple(Confirmation(order_id, day(n)) for order_id, n in uses)
    return replace(case, offer=replace(offer_of(case), confirmations=confirmations))


def code(n: float = 0, customer: str = "c1", rule: str = "fell_silent") -> str:
    """The code of the case that a lapse on that day opens."""
    return code_of(case_id(customer, lapse(n, rule)), TERMS.secret)


def ending(case: Case) -> tuple[State, datetime | None, str | None, bool | None]:
    return case.state, case.ended_at, case.order_id, case.with_code
