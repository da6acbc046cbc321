"""Referral in memory: the owners of all customers, with the messages between them, and no I/O."""

from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from random import Random
from typing import Any, Final
from uuid import UUID

from services.lifecycle.domain.fold import fold
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import Happening
from services.lifecycle.events import read as read_in_lifecycle
from services.referral.announcements import Announcer
from services.referral.batch.work import Work
from services.referral.claims.repository import Claim
from services.referral.claims.verdicts import Judge, Referee
from services.referral.domain.claims import State, Verdict, determine_facts, judge
from services.referral.domain.ledger import Account, Posting
from services.referral.domain.orders import OrderEvent, purchases
from services.referral.domain.rewards import (
    Reward,
    RewardFacts,
    RewardKey,
    RewardRevision,
    Side,
    balance_of,
)
from services.referral.domain.terms import CurrencyTerms, Terms
from services.referral.events import read
from services.referral.rewards.outcome import SettlementTime
from services.referral.rewards.repository import RewardSide
from services.referral.rewards.settlement import RewardBooks, RewardTasks, Settler
from shared.events.envelope import Envelope, decode
from shared.identities import Identities, Merge, new_merges
from shared.kafka.topics import CUSTOMER_EVENTS, REFERRAL_EVENTS
from shared.stream.outgoing.outbox import Message
from tests.support.builders import encode
from tests.support.referral_codes import code_of

IDS: Final = ("ann", "bob", "cid", "dan")
TERMS: Final = Terms(
    claim_days=90, return_window_days=14, currencies={"EUR": CurrencyTerms(1001, 333, 500)}
)
_OWNERS: Final = {code_of(id): id for id in IDS}
_ANNOUNCER: Final = Announcer(4)

_OUTCOMES: Final = ("referral.succeeded", "referral.annulled")

Sums = dict[str, tuple[int, int]]
"""Pending and available by customer; who has nothing is left out."""
Evidence = dict[str, set[str]]
"""The referrals that make somebody an advocate; who has none is left out."""


@dataclass
class World:
    """What the service stores, and the messages that are under way to each customer's owner."""

    merges: list[Merge] = field(default_factory=list)
    claims: dict[UUID, Claim] = field(default_factory=dict)
    events: dict[tuple[str, str], OrderEvent] = field(default_factory=dict)
    rewards: dict[RewardSide, dict[str, Reward]] = field(default_factory=lambda: defaultdict(dict))
    postings: dict[RewardSide, dict[UUID, Posting]] = field(
        default_factory=lambda: defaultdict(dict)
    )
    under_way: dict[str, deque[Message]] = field(default_factory=lambda: defaultdict(deque))
    outcomes: list[Envelope] = field(default_factory=list)

    def take(self, events: Iterable[dict[str, Any]], clock: datetime) -> None:
        """Apply a batch of the shop's events."""
        decoded = [decode(encode(event)) for event in events]
        for id in IDS:
            own = [(CUSTOMER_EVENTS, event) for event in decoded if event.subject == id]
            if own:
                self.apply(own, clock)

    def deliver(self, random: Random, clock: datetime, *, most: int = 10_000) -> None:
        """Let owners apply what is under way to them, in any order; some of it twice."""
        while most and (waiting := sorted(id for id, queue in self.under_way.items() if queue)):
            id = random.choice(waiting)
            message = self.under_way[id].popleft()
            for _ in range(random.choice((1, 1, 2))):
                self.apply([(REFERRAL_EVENTS, decode(message.body))], clock)
            most -= 1

    def tick(self, clock: datetime) -> None:
        """Let every deadline pass."""
        stored = [reward for rewards in self.rewards.values() for reward in rewards.values()]
        due = {reward.key for reward in stored if reward.due_at is not None}
        self._settle(RewardTasks({}, due=due), clock)

    def balances(self) -> Sums:
        """The sums of all postings, by customer."""
        pending: Counter[str] = Counter()
        available: Counter[str] = Counter()
        for posting in self._posted():
            pending[posting.customer] += posting.pending
            available[posting.customer] += posting.available
        return _sums(pending, available)

    def evidence(self) -> Evidence:
        """The referrals for which lifecycle takes customers for advocates."""
        found = self.in_lifecycle()
        return {id: set(customer.evidence) for id, customer in found.items() if customer.evidence}

    def in_lifecycle(self) -> dict[str, Customer]:
        """What lifecycle makes of the outcomes announced, read as it reads them."""
        people = Identities(self.merges)
        read_outcomes: dict[str, dict[str, Happening]] = defaultdict(dict)
        for outcome in self.outcomes:
            happening = read_in_lifecycle(REFERRAL_EVENTS, outcome)
            assert isinstance(happening, Happening)
            read_outcomes[people.survivor(outcome.subject)].setdefault(outcome.id, happening)
        return {id: fold(each.values(), Policy()).customer for id, each in read_outcomes.items()}

    def clearing(self) -> int:
        """What has left one customer and not come to the other."""
        entries = (entry for posting in self._posted() for entry in posting.entries)
        return sum(amount for account, amount in entries if account is Account.CLEARING)

    def _posted(self) -> list[Posting]:
        return [posting for each in self.postings.values() for posting in each.values()]

    def apply(self, records: Sequence[tuple[str, Envelope]], clock: datetime) -> None:
        """Apply records that are read already."""
        work = Work(TERMS)
        for topic, event in records:
            work.take(event, read(topic, event))
        before = Identities(self.merges)
        told = new_merges(self.merges, work.merges)
        changed = {merge.customer for merge in told}
        self.merges += told
        people = Identities(self.merges)
        for touch in work.touches.values():
            named = replace(touch, recommender=_OWNERS.get(touch.code))
            new = Claim(named, Verdict(State.ACCEPTED), None, clock, answers=0)
            self.claims.setdefault(touch.id, new)
        for order in work.order_events:
            self.events.setdefault((order.fact.origin, order.fact.id), order)
        to_judge = work.referees | work.reviews | changed
        to_judge |= {order.fact.origin for order in work.order_events}
        revisions = self._judge(to_judge, people, clock)
        tasks = RewardTasks(work.revisions | revisions, work.transfers, (), work.reviews | changed)
        self._settle(tasks, clock)
        for id in to_judge:
            for other in {before.survivor(id), people.survivor(id)} - {id}:
                self._send([_ANNOUNCER.review_requested(other, clock, *work.causes[id])])

    def _judge(
        self, ids: set[str], people: Identities, clock: datetime
    ) -> dict[RewardKey, RewardRevision]:
        judging = Judge(people, _ANNOUNCER)
        for id in sorted(ids):
            if people.is_merged(id):
                continue
            person = people.members(id)
            claims = [claim for claim in self.claims.values() if claim.referee in person]
            events = self._events_of(person)
            judging.take(Referee(id, person, claims, events, people.changed_at(id)), clock)
        judgement = judging.judgement
        assert judgement.parked == {}
        for new in judgement.verdicts:
            claim = self.claims[new.touch.id]
            self.claims[new.touch.id] = replace(
                claim,
                verdict=new.verdict,
                answers=new.answers,
                revision=new.revision,
                facts=new.facts,
            )
        self._send(judgement.messages)
        return judgement.revisions

    def _events_of(self, person: Iterable[str]) -> list[OrderEvent]:
        ids = set(person)
        return [event for (origin, _), event in self.events.items() if origin in ids]

    def _settle(self, tasks: RewardTasks, clock: datetime) -> None:
        unmoved = {
            reward.key
            for rewards in self.rewards.values()
            for reward in rewards.values()
            if reward.key.customer in tasks.reviewed and not reward.moved
        }
        rewards = {side: list(each.values()) for side, each in self.rewards.items()}
        posted = {side: list(each.values()) for side, each in self.postings.items()}
        books = RewardBooks(rewards, posted, Identities(self.merges))
        settler = Settler(tasks, books, (), _ANNOUNCER)
        for key in sorted({*tasks.revisions, *tasks.transfers, *tasks.due, *unmoved}):
            settler.take(key, SettlementTime(clock))
        settlement = settler.settlement
        assert settlement.parked == {}
        for reward in settlement.rewards:
            self.rewards[RewardSide.of(reward.key)][reward.key.customer] = reward
        for new in settlement.postings:
            known = self.postings[RewardSide.of(new.key)]
            assert new.posting.id not in known, "a posting was made twice"
            known[new.posting.id] = new.posting
        self._send(settlement.messages)

    def _send(self, messages: Iterable[Message]) -> None:
        for message in messages:
            event = decode(message.body)
            if event.type in _OUTCOMES:
                self.outcomes.append(event)
            if read(REFERRAL_EVENTS, event) is not None:
                self.under_way[event.subject].append(message)


