"""Lets simulated customers react to the real offers and codes that the system gives them."""

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
from shared.simulator.person.known_customers import KnownCustomers, ReceivedOffer
from shared.simulator.person.life import Life
from shared.simulator.person.referrals import Recommenders
from shared.simulator.shop import Line, Shop, lines
from shared.simulator.world.calendar import DAY, since_opening
from shared.simulator.world.random_streams import draw

_ACT_WITHIN: Final = timedelta(days=8)
"""A case opened because of something older gets no offer."""
_PAGE: Final = 1000
_OPEN: Final = "open"
_USES_CODE: Final = 0.6
"""The share of those returning by themselves who use the code they have."""
_ORDER: Final = b'"type":"order.completed"'
_PLACEHOLDER: Final = re.compile(rb',"referral_code":"@([^"]+)"')


class _Order(msgspec.Struct):
    id: str
    subject: str
    time: str


_order_decoder: Final = msgspec.json.Decoder(_Order)


@dataclass(slots=True)
class Population:
    """The customers of a shop, as far as reactions need them: known before the first event is sent.

    `invited` lists when somebody signs up by recommendation, and the recommender.
    """

    shop: Shop
    known: KnownCustomers
    recommenders: Recommenders
    invited: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def of(cls, shop: Shop) -> "Population":
        """The population of a shop, still empty."""
        return cls(shop, KnownCustomers(shop.seed, shop.span, shop.extras), Recommenders(shop.seed))

    def add(self, life: Life) -> Iterable[Line]:
        """Add a customer and return the lines of their log.

        Where somebody signs up by recommendation, the recommender's id stands in for the code.
        """
        recommender = self.recommenders.recommender_of(life)
        self.recommenders.add(life)
        self.known.add(life)
        if recommender:
            self.invited.append((life.person.joined, recommender))
        return lines(self.shop, life, code=f"@{recommender}" if recommender else None)


class ReactingLog:
    """The log of a simulated shop, with the orders that offers and codes add while it is sent.

    Without `reactivation` nobody gets offers, without `referral` nobody gets codes.
    """

    def __init__(self, population: Population) -> None:
        self.reactivation: AsyncReactivationClient | None = None
        self.referral: AsyncReferralClient | None = None
        self.reactions = 0
        self._population = population
        self._invited = sorted(population.invited, reverse=True)
        self._added: list[tuple[int, bytes]] = []
        self._seen_cases: set[str] = set()
        self._codes: dict[str, tuple[str, int]] = {}
        self._referral_codes: dict[bytes, bytes] = {}

    def merge(self, log: Iterable[tuple[int, bytes]]) -> Iterator[bytes]:
        """The lines of the log and those added meanwhile, in the order of arrival."""
        for arrival, line in log:
            while self._added and self._added[0][0] <= arrival:
                yield heappop(self._added)[1]
            yield self._with_codes(line)
        while self._added:
            yield heappop(self._added)[1]

    async def read_services(self, now: datetime, ahead: timedelta) -> None:
        """Read the offers made up to now, and get the codes needed until `ahead` from now."""
        if self.referral is not None:
            await self._get_codes(self.referral, since_opening(now + ahead) + DAY)
        if self.reactivation is not None:
            async for case in _new_cases(self.reactivation, now - ahead - _ACT_WITHIN):
                self._meet_offer(case, since_opening(now))

    async def _get_codes(self, referral: AsyncReferralClient, until: int) -> None:
        while self._invited and self._invited[-1][0] < until:
            _, recommender = self._invited.pop()
            if recommender.encode() not in self._referral_codes:
                answer = await referral.issue_code({"customer": recommender})
                self._referral_codes[recommender.encode()] = answer["code"].encode()

    def _meet_offer(self, case: CaseView, now: int) -> None:
        """Let the customer react to an offer not seen before, from tomorrow on."""
        offer = case["offer"]
        if offer is None or offer["state"] != _OPEN or case["id"] in self._seen_cases:
            return
        self._seen_cases.add(case["id"])
        customer = case["customer"]
        made = since_opening(parse(offer["made_at"]))
        life = self._population.known.react(
            ReceivedOffer(customer, made, now + DAY, offer["incentive"]["kind"], offer["code"])
        )
        if life is None:
            expires = since_opening(parse(offer["expires_at"]))
            self._codes[customer] = (offer["code"], expires)
            return
        self.reactions += 1
        for arrival, _, json in lines(self._population.shop, life):
            heappush(self._added, (arrival, json.encode()))

    def _with_codes(self, line: bytes) -> bytes:
        if _ORDER in line and self._codes:
            return self._with_coupon(line)
        return _PLACEHOLDER.sub(self._referral_code, line)

    def _with_coupon(self, line: bytes) -> bytes:
        """The order of somebody who returns unprompted, perhaps with a code they still have."""
        order = _order_decoder.decode(line)
        code, expires = self._codes.pop(order.subject, ("", 0))
        if since_opening(parse(order.time)) >= expires:
            return line
        if draw(self._population.shop.seed, order.subject, order.id, "code at hand") >= _USES_CODE:
            return line
        return line[:-2] + f',"coupon":"{code}"}}}}'.encode()

    def _referral_code(self, placeholder: re.Match[bytes]) -> bytes:
        code = self._referral_codes.get(placeholder[1])
        return b"" if code is None else b',"referral_code":"' + code + b'"'


async def _new_cases(
    reactivation: AsyncReactivationClient, since: datetime
) -> AsyncIterator[CaseView]:
    """Cases opened since then, newest first."""
    async for case in aevery(reactivation.list_cases, limit=_PAGE):
        if parse(case["opened_at"]) < since:
            return
        yield case
