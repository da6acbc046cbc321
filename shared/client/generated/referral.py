"""Stammkunde referral: what it takes and gives, and its operations.

Made from docs/openapi/referral.json by `make documents`.
"""
# ruff: noqa: A002, E501, RUF100

from typing import Literal, NotRequired, TypeAlias, TypedDict

from shared.client.http import AsyncClient, Client, segment

Account: TypeAlias = Literal[
    "customer:pending", "customer:available", "program:expense", "program:clearing"
]
"""The accounts. Each customer has the first two, the program the others. `clearing` holds what has left one customer and not yet come to the other."""


class BalanceView(TypedDict):
    """Sums in one currency."""

    currency: str
    pending: int
    available: int


class ClaimRequest(TypedDict):
    """A referee named somebody's code."""

    code: str
    referee: str


Reason: TypeAlias = Literal[
    "mistyped_code",
    "unknown_code",
    "self_referral",
    "already_customer",
    "below_minimum",
    "no_reward_in_this_currency",
    "historical_order",
]
"""Why a claim was refused, or its order earned nothing."""

State: TypeAlias = Literal[
    "accepted", "superseded", "expired", "refused", "qualified", "unqualified"
]
"""The state of a claim; an accepted one is shown as expired once `expires_at` has passed."""


class CodeRequest(TypedDict):
    """The customer to give a code to."""

    customer: str


class CodeView(TypedDict):
    """A customer's code."""

    customer: str
    code: str
    issued_at: str
    as_of: str


class CountsView(TypedDict):
    """How many codes, claims and rewards there are."""

    as_of: str
    codes: int
    claims: dict[str, int]
    rewards: dict[str, int]


Kind: TypeAlias = Literal["earned", "matured", "reversed", "restored", "cancelled", "transferred"]
"""Kinds of postings. A cancelled one is followed by its opposite; a transferred one has a counterpart: what leaves an id that was merged (or unmerged) comes to the id that stands for the person now."""


class PartitionState(TypedDict):
    """How far a service has applied a partition of a topic."""

    topic: str
    partition: int
    next_offset: int
    stopped: str | None
    clock: str
    epoch: int


Side: TypeAlias = Literal["recommender", "referee"]
"""The two customers whom a referral rewards."""


class Requested(TypedDict):
    """The request was accepted and will be carried out."""

    status: NotRequired[Literal["requested"]]


class EntryView(TypedDict):
    """One line of a posting."""

    account: Account
    amount: int
    currency: str


class BalancesView(TypedDict):
    """What a customer has earned; an unknown customer has earned nothing."""

    customer: str
    balances: list[BalanceView]
    parked: bool
    as_of: str


class ClaimView(TypedDict):
    """A claim: a referee named a code."""

    id: str
    code: str
    referee: str
    recommender: str | None
    state: State
    reason: Reason | None
    order_id: str | None
    claimed_at: str
    expires_at: str
    as_of: str


class PartitionPage(TypedDict):
    """Partitions, by topic and number."""

    items: list[PartitionState]
    next_cursor: str | None


class PostingView(TypedDict):
    """A posting; its entries sum to 0. It never changes."""

    id: str
    kind: Kind
    time: str
    recorded_at: str
    claim_id: str
    side: Side
    cause: str
    cancels: str | None
    counterpart: str | None
    entries: list[EntryView]


class PostingPage(TypedDict):
    """A part of a customer's postings, the newest first."""

    items: list[PostingView]
    next_cursor: str | None


