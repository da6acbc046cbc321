"""The table of rules: from which phases, on what, to which phase, and on what condition.

Its order decides when two rules fire at one instant. A new rule is a name in `RuleName`, a row
here with at most one new condition, and its words in `words`; docs/architecture.md has the recipe.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Final, TypeAlias, TypeVar

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules import conditions, targets
from services.lifecycle.domain.rules.conditions import Condition
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import DEADLINE_KINDS, MERGES, EventKind
from services.lifecycle.domain.state.phases import BONDED, KNOWN, Phase, RuleName

Source: TypeAlias = Phase | None
"""A phase that a rule leads out of; None is "not yet known"."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rule:
    """One row: in a phase of `sources`, a trigger of a kind in `on` leads `to` a phase if `when`.

    `when` and `to` see the customer with the effect of the trigger already applied.
    """

    name: RuleName
    sources: frozenset[Source]
    on: frozenset[EventKind]
    to: Phase | Callable[[Customer, Policy], Phase]
    when: Condition = conditions.always

    def target(self, customer: Customer, policy: Policy) -> Phase:
        """Return the phase that the rule leads this customer to."""
        return self.to if isinstance(self.to, Phase) else self.to(customer, policy)


def _any_of(*members: T) -> frozenset[T]:
    return frozenset(members)


_ANY_EVENT: Final = frozenset(EventKind) - DEADLINE_KINDS - {EventKind.TEST, *MERGES}
_FIRST_CONTACTS: Final = _ANY_EVENT - {
    EventKind.RECOMMENDED,
    EventKind.CLOSED,
    EventKind.ADMINISTRATIVE,
}

RULES: Final = (
    Rule(
        RuleName.FIRST_PURCHASE,
        sources=_any_of(None, Phase.PROSPECT, Phase.INACTIVE, Phase.FORMER),
        on=_any_of(EventKind.ORDER, EventKind.RESTORED, EventKind.CONCLUDED),
        to=Phase.NEW,
        when=conditions.never_bought_before,
    ),
    Rule(
        RuleName.FIRST_CONTACT,
        sources=_any_of(None, Phase.INACTIVE),
        on=_FIRST_CONTACTS,
        to=Phase.PROSPECT,
        when=conditions.unknown_or_faded,
    ),
    Rule(
        RuleName.HABIT_FORMED,
        sources=_any_of(Phase.NEW),
        on=_ANY_EVENT,
        to=Phase.ESTABLISHED,
        when=conditions.buys_habitually,
    ),
    Rule(
        RuleName.RECOMMENDS,
        sources=_any_of(None, Phase.PROSPECT, Phase.NEW, Phase.ESTABLISHED, Phase.WON_BACK),
        on=_any_of(EventKind.RECOMMENDED, EventKind.PRAISED),
        to=Phase.ADVOCATE,
        when=conditions.referral_or_praise,
    ),
    Rule(
        RuleName.ENTHUSIASM_FADED,
        sources=_any_of(Phase.ADVOCATE),
        on=_any_of(EventKind.ADVOCACY_AGED, EventKind.SCORED, EventKind.ANNULLED),
        to=targets.phase_by_purchases,
        when=conditions.no_longer_enthusiastic,
    ),
    Rule(
        RuleName.SILENCE_BEGINS,
        sources=_any_of(*BONDED),
        on=_any_of(EventKind.SILENCE),
        to=Phase.AT_RISK,
    ),
    Rule(
        RuleName.DISSATISFIED,
        sources=_any_of(*BONDED),
        on=_any_of(EventKind.SCORED, EventKind.COMPLAINED, EventKind.COMPLAINT_OVERDUE),
        to=Phase.AT_RISK,
        when=conditions.brings_a_cause,
    ),
    Rule(
        RuleName.BOND_WEAKENS,
        sources=_any_of(*BONDED),
        on=_any_of(
            EventKind.UNSUBSCRIBED,
            EventKind.ORDER,
            EventKind.ORDER_CHANGED,
            EventKind.RESTORED,
            EventKind.UNDONE,
            EventKind.CONTACT_FADED,
        ),
        to=Phase.AT_RISK,
        when=conditions.brings_a_cause,
    ),
    Rule(
        RuleName.CANCELLATION_ANNOUNCED,
        sources=_any_of(*BONDED),
        on=_any_of(EventKind.CANCELLED),
        to=Phase.AT_RISK,
        when=conditions.brings_a_cause,
    ),
    Rule(
        RuleName.RECOVERED,
        sources=_any_of(Phase.AT_RISK),
        on=_ANY_EVENT,
        to=targets.phase_before_risk,
        when=conditions.no_cause_left,
    ),
    Rule(
        RuleName.FELL_SILENT,
        sources=_any_of(*BONDED, Phase.AT_RISK),
        on=_any_of(EventKind.LONG_SILENCE),
        to=Phase.INACTIVE,
    ),
    Rule(
        RuleName.PROSPECT_FADED,
        sources=_any_of(Phase.PROSPECT, Phase.ADVOCATE),
        on=_any_of(EventKind.NO_SIGN_OF_LIFE),
        to=Phase.INACTIVE,
    ),
    Rule(
        RuleName.RELATIONSHIP_ENDED,
        sources=KNOWN - {Phase.FORMER},
        on=_any_of(EventKind.CLOSED, EventKind.CONTRACT_ENDED, EventKind.LONG_INACTIVE),
        to=Phase.FORMER,
    ),
    Rule(
        RuleName.RETURNED,
        sources=_any_of(Phase.INACTIVE, Phase.FORMER),
        on=_any_of(EventKind.ORDER, EventKind.RESTORED, EventKind.CONCLUDED, EventKind.RENEWED),
        to=Phase.WON_BACK,
        when=conditions.bought_before,
    ),
    Rule(
        RuleName.SETTLED,
        sources=_any_of(Phase.WON_BACK),
        on=_ANY_EVENT,
        to=Phase.ESTABLISHED,
        when=conditions.has_settled,
    ),
    Rule(
        RuleName.FIRST_PURCHASE_UNDONE,
        sources=_any_of(Phase.NEW, Phase.ESTABLISHED, Phase.AT_RISK, Phase.WON_BACK),
        on=_any_of(EventKind.UNDONE),
        to=targets.phase_before_purchase,
        when=conditions.no_purchase_left,
    ),
    Rule(
        RuleName.HABIT_UNDONE,
        sources=_any_of(Phase.ESTABLISHED),
        on=_ANY_EVENT,
        to=targets.phase_before_habit,
        when=conditions.habit_is_undone,
    ),
)


def _rules_for(phase: Source, kind: EventKind) -> tuple[Rule, ...]:
    return tuple(rule for rule in RULES if phase in rule.sources and kind in rule.on)


RULES_FOR: Final[Mapping[tuple[Source, EventKind], tuple[Rule, ...]]] = MappingProxyType(
    {key: _rules_for(*key) for key in product((None, *Phase), EventKind)}
)
"""The rules that a trigger of a kind may fire in a phase, in the order of the table."""
