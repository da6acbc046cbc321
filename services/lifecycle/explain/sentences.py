"""What a service agent can read out: why a customer is in a phase, what it takes to leave it, what time will bring."""

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from services.lifecycle.domain.phase_models import PHASE_LABELS, PhaseLabel
from services.lifecycle.domain.rules.table import Rule
from services.lifecycle.domain.state.customer import Customer, Move
from services.lifecycle.domain.state.happenings import EventKind
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.domain.words.causes import describe_cause
from services.lifecycle.domain.words.requirements import Requirement
from services.lifecycle.domain.words.rules import RULE_TEXTS, open_rules
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.events import EVENT_KINDS
from shared.events.transitions import Transition

_UPWARD: Final = frozenset(
    {
        RuleName.FIRST_PURCHASE, RuleName.HABIT_FORMED, RuleName.RECOMMENDS, RuleName.RECOVERED, RuleName.RETURNED,
        RuleName.SETTLED,
    }
)  # fmt: skip
"""What a shop hopes for: of these the first that could fire is told."""


def event_types(kinds: Collection[EventKind]) -> list[str]:
    """The types of event that may be of one of these kinds."""
    wanted = {EventKind.SCORED if kind is EventKind.PRAISED else kind for kind in kinds}
    return [name for name, kind in EVENT_KINDS.items() if kind in wanted]


def because(customer: Customer, transition: Transition) -> str:
    """Why the customer is in the phase, as a clause: for one at risk the causes that hold, else what led there."""
    if customer.phase is Phase.AT_RISK and customer.causes:
        return "; ".join(describe_cause(cause) for cause in sorted(customer.causes))
    words = RULE_TEXTS[RuleName(transition.rule)]
    last = transition.profile.last_order_at
    clause = words.by_event if transition.evidence.deadline is None else words.by_time
    return clause.format(
        orders=transition.profile.orders, last_order="long ago" if last is None else _day(last)
    )


def summary(id: str, now: Standpoint, transition: Transition, move: Move | None) -> str:
    """One to three sentences: the phase and why, what it takes to come further, what time alone will bring."""
    return " ".join(_sentences(id, now, transition, move))


def _sentences(
    id: str, now: Standpoint, transition: Transition, move: Move | None
) -> Iterator[str]:
    customer = now.customer
    phase = customer.phase or Phase(transition.to)
    yield f"Customer {id} has been {_being(phase)} since {_day(customer.since)}: {because(customer, transition)}."
    hoped = next(((rule, ways) for rule, ways in open_rules(now) if rule.name in _UPWARD), None)
    if hoped is not None:
        yield _taking(now, *hoped)
    if move is not None:
        yield f"If nothing happens before, the customer will be {_being(move.to)} from {_day(move.occurred_at)} on."


def _taking(now: Standpoint, rule: Rule, ways: Sequence[Requirement]) -> str:
    lacks = ", or ".join(way.lacks for way in ways)
    again = " again" if rule.name is RuleName.RECOVERED else ""
    return (
        f"To be {_being(rule.target(now.customer, now.policy))}{again}, this is lacking: {lacks}."
    )


def _being(phase: Phase) -> str:
    named = PHASE_LABELS[phase]
    assert isinstance(named, PhaseLabel)  # noqa: S101  (the phases themselves ask for nothing more)
    if phase is Phase.AT_RISK:
        return named.english
    return f"{'an' if named.english[0] in 'aeiou' else 'a'} {named.english}"


def _day(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"
