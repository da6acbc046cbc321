"""The causes of being at risk in words: what each means, and what ends it."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.lifecycle.domain.effects.feedback import SLIGHT
from services.lifecycle.domain.state.customer import CONTACT, NEWSLETTER, REVENUE, SILENCE, Customer
from services.lifecycle.domain.state.happenings import CUSTOMER_ACTIONS, PURCHASES, EventKind

CANCELLATION: Final = "cancellation"
COMPLAINT: Final = "complaint"
SCORE: Final = "score"


class Remedy(NamedTuple):
    """What ends causes, in words, and the kinds of event that may bring it."""

    words: str
    on: frozenset[EventKind]


_CLEARING: Final = PURCHASES | {EventKind.RESTORED}
_PURCHASE: Final = Remedy("an order, or a contract concluded or renewed", _CLEARING)
_CONTRACT: Final = Remedy(
    "a contract renewed or newly concluded",
    PURCHASES - {EventKind.ORDER},
)
_SUBSCRIPTION: Final = Remedy(
    "a newsletter subscription, an order, or a contract concluded or renewed",
    _CLEARING | {EventKind.SUBSCRIBED},
)
_ACTION: Final = Remedy("any activity of the customer", CUSTOMER_ACTIONS | {EventKind.RESTORED})
_GOOD_SCORES: Final = {
    "nps": "an NPS of 7 or more",
    "csat": "a CSAT of 3 or more",
    "review": "a review of 3 stars or more",
}
_SCORE_NAMES: Final = {"nps": "NPS", "csat": "CSAT", "review": "review"}


def _complaint_remedy(customer: Customer, id: str) -> Remedy:
    complaint = customer.complaints.get(id)
    waits = complaint is not None and complaint.severity == SLIGHT and complaint.overdue
    if waits or id in customer.never_answered:
        kinds = frozenset({EventKind.ANSWERED, EventKind.RESOLVED})
        return Remedy(f"an answer to complaint {id}", kinds)
    words = f"complaint {id} resolved to the customer's satisfaction"
    return Remedy(words, frozenset({EventKind.RESOLVED}))


def _cancellation_remedy(customer: Customer, id: str) -> Remedy:
    """A contract that ends while another runs takes its own notice along, and nothing else."""
    others_run = id in customer.contracts and len(customer.contracts) > 1
    ended_alike = [cause for cause in customer.causes if _prefix(cause) in _STRONGEST_FIRST]
    if others_run and len(ended_alike) == 1:
        words = f"{_CONTRACT.words}, or the end of contract {id} while another runs"
        return Remedy(words, _CONTRACT.on | {EventKind.CANCELLED})
    return _CONTRACT


def _score_remedy(_: Customer, kind: str) -> Remedy:
    return Remedy(_GOOD_SCORES[kind], frozenset({EventKind.SCORED}))


def _always(remedy: Remedy) -> Callable[[Customer, str], Remedy]:
    return lambda _, __: remedy


class _CauseText(NamedTuple):
    """Two functions; both take what follows the colon of the cause."""

    meaning: Callable[[str], str]
    remedy: Callable[[Customer, str], Remedy]


CAUSE_TEXTS: Final[Mapping[str, _CauseText]] = MappingProxyType(
    {
        SILENCE: _CauseText(
            lambda _: "there has been no order for too long",
            _always(_PURCHASE),
        ),
        REVENUE: _CauseText(
            lambda _: "revenue has declined",
            _always(_PURCHASE),
        ),
        CONTACT: _CauseText(
            lambda _: "there has been no session, page view or click for too long",
            _always(_ACTION),
        ),
        NEWSLETTER: _CauseText(
            lambda _: "the newsletter was cancelled",
            _always(_SUBSCRIPTION),
        ),
        SCORE: _CauseText(
            lambda kind: f"the last {_SCORE_NAMES[kind]} score was low",
            _score_remedy,
        ),
        COMPLAINT: _CauseText(
            lambda id: f"complaint {id} is not settled",
            _complaint_remedy,
        ),
        CANCELLATION: _CauseText(
            lambda id: f"notice was given for contract {id}",
            _cancellation_remedy,
        ),
    }
)
"""The texts by what precedes the colon of a cause."""

_STRONGEST_FIRST: Final = (CANCELLATION, SILENCE, REVENUE, NEWSLETTER, CONTACT)
"""What ends one of these also ends all that follow it, but for a contract that runs out."""


def describe_cause(cause: str) -> str:
    """Return what a cause says of the customer, as a clause."""
    prefix, _, about = cause.partition(":")
    return CAUSE_TEXTS[prefix].meaning(about)


def remedy_for(customer: Customer, cause: str) -> Remedy:
    """Return what ends a cause."""
    prefix, _, about = cause.partition(":")
    return CAUSE_TEXTS[prefix].remedy(customer, about)


def remedies_needed(customer: Customer) -> list[Remedy]:
    """Return everything that is needed until no cause is left, in any order."""
    return [remedy_for(customer, cause) for cause in _strongest(customer.causes)]


def _prefix(cause: str) -> str:
    return cause.partition(":")[0]


def _strongest(causes: Iterable[str]) -> list[str]:
    """Return the causes, without those that end whenever a stronger one ends."""
    ranked: dict[str, str] = {}
    others: list[str] = []
    for cause in sorted(causes):
        prefix = _prefix(cause)
        if prefix in _STRONGEST_FIRST:
            ranked[prefix] = cause
        else:
            others.append(cause)
    strongest = [ranked[prefix] for prefix in _STRONGEST_FIRST if prefix in ranked]
    return strongest[:1] + others
