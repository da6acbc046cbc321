"""What an event changes, and which causes of being at risk it brings and clears."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tests.support.plain.plain_contracts import PlainContracts
from tests.support.plain.plain_events import PlainEvent
from tests.support.plain.plain_feedback import is_good, is_low, is_praise
from tests.support.plain.plain_life import PlainLife
from tests.support.plain.plain_orders import PlainOrder

CONTACT: Final = ("session.signed_in", "page.viewed", "message.clicked")
ACTIVITY: Final = (
    *CONTACT,
    "customer.signed_up",
    "feedback.submitted",
    "complaint.opened",
    "message.opened",
    "product.activated",
    "product.used",
    "order.completed",
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
    """An event, with what it changed."""

    event: PlainEvent
    bought: list[PlainOrder]
    undone: list[PlainOrder]
    concluded: bool
    revenue_fell: bool
    notice_given: bool
    contract_ended: bool


def trigger_of(
    life: PlainLife,
    event: PlainEvent,
    orders: dict[tuple[str, str], PlainOrder],
    contracts: PlainContracts,
) -> Trigger:
    """Compare what stands after an event with the `orders` and `contracts` before it."""
    now = {(o.order_id, o.store): o for o in life.standing}
    after = life.contracts
    cancelled = event.type == "contract.cancelled"
    contract_id = event.data.get("contract_id")
    return Trigger(
        event,
        bought=[order for key, order in now.items() if key not in orders],
        undone=[order for key, order in orders.items() if key not in now],
        concluded=len(after.began) > len(contracts.began),
        revenue_fell=_revenue_fell(life, event),
        notice_given=cancelled and contract_id in after.running,
        contract_ended=cancelled and contract_id in contracts.running and not after.running,
    )


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
    return "referral:" + str(event.data.get("referee") or event.data.get("code"))


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
    if event.type in ACTIVITY:
        cleared.add("contact")
    if event.type == "newsletter.subscribed":
        cleared.add("newsletter")
    if renewed:
        cleared |= {cause for cause in life.causes if cause.startswith("cancellation:")}
    if is_good(event):
        cleared.add(f"score:{event.data['kind']}")
    if event.type in ("complaint.resolved", "complaint.answered"):
        complaint = life.complaints.get(event.data["complaint_id"])
        mild = complaint is not None and complaint.severity == 1
        by_answer = event.type == "complaint.answered" and mild
        if by_answer or event.data.get("satisfied"):
            cleared.add(f"complaint:{event.data['complaint_id']}")
    return cleared


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
