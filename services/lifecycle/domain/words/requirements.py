"""What each rule lacks to fire next: one function per rule, in the order of the table of rules."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

from msgspec.structs import replace

from services.lifecycle.domain.effects.contracts import end_contracts
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

_ON: Final = {rule.name: rule.on - {EventKind.MERGED} for rule in RULES}


def first_purchase(now: Standpoint) -> Requirements:
    if now.customer.phase is Phase.PROSPECT or not now.customer.purchases:
        yield _event("a first order or contract", EventKind.ORDER, EventKind.CONCLUDED)


def first_contact(now: Standpoint) -> Requirements:
    if now.customer.phase is None or now.customer.faded:
        kinds = _ON[RuleName.FIRST_CONTACT] - {EventKind.ORDER, EventKind.CONCLUDED}
        yield Requirement("any event but a purchase or a recommendation", kinds)


def habit_formed(now: Standpoint) -> Requirements:
    customer = now.customer
    enough = 0 if customer.has_renewed else now.policy.established_after_orders
    return _orders_or_renewal(customer, enough - customer.orders, _ON[RuleName.HABIT_FORMED])


def recommends(now: Standpoint) -> Requirements:
    customer = now.customer
    yield _event("a successful recommendation", EventKind.RECOMMENDED)
    if customer.phase is Phase.ESTABLISHED:
        first = "".join(f"complaint {id} resolved, " for id in customer.complaints)
        praise = "an NPS of 9 or 10, or a public review of 5 stars"
        yield _event(f"{first}then {praise}" if first else praise, EventKind.PRAISED)


def enthusiasm_faded(now: Standpoint) -> Requirements:
    yield from _time_without(now, EventKind.ADVOCACY_AGED, "further recommendation or praise")
    yield _event("an NPS of 8 or less", EventKind.SCORED)
    evidence = list(now.customer.evidence)
    if len(evidence) == 1 and evidence[0].startswith("referral:"):
        yield _event("the recommendation annulled, the only evidence", EventKind.ANNULLED)


def silence_begins(now: Standpoint) -> Requirements:
    return _silence(now, EventKind.SILENCE)


def dissatisfied(now: Standpoint) -> Requirements:
    low_scores = "an NPS of 6 or less, a CSAT of 2 or less, or a review of 2 stars or less"
    yield _event(low_scores, EventKind.SCORED)
    yield _event("a complaint of severity 2 or 3", EventKind.COMPLAINED)
    waiting = {c.opened_at: id for id, c in now.customer.complaints.items() if c.waits}
    if waiting:
        first = waiting[min(waiting)]
        yield from _time_without(now, EventKind.COMPLAINT_OVERDUE, f"answer to complaint {first}")


def bond_weakens(now: Standpoint) -> Requirements:
    yield _event("the newsletter cancelled", EventKind.UNSUBSCRIBED)
    share = now.policy.revenue_decline_share
    if share:
        decline = f"revenue of 90 days below {share:.0%} of that of the 90 days before"
        yield _event(f"{decline}, with 3 orders in those", EventKind.ORDER, EventKind.UNDONE)
    yield from _time_without(now, EventKind.CONTACT_FADED, "session, page view or click")


def cancellation_announced(now: Standpoint) -> Requirements:
    if now.customer.contracts:
        contracts = _contract_names(now.customer)
        yield _event(f"notice of a later end of {contracts}", EventKind.CANCELLED)


def recovered(now: Standpoint) -> Requirements:
    remedies = remedies_needed(now.customer)
    if not remedies:
        yield Requirement("any further event", _ON[RuleName.RECOVERED])
    else:
        kinds = frozenset[EventKind]().union(*(remedy.on for remedy in remedies))
        yield Requirement("; and ".join(remedy.words for remedy in remedies), kinds)


def fell_silent(now: Standpoint) -> Requirements:
    return _silence(now, EventKind.LONG_SILENCE)


def prospect_faded(now: Standpoint) -> Requirements:
    return _time_without(now, EventKind.NO_SIGN_OF_LIFE, "event of any kind")


def relationship_ended(now: Standpoint) -> Requirements:
    yield _event("the account closed", EventKind.CLOSED)
    yield from _time_without(now, EventKind.LONG_INACTIVE, "return")
    customer = now.customer
    if len(customer.contracts) == 1:
        yield _event(f"{_contract_names(customer)} cancelled at once", EventKind.CANCELLED)
    end = _end_of_contracts(now)
    if end is not None and _ends_all(now, end):
        renewal = f"renewal of {_contract_names(customer, several='any')}"
        if all(contract.cancelled_at for contract in customer.contracts.values()):
            renewal += " and no order"
        yield _no(renewal, end)


def returned(now: Standpoint) -> Requirements:
    if now.customer.purchases:
        kinds = {EventKind.ORDER, EventKind.CONCLUDED}
        if now.customer.contracts:
            kinds.add(EventKind.RENEWED)
        yield _event("an order or a contract", *kinds)


def settled(now: Standpoint) -> Requirements:
    lacking = now.policy.settle_after_orders - now.customer.orders_since_return
    return _orders_or_renewal(now.customer, lacking, _ON[RuleName.SETTLED])


def first_purchase_undone(now: Standpoint) -> Requirements:
    customer = now.customer
    if customer.contracts_since_return:
        return
    orders = customer.orders_since_return
    if not orders:
        yield _event("any order undone", EventKind.UNDONE)
        return
    these = {1: "the order", 2: "both orders"}.get(orders, f"all {orders} orders")
    since = "the return" if customer.returned else "the first purchase"
    yield _event(f"{these} since {since} cancelled or wholly refunded", EventKind.UNDONE)


# -- parts of requirements -------------------------------------------------------------------------


def _event(lacks: str, *kinds: EventKind) -> Requirement:
    return Requirement(lacks, frozenset(kinds))


def _no(nothing: str, until: datetime) -> Requirement:
    return Requirement(f"no {nothing} until {format_instant(until)}", deadline=until)


def _time_without(now: Standpoint, kind: EventKind, nothing: str) -> Requirements:
    """Require that nothing of this comes before the deadline, if it runs."""
    due = now.due(kind)
    if due is not None:
        yield _no(nothing, due)


def _orders_or_renewal(
    customer: Customer, orders: int, events: frozenset[EventKind]
) -> Requirements:
    if orders <= 0:
        yield Requirement("any further event", events)
        return
    yield _event("1 more order" if orders == 1 else f"{orders} more orders", EventKind.ORDER)
    if customer.contracts:
        yield _event(f"a renewal of {_contract_names(customer)}", EventKind.RENEWED)


def _silence(now: Standpoint, kind: EventKind) -> Requirements:
    """Require that no order comes before the deadline of silence.

    It is suspended while a contract runs, and counts again where the end of the last contract
    does not end the relationship.
    """
    customer = now.customer
    if not customer.contracts:
        yield from _time_without(now, kind, "order")
        return
    end = _end_of_contracts(now)
    if end is not None and not _ends_all(now, end):
        afterwards = Standpoint(replace(customer, contracts={}, reached=end), now.policies)
        contracts = _contract_names(customer, several="any")
        yield from _time_without(afterwards, kind, f"renewal of {contracts} and no order")


def _end_of_contracts(now: Standpoint) -> datetime | None:
    """Return when the last of the contracts ends, if nothing happens before."""
    contracts = now.customer.contracts.values()
    return now.first(lambda policy: max((c.end(policy) for c in contracts), default=None))


def _ends_all(now: Standpoint, end: datetime) -> bool:
    """Does the relationship end with the contracts that end last?

    Not if an order has followed their cancellation.
    """
    customer = now.customer
    policy = now.policies.at(end, customer.account)
    last = {
        id: contract
        for id, contract in customer.contracts.items()
        if max(contract.end(policy), customer.now) >= end
    }
    only_last = replace(customer, contracts=last)
    effect = end_contracts(only_last, last, EventKind.ADMINISTRATIVE)
    return effect.kind is EventKind.CONTRACT_ENDED


def _contract_names(customer: Customer, *, several: str = "one") -> str:
    ids = sorted(customer.contracts)
    return f"contract {ids[0]}" if len(ids) == 1 else f"{several} of the contracts {', '.join(ids)}"
