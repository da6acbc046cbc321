"""What a service agent can read out: the phase and why, what improves it, what time will bring."""

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
from services.lifecycle.domain.words.rules import RULE_TEXTS, open_rules, wording
from services.lifecycle.domain.words.standpoint import Standpoint
from services.lifecycle.events import EVENT_KINDS
from shared.events.transitions import Transition

_IMPROVING: Final = frozenset(
    {
        RuleName.FIRST_PURCHASE,
        RuleName.HABIT_FORMED,
        RuleName.RECOMMENDS,
        RuleName.RECOVERED,
        RuleName.RETURNED,
        RuleName.SETTLED,
    }
)
"""What a shop hopes for. A summary mentions the first of these that could fire."""


def event_types(kinds: Collection[EventKind]) -> list[str]:
    """The types of event that may be of one of these kinds."""
    wanted = {EventKind.SCORED if kind is EventKind.PRAISED else kind for kind in kinds}
    return [name for name, kind in EVENT_KINDS.items() if kind in wanted]


def because(customer: Customer, transition: Transition) -> str:
    """Why the customer is in the phase, as a clause.

    For one at risk, the causes that hold; none do once a contract under notice has run out beside
    another, for that alone is no recovery yet. For others, what led to the phase.
    """
    if customer.phase is Phase.AT_RISK:
        causes = [describe_cause(cause) for cause in sorted(customer.causes)]
        return "; ".join(causes) or "what put the customer at risk is over"
    texts = RULE_TEXTS[RuleName(transition.rule)]
    clause = texts.by_event if transition.evidence.deadline is None else texts.by_time
    last = transition.profile.last_order_at
    last_order = "long ago" if last is None else _date(last)
    source = Phase(transition.from_) if transition.from_ else None
    words = wording(source, Phase(transition.to))
    return clause.format(orders=transition.profile.orders, last_order=last_order, **words)


def summary(id: str, standpoint: Standpoint, transition: Transition, move: Move | None) -> str:
    """One to three sentences.

    They say the phase and why, what it takes to improve it, and what time alone will bring.
    """
    return " ".join(_sentences(id, standpoint, transition, move))


def _sentences(
    id: str, standpoint: Standpoint, transition: Transition, move: Move | None
) -> Iterator[str]:
    customer = standpoint.customer
    phase = _with_article(customer.phase or Phase(transition.to))
    reason = because(customer, transition)
    yield f"Customer {id} has been {phase} since {_date(customer.since)}: {reason}."
    for rule, requirements in open_rules(standpoint):
        if rule.name in _IMPROVING:
            yield _what_is_lacking(standpoint, rule, requirements)
            break
    if move is not None:
        phase = _with_article(move.to)
        date = _date(move.occurred_at)
        yield f"If nothing happens before, the customer will be {phase} from {date} on."


def _what_is_lacking(
    standpoint: Standpoint, rule: Rule, requirements: Sequence[Requirement]
) -> str:
    phase = _with_article(rule.target(standpoint.customer, standpoint.policy))
    again = " again" if rule.name is RuleName.RECOVERED else ""
    lacks = ", or ".join(requirement.lacks for requirement in requirements)
    return f"To be {phase}{again}, this is lacking: {lacks}."


def _with_article(phase: Phase) -> str:
    """`a prospect`, `an advocate`, but `at risk`."""
    label = PHASE_LABELS[phase]
    assert isinstance(label, PhaseLabel)  # noqa: S101  (the phases themselves need no facts)
    if phase is Phase.AT_RISK:
        return label.english
    article = "an" if label.english[0] in "aeiou" else "a"
    return f"{article} {label.english}"


def _date(instant: datetime) -> str:
    return f"{instant.day} {instant:%B %Y}"
