"""The rules in words: why each has fired, and what it lacks to fire next."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from services.lifecycle.domain.rules.table import RULES, Rule
from services.lifecycle.domain.state.phases import Phase, RuleName
from services.lifecycle.domain.words import requirements
from services.lifecycle.domain.words.requirements import Requirement, Requirements
from services.lifecycle.domain.words.standpoint import Standpoint


@dataclass(frozen=True, slots=True)
class RuleText:
    """What a rule lacks to fire, and why it has fired, by an event or by time.

    The clauses may contain `{last_order}`, the day of the last order, `{orders}`, the number of
    orders that stand, and what `wording` says of the transition.
    """

    requirements: Callable[[Standpoint], Requirements]
    by_event: str = ""
    by_time: str = ""


RULE_TEXTS: Final[Mapping[RuleName, RuleText]] = MappingProxyType(
    {
        RuleName.FIRST_PURCHASE: RuleText(
            requirements.first_purchase,
            by_event="the customer bought for the first time",
        ),
        RuleName.FIRST_CONTACT: RuleText(
            requirements.first_contact,
            by_event="the customer was heard of",
        ),
        RuleName.HABIT_FORMED: RuleText(
            requirements.habit_formed,
            by_event="buying has become a habit ({orders} orders)",
        ),
        RuleName.RECOMMENDS: RuleText(
            requirements.recommends,
            by_event="the customer recommended or praised the shop",
        ),
        RuleName.ENTHUSIASM_FADED: RuleText(
            requirements.enthusiasm_faded,
            by_event="the enthusiasm is gone",
            by_time="there was no recommendation or praise for too long",
        ),
        RuleName.SILENCE_BEGINS: RuleText(
            requirements.silence_begins,
            by_time="there has been no order since {last_order}",
        ),
        RuleName.DISSATISFIED: RuleText(
            requirements.dissatisfied,
            by_event="the customer is dissatisfied",
            by_time="a complaint waited too long for an answer",
        ),
        RuleName.BOND_WEAKENS: RuleText(
            requirements.bond_weakens,
            by_event="the bond has weakened",
            by_time="there was no session, page view or click for too long",
        ),
        RuleName.CANCELLATION_ANNOUNCED: RuleText(
            requirements.cancellation_announced,
            by_event="notice was given for a contract",
        ),
        RuleName.RECOVERED: RuleText(
            requirements.recovered,
            by_event="nothing puts the customer at risk any more",
        ),
        RuleName.FELL_SILENT: RuleText(
            requirements.fell_silent,
            by_time="there has been no order since {last_order}",
        ),
        RuleName.PROSPECT_FADED: RuleText(
            requirements.prospect_faded,
            by_time="nothing was heard of the customer for too long",
        ),
        RuleName.RELATIONSHIP_ENDED: RuleText(
            requirements.relationship_ended,
            by_event="the account was closed, or the last contract cancelled",
            by_time="{end}",
        ),
        RuleName.RETURNED: RuleText(
            requirements.returned,
            by_event="the customer came back with an order or a contract",
        ),
        RuleName.SETTLED: RuleText(
            requirements.settled,
            by_event="the customer has stayed since the return",
        ),
        RuleName.FIRST_PURCHASE_UNDONE: RuleText(
            requirements.first_purchase_undone,
            by_event="every order {undone} was undone",
        ),
        RuleName.HABIT_UNDONE: RuleText(
            requirements.habit_undone,
            by_event="too few orders are left to be a habit ({orders} orders)",
        ),
    }
)
"""One entry per rule, in the order of the table of rules."""


def wording(source: Phase | None, target: Phase) -> dict[str, str]:
    """What the clauses say of the phases that a transition leads from and to."""
    was_inactive = source is Phase.INACTIVE
    had_returned = target in {Phase.INACTIVE, Phase.FORMER}
    return {
        "end": "the customer was inactive for too long"
        if was_inactive
        else "the last contract ran out",
        "undone": "since the return" if had_returned else "so far",
    }


def open_rules(standpoint: Standpoint) -> list[tuple[Rule, tuple[Requirement, ...]]]:
    """Return the rules that could fire next, each with what it lacks, in the order of the table.

    Any one of the requirements of a rule is enough.
    """
    rules: list[tuple[Rule, tuple[Requirement, ...]]] = []
    for rule in RULES:
        if standpoint.customer.phase in rule.sources:
            lacking = tuple(RULE_TEXTS[rule.name].requirements(standpoint))
            if lacking:
                rules.append((rule, lacking))
    return rules
