"""The targets of rules that depend on the customer."""

from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.state.customer import Customer
from services.lifecycle.domain.state.phases import Phase


def phase_before_risk(customer: Customer, _: Policy) -> Phase:
    """Return the phase in which the customer was before being at risk."""
    return customer.before or Phase.NEW


def phase_by_purchases(customer: Customer, policy: Policy) -> Phase:
    """Return the phase that purchases alone justify."""
    if customer.orders >= policy.established_after_orders or customer.has_renewed:
        return Phase.ESTABLISHED
    return Phase.NEW if customer.purchases else Phase.PROSPECT


def phase_before_habit(customer: Customer, _: Policy) -> Phase:
    """Return the phase of a customer who buys, but not yet again and again."""
    return Phase.NEW if customer.returned is None else Phase.WON_BACK


def phase_before_purchase(customer: Customer, _: Policy) -> Phase:
    """Return the phase from which the customer had returned, or else prospect."""
    return customer.returned.from_ if customer.returned else Phase.PROSPECT
