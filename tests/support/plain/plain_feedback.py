"""What complaints and scores say after the events so far, in the plainest way."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tests.support.plain.plain_events import PlainEvent

LOW: Final = {"nps": 6, "csat": 2, "review": 2}
"""A score up to this is dissatisfied."""
GOOD: Final = {"nps": 7, "csat": 3, "review": 3}
"""A score from this on is not; a review of 2.5 is neither."""


@dataclass
class PlainComplaint:
    """A complaint: its highest severity, and whether it is open and has been answered."""

    complaint_id: str
    opened_at: datetime
    severity: int
    open: bool = True
    answered: bool = False


def complaints_of(events: Sequence[PlainEvent]) -> dict[str, PlainComplaint]:
    """Go through the events from the first one on; answers to unknown complaints are nothing."""
    complaints = dict[str, PlainComplaint]()
    for event in events:
        if not event.type.startswith("complaint."):
            continue
        complaint = complaints.get(event.data["complaint_id"])
        if event.type == "complaint.opened":
            _open(complaints, complaint, event)
        elif complaint is not None and event.type == "complaint.answered":
            complaint.answered = True
        elif complaint is not None and event.type == "complaint.resolved":
            complaint.open = False
    return complaints


def _open(
    complaints: dict[str, PlainComplaint], before: PlainComplaint | None, event: PlainEvent
) -> None:
    complaint_id = event.data["complaint_id"]
    severity = event.data.get("severity") or 2
    if before is not None and before.open:
        before.severity = max(before.severity, severity)
    else:
        complaints[complaint_id] = PlainComplaint(complaint_id, event.time, severity)


def is_low(event: PlainEvent) -> bool:
    """Is it a score of a dissatisfied customer?"""
    kind = event.data.get("kind")
    return event.type == "feedback.submitted" and kind in LOW and event.data["score"] <= LOW[kind]


def is_good(event: PlainEvent) -> bool:
    """Is it a score that ends dissatisfaction?"""
    kind = event.data.get("kind")
    return event.type == "feedback.submitted" and kind in GOOD and event.data["score"] >= GOOD[kind]


def is_praise(event: PlainEvent) -> bool:
    """Is it NPS 9 or 10, or a public review of 5?"""
    if event.type != "feedback.submitted":
        return False
    if event.data["kind"] == "nps":
        return bool(event.data["score"] >= 9)
    is_best = event.data["kind"] == "review" and event.data["score"] == 5
    return is_best and bool(event.data.get("public"))


def is_cool(event: PlainEvent) -> bool:
    """Is it an NPS that no enthusiastic customer gives?"""
    kind = event.data.get("kind")
    return event.type == "feedback.submitted" and kind == "nps" and event.data["score"] <= 8
