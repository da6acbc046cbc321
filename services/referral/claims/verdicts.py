"""Judges referees again: changed verdicts go to their claims, changed facts to both rewards."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from msgspec.structs import replace

from services.referral.announcements import Announcer
from services.referral.claims.repository import (
    Claim,
    NewVerdict,
    load_claims,
    load_order_events,
    save_verdicts,
)
from services.referral.customers.repository import load_people, park_members
from services.referral.domain.claims import Reason, State, Verdict, determine_facts, judge
from services.referral.domain.orders import OrderEvent, purchases, standing_since
from services.referral.domain.rewards import RewardFacts, RewardKey, RewardRevision, Side
from shared.database.connection import Tx
from shared.identities import Identities
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing.outbox import Message

T = TypeVar("T")

ClockOf = Callable[[str], datetime]
"""The clock of a referee's partition."""


@dataclass(frozen=True, slots=True)
class Referee:
    """A person who has named codes: the survivor of its ids, and what is known of all of them.

    Its ids were merged or unmerged last at `regrouped_at`.
    """

    id: str
    person: Collection[str]
    claims: Sequence[Claim]
    events: Sequence[OrderEvent]
    regrouped_at: datetime | None = None


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
    """Judges one referee after another; `recommenders` says who has the codes now."""

    recommenders: Identities
    announcer: Announcer
    judgement: Judgement = field(default_factory=Judgement)

    def take(self, referee: Referee, now: datetime) -> None:
        """Judge all claims of one referee; park the referee if that fails.

        This is one of two places that may catch every error: a bug in a rule sets one customer
        aside, and not the batch.
        """
        touches = [claim.touch for claim in referee.claims]
        try:
            bought = purchases(referee.events)
            verdicts = judge(referee.person, touches, bought)
            facts = determine_facts(touches, bought, verdicts)
        except Exception as error:  # noqa: BLE001  (see above)
            self.judgement.parked[referee.id] = record_failure(error, claims=len(touches))
            return
        for claim in referee.claims:
            verdict = verdicts[claim.touch.id]
            self._take(referee, claim, verdict, facts.get(claim.touch.id), now)

    def _take(
        self,
        referee: Referee,
        claim: Claim,
        verdict: Verdict,
        facts: RewardFacts | None,
        now: datetime,
    ) -> None:
        revision = claim.revision + (facts != claim.facts)
        if claim.is_judged and (verdict, revision) == (claim.verdict, claim.revision):
            return
        answers = claim.answers
        if not claim.is_judged or _answer(verdict) != _answer(claim.verdict):
            answers += 1
            message = self.announcer.claim_judged(referee.id, claim.touch, verdict, answers)
            self.judgement.messages.append(message)
        self.judgement.verdicts.append(NewVerdict(claim.touch, verdict, answers, revision, facts))
        if revision != claim.revision:
            since = self._since(referee, claim, verdict)
            revised = RewardRevision(claim.touch.id, revision, facts, claim.referee, since)
            self._revise(referee.id, revised, claim.touch.recommender, now)

    def _revise(
        self, referee: str, revision: RewardRevision, recommender: str | None, now: datetime
    ) -> None:
        key = RewardKey(referee, revision.claim_id, Side.REFEREE)
        self.judgement.revisions[key] = revision
        if recommender:
            revised = replace(revision, earner=recommender)
            to = self.recommenders.survivor(recommender)
            self.judgement.messages.append(self.announcer.reward_determined(to, revised, now))

    def _since(self, referee: Referee, claim: Claim, verdict: Verdict) -> datetime:
        """The time of what made the verdict: of an event of the orders, or of a merge."""
        touch = claim.touch
        found = [touch.time, standing_since(referee.events)]
        if Reason.SELF_REFERRAL in (claim.verdict.reason, verdict.reason):
            found.append(referee.regrouped_at)
            found.append(self.recommenders.changed_at(touch.recommender or ""))
        return max(time for time in found if time)


async def judge_referees(
    tx: Tx, referees: Collection[str], people: Identities, announcer: Announcer, clock_of: ClockOf
) -> Judgement:
    """Judge all claims of these locked survivors, and store what has changed."""
    if not referees:
        return Judgement()
    members = people.all_members(referees)
    claims = await load_claims(tx, members)
    events = await load_order_events(tx, members)
    judging = Judge(await _recommenders(tx, claims), announcer)
    for id in sorted(referees):
        person = people.members(id)
        regrouped_at = people.changed_at(id)
        referee = Referee(id, person, _of(person, claims), _of(person, events), regrouped_at)
        judging.take(referee, clock_of(id))
    judgement = judging.judgement
    await save_verdicts(tx, judgement.verdicts)
    if judgement.parked:
        await park_members(tx, judgement.parked)
    return judgement


async def _recommenders(tx: Tx, claims: Mapping[str, Sequence[Claim]]) -> Identities:
    touches = (claim.touch for each in claims.values() for claim in each)
    return await load_people(tx, {touch.recommender for touch in touches if touch.recommender})


def _of(person: Iterable[str], found: Mapping[str, Sequence[T]]) -> list[T]:
    return [each for id in sorted(person) for each in found[id]]


def _answer(verdict: Verdict) -> tuple[bool, str | None]:
    """What is announced of a verdict: whether the claim is refused, and then why."""
    is_refused = verdict.state is State.REFUSED
    return is_refused, verdict.reason if is_refused else None
