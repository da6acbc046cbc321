"""The table of rules: from which phases, on what, to which phase. Its order decides when two fire at one instant."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final, TypeAlias

import msgspec

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import EventKind, Happening, Score
from services.lifecycle.domain.state.phases import BONDED, KNOWN, Phase, RuleName

Source: TypeAlias = Phase | None
LUKEWARM: Final = 8
"""The highest NPS that ends enthusiasm."""


class Trigger(msgspec.Struct, frozen=True, gc=False):
    """What the rules judge: an event, or the passing of a deadline (without a `happening`).

    `kind` is what it means to this customer, `gives` the causes of being at risk that it brings.
    """

    kind: EventKind
    gives: frozenset[str]
    happening: Happening | None = None


Condition: TypeAlias = Callable[[Customer, Trigger, Policy], bool]


def always(_: Customer, __: Trigger, ___: Policy) -> bool:
    """No further condition."""
    return True


def never_bought_before(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Unknown customers and prospects become new; the inactive and former only with their very first purchase."""
    return customer.phase in (None, Phase.PROSPECT) or customer.purchases == 1


def unknown_or_faded(customer: Customer, _: Trigger, __: Policy) -> bool:
    """A faded prospect is one again by any sign of life."""
    return customer.phase is None or customer.faded


def bought_before(customer: Customer, occasion: Trigger, _: Policy) -> bool:
    """Not the first purchase ever; who renews a contract has concluded it before."""
    return customer.purchases > 1 or occasion.kind is EventKind.RENEWED


def buys_habitually(customer: Customer, _: Trigger, policy: Policy) -> bool:
    """Enough orders to be established, or a contract renewed, be it while at risk."""
    return customer.orders >= policy.established_after_orders or customer.has_renewed


def has_settled(customer: Customer, occasion: Trigger, policy: Policy) -> bool:
    """Enough orders since the return, be it while at risk, or a contract renewed."""
    return (
        occasion.kind is EventKind.RENEWED
        or customer.orders_since_return >= policy.settle_after_orders
    )


def referral_or_praise(customer: Customer, occasion: Trigger, _: Policy) -> bool:
    """A referral from wherever; praise only from the established."""
    return occasion.kind is EventKind.RECOMMENDED or customer.phase is Phase.ESTABLISHED


def no_longer_enthusiastic(customer: Customer, occasion: Trigger, _: Policy) -> bool:
    """Too long ago, the only evidence annulled, or an NPS that says so."""
    if occasion.kind is EventKind.ADVOCACY_AGED:
        return True
    if occasion.kind is EventKind.ANNULLED:
        return not customer.evidence
    said = occasion.happening.content if occasion.happening else None
    return isinstance(said, Score) and said.kind == "nps" and said.score <= LUKEWARM


def gives_a_cause(_: Customer, occasion: Trigger, __: Policy) -> bool:
    """The occasion is a reason to be at risk."""
    return bool(occasion.gives)


