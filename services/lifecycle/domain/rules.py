"""The table of rules: from which phases, on what, to which phase. Its order decides when two fire at one instant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import product
from types import MappingProxyType
from typing import Final

from services.lifecycle.domain.customer import Customer, Kind
from services.lifecycle.domain.phases import BONDED, KNOWN, Phase, RuleName
from services.lifecycle.domain.policy import Policy, later

Source = Phase | None


def always(_: Customer, __: Policy) -> bool:
    """No further condition."""
    return True


@dataclass(frozen=True, slots=True)
class Rule:
    """One row. It fires on events of the kinds `on`, or when its deadline `due` passes; `to` None is the phase before.

    `when` sees the customer with the event already counted.
    """

    name: RuleName
    sources: frozenset[Source]
    to: Phase | None
    on: frozenset[Kind] = frozenset()
    when: Callable[[Customer, Policy], bool] = always
    due: Callable[[Customer, Policy], datetime | None] | None = None


def never_bought_before(customer: Customer, _: Policy) -> bool:
    """Unknown customers and prospects become new again; the inactive and former only with their very first order."""
    return customer.phase in (None, Phase.PROSPECT) or customer.orders == 1


def unknown_or_faded(customer: Customer, _: Policy) -> bool:
    """A faded prospect is one again by any sign of life."""
    return customer.phase is None or customer.faded


def bought_before(customer: Customer, _: Policy) -> bool:
    """Not the first order ever."""
    return customer.orders > 1


def buys_habitually(customer: Customer, policy: Policy) -> bool:
    """Enough orders to be established."""
    return customer.orders >= policy.established_after_orders


def has_settled(customer: Customer, policy: Policy) -> bool:
    """Enough orders since the return."""
    return customer.orders_since_return >= policy.settle_after_orders


def without_cause(customer: Customer, _: Policy) -> bool:
    """Nothing puts the customer at risk any more."""
    return not customer.causes


def silence_begins(customer: Customer, policy: Policy) -> datetime | None:
    """D1, from the last order."""
    return later(customer.last_order_at, policy.at_risk) if customer.last_order_at else None


def falls_silent(customer: Customer, policy: Policy) -> datetime | None:
    """D2, from the last order."""
    return later(customer.last_order_at, policy.inactive) if customer.last_order_at else None


def prospect_fades(customer: Customer, policy: Policy) -> datetime | None:
    """Without an order, from the last event of any kind."""
    return None if customer.orders else later(customer.last_event[0], policy.prospect_fades)


def ends_after_inactivity(customer: Customer, policy: Policy) -> datetime | None:
    """Only from `inactive`, where every customer stays for a limited time."""
    return later(customer.since, policy.former_after) if customer.phase is Phase.INACTIVE else None


ORDER: Final = frozenset({Kind.ORDER})
UNKNOWN: Final[frozenset[Source]] = frozenset({None})

RULES: Final = (
    Rule(
        RuleName.FIRST_PURCHASE, UNKNOWN | {Phase.PROSPECT, Phase.INACTIVE, Phase.FORMER}, Phase.NEW,
        on=ORDER, when=never_bought_before,
    ),
    Rule(
        RuleName.FIRST_CONTACT, UNKNOWN | {Phase.INACTIVE}, Phase.PROSPECT,
        on=frozenset({Kind.CONTACT}), when=unknown_or_faded,
    ),
    Rule(RuleName.HABIT_FORMED, frozenset({Phase.NEW}), Phase.ESTABLISHED, on=ORDER, when=buys_habitually),
    Rule(
        RuleName.RECOMMENDS, UNKNOWN | {Phase.PROSPECT, Phase.NEW, Phase.ESTABLISHED, Phase.WON_BACK}, Phase.ADVOCATE,
        on=frozenset({Kind.RECOMMENDED}),
    ),
    Rule(RuleName.SILENCE_BEGINS, BONDED, Phase.AT_RISK, due=silence_begins),
    Rule(RuleName.RECOVERED, frozenset({Phase.AT_RISK}), None, on=ORDER, when=without_cause),
    Rule(RuleName.FELL_SILENT, BONDED | {Phase.AT_RISK}, Phase.INACTIVE, due=falls_silent),
    Rule(RuleName.PROSPECT_FADED, frozenset({Phase.PROSPECT, Phase.ADVOCATE}), Phase.INACTIVE, due=prospect_fades),
    Rule(
        RuleName.RELATIONSHIP_ENDED, KNOWN - {Phase.FORMER}, Phase.FORMER,
        on=frozenset({Kind.CLOSED}), due=ends_after_inactivity,
    ),
    Rule(RuleName.RETURNED, frozenset({Phase.INACTIVE, Phase.FORMER}), Phase.WON_BACK, on=ORDER, when=bought_before),
    Rule(RuleName.SETTLED, frozenset({Phase.WON_BACK}), Phase.ESTABLISHED, on=ORDER, when=has_settled),
)  # fmt: skip

ON_EVENT: Final[Mapping[tuple[Source, Kind], tuple[Rule, ...]]] = MappingProxyType(
    {
        (phase, kind): tuple(rule for rule in RULES if phase in rule.sources and kind in rule.on)
        for phase, kind in product((None, *Phase), Kind)
    }
)
"""The rules that an event of a kind may fire in a phase, in the order of the table."""

ON_TIME: Final[Mapping[Source, tuple[Rule, ...]]] = MappingProxyType(
    {phase: tuple(rule for rule in RULES if phase in rule.sources and rule.due) for phase in (None, *Phase)}
)
"""The rules with a deadline that may fire in a phase, in the order of the table."""
