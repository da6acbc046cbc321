"""The figures of the simulated world; docs/simulator.md says where each comes from.

Shares are probabilities.
"""

from typing import Final

from shared.simulator.world.calendar import DAY

# Who the customers are.
BUSINESSES: Final = 0.08
GUESTS: Final = 0.10
"""Customers who buy without an account."""
NEVER_BUY: Final = 0.21
SUBSCRIBERS: Final = 0.45
REFERRED: Final = 0.08
"""Customers who sign up with a buyer's code, where there are codes."""
MERGED: Final = 0.008
"""Customers who were known under another id before."""
CONTRACTS: Final = {False: 0.10, True: 0.40}
"""Who prefers a contract to single orders: private customers, businesses."""
MEAN_FIRST_ORDER_DAYS: Final = 9.0

# How they buy (MBG/NBD: a gamma of orders a day, a beta of drop-out after each order).
RATE_SHAPE: Final = 2
MEAN_GAP_DAYS: Final = {False: 26.0, True: 16.0}
"""1 / mean rate, for private customers and businesses."""
DROP_OUT_B: Final = {False: 12.0, True: 22.0}
"""Beta(1, b)."""
RHYTHM_DAYS: Final = 90
"""After a longer silence the return no longer follows the customer's rhythm but the offer cell."""
DISAPPOINTED_DROP_OUT: Final = 0.30

# What they spend (gamma-gamma, in cents), and what of it is margin.
SPEND_SHAPE: Final = 3
SPEND_SCALE: Final = {False: 3_000.0, True: 15_000.0}
MARGIN: Final = (0.18, 0.42)

# What happens to an order.
CANCELLED: Final = 0.02
DELAYED: Final = 0.04
REFUNDED: Final = 0.07
WHOLLY_REFUNDED: Final = 0.4
RETURN_WINDOW_DAYS: Final = 14
ACTIVATED: Final = 0.8
USED: Final = 0.3

# Feedback.
COMPLAINTS: Final = 0.012
COMPLAINTS_WHEN_DELAYED: Final = 0.15
SEVERITIES: Final = ((1, 0.35), (2, 0.5), (3, 0.15))
ANSWERED: Final = 0.95
MEAN_ANSWER_HOURS: Final = 7.0
RESOLVED: Final = 0.88
SATISFIED: Final = 0.75
INQUIRIES: Final = 0.04
FIRST_SURVEY: Final = 0.10
SURVEYS: Final = {"nps": 0.035, "csat": 0.02, "review": 0.035}
ASKED_AGAIN: Final = 0.8
"""Of those who gave a low score; the second is usually better."""
PUBLIC: Final = 0.85

# Messages and visits.
OPENED: Final = 0.3
CLICKED: Final = 0.2
UNSUBSCRIBED: Final = 0.006
UNSUBSCRIBED_IN_SILENCE: Final = 0.12
RESUBSCRIBED: Final = 0.3
CONSENTS: Final = {"email": 0.55, "phone": 0.12, "post": 0.3}
CONSENT_WITHDRAWN: Final = 0.06
MEAN_VISIT_DAYS: Final = 28.0
MEAN_INTEREST_DAYS: Final = 150.0
"""How long somebody who never buys keeps visiting."""

# Contracts.
TERMS: Final = ((1, 0.25), (3, 0.2), (12, 0.45), (24, 0.1))
"""Months."""
RENEWED: Final = {False: 0.82, True: 0.9}
ANNOUNCED: Final = 0.55
"""Of those who do not renew: they give notice for the end of the term."""
AT_ONCE: Final = 0.2
"""Of those who do not renew: they cancel with immediate effect. The others let it run out."""
CHANGED_THEIR_MIND: Final = 0.2
"""Of those who gave notice."""
CONTRACT_AGAIN: Final = 0.6
"""Of those who had a contract and return."""

# How they leave.
CLOSED: Final = 0.10
"""Of those who fall silent."""
CLOSED_AFTER_DAYS: Final = (5, 85)
LONGEST_SILENCE: Final = 10 * 365 * DAY
