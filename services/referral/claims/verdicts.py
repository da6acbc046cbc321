"""Referees: everything known of one is judged anew, and what has changed goes to the claims and to both rewards."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.referral.announcements import Announcer
from services.referral.claims import repository
from services.referral.claims.repository import Claim
from services.referral.domain.claims import OrderEvent, State, Touch, Verdict, determine, judge
from services.referral.domain.ledger import Book
from services.referral.domain.rewards import Facts
from services.referral.events import Determination
from services.referral.rewards import repository as books
from services.referral.rewards.repository import Reward
from shared.database.connection import Tx
from shared.stream.log import parked as parking
from shared.stream.outgoing.outbox import Message

Clock = Callable[[str], datetime]


@dataclass(slots=True)
class Judged:
    """What follows from judging: rewards of the referees to settle, and messages, some of them to recommenders."""

    determinations: dict[Book, Determination] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)


async def rejudge(
    tx: Tx, referees: Collection[str], new: Collection[UUID], announcer: Announcer, clock: Clock
) -> Judged:
    """Judge all claims of these referees, who are locked; `new` claims have not been judged before."""
    judged = Judged()
    if not referees:
        return judged
    claims = await repository.claims_of(tx, referees)
    events = await repository.order_events(tx, referees)
    rewards = await books.rewards(tx, [Book(r, c.touch.id) for r in claims for c in claims[r]])
    changed: list[tuple[Touch, Verdict, bool]] = []
    parked: dict[str, str] = {}
    for referee in sorted(claims):
        found = _judge(referee, claims[referee], events[referee], parked)
        if found is None:
            continue
        verdicts, facts = found
        for claim in claims[referee]:
            is_new, verdict = claim.touch.id in new, verdicts[claim.touch.id]
            if is_new or verdict != claim.verdict:
                changed.append((claim.touch, verdict, is_new))
                judged.messages += _announcements(claim, verdict, is_new, announcer)
            _determine(judged, claim, facts.get(claim.touch.id), rewards, announcer, clock(referee))
    await repository.judge(tx, changed)
    if parked:
        await repository.park(tx, parked)
    return judged


def _judge(
    referee: str, claims: list[Claim], events: list[OrderEvent], parked: dict[str, str]
) -> tuple[dict[UUID, Verdict], dict[UUID, Facts]] | None:
    """The one place here that may catch every error: a referee who cannot be judged is set aside, not the batch."""
    try:
        touches = [claim.touch for claim in claims]
        verdicts = judge(referee, touches, events)
        return verdicts, determine(referee, touches, events, verdicts)
    except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
        parked[referee] = parking.failed(error, claims=len(claims))
        return None


def _announcements(
    claim: Claim, verdict: Verdict, is_new: bool, announcer: Announcer
) -> list[Message]:
    was_refused, is_refused = claim.verdict.state is State.REFUSED, verdict.state is State.REFUSED
    if (
        is_new
        or was_refused != is_refused
        or (is_refused and verdict.reason != claim.verdict.reason)
    ):
        return [announcer.claim_judged(claim.referee, claim.touch, verdict)]
    return []


def _determine(
    judged: Judged,
    claim: Claim,
    facts: Facts | None,
    rewards: Mapping[Book, Reward],
    announcer: Announcer,
    now: datetime,
) -> None:
    book = Book(claim.referee, claim.touch.id)
    known = rewards.get(book)
    if facts == (known.facts if known else None):
        return
    found = Determination(claim.touch.id, known.revision + 1 if known else 1, facts)
    judged.determinations[book] = found
    if claim.touch.recommender:
        judged.messages.append(announcer.determined(claim.touch.recommender, found, now))
