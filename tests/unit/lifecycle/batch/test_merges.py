"""Chains of mergers."""

import pytest

from services.lifecycle.batch.merges import leads_back


@pytest.mark.parametrize(
    ("customer", "into", "closes"),
    [("c", "a", True), ("b", "a", True), ("a", "a", True), ("d", "a", False), ("a", "d", False)],
)
async def test_a_merger_closes_a_cycle_if_the_chain_leads_back(
    customer: str, into: str, closes: bool
) -> None:
    chain = {"a": "b", "b": "c"}

    async def merged_into(name: str) -> str | None:
        return chain.get(name)

    assert await leads_back(customer, into, merged_into) is closes
