"""The life of one customer by the rules of the domain, in the plainest way there is.

Everything that can be is computed anew from the events so far at every step: what orders,
contracts and complaints are. Only where the customer stands is carried on. There is no
cleverness here on purpose: each line can be held against the table of rules.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from tests.support.customer_events import RawEvent
from tests.support.plain.plain_events import PlainEvent, in_order
from tests.support.plain.plain_life import PlainLife
from tests.support.plain.plain_policies import PlainActivation
from tests.support.plain.plain_rules import offer
from tests.support.plain.plain_time import pass_time
from tests.support.plain.plain_triggers import (
    CONTACT,
    causes_brought,
    causes_cleared,
    keep_evidence,
    trigger_of,
)


def plain_fold(
    raws: Iterable[RawEvent], activations: Sequence[PlainActivation], until: datetime
) -> PlainLife:
    """Fold a whole life until an instant."""
    life = PlainLife(activations)
    for event in in_order(raws):
        pass_time(life, event.time)
        _happen(life, event)
    pass_time(life, until)
    return life


def _happen(life: PlainLife, event: PlainEvent) -> None:
    orders = life.orders
    contracts = life.contracts
    life.now = event.time
    life.account = event.data.get("account") or life.account
    life.events.append(replace(event, free_counts=life.policy.free_orders_count))
    trigger = trigger_of(life, event, orders, contracts)
    keep_evidence(life, trigger)
    ends_gap = "contact" in life.causes and (trigger.acted or trigger.bought)
    if event.type in CONTACT or ends_gap:
        life.contact_at = event.time
    if life.phase == "at_risk":
        life.causes -= causes_cleared(life, trigger)
        life.causes |= causes_brought(life, trigger)
    offer(life, trigger)
