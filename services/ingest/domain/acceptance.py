"""What ingest may accept, and in which order it goes out."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from shared.events.envelope import CLOCK_TICKED, CONTROL

MAX_EVENTS: Final = 1000
MAX_AHEAD: Final = timedelta(minutes=5)
REFERRAL_ONLY: Final = frozenset({"referral.succeeded", "referral.annulled"})
"""Types that come on the referral service's own topic, never through ingest."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an event that is well formed is not accepted."""

    code: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class AcceptedEvent:
    """An event on its way to the log; `subject` is empty for a control record."""

    type: str
    subject: str
    value: bytes
    traceparent: str | None = None


def reason_to_refuse(kind: str, time: datetime, *, now: datetime | None) -> Refusal | None:
    """Why this deployment refuses any event of this type and time; None if it does not.

    `now` is None in log time, where senders set the clock and there is no future.
    """
    if kind in REFERRAL_ONLY:
        return Refusal(
            "reserved_type", "type", "only the referral service says this, on its own topic"
        )
    if now is None:
        return None
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
