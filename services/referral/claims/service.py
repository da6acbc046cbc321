"""The use cases of claims: make one, in one transaction under the referee's lock, or show it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from services.referral.announcements import SOURCE
from services.referral.api.context import ApiContext
from services.referral.claims.repository import (
    Claim,
    add_touches,
    find_claim,
    load_claims,
    load_order_events,
)
from services.referral.claims.schemas import ClaimView
from services.referral.claims.verdicts import judge_referees
from services.referral.codes.repository import find_owner
from services.referral.customers.repository import load_people, lock_members, lock_people
from services.referral.domain import codes
from services.referral.domain.claims import Reason, State, new_touch
from services.referral.domain.orders import OrderEvent
from services.referral.idempotency.service import find_claim_of_key, remember_request
from services.referral.rewards.outcome import SettlementTime
from services.referral.rewards.settlement import RewardTasks, settle_rewards
from shared.database.connection import Tx, transaction
from shared.errors import FieldError, Problem
from shared.identities import Identities
from shared.ids import parse_uuid
from shared.stream.outgoing import outbox

T = TypeVar("T")

_MICROSECOND: Final = timedelta(microseconds=1)
_REFUSALS: Final = {
    Reason.MISTYPED_CODE: (422, "code", "The code has a wrong character."),
    Reason.UNKNOWN_CODE: (422, "code", "Nobody has this code."),
    Reason.SELF_REFERRAL: (422, "referee", "The code is the referee's own."),
    Reason.ALREADY_CUSTOMER: (409, "referee", "The referee has bought before."),
}


class ClaimService:
    """Records claims and shows them."""

    def __init__(self, context: ApiContext) -> None:
        self._context = context

    async def make(self, code: str, referee: str, key: str | None) -> tuple[ClaimView, bool]:
        """Record that a referee named a code. Returns the claim, and whether it is new.

        Without a new touch in between, the same code of the same referee is the same claim until
        it expires. A merged referee is the one who has stayed. Raises Problem with the reason if
        the claim is refused; it stays recorded, unless the referee is nobody.
        """
        self._context.require_customer("referee", referee)
        readable = codes.read(code)
        if readable is None:
            raise _refusal(Reason.MISTYPED_CODE)
        claim, people, is_new = await self._claim(readable, referee, key)
        reason = answer_of(claim)
        if reason:
            raise _refusal(reason)
        return ClaimView.receipt(claim, people), is_new

    async def show(self, claim_id: str) -> ClaimView:
        """The claim as it stands. Raises Problem 404 "not_found"."""
        id = parse_uuid(claim_id)
        pool = self._context.pool
        claim = await find_claim(pool, id) if id else None
        if claim is None:
            raise Problem(404, "not_found", "There is no such claim.")
        referee = claim.referee
        people = await load_people(
            pool, [each for each in (referee, claim.touch.recommender) if each]
        )
        clock = await self._context.clock(pool, people.survivor(referee))
        return ClaimView.of(claim, people, clock)

    async def _claim(
        self, code: str, referee: str, key: str | None
    ) -> tuple[Claim, Identities, bool]:
        """The claim of this request, who its ids are, and whether it was recorded now."""
        request = f"{code} {referee}"
        async with self._context.pool.acquire() as connection, transaction(connection) as tx:
            await lock_people(tx, to_change=False)
            people = await load_people(tx, [referee])
            await lock_members(tx, people.members(referee))
            repeated = await find_claim_of_key(tx, "claims", key, request)
            known = repeated or await self._find_open(tx, code, referee, people)
            id = known or await self._record(tx, code, people.survivor(referee), people)
            if repeated is None:
                await remember_request(tx, "claims", key, request, id)
            claim = await find_claim(tx, id)
            assert claim is not None  # noqa: S101
            ids = (referee, claim.referee, claim.touch.recommender or referee)
            people = await load_people(tx, ids)
        return claim, people, known is None

    async def _find_open(self, tx: Tx, code: str, referee: str, people: Identities) -> UUID | None:
        """The person's latest claim, if it named this code and has not expired."""
        claims = _all(await load_claims(tx, people.members(referee)))
        if not claims:
            return None
        latest = max(claims, key=lambda claim: claim.touch.key).touch
        clock = await self._context.started_clock(tx, people.survivor(referee))
        return latest.id if latest.code == code and latest.expires_at >= clock else None

    async def _record(self, tx: Tx, code: str, referee: str, people: Identities) -> UUID:
        """Store a new claim, judge it, and settle the reward that it may have earned."""
        if await find_owner(tx, code) is None:
            raise _refusal(Reason.UNKNOWN_CODE)
        clock = await self._context.started_clock(tx, referee)
        person = people.members(referee)
        claims = await load_claims(tx, person)
        time = _time_of_claim(clock, _all(claims), _all(await load_order_events(tx, person)))
        number = sum(claim.touch.source == SOURCE for claim in claims[referee])
        touch = new_touch(referee, time, SOURCE, f"{number:06}", code, self._context.terms)
        await add_touches(tx, [touch], {referee: clock})
        await self._judge(tx, referee, people, clock)
        return touch.id

    async def _judge(self, tx: Tx, referee: str, people: Identities, clock: datetime) -> None:
        announcer = self._context.announcer
        judgement = await judge_referees(tx, [referee], people, announcer, lambda _: clock)
        tasks = RewardTasks(judgement.revisions)
        messages = await settle_rewards(tx, tasks, (), announcer, lambda _: SettlementTime(clock))
        await outbox.add(tx, judgement.messages + messages)


def answer_of(claim: Claim) -> Reason | None:
    """Why the claim was refused when it was made; if it came by an event, why it is refused now."""
    if claim.touch.source == SOURCE:
        return claim.answer
    return claim.verdict.reason if claim.verdict.state is State.REFUSED else None


def _all(found: Mapping[str, Sequence[T]]) -> list[T]:
    return [each for some in found.values() for each in some]


def _time_of_claim(
    clock: datetime, claims: Sequence[Claim], events: Sequence[OrderEvent]
) -> datetime:
    """The clock, but after all that is known: the clock may stand still or lag behind."""
    known = [claim.touch.time for claim in claims]
    known += [event.fact.time for event in events]
    return max([clock, *(time + _MICROSECOND for time in known)])


def _refusal(reason: Reason) -> Problem:
    status, field, message = _REFUSALS[reason]
    return Problem(status, reason, message, errors=(FieldError(field, message),))
