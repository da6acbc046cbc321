"""Stammkunde reactivation: what it takes and gives, and its operations.

Made from docs/openapi/reactivation.json by `make documents`.
"""
# ruff: noqa: A002, E501, RUF100

from typing import Literal, NotRequired, TypeAlias, TypedDict

from shared.client.http import AsyncClient, Client, segment

State: TypeAlias = Literal[
    "open", "offered", "reopened", "won_back", "expired", "let_go", "cancelled"
]
"""The state of a case."""


class TriggerView(TypedDict):
    """The transition that opened the case."""

    rule: str
    to: str
    occurred_at: str


OfferState: TypeAlias = Literal["open", "reserved", "redeemed", "expired"]
"""What may be done with a code now."""


class Incentive(TypedDict):
    """What the offer promises."""

    kind: str
    value: int


class PartitionState(TypedDict):
    """How far a service has applied a partition of a topic."""

    topic: str
    partition: int
    next_offset: int
    stopped: str | None
    clock: str
    epoch: int


class Redemption(TypedDict):
    """The order that a code is for."""

    customer: str
    order_id: str


class Requested(TypedDict):
    """The request was accepted and will be carried out."""

    status: NotRequired[Literal["requested"]]


class CountsView(TypedDict):
    """How many cases and offers there are, by state."""

    as_of: str
    cases: dict[str, int]
    offers: dict[str, int]


class OfferView(TypedDict):
    """An offer, as it stands at `as_of`."""

    code: str
    state: OfferState
    incentive: Incentive
    made_at: str
    expires_at: str
    order_id: str | None
    reserved_until: str | None


class RedemptionView(TypedDict):
    """An offer after a request at checkout, with its case and customer."""

    code: str
    state: OfferState
    incentive: Incentive
    made_at: str
    expires_at: str
    order_id: str | None
    reserved_until: str | None
    case_id: str
    case_state: State
    customer: str
    parked: bool
    as_of: str


class PartitionPage(TypedDict):
    """Partitions, by topic and number."""

    items: list[PartitionState]
    next_cursor: str | None


class CaseView(TypedDict):
    """A case, as it stands at `as_of`."""

    id: str
    customer: str
    state: State
    opened_at: str
    trigger: TriggerView
    offer: OfferView | None
    closed_at: str | None
    order_id: str | None
    with_code: bool | None
    reason: str | None
    version: int
    parked: bool
    as_of: str


class CasePage(TypedDict):
    """A part of the cases, the newest first."""

    items: list[CaseView]
    next_cursor: str | None


class ReactivationClient(Client):
    """Its operations."""

    def list_cases(
        self,
        *,
        state: State | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        customer: str | None = None,
    ) -> CasePage:
        """List cases, newest first."""
        return self._call(
            CasePage,
            "GET",
            "/v1/cases",
            query={"state": state, "limit": limit, "cursor": cursor, "customer": customer},
        )

    def count_cases(self) -> CountsView:
        """Count cases and offers by state."""
        return self._call(CountsView, "GET", "/v1/cases/counts")

    def read_case(self, case_id: str) -> CaseView:
        """Show one case with its offer."""
        return self._call(CaseView, "GET", f"/v1/cases/{segment(case_id)}")

    def reserve(self, code: str, body: Redemption) -> RedemptionView:
        """Reserve a code for an order, for `reservation_minutes`, at most until the offer expires."""
        return self._call(RedemptionView, "POST", f"/v1/offers/{segment(code)}/reserve", body=body)

    def confirm(self, code: str, body: Redemption) -> RedemptionView:
        """Use a code: the order was placed, and the case is won back.

        If the order is cancelled or refunded later, the code comes back.
        """
        return self._call(RedemptionView, "POST", f"/v1/offers/{segment(code)}/confirm", body=body)

    def release(self, code: str, body: Redemption) -> RedemptionView:
        """Free a code again: the order was given up."""
        return self._call(RedemptionView, "POST", f"/v1/offers/{segment(code)}/release", body=body)

    def release_customer(self, customer: str) -> Requested:
        """Fold what waits for a parked customer, once the cause is fixed.

        The customer is released in the background; after that, the same request is refused (409).
        """
        return self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )


class AsyncReactivationClient(AsyncClient):
    """Its operations."""

    async def list_cases(
        self,
        *,
        state: State | None = None,
        limit: int | None = None,
        cursor: str | None = None,
        customer: str | None = None,
    ) -> CasePage:
        """List cases, newest first."""
        return await self._call(
            CasePage,
            "GET",
            "/v1/cases",
            query={"state": state, "limit": limit, "cursor": cursor, "customer": customer},
        )

    async def count_cases(self) -> CountsView:
        """Count cases and offers by state."""
        return await self._call(CountsView, "GET", "/v1/cases/counts")

    async def read_case(self, case_id: str) -> CaseView:
        """Show one case with its offer."""
        return await self._call(CaseView, "GET", f"/v1/cases/{segment(case_id)}")

    async def reserve(self, code: str, body: Redemption) -> RedemptionView:
        """Reserve a code for an order, for `reservation_minutes`, at most until the offer expires."""
        return await self._call(
            RedemptionView, "POST", f"/v1/offers/{segment(code)}/reserve", body=body
        )

    async def confirm(self, code: str, body: Redemption) -> RedemptionView:
        """Use a code: the order was placed, and the case is won back.

        If the order is cancelled or refunded later, the code comes back.
        """
        return await self._call(
            RedemptionView, "POST", f"/v1/offers/{segment(code)}/confirm", body=body
        )

    async def release(self, code: str, body: Redemption) -> RedemptionView:
        """Free a code again: the order was given up."""
        return await self._call(
            RedemptionView, "POST", f"/v1/offers/{segment(code)}/release", body=body
        )

    async def release_customer(self, customer: str) -> Requested:
        """Fold what waits for a parked customer, once the cause is fixed.

        The customer is released in the background; after that, the same request is refused (409).
        """
        return await self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    async def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return await self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )
