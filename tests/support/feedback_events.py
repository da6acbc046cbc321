"""Scores, complaints and referrals of one customer in few words: `scores(1, "nps", 9)`."""

from tests.support.builders import event
from tests.support.customer_events import CUSTOMER, RawEvent, does


def scores(at: float, kind: str, score: float, *, public: bool = False) -> list[RawEvent]:
    """Submit feedback."""
    made = event(CUSTOMER, "feedback.submitted", at, id=f"{kind} {score} {at:g}")
    made["data"] = {"kind": kind, "score": score, "public": public}
    return [made]


def complains(at: float, severity: int = 2, of: str = "k") -> list[RawEvent]:
    """Open a complaint."""
    return does("complaint.opened", at, complaint_id=of, severity=severity)


def answers(at: float, of: str = "k") -> list[RawEvent]:
    """Answer a complaint."""
    return does("complaint.answered", at, complaint_id=of)


def resolves(at: float, of: str = "k", *, satisfied: bool | None = True) -> list[RawEvent]:
    """Resolve a complaint."""
    return does("complaint.resolved", at, complaint_id=of, satisfied=satisfied)


def refers(at: float, referee: str = "ben") -> list[RawEvent]:
    """Let a referral qualify."""
    return does("referral.succeeded", at, referee=referee)


def annuls(at: float, referee: str = "ben") -> list[RawEvent]:
    """Annul a referral."""
    return does("referral.annulled", at, referee=referee)
