"""Requests with an Idempotency-Key count once; each path has its own keys."""

from uuid import UUID

from services.referral.idempotency.repository import FirstRequest, add_request, find_request
from shared.database.connection import Tx
from shared.errors import FieldError, Problem


async def find_claim_of_key(tx: Tx, path: str, key: str | None, request: str) -> UUID | None:
    """The claim that the same request with this key made before.

    Raises Problem 422 "idempotency_key_reused" if the key came with another request.
    """
    first = await find_request(tx, f"{path} {key}") if key else None
    return _claim_of(first, request)


async def remember_request(
    tx: Tx, path: str, key: str | None, request: str, claim_id: UUID | None = None
) -> None:
    """Store a request under its key, if it has one.

    Raises Problem 422 "idempotency_key_reused" if the key came with another request.
    """
    if key:
        _claim_of(await add_request(tx, f"{path} {key}", request, claim_id), request)


def _claim_of(first: FirstRequest | None, request: str) -> UUID | None:
    if first is None:
        return None
    if first.request != request:
        wrong = FieldError("Idempotency-Key", "came with another body before")
        detail = "This Idempotency-Key belongs to another request."
        raise Problem(422, "idempotency_key_reused", detail, errors=(wrong,))
    return first.claim_id
