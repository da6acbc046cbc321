"""The referral codes of the tests."""

from typing import Final

from services.referral.domain import codes

CODE_SECRET: Final = "the secret of the tests"  # noqa: S105


def code_of(customer: str, attempt: int = 0) -> str:
    """The code of a customer under the secret of the tests."""
    return codes.code_of(customer, CODE_SECRET.encode(), attempt)