def plain_sums(events: Iterable[dict[str, Any]], end: datetime) -> Sums:
    """What everybody has in the end."""
    people, earned = _judge_plainly(events)
    pending: Counter[str] = Counter()
    available: Counter[str] = Counter()
    for facts in earned.values():
        for side in Side:
            owner = people.survivor(facts.customer(side))
            balance = balance_of(facts, side, end)
            pending[owner] += balance.pending
            available[owner] += balance.available
    return _sums(pending, available)


def plain_evidence(events: Iterable[dict[str, Any]]) -> Evidence:
    """Whose recommendations hold in the end, by recommender."""
    people, earned = _judge_plainly(events)
    found: Evidence = defaultdict(set)
    for claim, facts in earned.items():
        recommendation = f"referral:{claim}"
        found[people.survivor(facts.recommender)].add(recommendation)
    return dict(found)


def _judge_plainly(events: Iterable[dict[str, Any]]) -> tuple[Identities, dict[UUID, RewardFacts]]:
    """Judge each person once, from all that is known; returns the facts that claims have earned."""
    work = Work(TERMS)
    for event in events:
        decoded = decode(encode(event))
        work.take(decoded, read(CUSTOMER_EVENTS, decoded))
    people = Identities(work.merges)
    earned: dict[UUID, RewardFacts] = {}
    for survivor in {people.survivor(id) for id in IDS}:
        person = people.members(survivor)
        touches = [
            replace(touch, recommender=_OWNERS.get(touch.code))
            for touch in work.touches.values()
            if touch.referee in person
        ]
        bought = purchases(_distinct(work.order_events, person))
        verdicts = judge(person, touches, bought)
        earned |= determine_facts(touches, bought, verdicts)
    return people, earned


def _distinct(events: Iterable[OrderEvent], person: Iterable[str]) -> list[OrderEvent]:
    ids = set(person)
    by_identity = {(e.fact.origin, e.fact.id): e for e in events if e.fact.origin in ids}
    return list(by_identity.values())


def _sums(pending: Counter[str], available: Counter[str]) -> Sums:
    ids = pending.keys() | available.keys()
    found = {id: (pending[id], available[id]) for id in sorted(ids)}
    return {id: sums for id, sums in found.items() if sums != (0, 0)}
