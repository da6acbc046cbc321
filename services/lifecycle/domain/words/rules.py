"""The rules in words: why each has fired, and what it lacks to fire next. One entry per rule of the table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.effects.contracts import end_contracts
from services.lifecycle.domain.rules.table import RULES, Rule
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.domain.words.causes import remedies_needed
from services.lifecycle.domain.words.requirements import (
    Requirement,
    Requirements,
    Standpoint,
    format_instant,
)


def open_rules(now: Standpoint) -> list[tuple[Rule, tuple[Requirement, ...]]]:
    """The rules that could fire next from this phase, in the order of the table, each with the ways to it."""
    of_phase = [rule for rule in RULES if now.customer.phase in rule.sources]
    found = [(rule, tuple(RULE_TEXTS[rule.name].ways(now))) for rule in of_phase]
    return [(rule, ways) for rule, ways in found if ways]


def _some(*kinds: EventKind) -> frozenset[EventKind]:
    return frozenset(kinds)


_ON: Final = {rule.name: rule.on - {EventKind.MERGED} for rule in RULES}


def _until(now: Standpoint, kind: EventKind, nothing: str) -> Requirements:
    """Time alone, as long as nothing of this comes."""
    due = now.due(kind)
    if due is not None:
        yield Requirement(f"no {nothing} until {format_instant(due)}", deadline=due)


def _first_purchase(now: Standpoint) -> Requirements:
    if now.customer.phase is Phase.PROSPECT or not now.customer.purchases:
        yield Requirement("a first order or contract", _some(EventKind.ORDER, EventKind.CONCLUDED))


def _first_contact(now: Standpoint) -> Requirements:
    if now.customer.phase is None or now.customer.faded:
        by_purchase = _some(EventKind.ORDER, EventKind.CONCLUDED)
        yield Requirement(
            "any event but a purchase or a recommendation",
            _ON[RuleName.FIRST_CONTACT] - by_purchase,
        )


def _habit_formed(now: Standpoint) -> Requirements:
    customer = now.customer
    enough = 0 if customer.has_renewed else now.policy.established_after_orders
    return _orders_or_renewal(customer, enough - customer.orders, _ON[RuleName.HABIT_FORMED])


def _settled(now: Standpoint) -> Requirements:
    lacking = now.policy.settle_after_orders - now.customer.orders_since_return
    return _orders_or_renewal(now.customer, lacking, _ON[RuleName.SETTLED])


def _orders_or_renewal(
    customer: Customer, orders: int, events: frozenset[EventKind]
) -> Requirements:
    if orders <= 0:
        yield Requirement("any further event", events)
        return
    yield Requirement(
        "1 more order" if orders == 1 else f"{orders} more orders", _some(EventKind.ORDER)
    )
    if customer.contracts:
        yield Requirement(f"a renewal of {_contracts(customer)}", _some(EventKind.RENEWED))


def _recommends(now: Standpoint) -> Requirements:
    customer = now.customer
    yield Requirement("a successful recommendation", _some(EventKind.RECOMMENDED))
    if customer.phase is Phase.ESTABLISHED:
        first = "".join(f"complaint {id} resolved, " for id in customer.complaints)
        praise = "an NPS of 9 or 10, or a public review of 5 stars"
        yield Requirement(f"{first}then {praise}" if first else praise, _some(EventKind.PRAISED))


def _enthusiasm_faded(now: Standpoint) -> Requirements:
    yield from _until(now, EventKind.ADVOCACY_AGED, "further recommendation or praise")
    yield Requirement("an NPS of 8 or less", _some(EventKind.SCORED))
    evidence = list(now.customer.evidence)
    if len(evidence) == 1 and evidence[0].startswith("referral:"):
        yield Requirement(
            "the recommendation annulled, the only evidence", _some(EventKind.ANNULLED)
        )


def _silence_begins(now: Standpoint) -> Requirements:
    return _silence(now, EventKind.SILENCE)


def _dissatisfied(now: Standpoint) -> Requirements:
    yield Requirement(
        "an NPS of 6 or less, a CSAT of 2 or less, or a review of 2 stars or less",
        _some(EventKind.SCORED),
    )
    yield Requirement("a complaint of severity 2 or 3", _some(EventKind.COMPLAINED))
    waiting = {
        c.opened_at: id
        for id, c in now.customer.complaints.items()
        if not (c.answered or c.overdue)
    }
    if waiting:
        yield from _until(
            now, EventKind.COMPLAINT_OVERDUE, f"answer to complaint {waiting[min(waiting)]}"
        )


def _bond_weakens(now: Standpoint) -> Requirements:
    yield Requirement("the newsletter cancelled", _some(EventKind.UNSUBSCRIBED))
    share = now.policy.revenue_decline_share
    if share:
        lacks = f"revenue of 90 days below {share:.0%} of that of the 90 days before, with 3 orders in those"
        yield Requirement(lacks, _some(EventKind.ORDER, EventKind.UNDONE))
    yield from _until(now, EventKind.CONTACT_FADED, "session, page view or click")


def _cancellation_announced(now: Standpoint) -> Requirements:
    if now.customer.contracts:
        yield Requirement(
            f"notice of a later end of {_contracts(now.customer)}", _some(EventKind.CANCELLED)
        )


def _recovered(now: Standpoint) -> Requirements:
    remedies = remedies_needed(now.customer)
    if not remedies:
        yield Requirement("any further event", _ON[RuleName.RECOVERED])
    else:
        on = frozenset[EventKind]().union(*(remedy.on for remedy in remedies))
        yield Requirement("; and ".join(remedy.words for remedy in remedies), on)


def _fell_silent(now: Standpoint) -> Requirements:
    return _silence(now, EventKind.LONG_SILENCE)


def _silence(now: Standpoint, kind: EventKind) -> Requirements:
    """Suspended while a contract runs; it counts again where the end of the last does not end the relationship."""
    customer = now.customer
    if not customer.contracts:
        yield from _until(now, kind, "order")
        return
    end = _end_of_contracts(now)
    if end is not None and not _ends_all(now, end):
        afterwards = Standpoint(replace(customer, contracts={}, reached=end), now.policies)
        yield from _until(
            afterwards, kind, f"renewal of {_contracts(customer, several='any')} and no order"
        )


def _prospect_faded(now: Standpoint) -> Requirements:
    return _until(now, EventKind.NO_SIGN_OF_LIFE, "event of any kind")


def _relationship_ended(now: Standpoint) -> Requirements:
    yield Requirement("the account closed", _some(EventKind.CLOSED))
    yield from _until(now, EventKind.LONG_INACTIVE, "return")
    customer = now.customer
    if len(customer.contracts) == 1:
        yield Requirement(f"{_contracts(customer)} cancelled at once", _some(EventKind.CANCELLED))
    end = _end_of_contracts(now)
    if end is not None and _ends_all(now, end):
        also = (
            ""
            if any(c.cancelled_at is None for c in customer.contracts.values())
            else " and no order"
        )
        yield Requirement(
            f"no renewal of {_contracts(customer, several='any')}{also} until {format_instant(end)}",
            deadline=end,
        )


def _end_of_contracts(now: Standpoint) -> datetime | None:
    contracts = now.customer.contracts.values()
    return now.first(
        lambda policy: max((contract.end(policy) for contract in contracts), default=None)
    )


def _ends_all(now: Standpoint, end: datetime) -> bool:
    """Does the relationship end with the last contracts? Not if an order has followed their cancellation."""
    customer, policy = now.customer, now.policies.at(end, now.customer.account)
    last = {
        id: c for id, c in customer.contracts.items() if max(c.end(policy), customer.now) >= end
    }
    return (
        end_contracts(replace(customer, contracts=last), last, EventKind.ADMINISTRATIVE).kind
        is EventKind.CONTRACT_ENDED
    )


def _returned(now: Standpoint) -> Requirements:
    if now.customer.purchases:
        renewal = _some(EventKind.RENEWED) if now.customer.contracts else _some()
        yield Requirement(
            "an order or a contract", _some(EventKind.ORDER, EventKind.CONCLUDED) | renewal
        )


def _first_purchase_undone(now: Standpoint) -> Requirements:
    orders = now.customer.orders_since_return
    if not now.customer.contracts_since_return:
        these = {1: "the order", 2: "both orders"}.get(orders, f"all {orders} orders")
        since = "the return" if now.customer.returned else "the first purchase"
        lacks = (
            f"{these} since {since} cancelled or wholly refunded" if orders else "any order undone"
        )
        yield Requirement(lacks, _some(EventKind.UNDONE))


def _contracts(customer: Customer, *, several: str = "one") -> str:
    ids = sorted(customer.contracts)
    return f"contract {ids[0]}" if len(ids) == 1 else f"{several} of the contracts {', '.join(ids)}"


@dataclass(frozen=True, slots=True)
class RuleText:
    """A rule in words: the ways in which it may fire, and why it has fired, by an event or by time.

    The clauses may name `{last_order}`, the day of the last order, and `{orders}`, how many stand.
    """

    ways: Callable[[Standpoint], Requirements]
    by_event: str = ""
    by_time: str = ""


_SILENT: Final = "there has been no order since {last_order}"

RULE_TEXTS: Final[Mapping[RuleName, RuleText]] = MappingProxyType(
    {
        RuleName.FIRST_PURCHASE: RuleText(
            _first_purchase, "the customer bought for the first time"
        ),
        RuleName.FIRST_CONTACT: RuleText(_first_contact, "the customer was heard of"),
        RuleName.HABIT_FORMED: RuleText(
            _habit_formed, "buying has become a habit ({orders} orders)"
        ),
        RuleName.RECOMMENDS: RuleText(_recommends, "the customer recommended or praised the shop"),
        RuleName.ENTHUSIASM_FADED: RuleText(
            _enthusiasm_faded,
            "the enthusiasm is gone",
            "there was no recommendation or praise for too long",
        ),
        RuleName.SILENCE_BEGINS: RuleText(_silence_begins, by_time=_SILENT),
        RuleName.DISSATISFIED: RuleText(
            _dissatisfied,
            "the customer is dissatisfied",
            "a complaint waited too long for an answer",
        ),
        RuleName.BOND_WEAKENS: RuleText(
            _bond_weakens,
            "the bond has weakened",
            "there was no session, page view or click for too long",
        ),
        RuleName.CANCELLATION_ANNOUNCED: RuleText(
            _cancellation_announced, "notice was given for a contract"
        ),
        RuleName.RECOVERED: RuleText(_recovered, "nothing puts the customer at risk any more"),
        RuleName.FELL_SILENT: RuleText(_fell_silent, by_time=_SILENT),
        RuleName.PROSPECT_FADED: RuleText(
            _prospect_faded, by_time="nothing was heard of the customer for too long"
        ),
        RuleName.RELATIONSHIP_ENDED: RuleText(
            _relationship_ended,
            "the account was closed, or the last contract cancelled",
            "the last contract ran out, or the customer was inactive for too long",
        ),
        RuleName.RETURNED: RuleText(
            _returned, "the customer came back with an order or a contract"
        ),
        RuleName.SETTLED: RuleText(_settled, "the customer has stayed since the return"),
        RuleName.FIRST_PURCHASE_UNDONE: RuleText(
            _first_purchase_undone, "every order since the first, or since the return, was undone"
        ),
    }
)
