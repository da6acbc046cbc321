"""What the cadence model expects of a customer, if there is a fit."""

from datetime import datetime

from services.lifecycle.domain.policy import cadence
from services.lifecycle.domain.policy.policy import Policy
from services.lifecycle.domain.rules.deadlines import purchase_rhythm
from services.lifecycle.domain.state.customer import Customer
from shared.events.transitions import Outlook


def estimate_outlook(customer: Customer, policy: Policy, instant: datetime) -> Outlook | None:
    """Return the outlook by the fit in force at an instant; None without a fit or an order.

    The value of an order is the mean of all orders that stand, in the policy's currency. The
    rate of margin is the customer's own where it is known, and the policy's otherwise.
    """
    fit = policy.fit_at(instant) if policy.fits else None
    first_order_at = customer.first_order_at
    if fit is None or first_order_at is None or not customer.orders:
        return None
    x, days = purchase_rhythm(customer)
    since_first = (instant.date() - first_order_at.date()).days
    revenue = customer.revenue.get(policy.currency, 0)
    margin = customer.margin.get(policy.currency)
    rate = policy.default_margin_rate
    if margin is not None and revenue > 0:
        rate = margin / revenue
    value = None
    if fit.currency == policy.currency and revenue > 0:
        value = revenue / customer.orders
    return cadence.outlook_by_rhythm(
        fit,
        x,
        days,
        since_first,
        mean_value=value,
        margin_rate=rate,
        horizon_days=policy.horizon_days,
        discount_rate=policy.discount_rate,
    )
