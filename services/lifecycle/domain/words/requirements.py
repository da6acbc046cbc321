"""What each rule lacks to fire next: one function per rule, in the order of the table of rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.effects.contracts import end_contracts
from services.lifecycle.domain.rules.conditions import habit_is_undone
from services.lifecycle.domain.rules.table import RULES
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.domain.words.causes import remedies_needed
from services.lifecycle.domain.words.standpoint import Standpoint, format_instant


@dataclass(frozen=True, slots=True)
class Requirement:
    """One way in which a rule may come to fire: what is lacking, and what would bring it.

    That is an event of a kind of `on`, or a deadline.
    """

    lacks: str
    on: frozenset[EventKind] = frozenset()
    deadline: datetime | None = None


Requirements: TypeAlias = Iterator[Requirement]

_ON: Final = {rule.name: rule.on for rule in RULES}


def first_purchase(standpoint: Standpoint) -> Requirements:
    if standpoint.customer.phase is Phase.PROSPECT or not standpoint.customer.purchases:
        yield Requirement("a first order or contract", _ON[RuleName.FIRST_PURCHASE])


def first_contact(standpoint: Standpoint) -> Requirements:
    if standpoint.customer.phase is None or standpoint.customer.faded:
        kinds = _ON[RuleName.FIRST_CONTACT] - {EventKind.ORDER, EventKind.CONCLUDED}
        yield Requirement("any event but a purchase or a recommendation", kinds)


def habit_formed(standpoint: Standpoint) -> Requirements:
    customer = standpoint.customer
    enough = 0 if customer.has_renewed else standpoint.policy.established_after_orders
    return _orders_or_renewal(customer, enough - customer.orders, _ON[RuleName.HABIT_FORMED])


def recommends(standpoint: Standpoint) -> Requirements:
    customer = standpoint.customer
    yield _event("a successful recommendation", EventKind.RECOMMENDED)
    if customer.phase is Phase.ESTABLISHED:
        first = "".join(f"complaint {id} resolved, " for id in customer.complaints)
        praise = "an NPS of 9 or 10, or a public review of 5 stars"
        yield _event(f"{first}then {praise}" if first else praise, EventKind.PRAISED)


def enthusiasm_faded(standpoint: Standpoint) -> Requirements:
    yield from _time_without(
        standpoint, EventKind.ADVOCACY_AGED, "further recommendation or praise"
    )
    yield _event("an NPS of 8 or less", EventKind.SCORED)
    evidence = list(standpoint.customer.evidence)
    if len(evidence) == 1 and evidence[0].startswith("referral:"):
        yield _event("the recommendation annulled, the only evidence", EventKind.ANNULLED)


def silence_begins(standpoint: Standpoint) -> Requirements:
    return _silence(standpoint, EventKind.SILENCE)


def dissatisfied(standpoint: Standpoint) -> Requirements:
    low_scores = "an NPS of 6 or less, a CSAT of 2 or less, or a review of 2 stars or less"
    yield _event(low_scores, EventKind.SCORED)
    yield _event("a complaint of severity 2 or 3", EventKind.COMPLAINED)
    waiting = {c.opened_at: id for id, c in standpoint.customer.complaints.items() if c.waits}
    if waiting:
        first = waiting[min(waiting)]
        yield from _time_without(
            standpoint, EventKind.COMPLAINT_OVERDUE, f"answer to complaint {first}"
        )


def bond_weakens(standpoint: Standpoint) -> Requirements:
    yield _event("the newsletter cancelled", EventKind.UNSUBSCRIBED)
    share = standpoint.policy.revenue_decline_share
    if share:
        decline = f"revenue of 90 days below {share:.0%} of that of the 90 days before"
        yield _event(f"{decline}, with 3 orders in those", EventKind.ORDER, EventKind.UNDONE)
    yield from _time_without(standpoint, EventKind.CONTACT_FADED, "session, page view or click")


def cancellation_announced(standpoint: Standpoint) -> Requirements:
    if standpoint.customer.contracts:
        contracts = _contract_names(standpoint.customer)
        yield _event(f"notice of a later end of {contracts}", EventKind.CANCELLED)


def recovered(standpoint: Standpoint) -> Requirements:
    remedies = remedies_needed(standpoint.customer)
    if not remedies:
        yield Requirement("any further event", _ON[RuleName.RECOVERED])
    else:
        kinds = frozenset[EventKind]().union(*(remedy.on for remedy in remedies))
        yield Requirement("; and ".join(remedy.words for remedy in remedies), kinds)


def fell_silent(standpoint: Standpoint) -> Requirements:
    return _silence(standpoint, EventKind.LONG_SILENCE)


def prospect_faded(standpoint: Standpoint) -> Requirements:
    return _time_without(standpoint, EventKind.NO_SIGN_OF_LIFE, "event of any kind")


def relationship_ended(standpoint: Standpoint) -> Requirements:
    yield _event("the account closed", EventKind.CLOSED)
    yield from _time_without(standpoint, EventKind.LONG_INACTIVE, "return")
    customer = standpoint.customer
    if len(customer.contracts) == 1:
        yield _event(f"{_contract_names(customer)} cancelled at once", EventKind.CANCELLED)
    end = _end_of_contracts(standpoint)
    if end is not None and _ends_all(standpoint, end):
        renewal = f"renewal of {_contract_names(customer, several='any')}"
        if all(contract.cancelled_at for contract in customer.contracts.values()):
            renewal += " and no order"
        yield _absence(renewal, end)


def returned(standpoint: Standpoint) -> Requirements:
    if standpoint.customer.purchases:
        kinds = {EventKind.ORDER, EventKind.RESTORED, EventKind.CONCLUDED}
        if standpoint.customer.contracts:
            kinds.add(EventKind.RENEWED)
        yield _event("an order or a contract", *kinds)


def settled(standpoint: Standpoint) -> Requirements:
    customer = standpoint.customer
    enough = 0 if customer.renewed_since_return else standpoint.policy.settle_after_orders
    lacking = enough - customer.orders_since_return
    return _orders_or_renewal(customer, lacking, _ON[RuleName.SETTLED])


def first_purchase_undone(standpoint: Standpoint) -> Requirements:
    customer = standpoint.customer
    if customer.contracts_since_return:
        return
    orders = customer.orders_since_return
    if not orders:
        yield _event("any order undone", EventKind.UNDONE)
        return
    these = {1: "the order", 2: "both orders"}.get(orders, f"all {orders} orders")
    since = "the return" if customer.returned else "the first purchase"
    yield _event(f"{these} since {since} cancelled or wholly refunded", EventKind.UNDONE)


def habit_undone(standpoint: Standpoint) -> Requirements:
    customer = standpoint.customer
    policy = standpoint.policy
    if habit_is_undone(customer, None, policy):
        yield Requirement("any further event", _ON[RuleName.HABIT_UNDONE])
        return
    if customer.returned is None:
        renewed = customer.has_renewed
        spare = customer.orders - policy.established_after_orders
    else:
        renewed = customer.renewed_since_return
        spare = customer.orders_since_return - policy.settle_after_orders
    if not renewed and customer.orders:
        words = "an order" if spare < 1 else f"{spare + 1} orders"
        yield _event(f"{words} cancelled or wholly refunded", EventKind.UNDONE)


def _event(lacks: str, *kinds: EventKind) -> Requirement:
    return Requirement(lacks, frozenset(kinds))


def _absence(of: str, until: datetime) -> Requirement:
    return Requirement(f"no {of} until {format_instant(until)}", deadline=until)


def _time_without(standpoint: Standpoint, kind: EventKind, nothing: str) -> Requirements:
    """Require that nothing of this kind comes before the deadline, if it runs."""
    due = standpoint.due(kind)
    if due is not None:
        yield _absence(nothing, due)


def _orders_or_renewal(
    customer: Customer, orders: int, events: frozenset[EventKind]
) -> Requirements:
    if orders <= 0:
        yield Requirement("any further event", events)
        return
    yield _event("1 more order" if orders == 1 else f"{orders} more orders", EventKind.ORDER)
    if customer.contracts:
        yield _event(f"a renewal of {_contract_names(customer)}", EventKind.RENEWED)


def _silence(standpoint: Standpoint, kind: EventKind) -> Requirements:
    """Require that no order comes before the deadline of silence.

    The deadline is suspended while a contract runs, and runs again afterwards if the end of the
    last contract does not end the relationship.
    """
    customer = standpoint.customer
    if not customer.contracts:
        yield from _time_without(standpoint, kind, "order")
        return
    end = _end_of_contracts(standpoint)
    if end is not None and not _ends_all(standpoint, end):
        afterwards = Standpoint(replace(customer, contracts={}, reached=end), standpoint.policies)
        contracts = _contract_names(customer, several="any")
        yield from _time_without(afterwards, kind, f"renewal of {contracts} and no order")


def _end_of_contracts(standpoint: Standpoint) -> datetime | None:
    """Return when the last of the contracts ends, if nothing happens before."""
    contracts = standpoint.customer.contracts.values()
    return standpoint.passes_at(
        lambda policy: max((c.end(policy) for c in contracts), default=None)
    )


def _ends_all(standpoint: Standpoint, end: datetime) -> bool:
    """Does the relationship end with the contracts that end last?

    Not if an order has followed their cancellation.
    """
    customer = standpoint.customer
    policy = standpoint.policies.at(end, customer.account)
    last = {
        id: contract
        for id, contract in customer.contracts.items()
        if max(contract.end(policy), customer.now) >= end
    }
    only_last = replace(customer, contracts=last)
    effect = end_contracts(only_last, last, EventKind.CONTRACT_DROPPED)
    return effect.kind is EventKind.CONTRACT_ENDED


def _contract_names(customer: Customer, *, several: str = "one") -> str:
    ids = sorted(customer.contracts)
    return f"contract {ids[0]}" if len(ids) == 1 else f"{several} of the contracts {', '.join(ids)}"
