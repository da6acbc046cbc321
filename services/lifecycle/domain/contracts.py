"""What contracts concluded, renewed, cancelled and ended add to what is known."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from services.lifecycle.domain.agreements import Contract
from services.lifecycle.domain.counted import NOTHING, Counted, last_contact
from services.lifecycle.domain.customer import Customer
from services.lifecycle.domain.happenings import Agreement, Happening, Kind
from services.lifecycle.domain.orders import Orders
from services.lifecycle.domain.phases import Phase
from services.lifecycle.domain.policy import Policy
from services.lifecycle.domain.purchases import ENDED_BY_A_PURCHASE

TERM_MONTHS: Final = 12
"""The term of a contract that is first heard of by a renewal without one."""


def _by_a_contract(cause: str) -> bool:
    return cause in ENDED_BY_A_PURCHASE or cause.startswith("cancellation:")


def concluded(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Counted:
    """A contract begins; after the end of the relationship also one that still ran."""
    said = _agreement(happening)
    term = said.months or TERM_MONTHS
    contract = Contract(said.renews_at, 0, term) if said.renews_at else Contract(happening.time, term, term)
    is_new = said.contract_id not in customer.contracts or customer.phase is Phase.FORMER
    signed = replace(
        customer,
        contracts={**customer.contracts, said.contract_id: contract},
        contracts_ever=customer.contracts_ever + is_new,
        contracts_since_return=customer.contracts_since_return + is_new,
        contact_at=last_contact(customer, happening),
    )
    return Counted(signed, Kind.CONCLUDED, NOTHING, _by_a_contract)


def renewed(customer: Customer, happening: Happening, policy: Policy, orders: Orders | None) -> Counted:
    """Another term from the end of the present one; an unknown contract is concluded."""
    said = _agreement(happening)
    running = customer.contracts.get(said.contract_id)
    if running is None:
        return concluded(customer, happening, policy, orders)
    months = said.months or running.term
    contract = Contract(running.anchor, running.months + months, months)
    prolonged = replace(
        customer,
        contracts={**customer.contracts, said.contract_id: contract},
        has_renewed=True,
        contact_at=last_contact(customer, happening),
    )
    return Counted(prolonged, Kind.RENEWED, NOTHING, _by_a_contract)


def cancelled(customer: Customer, happening: Happening, _: Policy, __: Orders | None) -> Counted:
    """Notice of an end to come is a cause; an end in effect may be that of the relationship."""
    said = _agreement(happening)
    running = customer.contracts.get(said.contract_id)
    if running is None:
        return Counted(customer, Kind.CONTACT)
    if said.effective_at is None or said.effective_at <= happening.time:
        return without(customer, {said.contract_id: replace(running, cancelled_at=happening.time)}, Kind.CONTACT)
    contract = replace(running, cancelled_at=happening.time, ends_at=said.effective_at)
    notified = replace(customer, contracts={**customer.contracts, said.contract_id: contract})
    return Counted(notified, Kind.CANCELLED, frozenset({f"cancellation:{said.contract_id}"}))


def without(customer: Customer, ended: Mapping[str, Contract], otherwise: Kind) -> Counted:
    """The state without these contracts; what that means depends on what is left and what was bought since."""
    left = {id: contract for id, contract in customer.contracts.items() if id not in ended}  # noqa: A001
    bought_at = customer.last_order_at
    final = not left and any(
        c.cancelled_at is None or bought_at is None or bought_at <= c.cancelled_at for c in ended.values()
    )
    return Counted(replace(customer, contracts=left), Kind.CONTRACT_ENDED if final else otherwise)


def _agreement(happening: Happening) -> Agreement:
    assert isinstance(happening.content, Agreement)  # noqa: S101
    return happening.content
