"""Follows the win-back and referral APIs while a simulated shop is being sent, and adds what customers make of them."""

import re
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from heapq import heappop, heappush
from typing import Final

import msgspec

from shared.client.pages import aevery
from shared.client.reactivation import AsyncReactivationClient, CaseView
from shared.client.referral import AsyncReferralClient
from shared.instants import parse
from shared.simulator.person.life import Life
from shared.simulator.person.memory import Memory, Offer
from shared.simulator.person.referrals import Circle
from shared.simulator.shop import Line, Shop, lines
from shared.simulator.world.calendar import DAY, since_opening
from shared.simulator.world.random_streams import draw

_ACT_WITHIN: Final = timedelta(days=8)
"""Cases opened because of something older get no offer."""
_PAGE: Final = 1000
_OPEN: Final = "open"
_TAKES_CODE: Final = 0.6
"""Of those who return by themselves while they have a code."""
_ORDER: Final = b'"type":"order.completed"'
_PLACEHOLDER: Final = re.compile(rb',"referral_code":"@([^"]+)"')


class _Order(msgspec.Struct):
    id: str
    subject: str
    time: str


_order: Final = msgspec.json.Decoder(_Order)


@dataclass(slots=True)
class Cast:
    """What is known of the customers before the first event is sent, and of the codes that they were given."""

    shop: Shop
    memory: Memory
    circle: Circle
    invited: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, shop: Shop) -> "Cast":
        """Nobody yet."""
        return cls(shop, Memory(shop.seed, shop.span), Circle(shop.seed))

    def take(self, life: Life) -> Iterable[Line]:
        """Remember a customer. A recommender's id stands in for the code of who signs up by recommendation."""
        recommender = self.circle.recommender(life)
        self.circle.welcome(life)
        self.memory.keep(life)
        if recommender:
            self.invited.append((life.person.joined, recommender))
        return lines(self.shop, life, code=f"@{recommender}" if recommender else None)


class Following:
    """A simulated shop on its way into the system: its log, and what comes of offers and codes on the way.

    Without `reactivation` nobody has offers, without `referral` nobody has codes.
    """

    def __init__(self, cast: Cast) -> None:
        self.reactivation: AsyncReactivationClient | None = None
        self.referral: AsyncReferralClient | None = None
        self.reactions = 0
        self._cast = cast
        self._invited = sorted(cast.invited, reverse=True)
        self._ahead: list[tuple[int, bytes]] = []
        self._seen: set[str] = set()
        self._codes: dict[str, tuple[str, int]] = {}
        self._referral_codes: dict[bytes, bytes] = {}

    def merge(self, log: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """The log's lines with what was added, in the order of arrival."""
        for arrival, line in log:
            while self._ahead and self._ahead[0][0] <= arrival:
                yield heappop(self._ahead)[1]
            yield self._with_codes(line)
        while self._ahead:
            yield heappop(self._ahead)[1]

    async def look(self, now: datetime, ahead: timedelta) -> None:
        """Read the offers made up to now, and get the codes that are needed `ahead`."""
        if self.referral is not None:
            await self._get_codes(self.referral, since_opening(now + ahead) + DAY)
        if self.reactivation is not None:
            async for case in _new_cases(self.reactivation, now - ahead - _ACT_WITHIN):
                self._take(case, since_opening(now))

    async def _get_codes(self, referral: AsyncReferralClient, until: int) -> None:
        while self._invited and self._invited[-1][0] < until:
            _, recommender = self._invited.pop()
            if recommender.encode() not in self._referral_codes:
                answer = await referral.issue_code({"customer": recommender})
                self._referral_codes[recommender.encode()] = answer["code"].encode()

    def _take(self, case: CaseView, now: int) -> None:
        """An offer that was not seen before, and what its customer makes of it from tomorrow on."""
        offer = case["offer"]
        if offer["state"] != _OPEN or case["id"] in self._seen:
            return
        self._seen.add(case["id"])
        made, expires = (
            since_opening(parse(offer["made_at"])),
            since_opening(parse(offer["expires_at"])),
        )
        met = Offer(case["customer"], made, now + DAY, offer["incentive"]["kind"], offer["code"])
        life = self._cast.memory.react(met)
        if life is None:
            self._codes[met.customer] = (met.code, expires)
            return
        self.reactions += 1
        for arrival, _, json in lines(self._cast.shop, life):
            heappush(self._ahead, (arrival, json.encode()))

    def _with_codes(self, line: bytes) -> bytes:
        if _ORDER in line and self._codes:
            return self._with_coupon(line)
        return _PLACEHOLDER.sub(self._referral_code, line)

    def _with_coupon(self, line: bytes) -> bytes:
        """Who returns unasked may have a code at hand all the same."""
        order = _order.decode(line)
        code, expires = self._codes.pop(order.subject, ("", 0))
        if since_opening(parse(order.time)) >= expires:
            return line
        if draw(self._cast.shop.seed, order.subject, order.id, "code at hand") >= _TAKES_CODE:
            return line
        return line[:-2] + f',"coupon":"{code}"}}}}'.encode()

    def _referral_code(self, found: re.Match[bytes]) -> bytes:
        code = self._referral_codes.get(found[1])
        return b"" if code is None else b',"referral_code":"' + code + b'"'


async def _new_cases(
    reactivation: AsyncReactivationClient, since: datetime
) -> AsyncIterator[CaseView]:
    """Cases opened since then, newest first."""
    async for case in aevery(reactivation.list_cases, limit=_PAGE):
        if parse(case["opened_at"]) < since:
            return
        yield case
