"""Rewards: new facts and deadlines passed become postings, and announcements of where each reward stands."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from services.referral.announcements import Announcer
from services.referral.claims import repository
from services.referral.domain.ledger import Book, Posting, plan
from services.referral.domain.rewards import (
    Facts,
    RewardBalance,
    Side,
    State,
    is_mature,
    movements,
    standing,
)
from services.referral.events import Determination
from services.referral.rewards import repository as books
from services.referral.rewards.repository import Reward
from shared.database.connection import Tx
from shared.stream.batch import NOT_HELD
from shared.stream.log import parked as parking
from shared.stream.outgoing.outbox import Message

_TICK: Final = timedelta(microseconds=1)


class Span(NamedTuple):
    """Rewards are judged until `now`, but those that become available up to `held` wait for the end of an import."""

    now: datetime
    held: datetime = NOT_HELD


Clock = Callable[[Book], Span]


@dataclass(slots=True)
class _Settled:
    rewards: list[Reward] = field(default_factory=list)
    postings: list[tuple[Book, Posting, datetime]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    parked: dict[str, str] = field(default_factory=dict)


async def settle(
    tx: Tx,
    found: Mapping[Book, Determination],
    due: Collection[Book],
    parked: Collection[str],
    announcer: Announcer,
    clock: Clock,
) -> list[Message]:
    """Bring the ledger of these rewards to their facts and to their partition's clock; returns what to announce."""
    concerned = set(found) | set(due)
    if not concerned:
        return []
    stored = await books.rewards(tx, concerned)
    postings = await books.postings(tx, stored)
    settled = _Settled()
    for book in sorted(concerned, key=lambda b: (b.customer, b.claim_id)):
        before = stored.get(book)
        after = _revised(before, book, found.get(book), announcer, clock(book).now)
        if after is None or (after is before and book not in due):
            continue
        if book.customer in parked or book.customer in settled.parked:
            settled.rewards.append(_postponed(after))
        else:
            _settle(settled, before, after, postings.get(book, ()), announcer, clock(book))
    await _save(tx, settled)
    return settled.messages


async def _save(tx: Tx, settled: _Settled) -> None:
    await books.save_rewards(tx, settled.rewards)
    if settled.postings:
        await books.post(tx, settled.postings)
    if settled.parked:
        await repository.park(tx, settled.parked)


def _revised(
    before: Reward | None,
    book: Book,
    found: Determination | None,
    announcer: Announcer,
    now: datetime,
) -> Reward | None:
    if found is None or (before and found.revision <= before.revision):
        return before
    side = before.side if before else Side.REFEREE
    if found.facts:
        side = Side.RECOMMENDER if found.facts.recommender == book.customer else Side.REFEREE
    if before:
        return replace(before, revision=found.revision, facts=found.facts, side=side)
    partition = announcer.partition(book.customer)
    return Reward(book, side, partition, found.revision, found.facts, State.ANNULLED, now, None)


def _postponed(reward: Reward) -> Reward:
    """Kept for when the customer is judged again: due at once."""
    return replace(reward, due_at=reward.as_of)


def _settle(
    settled: _Settled,
    before: Reward | None,
    after: Reward,
    posted: Sequence[Posting],
    announcer: Announcer,
    span: Span,
) -> None:
    """The one place that may catch every error: a customer whose reward cannot be told is set aside, not the batch."""
    now = max(after.as_of, span.now)
    try:
        as_of = now if _may_mature(before, after, span.held) else _last_pending(after)
        stands = standing(after.facts, after.side, as_of)
        wanted = movements(after.facts, after.side, as_of)
        currency = after.facts.currency if after.facts else ""
        new = plan(after.book, posted, wanted, currency, now=now)
        messages = list(_announcements(before, after, stands, announcer, now))
    except Exception as error:  # noqa: BLE001  (a bug in a rule parks this customer, not the worker)
        settled.parked[after.book.customer] = parking.failed(error, claim=str(after.book.claim_id))
        settled.rewards.append(_postponed(after))
        return
    waits = (
        after.facts is not None
        and stands.state is not State.REVERSED
        and not is_mature(after.facts, as_of)
    )
    due_at = after.facts.available_at if after.facts and waits else None
    settled.rewards.append(replace(after, state=stands.state, as_of=as_of, due_at=due_at))
    settled.postings += [(after.book, posting, now) for posting in new]
    settled.messages += messages


def _may_mature(before: Reward | None, after: Reward, held: datetime) -> bool:
    """Not while an import holds its deadline back, unless the ledger has reached that deadline already."""
    if after.facts is None or after.facts.available_at > held:
        return True
    at = after.facts.available_at
    return (
        before is not None
        and before.facts is not None
        and before.facts.available_at == at <= before.as_of
    )


def _last_pending(reward: Reward) -> datetime:
    return reward.facts.available_at - _TICK if reward.facts else reward.as_of


def _announcements(
    before: Reward | None, after: Reward, stands: RewardBalance, announcer: Announcer, now: datetime
) -> Iterator[Message]:
    """What has become different since the reward was last told."""
    told = before if before and before.state is not State.ANNULLED else None
    old, new = told.facts if told else None, after.facts
    if told and _order(old) != _order(new):
        told = None
        if old and after.side is Side.RECOMMENDER:
            yield announcer.annulled(after.book.claim_id, old, now)
    if new and told is None and after.side is Side.RECOMMENDER:
        yield announcer.succeeded(after.book.claim_id, new)
    facts = new or old
    if facts:
        was = standing(told.facts, told.side, told.as_of) if told else RewardBalance(State.ANNULLED)
        for state, at in _steps(was, stands, facts, now):
            yield announcer.reward_moved(
                after.book, after.side, facts, stands, state, after.revision, at
            )


def _steps(
    was: RewardBalance, stands: RewardBalance, facts: Facts, now: datetime
) -> Iterator[tuple[State, datetime]]:
    if stands.state is State.ANNULLED:
        yield State.REVERSED, now
        return
    if was.state is State.ANNULLED:
        yield State.PENDING, facts.earned_at
    if stands.state is State.AVAILABLE and was.state is not State.AVAILABLE:
        yield State.AVAILABLE, facts.available_at
    if stands.reversed != was.reversed:
        yield State.REVERSED, max(refund.time for refund in facts.refunds)


def _order(facts: Facts | None) -> tuple[str, datetime] | None:
    return (facts.order_id, facts.earned_at) if facts else None