def without_cause(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Nothing puts the customer at risk any more."""
    return not customer.causes


def no_purchase_left(customer: Customer, _: Trigger, __: Policy) -> bool:
    """Every order since the first or the return is undone, and no contract was concluded since."""
    return customer.orders_since_return == 0 and customer.contracts_since_return == 0


def as_before(customer: Customer, _: Policy) -> Phase:
    """The phase before the customer was at risk."""
    return customer.before or Phase.NEW


def as_bought(customer: Customer, policy: Policy) -> Phase:
    """The phase that purchases alone justify."""
    if customer.orders >= policy.established_after_orders or customer.has_renewed:
        return Phase.ESTABLISHED
    return Phase.NEW if customer.purchases else Phase.PROSPECT


def as_before_the_purchase(customer: Customer, _: Policy) -> Phase:
    """Back to where the customer had returned from, or a prospect."""
    return customer.returned.from_ if customer.returned else Phase.PROSPECT


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: it fires in one of the phases `sources` on an occasion of one of the kinds `on` if `when` holds.

    `when` and `to` see the customer with the occasion already counted.
    """

    name: RuleName
    sources: frozenset[Source]
    on: frozenset[EventKind]
    to: Phase | Callable[[Customer, Policy], Phase]
    when: Condition = always

    def target(self, customer: Customer, policy: Policy) -> Phase:
        """The phase that the rule leads to."""
        return self.to if isinstance(self.to, Phase) else self.to(customer, policy)


def _some(*kinds: EventKind) -> frozenset[EventKind]:
    return frozenset(kinds)


def _from(*phases: Source) -> frozenset[Source]:
    return frozenset(phases)


_BY_TIME: Final = _some(
    EventKind.SILENCE, EventKind.LONG_SILENCE, EventKind.LONG_INACTIVE, EventKind.NO_SIGN_OF_LIFE, EventKind.ADVOCACY_AGED,
    EventKind.COMPLAINT_OVERDUE, EventKind.CONTACT_FADED, EventKind.CONTRACT_ENDED,
)  # fmt: skip
_EVENTS: Final = frozenset(EventKind) - _BY_TIME
_CONTACTS: Final = _EVENTS - {
    EventKind.RECOMMENDED,
    EventKind.CLOSED,
    EventKind.MERGED,
    EventKind.ADMINISTRATIVE,
}
_UNKNOWN, _PROSPECT, _NEW, _ESTABLISHED, _ADVOCATE = (
    None,
    Phase.PROSPECT,
    Phase.NEW,
    Phase.ESTABLISHED,
    Phase.ADVOCATE,
)
_AT_RISK, _INACTIVE, _FORMER, _WON_BACK = (
    Phase.AT_RISK,
    Phase.INACTIVE,
    Phase.FORMER,
    Phase.WON_BACK,
)

RULES: Final = (
    Rule(
        RuleName.FIRST_PURCHASE, _from(_UNKNOWN, _PROSPECT, _INACTIVE, _FORMER),
        _some(EventKind.ORDER, EventKind.CONCLUDED), _NEW, never_bought_before,
    ),
    Rule(RuleName.FIRST_CONTACT, _from(_UNKNOWN, _INACTIVE), _CONTACTS, _PROSPECT, unknown_or_faded),
    Rule(RuleName.HABIT_FORMED, _from(_NEW), _EVENTS, _ESTABLISHED, buys_habitually),
    Rule(
        RuleName.RECOMMENDS, _from(_UNKNOWN, _PROSPECT, _NEW, _ESTABLISHED, _WON_BACK),
        _some(EventKind.RECOMMENDED, EventKind.PRAISED), _ADVOCATE, referral_or_praise,
    ),
    Rule(
        RuleName.ENTHUSIASM_FADED, _from(_ADVOCATE),
        _some(EventKind.ADVOCACY_AGED, EventKind.SCORED, EventKind.ANNULLED), as_bought, no_longer_enthusiastic,
    ),
    Rule(RuleName.SILENCE_BEGINS, _from(*BONDED), _some(EventKind.SILENCE), _AT_RISK),
    Rule(
        RuleName.DISSATISFIED, _from(*BONDED),
        _some(EventKind.SCORED, EventKind.COMPLAINED, EventKind.COMPLAINT_OVERDUE), _AT_RISK, gives_a_cause,
    ),
    Rule(
        RuleName.BOND_WEAKENS, _from(*BONDED),
        _some(EventKind.UNSUBSCRIBED, EventKind.ORDER, EventKind.UNDONE, EventKind.CONTACT_FADED), _AT_RISK, gives_a_cause,
    ),
    Rule(RuleName.CANCELLATION_ANNOUNCED, _from(*BONDED), _some(EventKind.CANCELLED), _AT_RISK, gives_a_cause),
    Rule(RuleName.RECOVERED, _from(_AT_RISK), _EVENTS, as_before, without_cause),
    Rule(RuleName.FELL_SILENT, _from(*BONDED, _AT_RISK), _some(EventKind.LONG_SILENCE), _INACTIVE),
    Rule(RuleName.PROSPECT_FADED, _from(_PROSPECT, _ADVOCATE), _some(EventKind.NO_SIGN_OF_LIFE), _INACTIVE),
    Rule(
        RuleName.RELATIONSHIP_ENDED, KNOWN - {_FORMER},
        _some(EventKind.CLOSED, EventKind.CONTRACT_ENDED, EventKind.LONG_INACTIVE), _FORMER,
    ),
    Rule(
        RuleName.RETURNED, _from(_INACTIVE, _FORMER),
        _some(EventKind.ORDER, EventKind.CONCLUDED, EventKind.RENEWED), _WON_BACK, bought_before,
    ),
    Rule(RuleName.SETTLED, _from(_WON_BACK), _EVENTS, _ESTABLISHED, has_settled),
    Rule(
        RuleName.FIRST_PURCHASE_UNDONE, _from(_NEW, _WON_BACK), _some(EventKind.UNDONE), as_before_the_purchase,
        no_purchase_left,
    ),
)  # fmt: skip

RULES_FOR: Final[Mapping[tuple[Source, EventKind], tuple[Rule, ...]]] = MappingProxyType(
    {
        (phase, kind): tuple(rule for rule in RULES if phase in rule.sources and kind in rule.on)
        for phase, kind in product((None, *Phase), EventKind)
    }
)
"""The rules that an occasion of a kind may fire in a phase, in the order of the table."""
