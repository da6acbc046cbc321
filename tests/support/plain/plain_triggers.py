"""What an event changes, and which causes of being at risk it brings and clears."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tests.support.plain.plain_contracts import PlainContracts
from tests.support.plain.plain_events import PlainEvent
from tests.support.plain.plain_feedback import is_good, is_low, is_praise
from tests.support.plain.plain_life import PlainLife
from tests.support.plain.plain_orders import PlainOrder, PlainOrders

CONTACT: Final = ("session.signed_in", "page.viewed", "message.clicked")
ACTIVITY: Final = (
    *CONTACT,
    "customer.signed_up",
    "feedback.submitted",
    "complaint.opened",
    "message.opened",
    "product.activated",
    "product.used",
    "checkout.started",
    "engagement.recorded",
    "contract.concluded",
    "contract.renewed",
    "inquiry.opened",
    "newsletter.subscribed",
)
WINDOW: Final = timedelta(days=90)


@dataclass
class Trigger:
    """An event, with what it changed; a contract is dropped if it ends while another runs."""

    event: PlainEvent
    bought: list[PlainOrder]
    undone: list[PlainOrder]
    acted: bool
    concluded: bool
    revenue_fell: bool
    notice_given: bool
    contract_ended: bool
    contract_dropped: bool


def trigger_of(
    life: PlainLife,
    event: PlainEvent,
    orders: PlainOrders,
    contracts: PlainContracts,
) -> Trigger:
    """Compare what stands after an event with the `orders` and `contracts` before it."""
    before = {order.key: order for order in orders.known}
    changed = [order for order in life.orders.known if order != before.get(order.key)]
    stood = [order.key for order in orders.standing]
    after = life.contracts
    cancelled = event.type == "contract.cancelled"
    contract_id = event.data.get("contract_id")
    ended = cancelled and contract_id in contracts.running and contract_id not in after.running
    return Trigger(
        event,
        bought=[order for order in changed if order.stands and order.key not in stood],
        undone=[order for order in changed if order.key in stood and not order.stands],
        acted=_acted(event, changed, before),
        concluded=len(after.began) > len(contracts.began),
        revenue_fell=any(o.stands or o.key in stood for o in changed)
        and _revenue_fell(life, event),
        notice_given=cancelled and contract_id in after.running,
        contract_ended=ended and not after.running,
        contract_dropped=ended and bool(after.running),
    )


def _acted(
    event: PlainEvent, changed: Sequence[PlainOrder], before: Mapping[tuple[str, str], PlainOrder]
) -> bool:
    """Is it an activity? An order is, if it is a purchase or takes the place of one.

    One that was undone before it came is not, nor is one that is told again.
    """
    new = [order for order in changed if order.key not in before]
    return event.type in ACTIVITY or any(o.stands or not o.is_purchase for o in new)


def _revenue_fell(life: PlainLife, event: PlainEvent) -> bool:
    """Is revenue of 90 days below a share of that of the 90 days before, with 3 orders in them?"""
    share = life.policy.revenue_decline_share
    if event.type not in ("order.completed", "order.refunded", "order.cancelled") or not share:
        return False
    for currency in {order.currency for order in life.standing}:
        ours = [order for order in life.standing if order.currency == currency]
        t = event.time
        former = [o for o in ours if t - 2 * WINDOW < o.purchased_at <= t - WINDOW]
        latter = [o for o in ours if t - WINDOW < o.purchased_at <= t]
        before = sum(order.left for order in former)
        if len(former) >= 3 and sum(order.left for order in latter) < share * before:
            return True
    return False


def keep_evidence(life: PlainLife, trigger: Trigger) -> None:
    """Note or drop what makes an advocate: referrals, and praise without an open complaint."""
    event = trigger.event
    if event.type == "referral.succeeded":
        life.evidence[_reference(event)] = event.time
    elif event.type == "referral.annulled":
        life.evidence.pop(_reference(event), None)
    elif is_praise(event) and not is_complaining(life):
        life.evidence[event.data["kind"]] = event.time


def _reference(event: PlainEvent) -> str:
    """The referral by its claim, else by whom it brought, with which order."""
    data = event.data
    by_order = f"{data.get('referee') or ''} {data.get('order_id') or ''}"
    return f"referral:{data.get('claim_id') or by_order}"


def is_complaining(life: PlainLife) -> bool:
    """Is a complaint open?"""
    return any(complaint.open for complaint in life.complaints.values())


def causes_cleared(life: PlainLife, trigger: Trigger) -> set[str]:
    """Return the causes that an event ends."""
    event = trigger.event
    renewed = event.type in ("contract.concluded", "contract.renewed")
    cleared = set[str]()
    if trigger.bought or renewed:
        cleared |= {"silence", "revenue", "contact", "newsletter"}
    if trigger.acted:
        cleared.add("contact")
    if event.type == "newsletter.subscribed":
        cleared.add("newsletter")
    if renewed:
        cleared |= {cause for cause in life.causes if cause.startswith("cancellation:")}
    if trigger.contract_dropped:
        cleared.add(f"cancellation:{event.data['contract_id']}")
    if is_good(event):
        cleared.add(f"score:{event.data['kind']}")
    if _settles_complaint(life, event):
        cleared.add(f"complaint:{event.data['complaint_id']}")
    return cleared


def _settles_complaint(life: PlainLife, event: PlainEvent) -> bool:
    """Is it a solution that satisfies, or an answer to a complaint of severity 1?"""
    if event.type == "complaint.answered":
        complaint = life.complaints.get(event.data["complaint_id"])
        return complaint is not None and complaint.severity == 1
    return event.type == "complaint.resolved" and bool(event.data.get("satisfied"))


def causes_brought(life: PlainLife, trigger: Trigger) -> set[str]:
    """Return the causes that an event brings."""
    dissatisfied = dissatisfaction(life, trigger)
    weakens = weakened_bond(life, trigger)
    announced = announced_cancellation(life, trigger)
    return {cause for cause in (dissatisfied, weakens, announced) if cause is not None}


def dissatisfaction(life: PlainLife, trigger: Trigger) -> str | None:
    """Return the cause of a low score or a serious complaint."""
    event = trigger.event
    if is_low(event):
        return f"score:{event.data['kind']}"
    if event.type == "complaint.opened":
        complaint_id = event.data["complaint_id"]
        if life.complaints[complaint_id].severity >= 2:
            return f"complaint:{complaint_id}"
    return None


def weakened_bond(_: PlainLife, trigger: Trigger) -> str | None:
    """Return the cause of a cancelled newsletter or of falling revenue."""
    if trigger.event.type == "newsletter.unsubscribed":
        return "newsletter"
    return "revenue" if trigger.revenue_fell else None


def announced_cancellation(_: PlainLife, trigger: Trigger) -> str | None:
    """Return the cause of a notice whose day is still to come."""
    if trigger.notice_given:
        return f"cancellation:{trigger.event.data['contract_id']}"
    return None
