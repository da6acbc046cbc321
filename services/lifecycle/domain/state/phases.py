"""The eight phases of the customer life cycle, and the names of the rules between them."""

from enum import StrEnum
from typing import Final


class Phase(StrEnum):
    """The phase of a customer; None where the customer is not yet known."""

    PROSPECT = "prospect"
    NEW = "new"
    ESTABLISHED = "established"
    ADVOCATE = "advocate"
    AT_RISK = "at_risk"
    INACTIVE = "inactive"
    FORMER = "former"
    WON_BACK = "won_back"


BONDED: Final = frozenset({Phase.NEW, Phase.ESTABLISHED, Phase.ADVOCATE, Phase.WON_BACK})
KNOWN: Final = frozenset(Phase)


class RuleName(StrEnum):
    """Public names: they appear in transitions, in answers and in metrics."""

    FIRST_PURCHASE = "first_purchase"
    FIRST_CONTACT = "first_contact"
    HABIT_FORMED = "habit_formed"
    RECOMMENDS = "recommends"
    ENTHUSIASM_FADED = "enthusiasm_faded"
    SILENCE_BEGINS = "silence_begins"
    DISSATISFIED = "dissatisfied"
    BOND_WEAKENS = "bond_weakens"
    CANCELLATION_ANNOUNCED = "cancellation_announced"
    RECOVERED = "recovered"
    FELL_SILENT = "fell_silent"
    PROSPECT_FADED = "prospect_faded"
    RELATIONSHIP_ENDED = "relationship_ended"
    RETURNED = "returned"
    SETTLED = "settled"
    FIRST_PURCHASE_UNDONE = "first_purchase_undone"
    HABIT_UNDONE = "habit_undone"
