"""Judges referees again: changed verdicts go to their claims, changed facts to both rewards."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from services.referral.announcements import Announcer
from services.referral.claims.repository import (
    Claim,
    NewVerdict,
    load_claims,
    load_order_events,
    save_verdicts,
)
from services.referral.customers.repository import park_members
from services.referral.domain.claims import OrderEvent, State, Verdict, determine_facts, judge
from services.referral.domain.rewards import Reward, RewardFacts, RewardKey, RewardRevision
from services.referral.rewards.repository import load_rewards
from shared.database.connection import Tx
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing.outbox import Message

ClockOf = Callable[[str], datetime]
"""The clock of a referee's partition."""


@dataclass(slots=True)
class Judgement:
    """What follows from judging referees.

    `verdicts` are the new and the changed ones, `revisions` those of the referees' own rewards
    (the recommenders' travel in `messages`), and `parked` has the reasons by referee.
    """

    verdicts: list[NewVerdict] = field(default_factory=list)
    revisions: dict[RewardKey, RewardRevision] = field(default_factory=dict)
    messages: list[Message] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges one referee after another; `new` claims have had no verdict yet."""

    new: Collection[UUID]
    rewards: Mapping[RewardKey, Reward]
    announcer: Announcer
    judgement: Judgement = field(default_factory=Judgement)

    def take(
        self, referee: str, claims: Sequence[Claim], events: Sequence[OrderEvent], now: datetime
    ) -> None:
        """Judge all claims of one referee; park the referee if that fails.

        This is one of two places that may catch every error: a bug in a rule sets one customer
        aside, and not the batch.
        """
        touches = [claim.touch for claim in claims]
        try:
            verdicts = judge(referee, touches, events)
            facts = determine_facts(referee, touches, events, verdicts)
        except Exception as error:  # noqa: BLE001  (see above)
            self.judgement.parked[referee] = record_failure(error, claims=len(claims))
            return
        for claim in claims:
            self._take_verdict(claim, verdicts[claim.touch.id])
            self._take_facts(claim, facts.get(claim.touch.id), now)

    def _take_verdict(self, claim: Claim, verdict: Verdict) -> None:
        is_new = claim.touch.id in self.new
        if not is_new and verdict == claim.verdict:
            return
        self.judgement.verdicts.append(NewVerdict(claim.touch, verdict, is_new))
        if is_new or _answer(verdict) != _answer(claim.verdict):
            message = self.announcer.claim_judged(claim.referee, claim.touch, verdict)
            self.judgement.messages.append(message)

    def _take_facts(self, claim: Claim, facts: RewardFacts | None, now: datetime) -> None:
        key = RewardKey(claim.referee, claim.touch.id)
        known = self.rewards.get(key)
        if facts == (known.facts if known else None):
            return
        revision = RewardRevision(claim.touch.id, known.revision + 1 if known else 1, facts)
        self.judgement.revisions[key] = revision
        if claim.touch.recommender:
            message = self.announcer.reward_determined(claim.touch.recommender, revision, now)
            self.judgement.messages.append(message)


async def judge_referees(
    tx: Tx,
    referees: Collection[str],
    new: Collection[UUID],
    announcer: Announcer,
    clock_of: ClockOf,
) -> Judgement:
    """Judge all claims of these locked referees, and store what has changed."""
    if not referees:
        return Judgement()
    claims = await load_claims(tx, referees)
    events = await load_order_events(tx, referees)
    keys = [RewardKey(referee, claim.touch.id) for referee in claims for claim in claims[referee]]
    judging = Judge(new, await load_rewards(tx, keys), announcer)
    for referee in sorted(claims):
        judging.take(referee, claims[referee], events[referee], clock_of(referee))
    judgement = judging.judgement
    await save_verdicts(tx, judgement.verdicts)
    if judgement.parked:
        await park_members(tx, judgement.parked)
    return judgement


def _answer(verdict: Verdict) -> tuple[bool, str | None]:
    """What is announced of a verdict: whether the claim is refused, and then why."""
    is_refused = verdict.state is State.REFUSED
    return is_refused, verdict.reason if is_refused else None
