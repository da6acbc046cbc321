"""What referral announces: CloudEvents whose ids stay the same when work is repeated."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.referral.domain.claims import State, Touch, Verdict
from services.referral.domain.ledger import Posting
from services.referral.domain.rewards import (
    LastAnnouncement,
    Reward,
    RewardBalance,
    RewardFacts,
    RewardKey,
    RewardRevision,
    RewardState,
    RewardTransfer,
)
from services.referral.events import (
    CODE_FOUND,
    RELEASED,
    REVIEW_REQUESTED,
    REWARD_DETERMINED,
    REWARD_TRANSFERRED,
)
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import partition_of, stable_text
from shared.kafka.topics import REFERRAL_EVENTS
from shared.stream.log.parked_customers import release_request
from shared.stream.outgoing.outbox import Message

SOURCE: Final = "/referral"


class Announcer:
    """Makes the messages of this service, for a topic with a number of partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def partition(self, customer: str) -> int:
        """The partition of the customer's records."""
        return partition_of(customer, self._partitions)

    def code_issued(self, customer: str, code: str, at: datetime) -> Message:
        """`code.issued`."""
        return self._message("code.issued", customer, at, {"code": code})

    def code_found(self, referee: str, code: str, at: datetime) -> Message:
        """Internal: asks the referee's owner to judge claims on a code that is issued only now."""
        return self._message(CODE_FOUND, referee, at, {"code": code}, code)

    def review_requested(self, customer: str, at: datetime, *cause: str) -> Message:
        """Internal: asks the owner of a person's survivor to judge all that its ids have done.

        `cause` is the customer, source and id of the event that gave reason to.
        """
        return self._message(REVIEW_REQUESTED, customer, at, {}, *cause)

    def customer_released(self, customer: str, *, parked: str | None) -> Message:
        """Internal: an operator asks the customer's owner to judge a parked customer again.

        Raises Problem 409 "not_parked" if `parked` has no reason.
        """
        partition = self.partition(customer)
        return release_request(
            RELEASED, SOURCE, REFERRAL_EVENTS, customer, partition, parked=parked
        )

    def claim_judged(self, referee: str, touch: Touch, verdict: Verdict, number: int) -> Message:
        """`claim.refused` with the reason, or `claim.accepted`; `number` counts the answers.

        A claim may be accepted, refused and accepted again, and readers drop ids that they know.
        """
        data: dict[str, object] = {"claim_id": touch.id, "code": touch.code}
        if verdict.state is State.REFUSED:
            data |= {"reason": verdict.reason}
            return self._message("claim.refused", referee, touch.time, data, touch.id, number)
        data |= {"recommender": touch.recommender, "expires_at": touch.expires_at}
        return self._message("claim.accepted", referee, touch.time, data, touch.id, number)

    def reward_determined(
        self, recommender: str, revision: RewardRevision, at: datetime
    ) -> Message:
        """Internal: sends the facts of a reward to the recommender's owner."""
        identity = (revision.claim_id, revision.revision)
        return self._message(REWARD_DETERMINED, recommender, at, revision, *identity)

    def reward_transferred(
        self, key: RewardKey, to: str, departure: Posting | None, at: datetime
    ) -> Message:
        """Internal: sends what a customer had of a reward to the owner of who stands for it now."""
        data = RewardTransfer(key.claim_id, key.side)
        if departure:
            data = RewardTransfer(
                key.claim_id,
                key.side,
                departure.id,
                departure.currency,
                -departure.pending,
                -departure.available,
            )
        identity = (key.customer, key.claim_id, key.side, data.posting or at.isoformat())
        return self._message(REWARD_TRANSFERRED, to, at, data, *identity)

    def referral_succeeded(
        self, recommender: str, claim_id: UUID, told: LastAnnouncement, at: datetime
    ) -> Message:
        """`referral.succeeded`, for lifecycle: the recommendation has led to a first order."""
        return self._outcome("referral.succeeded", recommender, claim_id, told, at)

    def referral_annulled(
        self, recommender: str, claim_id: UUID, told: LastAnnouncement
    ) -> Message:
        """`referral.annulled`, for lifecycle: what was announced as a success was none.

        The claim does not hold, or the success is somebody else's. It is never dated before a
        success that it takes back.
        """
        return self._outcome("referral.annulled", recommender, claim_id, told, told.at)

    def reward_moved(
        self,
        reward: Reward,
        facts: RewardFacts,
        balance: RewardBalance,
        state: RewardState,
        at: datetime,
    ) -> Message:
        """`reward.<state>`, with the present balance of the reward."""
        claim_id = reward.key.claim_id
        data = {
            "claim_id": claim_id,
            "side": reward.key.side,
            "order_id": facts.order_id,
            "currency": facts.currency,
            "amount": facts.amount(reward.key.side),
            "pending": balance.pending,
            "available": balance.available,
            "reversed": balance.reversed,
        }
        identity = (claim_id, reward.revision, *data.values())
        return self._message(f"reward.{state}", reward.key.customer, at, data, *identity)

    def _outcome(
        self, kind: str, recommender: str, claim_id: UUID, told: LastAnnouncement, at: datetime
    ) -> Message:
        """Each change of an outcome is an event of its own: its number is part of the id."""
        data = {"referee": told.referee, "order_id": told.order_id, "claim_id": claim_id}
        return self._message(kind, recommender, at, data, claim_id, told.number)

    def _message(
        self, kind: str, customer: str, time: datetime, data: object, *identity: object
    ) -> Message:
        """An event whose id follows from its type, its customer and `identity`."""
        event = Envelope(
            id=stable_text(kind, customer, *map(str, identity)),
            source=SOURCE,
            type=kind,
            subject=customer,
            time=time,
            data=envelope.pack(data),
        )
        return Message(self.partition(customer), REFERRAL_EVENTS, customer, envelope.encode(event))
