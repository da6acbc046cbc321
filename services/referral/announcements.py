"""What this service announces on its topic: CloudEvents with ids that the same work makes again the same."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final
from uuid import UUID

from services.referral.domain.claims import State, Touch, Verdict
from services.referral.domain.ledger import Book
from services.referral.domain.rewards import Facts, RewardBalance, Side
from services.referral.domain.rewards import State as RewardState
from services.referral.events import CODE_FOUND, DETERMINED, RELEASED, Determination
from shared.events import envelope
from shared.events.envelope import Envelope
from shared.ids import partition_of, stable_text
from shared.kafka.topics import REFERRAL_EVENTS
from shared.stream.log import parked as parking
from shared.stream.outgoing.outbox import Message

SOURCE: Final = "/referral"


class Announcer:
    """Makes messages for a number of partitions."""

    def __init__(self, partitions: int) -> None:
        self._partitions = partitions

    def partition(self, customer: str) -> int:
        return partition_of(customer, self._partitions)

    def _message(
        self, kind: str, customer: str, time: datetime, data: object, *identity: object
    ) -> Message:
        event = Envelope(
            id=stable_text(kind, customer, *map(str, identity)),
            source=SOURCE,
            type=kind,
            subject=customer,
            time=time,
            data=envelope.pack(data),
        )
        return Message(self.partition(customer), REFERRAL_EVENTS, customer, envelope.encode(event))

    def code_issued(self, customer: str, code: str, at: datetime) -> Message:
        return self._message("code.issued", customer, at, {"code": code})

    def code_found(self, referee: str, code: str, at: datetime) -> Message:
        return self._message(CODE_FOUND, referee, at, {"code": code}, code)

    def released(self, customer: str, *, parked: str | None) -> Message:
        """An operator's request to the customer's owner. Raises Problem 409 if the customer is not parked."""
        return parking.release(
            RELEASED, SOURCE, REFERRAL_EVENTS, customer, self.partition(customer), parked=parked
        )

    def claim_judged(self, referee: str, touch: Touch, verdict: Verdict) -> Message:
        """`claim.refused` with the reason, or `claim.accepted`."""
        data = {"claim_id": touch.id, "code": touch.code}
        if verdict.state is State.REFUSED:
            told = data | {"reason": verdict.reason}
            return self._message(
                "claim.refused", referee, touch.time, told, touch.id, verdict.reason
            )
        told = data | {"recommender": touch.recommender, "expires_at": touch.expires_at}
        return self._message("claim.accepted", referee, touch.time, told, touch.id)

    def determined(self, recommender: str, found: Determination, at: datetime) -> Message:
        return self._message(DETERMINED, recommender, at, found, found.claim_id, found.revision)

    def succeeded(self, claim_id: UUID, facts: Facts) -> Message:
        """For lifecycle: the recommendation has led to a first order."""
        return self._outcome("referral.succeeded", claim_id, facts, facts.earned_at)

    def annulled(self, claim_id: UUID, facts: Facts, at: datetime) -> Message:
        """For lifecycle: the order announced before was not the first one, or the claim did not hold."""
        return self._outcome("referral.annulled", claim_id, facts, at)

    def _outcome(self, kind: str, claim_id: UUID, facts: Facts, at: datetime) -> Message:
        data = {"referee": facts.referee, "order_id": facts.order_id, "claim_id": claim_id}
        return self._message(
            kind, facts.recommender, at, data, claim_id, facts.order_id, facts.earned_at
        )

    def reward_moved(
        self,
        book: Book,
        side: Side,
        facts: Facts,
        standing: RewardBalance,
        step: RewardState,
        revision: int,
        at: datetime,
    ) -> Message:
        """`reward.<step>`, with what is left of the reward now."""
        data: Mapping[str, object] = {
            "claim_id": book.claim_id,
            "side": side,
            "order_id": facts.order_id,
            "currency": facts.currency,
            "amount": facts.amount(side),
            "pending": standing.pending,
            "available": standing.available,
            "reversed": standing.reversed,
        }
        return self._message(
            f"reward.{step}", book.customer, at, data, book.claim_id, revision, *data.values()
        )
