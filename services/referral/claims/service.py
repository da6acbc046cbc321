"""What API calls change, each in one transaction under the customer's lock."""

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from services.referral.announcements import SOURCE, Announcer
from services.referral.claims import repository
from services.referral.claims.repository import Claim
from services.referral.claims.verdicts import rejudge
from services.referral.codes.issuer import issue
from services.referral.domain import codes
from services.referral.domain.claims import Reason, State, Terms
from services.referral.events import touch
from services.referral.ledger import repository as queries
from services.referral.rewards.settlement import Span, settle
from shared.clock import DAWN, ClockMode
from shared.database.connection import Pool, Tx, transaction
from shared.errors import FieldError, Problem
from shared.stream.outgoing import outbox

_TICK: Final = timedelta(microseconds=1)
_REFUSALS: Final = {
    Reason.MISTYPED_CODE: (422, "code", "The code has a wrong character."),
    Reason.UNKNOWN_CODE: (422, "code", "Nobody has this code."),
    Reason.SELF_REFERRAL: (422, "referee", "The code is the referee's own."),
    Reason.ALREADY_CUSTOMER: (409, "referee", "The referee has bought before."),
}


class ReferralService:
    """Codes and claims on request."""

    def __init__(self, pool: Pool, terms: Terms, partitions: int, mode: ClockMode) -> None:
        self._pool = pool
        self._mode = mode
        self._terms = terms
        self._announcer = Announcer(partitions)

    def partition(self, customer: str) -> int:
        """Where the customer lives."""
        return self._announcer.partition(customer)

    async def issue(self, customer: str, key: str | None) -> bool:
        """See to it that the customer has a code; False if there was one already."""
        async with self._pool.acquire() as connection, transaction(connection) as tx:
            await repository.lock(tx, [customer])
            await repository.lock_directory(tx, to_issue=True)
            clock = await self._clock(tx, customer)
            issued, messages = await issue(tx, {customer: clock}, self._announcer)
            await outbox.add(tx, messages)
            await _remember(tx, key, customer, None)
            return customer in issued

    async def claim(self, code: str, referee: str, key: str | None) -> tuple[Claim, bool]:
        """Record that a referee named a code; False with the claim that was there if that is no news.

        Without a new touch in between, the same code of the same referee is the same claim until it expires.
        Raises Problem with the reason if the claim is refused: what was recorded stays recorded.
        """
        readable = codes.read(code)
        if readable is None:
            raise _refusal(Reason.MISTYPED_CODE)
        async with self._pool.acquire() as connection, transaction(connection) as tx:
            await repository.lock(tx, [referee])
            await repository.lock_directory(tx, to_issue=False)
            request = f"{readable} {referee}"
            before = await _before(tx, key, request)
            id_ = before or await self._same(tx, readable, referee)
            found = id_ or await self._record(tx, readable, referee)
            if before is None:
                await _remember(tx, key, request, found)
            claim = await repository.claim(tx, found)
        assert claim is not None  # noqa: S101
        reason = answer(claim)
        if reason:
            raise _refusal(reason)
        return claim, id_ is None

    async def _clock(self, tx: Tx, customer: str) -> datetime:
        clock = await queries.clock(tx, self.partition(customer))
        if clock == DAWN and self._mode is ClockMode.WALL:
            raise Problem(
                503,
                "clock_not_started",
                "No worker has read this partition's clock yet.",
                retry_after=1,
            )
        return clock

    async def _same(self, tx: Tx, code: str, referee: str) -> UUID | None:
        claims = (await repository.claims_of(tx, [referee]))[referee]
        if not claims:
            return None
        latest = max(claims, key=lambda c: c.touch.key).touch
        clock = await self._clock(tx, referee)
        return latest.id if latest.code == code and latest.expires_at >= clock else None

    async def _record(self, tx: Tx, code: str, referee: str) -> UUID:
        if await repository.owner_of(tx, code) is None:
            raise _refusal(Reason.UNKNOWN_CODE)
        clock = await self._clock(tx, referee)
        claims = (await repository.claims_of(tx, [referee]))[referee]
        events = (await repository.order_events(tx, [referee]))[referee]
        # The clock may stand still or lag: what is known already happened before this call.
        known = [*(claim.touch.time for claim in claims), *(event.time for event in events)]
        time = max([clock, *(instant + _TICK for instant in known)])
        number = sum(claim.touch.source == SOURCE for claim in claims)
        new = touch(referee, time, SOURCE, f"{number:06}", code, self._terms)
        await repository.add_touches(tx, {new.id: (referee, new)}, {referee: clock})
        judged = await rejudge(tx, [referee], {new.id}, self._announcer, lambda _: clock)
        settled = await settle(
            tx, judged.determinations, (), (), self._announcer, lambda _: Span(clock)
        )
        await outbox.add(tx, judged.messages + settled)
        return new.id

    async def release(self, customer: str) -> None:
        """Ask the owner to judge a parked customer again. Raises Problem 409 if the customer is not parked."""
        async with self._pool.acquire() as connection, transaction(connection) as tx:
            parked = await queries.parked(tx, customer)
            await outbox.add(tx, [self._announcer.released(customer, parked=parked)])


def answer(claim: Claim) -> Reason | None:
    """Why the claim was refused when it was made; for one that came by an event, why it is refused now."""
    if claim.touch.source == SOURCE:
        return claim.answer
    return claim.verdict.reason if claim.verdict.state is State.REFUSED else None


def _refusal(reason: Reason) -> Problem:
    status, field, message = _REFUSALS[reason]
    return Problem(status, reason, message, errors=(FieldError(field, message),))


async def _before(tx: Tx, key: str | None, request: str) -> UUID | None:
    first = await repository.remembered(tx, f"claims {key}") if key else None
    return _same_request(first, request)


async def _remember(tx: Tx, key: str | None, request: str, claim_id: UUID | None) -> None:
    path = "claims" if claim_id else "codes"
    if key:
        _same_request(await repository.remember(tx, f"{path} {key}", request, claim_id), request)


def _same_request(first: tuple[str, UUID | None] | None, request: str) -> UUID | None:
    if first is None:
        return None
    if first[0] != request:
        wrong = FieldError("Idempotency-Key", "came with another body before")
        raise Problem(
            422,
            "idempotency_key_reused",
            "This Idempotency-Key belongs to another request.",
            errors=(wrong,),
        )
    return first[1]
