"""The causes of being at risk in words: what each means, and what ends it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from services.lifecycle.domain.effects.by_kind import LIVELY
from services.lifecycle.domain.state.customer import CONTACT, NEWSLETTER, REVENUE, SILENCE, Customer
from services.lifecycle.domain.state.happenings import Kind

CANCELLATION: Final = "cancellation"
COMPLAINT: Final = "complaint"
SCORE: Final = "score"

_PURCHASES: Final = frozenset({Kind.ORDER, Kind.CONCLUDED, Kind.RENEWED})


class Remedy(NamedTuple):
    """What takes causes away, in words, and the kinds of event that may do it."""

    words: str
    on: frozenset[Kind]


_PURCHASE: Final = Remedy("an order, or a contract concluded or renewed", _PURCHASES)
_CONTRACT: Final = Remedy("a contract renewed or newly concluded", _PURCHASES - {Kind.ORDER})
_SUBSCRIPTION: Final = Remedy(
    "a newsletter subscription, an order, or a contract concluded or renewed",
    _PURCHASES | {Kind.SUBSCRIBED},
)
_ACTIVITY: Final = Remedy("any activity of the customer", LIVELY | _PURCHASES)
_SCORES: Final = {
    "nps": "an NPS of 7 or more",
    "csat": "a CSAT of 3 or more",
    "review": "a review of 3 stars or more",
}
_NAMES: Final = {"nps": "NPS", "csat": "CSAT", "review": "review"}


def _settled(customer: Customer, id: str) -> Remedy:
    complaint = customer.complaints.get(id)
    if complaint is not None and complaint.severity == 1 and complaint.overdue:
        return Remedy(f"an answer to complaint {id}", frozenset({Kind.ANSWERED, Kind.RESOLVED}))
    return Remedy(
        f"complaint {id} resolved to the customer's satisfaction", frozenset({Kind.RESOLVED})
    )


def _scored(_: Customer, kind: str) -> Remedy:
    return Remedy(_SCORES[kind], frozenset({Kind.SCORED}))


def _by(remedy: Remedy) -> Callable[[Customer, str], Remedy]:
    return lambda _, __: remedy


class _Cause(NamedTuple):
    """`means` takes what stands behind the colon; so does `ends`."""

    means: Callable[[str], str]
    ends: Callable[[Customer, str], Remedy]


CAUSES: Final[Mapping[str, _Cause]] = MappingProxyType(
    {
        SILENCE: _Cause(lambda _: "there has been no order for too long", _by(_PURCHASE)),
        REVENUE: _Cause(lambda _: "revenue has declined", _by(_PURCHASE)),
        CONTACT: _Cause(
            lambda _: "there has been no session, page view or click for too long", _by(_ACTIVITY)
        ),
        NEWSLETTER: _Cause(lambda _: "the newsletter was cancelled", _by(_SUBSCRIPTION)),
        SCORE: _Cause(lambda kind: f"the last {_NAMES[kind]} score was low", _scored),
        COMPLAINT: _Cause(lambda name: f"complaint {name} is not settled", _settled),
        CANCELLATION: _Cause(lambda name: f"notice was given for contract {name}", _by(_CONTRACT)),
    }
)
"""By what stands before the colon."""

_STRENGTH: Final = (CANCELLATION, SILENCE, REVENUE, NEWSLETTER, CONTACT)
"""What ends one of these ends those after it too."""


def meaning(cause: str) -> str:
    """What a cause says of the customer, as a clause."""
    prefix, _, about = cause.partition(":")
    return CAUSES[prefix].means(about)


def ends(customer: Customer, cause: str) -> Remedy:
    """What takes this cause away."""
    prefix, _, about = cause.partition(":")
    return CAUSES[prefix].ends(customer, about)


def recovery(customer: Customer) -> list[Remedy]:
    """All that it takes for no cause to be left: each of these, in any order."""
    return [ends(customer, cause) for cause in _strongest(customer.causes)]


def _strongest(causes: Iterable[str]) -> Iterator[str]:
    by_prefix = {cause.partition(":")[0]: cause for cause in sorted(causes)}
    strongest = next((prefix for prefix in _STRENGTH if prefix in by_prefix), None)
    if strongest is not None:
        yield by_prefix[strongest]
    yield from (cause for cause in sorted(causes) if cause.partition(":")[0] not in _STRENGTH)
