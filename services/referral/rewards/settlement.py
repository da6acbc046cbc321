"""Settles rewards: postings and announcements of new facts, transfers and passed deadlines."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from services.referral.announcements import Announcer
from services.referral.customers.repository import load_people, park_members
from services.referral.domain.ledger import Posting, arrival
from services.referral.domain.rewards import Reward, RewardKey, RewardRevision, RewardTransfer
from services.referral.rewards.outcome import (
    Outcome,
    SettlementTime,
    latest,
    pass_on,
    postpone,
    revise,
    settle,
)
from services.referral.rewards.repository import (
    NewPosting,
    RewardSide,
    add_postings,
    find_unmoved,
    load_postings,
    load_rewards,
    save_rewards,
)
from shared.database.connection import Tx
from shared.identities import Identities
from shared.stream.log.parked_customers import record_failure
from shared.stream.outgoing.outbox import Message

TimeOf = Callable[[RewardKey], SettlementTime]
"""Until when a reward is settled: the clock of its customer's partition."""


@dataclass(frozen=True, slots=True)
class RewardTasks:
    """What asks for rewards to be settled.

    `due` are those whose deadline has passed; of `reviewed` customers, some rewards may be owed to
    somebody else by now.
    """

    revisions: Mapping[RewardKey, RewardRevision]
    transfers: Mapping[RewardKey, Sequence[RewardTransfer]] = field(default_factory=dict)
    due: Collection[RewardKey] = ()
    reviewed: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class RewardBooks:
    """The stored rewards of some sides with their postings, and who the customers are."""

    rewards: Mapping[RewardSide, Sequence[Reward]]
    posted: Mapping[RewardSide, Sequence[Posting]]
    people: Identities


@dataclass(slots=True)
class Settlement:
    """What settling rewards has to write and to announce; `parked` has the reasons by customer."""

    rewards: list[Reward] = field(default_factory=list)
    postings: list[NewPosting] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)

    def take(
        self,
        before: Reward | None,
        after: Reward,
        posted: Sequence[Posting],
        announcer: Announcer,
        time: SettlementTime,
    ) -> None:
        """Settle one reward; park a customer whose reward cannot be settled.

        This is one of two places that may catch every error: a bug in a rule sets one customer
        aside, and not the batch.
        """
        try:
            outcome = settle(before, after, posted, announcer, time)
        except Exception as error:  # noqa: BLE001  (see above)
            reason = record_failure(error, claim=str(after.key.claim_id))
            self.parked[after.key.customer] = reason
            self.rewards.append(postpone(after))
            return
        self.add(outcome)

    def add(self, outcome: Outcome) -> None:
        """Write and announce an outcome."""
        self.rewards.append(outcome.reward)
        self.postings += outcome.postings
        self.messages += outcome.messages


@dataclass(frozen=True, slots=True)
class Settler:
    """Settles one reward after another; those of `parked` customers wait."""

    tasks: RewardTasks
    books: RewardBooks
    parked: Collection[str]
    announcer: Announcer
    settlement: Settlement = field(default_factory=Settlement)

    def take(self, key: RewardKey, time: SettlementTime) -> None:
        """Settle what this customer has of a reward, or pass it on to whom it is owed."""
        side = RewardSide.of(key)
        rewards = self.books.rewards.get(side, ())
        revision = self.tasks.revisions.get(key)
        transfers = self.tasks.transfers.get(key, ())
        if not (revision or rewards):
            return
        posted = [*self.books.posted.get(side, ())]
        arrived = list(_arrivals(key, transfers, posted, time))
        self.settlement.postings += arrived
        posted += [new.posting for new in arrived]
        earner = revision.earner if revision else rewards[0].earner
        if self.books.people.survivor(earner) == key.customer:
            self._settle(key, rewards, posted, time, is_new=bool(transfers))
            return
        if revision:
            self._send_on(revision, time)
        self._pass_on(key, rewards, posted, time, is_new=bool(transfers))

    def _settle(
        self,
        key: RewardKey,
        rewards: Sequence[Reward],
        posted: Sequence[Posting],
        time: SettlementTime,
        *,
        is_new: bool,
    ) -> None:
        partition = self.announcer.partition(key.customer)
        before = latest(key, rewards, self.books.people, partition)
        after = revise(before, key, self.tasks.revisions.get(key), partition, time.now)
        if after is None or (after is before and not is_new and key not in self.tasks.due):
            return
        if key.customer in self.parked or key.customer in self.settlement.parked:
            self.settlement.rewards.append(postpone(after))
        else:
            as_of = max((reward.as_of for reward in rewards), default=after.as_of)
            after = replace(after, as_of=as_of)
            self.settlement.take(before, after, posted, self.announcer, time)

    def _pass_on(
        self,
        key: RewardKey,
        rewards: Sequence[Reward],
        posted: Sequence[Posting],
        time: SettlementTime,
        *,
        is_new: bool,
    ) -> None:
        own = next((reward for reward in rewards if reward.key == key), None)
        if own is None and is_new:
            own = latest(key, rewards, self.books.people, self.announcer.partition(key.customer))
        if own and (is_new or not own.moved):
            outcome = pass_on(own, posted, self.books.people, self.announcer, time.now)
            self.settlement.add(outcome)

    def _send_on(self, revision: RewardRevision, time: SettlementTime) -> None:
        """Send a revision on to whom the recommender has become since it was sent."""
        to = self.books.people.survivor(revision.earner)
        self.settlement.messages.append(self.announcer.reward_determined(to, revision, time.now))


def _arrivals(
    key: RewardKey,
    transfers: Iterable[RewardTransfer],
    posted: Iterable[Posting],
    time: SettlementTime,
) -> Iterator[NewPosting]:
    """What was transferred to this customer and is not posted yet."""
    known = {posting.id for posting in posted}
    for transfer in transfers:
        posting = arrival(key, transfer, time.now)
        if posting and posting.id not in known:
            known.add(posting.id)
            yield NewPosting(key, posting, time.now)


async def settle_rewards(
    tx: Tx, tasks: RewardTasks, parked: Collection[str], announcer: Announcer, time_of: TimeOf
) -> list[Message]:
    """Bring the ledger to what the tasks say; returns messages. Parked customers wait."""
    unmoved = await find_unmoved(tx, tasks.reviewed) if tasks.reviewed else ()
    keys = {*tasks.revisions, *tasks.transfers, *tasks.due, *unmoved}
    if not keys:
        return []
    books = await _open_books(tx, keys, tasks)
    settler = Settler(tasks, books, parked, announcer)
    for key in sorted(keys):
        settler.take(key, time_of(key))
    await _save(tx, settler.settlement)
    return settler.settlement.messages


async def _open_books(tx: Tx, keys: Iterable[RewardKey], tasks: RewardTasks) -> RewardBooks:
    sides = {RewardSide.of(key) for key in keys}
    rewards = await load_rewards(tx, sides)
    stored = [reward for each in rewards.values() for reward in each]
    ids = {reward.earner for reward in stored}
    ids |= {reward.told.to for reward in stored if reward.told and reward.told.to}
    ids |= {revision.earner for revision in tasks.revisions.values()}
    posted = await load_postings(tx, rewards.keys())
    return RewardBooks(rewards, posted, await load_people(tx, ids))


async def _save(tx: Tx, settlement: Settlement) -> None:
    await save_rewards(tx, settlement.rewards)
    if settlement.postings:
        await add_postings(tx, settlement.postings)
    if settlement.parked:
        await park_members(tx, settlement.parked)
