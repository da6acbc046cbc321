"""The causes of being at risk in words: what each means, and what ends it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.lifecycle.domain.state.customer import CONTACT, NEWSLETTER, REVENUE, SILENCE, Customer
from services.lifecycle.domain.state.happenings import ACTIVITY, EventKind

CANCELLATION: Final = "cancellation"
COMPLAINT: Final = "complaint"
SCORE: Final = "score"

_PURCHASES: Final = frozenset({EventKind.ORDER, EventKind.CONCLUDED, EventKind.RENEWED})


class Remedy(NamedTuple):
    """What takes causes away, in words, and the kinds of event that may do it."""

    words: str
    on: frozenset[EventKind]


_PURCHASE: Final = Remedy("an order, or a contract concluded or renewed", _PURCHASES)
_CONTRACT: Final = Remedy("a contract renewed or newly concluded", _PURCHASES - {EventKind.ORDER})
_SUBSCRIPTION: Final = Remedy(
    "a newsletter subscription, an order, or a contract concluded or renewed",
    _PURCHASES | {EventKind.SUBSCRIBED},
)
_ACTIVITY: Final = Remedy("any activity of the customer", ACTIVITY | _PURCHASES)
_SCORES: Final = {
    "nps": "an NPS of 7 or more",
    "csat": "a CSAT of 3 or more",
    "review": "a review of 3 stars or more",
}
_NAMES: Final = {"nps": "NPS", "csat": "CSAT", "review": "review"}


def _settled(customer: Customer, id: str) -> Remedy:
    complaint = customer.complaints.get(id)
    if complaint is not None and complaint.severity == 1 and complaint.overdue:
        return Remedy(
            f"an answer to complaint {id}", frozenset({EventKind.ANSWERED, EventKind.RESOLVED})
        )
    return Remedy(
        f"complaint {id} resolved to the customer's satisfaction", frozenset({EventKind.RESOLVED})
    )


def _scored(_: Customer, kind: str) -> Remedy:
    return Remedy(_SCORES[kind], frozenset({EventKind.SCORED}))


def _by(remedy: Remedy) -> Callable[[Customer, str], Remedy]:
    return lambda _, __: remedy


class _CauseText(NamedTuple):
    """`means` takes what stands behind the colon; so does `ends`."""

    means: Callable[[str], str]
    ends: Callable[[Customer, str], Remedy]


CAUSE_TEXTS: Final[Mapping[str, _CauseText]] = MappingProxyType(
    {
        SILENCE: _CauseText(lambda _: "there has been no order for too long", _by(_PURCHASE)),
        REVENUE: _CauseText(lambda _: "revenue has declined", _by(_PURCHASE)),
        CONTACT: _CauseText(
            lambda _: "there has been no session, page view or click for too long", _by(_ACTIVITY)
        ),
        NEWSLETTER: _CauseText(lambda _: "the newsletter was cancelled", _by(_SUBSCRIPTION)),
        SCORE: _CauseText(lambda kind: f"the last {_NAMES[kind]} score was low", _scored),
        COMPLAINT: _CauseText(lambda name: f"complaint {name} is not settled", _settled),
        CANCELLATION: _CauseText(
            lambda name: f"notice was given for contract {name}", _by(_CONTRACT)
        ),
    }
)
"""By what stands before the colon."""

_STRENGTH: Final = (CANCELLATION, SILENCE, REVENUE, NEWSLETTER, CONTACT)
"""What ends one of these ends those after it too."""


def describe_cause(cause: str) -> str:
    """What a cause says of the customer, as a clause."""
    prefix, _, about = cause.partition(":")
    return CAUSE_TEXTS[prefix].means(about)


def remedy_for(customer: Customer, cause: str) -> Remedy:
    """What takes this cause away."""
    prefix, _, about = cause.partition(":")
    return CAUSE_TEXTS[prefix].ends(customer, about)


def remedies_needed(customer: Customer) -> list[Remedy]:
    """All that it takes for no cause to be left: each of these, in any order."""
    return [remedy_for(customer, cause) for cause in _strongest(customer.causes)]


def _strongest(causes: Iterable[str]) -> Iterator[str]:
    by_prefix = {cause.partition(":")[0]: cause for cause in sorted(causes)}
    strongest = next((prefix for prefix in _STRENGTH if prefix in by_prefix), None)
    if strongest is not None:
        yield by_prefix[strongest]
    yield from (cause for cause in sorted(causes) if cause.partition(":")[0] not in _STRENGTH)
