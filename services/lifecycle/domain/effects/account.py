"""The effects of events about the account: sign-up, updates, closing, a product put to use."""

from msgspec.structs import replace

from services.lifecycle.domain.effects.effect import Effect
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.happenings import AccountDetails, EventKind, Happening
from shared.orders.book import OrderBook


def sign_up(customer: Customer, happening: Happening, _: Policy, __: OrderBook | None) -> Effect:
    """Note the kind of account, and the instant of the first sign-up."""
    signed_up = replace(
        customer,
        account=_account(customer, happening),
        signed_up_at=customer.signed_up_at or happening.time,
    )
    return Effect(signed_up, EventKind.SIGNED_UP)


def update_account(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Note the kind of account."""
    updated = replace(customer, account=_account(customer, happening))
    return Effect(updated, EventKind.UPDATED)


def close_account(customer: Customer, _: Happening, __: Policy, ___: OrderBook | None) -> Effect:
    """End all contracts with the relationship."""
    return Effect(replace(customer, contracts={}), EventKind.CLOSED)


def activate_product(
    customer: Customer, happening: Happening, _: Policy, __: OrderBook | None
) -> Effect:
    """Note the instant at which a product was first put to use."""
    activated = replace(customer, activated_at=customer.activated_at or happening.time)
    return Effect(activated, EventKind.ACTIVATED)


def _account(customer: Customer, happening: Happening) -> str | None:
    """Return the kind of account that the event names, or else the one known before."""
    details = happening.details
    account = details.account if isinstance(details, AccountDetails) else None
    return account or customer.account
