"""Says what lifecycle is told of a recommendation: that it succeeded, was annulled, holds again."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from msgspec.structs import replace

from services.referral.announcements import Announcer
from services.referral.domain.rewards import LastAnnouncement, Reward, RewardFacts, Side
from shared.identities import Identities
from shared.stream.outgoing.outbox import Message

_MICROSECOND: Final = timedelta(microseconds=1)

Telling = tuple[list[Message], LastAnnouncement | None]
"""What is announced, and what was announced last then."""


def tell(told: LastAnnouncement | None, reward: Reward, announcer: Announcer) -> Telling:
    """Announce what has become of the recommendation since it was `told` last.

    If another order takes the place of the one announced, or the same one is bought anew, the
    success is announced anew, not annulled: the recommendation has held all the time. In the order
    of events an annulment comes after every success before it, and a success after the annulment.
    """
    if reward.key.side is not Side.RECOMMENDER:
        return [], None
    if reward.facts is None:
        if told and told.to:
            return _annul(told, told.to, reward, reward.since, announcer)
        return [], told
    if told and told.to and told.is_of(reward.facts):
        return [], told
    return _succeed(told, reward, reward.facts, announcer)


def take_back(reward: Reward, to: str, people: Identities, announcer: Announcer) -> Telling:
    """Annul a success that was announced to somebody else than the one `to` whom it is owed now.

    It holds from the merge or unmerge that made them two people.
    """
    told = reward.told
    if not (reward.facts and told and told.to) or people.survivor(told.to) == to:
        return [], told
    decided = (people.changed_at(id) for id in (told.to, reward.earner))
    at = max([told.at, *(time for time in decided if time)])
    return _annul(told, told.to, reward, at, announcer)


def last_told(
    customer: str, last: Reward, rewards: Sequence[Reward], people: Identities
) -> LastAnnouncement | None:
    """What was announced last of a reward that several ids have or had; `last` was settled last.

    A success that was announced to somebody else is none for this customer.
    """
    known = [reward.told for reward in rewards if reward.told]
    if not known:
        return None
    told = last.told or max(known, key=lambda each: each.number)
    holds = last.told and told.to and people.survivor(told.to) == customer
    return replace(
        told,
        number=max(each.number for each in known),
        at=max(each.at for each in known),
        to=told.to if holds else None,
    )


def _annul(
    told: LastAnnouncement, recommender: str, reward: Reward, at: datetime, announcer: Announcer
) -> Telling:
    annulled = replace(told, number=told.number + 1, at=max(at, told.at), to=None)
    return [announcer.referral_annulled(recommender, reward.key.claim_id, annulled)], annulled


def _succeed(
    told: LastAnnouncement | None, reward: Reward, facts: RewardFacts, announcer: Announcer
) -> Telling:
    """A success has the time of its order; after an annulment, the time since which it holds."""
    customer = reward.key.customer
    at = facts.earned_at
    if told and not told.to:
        at = max(at, reward.since, told.at + _MICROSECOND)
    success = LastAnnouncement(
        number=told.number + 1 if told else 1,
        at=max(at, told.at) if told else at,
        to=customer,
        referee=facts.referee,
        order_id=facts.order_id,
        earned_at=facts.earned_at,
    )
    return [announcer.referral_succeeded(customer, reward.key.claim_id, success, at)], success