class ReferralClient(Client):
    """Its operations."""

    def issue_code(self, body: CodeRequest, *, idempotency_key: str | None = None) -> CodeView:
        """Give a customer a referral code; there is one per customer."""
        return self._call(
            CodeView, "POST", "/v1/codes", headers={"Idempotency-Key": idempotency_key}, body=body
        )

    def show_code(self, customer: str) -> CodeView:
        """Show the referral code of a customer."""
        return self._call(CodeView, "GET", f"/v1/customers/{segment(customer)}/code")

    def claim(self, body: ClaimRequest, *, idempotency_key: str | None = None) -> ClaimView:
        """Record that a referee named a code; sending the same claim again is safe."""
        return self._call(
            ClaimView, "POST", "/v1/claims", headers={"Idempotency-Key": idempotency_key}, body=body
        )

    def show_claim(self, claim_id: str) -> ClaimView:
        """Show a claim as it stands."""
        return self._call(ClaimView, "GET", f"/v1/claims/{segment(claim_id)}")

    def show_balance(self, customer: str) -> BalancesView:
        """Show what a customer has earned, pending and available."""
        return self._call(BalancesView, "GET", f"/v1/customers/{segment(customer)}/balance")

    def list_postings(
        self, *, customer: str, limit: int | None = None, cursor: str | None = None
    ) -> PostingPage:
        """List a customer's postings with their entries, newest first."""
        return self._call(
            PostingPage,
            "GET",
            "/v1/ledger",
            query={"customer": customer, "limit": limit, "cursor": cursor},
        )

    def release_customer(self, customer: str) -> Requested:
        """Judge a parked customer again, once the cause is fixed.

        The customer is released in the background; after that, the same request is refused (409).
        """
        return self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    def count(self) -> CountsView:
        """Count codes, and claims and rewards by state."""
        return self._call(CountsView, "GET", "/v1/referrals/counts")

    def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )


class AsyncReferralClient(AsyncClient):
    """Its operations."""

    async def issue_code(
        self, body: CodeRequest, *, idempotency_key: str | None = None
    ) -> CodeView:
        """Give a customer a referral code; there is one per customer."""
        return await self._call(
            CodeView, "POST", "/v1/codes", headers={"Idempotency-Key": idempotency_key}, body=body
        )

    async def show_code(self, customer: str) -> CodeView:
        """Show the referral code of a customer."""
        return await self._call(CodeView, "GET", f"/v1/customers/{segment(customer)}/code")

    async def claim(self, body: ClaimRequest, *, idempotency_key: str | None = None) -> ClaimView:
        """Record that a referee named a code; sending the same claim again is safe."""
        return await self._call(
            ClaimView, "POST", "/v1/claims", headers={"Idempotency-Key": idempotency_key}, body=body
        )

    async def show_claim(self, claim_id: str) -> ClaimView:
        """Show a claim as it stands."""
        return await self._call(ClaimView, "GET", f"/v1/claims/{segment(claim_id)}")

    async def show_balance(self, customer: str) -> BalancesView:
        """Show what a customer has earned, pending and available."""
        return await self._call(BalancesView, "GET", f"/v1/customers/{segment(customer)}/balance")

    async def list_postings(
        self, *, customer: str, limit: int | None = None, cursor: str | None = None
    ) -> PostingPage:
        """List a customer's postings with their entries, newest first."""
        return await self._call(
            PostingPage,
            "GET",
            "/v1/ledger",
            query={"customer": customer, "limit": limit, "cursor": cursor},
        )

    async def release_customer(self, customer: str) -> Requested:
        """Judge a parked customer again, once the cause is fixed.

        The customer is released in the background; after that, the same request is refused (409).
        """
        return await self._call(
            Requested, "POST", f"/v1/customers/{segment(customer)}/release", once=True
        )

    async def count(self) -> CountsView:
        """Count codes, and claims and rewards by state."""
        return await self._call(CountsView, "GET", "/v1/referrals/counts")

    async def list_partitions(
        self, *, limit: int | None = None, cursor: str | None = None
    ) -> PartitionPage:
        """List the partitions that the service reads, by topic: how far each is, and why it stopped."""
        return await self._call(
            PartitionPage, "GET", "/v1/partitions", query={"limit": limit, "cursor": cursor}
        )
