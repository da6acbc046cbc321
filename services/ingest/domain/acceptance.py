"""What ingest may accept, and in which order it goes out."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from shared.events.envelope import CLOCK_TICKED, CONTROL

MAX_EVENTS: Final = 1000
MAX_AHEAD: Final = timedelta(minutes=5)
REFERRAL_ONLY: Final = frozenset({"referral.succeeded", "referral.annulled"})
"""Types that come on the referral service's own topic, never through ingest."""


ERASURE_REQUESTED: Final = "customer.erasure_requested"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event that is well formed is not accepted."""

    code: str
    field: str
    message: str


_RESERVED: Final = Refusal(
    "reserved_type", "type", "only the referral service says this, on its own topic"
)
_NEVER: Final[Mapping[str, Refusal]] = MappingProxyType(
    dict.fromkeys(REFERRAL_ONLY, _RESERVED)
    | {
        ERASURE_REQUESTED: Refusal(
            "not_supported_yet", "type", "customers cannot be erased yet: nothing would be erased"
        )
    }
)


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event on its way to the log; `subject` is empty for a control record."""

    type: str
    subject: str
    value: bytes
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Terms:
    """What this deployment accepts: nothing from the future, and no word that is no customer.

    `now` is None in log time, where senders set the clock and there is no future.
    """

    now: datetime | None
    no_customers: Container[str]


def is_taken(kind: str, *, in_log_time: bool) -> bool:
    """Whether a deployment takes events of a type at all."""
    return kind not in _NEVER and (in_log_time or kind != CLOCK_TICKED)


def reason_to_refuse(
    kind: str, time: datetime, customers: Mapping[str, str], terms: Terms
) -> Refusal | None:
    """Why this deployment refuses an event; None if it does not.

    `customers` are the ids that the event names, by their fields.
    """
    if kind in _NEVER:
        return _NEVER[kind]
    for place, customer in customers.items():
        if customer in terms.no_customers:
            return Refusal("not_a_customer_id", place, "is a word that stands for no customer")
    return None if terms.now is None else _reason_in_real_time(kind, time, terms.now)


def _reason_in_real_time(kind: str, time: datetime, now: datetime) -> Refusal | None:
    if kind == CLOCK_TICKED:
        return Refusal(
            "clock_not_settable",
            "type",
            "this deployment runs in real time; its clock cannot be set",
        )
    if time > now + MAX_AHEAD:
        return Refusal("time_in_future", "time", "lies more than 5 minutes ahead of the clock")
    return None


def split_into_stages(events: Iterable[AcceptedEvent]) -> list[Sequence[AcceptedEvent]]:
    """Runs that may travel together; each starts when the one before it is acknowledged.

    A control record is a stage of its own: it goes to every partition, and must find there all
    that came before it.
    """
    stages: list[Sequence[AcceptedEvent]] = []
    run: list[AcceptedEvent] = []
    for event in events:
        if event.type not in CONTROL:
            run.append(event)
            continue
        if run:
            stages.append(run)
            run = []
        stages.append([event])
    return [*stages, run] if run else stages
