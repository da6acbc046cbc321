"""What has happened to customers: events, transitions, hints, and the published changes."""

import sqlalchemy as sa

from services.lifecycle.tables.schema import PHASES, metadata
from shared.database.tables import instant

AMOUNT = "minor units: the total of an order, or what of it is undone (null: all)"
VOICES = ", ".join(
    f"'{name}'"
    for name in (
        "feedback.submitted",
        "complaint.opened",
        "complaint.answered",
        "complaint.resolved",
        "inquiry.opened",
        "inquiry.answered",
        "contract.concluded",
        "contract.renewed",
        "contract.cancelled",
        "customer.closed",
        "referral.succeeded",
        "referral.annulled",
        "customer.signed_up",
        "session.signed_in",
        "page.viewed",
        "message.opened",
        "message.clicked",
        "engagement.recorded",
        "checkout.started",
        "product.activated",
        "product.used",
        "newsletter.subscribed",
    )
)
"""Events that figures and views look for by type and time, besides orders."""

event = sa.Table(
    "event",
    metadata,
    sa.Column(
        "customer_key",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="hash of the customer",
    ),
    sa.Column(
        "event_key",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="hash of source and id, and of the customer it was sent for if that is another",
    ),
    sa.Column("order_key", sa.BigInteger, comment="hash of the order that it names"),
    sa.Column("time", instant(), nullable=False),
    sa.Column("recorded_at", instant(), nullable=False),
    sa.Column("type", sa.Text, nullable=False, comment="what has happened, as the record says"),
    sa.Column("amount", sa.BigInteger, comment=AMOUNT),
    sa.Column("currency", sa.Text),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the record as it was read"),
    sa.Index(
        "event_sold",
        "time",
        postgresql_include=["customer_key", "order_key", "amount", "currency"],
        postgresql_where=sa.text("type = 'order.completed'"),
    ),
    sa.Index(
        "event_voiced",
        "type",
        "time",
        postgresql_include=["customer_key"],
        postgresql_where=sa.text(f"type IN ({VOICES})"),
    ),
    postgresql_partition_by="HASH (customer_key)",
)

order_version = sa.Table(
    "order_version",
    metadata,
    sa.Column("customer_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column(
        "order_key",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="hash of the id, as its events have it",
    ),
    sa.Column(
        "store_key",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="hash of the store",
    ),
    sa.Column("at", instant(), primary_key=True, comment="from here to the next version"),
    sa.Column("bought_at", instant(), nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="minor units: what is left"),
    sa.Column("currency", sa.Text, nullable=False),
    sa.Column("stands", sa.Boolean, nullable=False, comment="a purchase that is not undone"),
    sa.Index("order_version_bought", "bought_at"),
    comment="what orders were and are once they are more than one plain purchase",
)

remark = sa.Table(
    "remark",
    metadata,
    sa.Column("customer_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("event_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("waits", sa.Boolean, nullable=False, comment="until its order is known"),
    comment="stored events that have had no effect, and why, as last folded",
)

transition = sa.Table(
    "transition",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("from_phase", sa.Text),
    sa.Column("to_phase", sa.Text, nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("occurred_at", instant(), nullable=False),
    sa.Column("withdrawn", sa.BigInteger, comment="version of the correction that voided it"),
    sa.Column("recorded_at", instant(), nullable=False, comment="the clock when it was recorded"),
    sa.Column("withdrawn_at", instant(), comment="the clock when it was voided"),
    sa.Column("since", instant(), comment="when the phase that was left had been entered"),
    sa.Column(
        "body", sa.LargeBinary, nullable=False, comment="the transition as published, as JSON"
    ),
    sa.CheckConstraint(
        "(withdrawn IS NULL) = (withdrawn_at IS NULL)", name="transition_withdrawn_at"
    ),
    sa.CheckConstraint(f"from_phase IN ({PHASES})", name="transition_from_phase"),
    sa.CheckConstraint(f"to_phase IN ({PHASES})", name="transition_to_phase"),
    sa.Index(
        "transition_current",
        "customer",
        "position",
        unique=True,
        postgresql_where=sa.text("withdrawn IS NULL"),
    ),
    sa.Index(
        "transition_at",
        "occurred_at",
        postgresql_include=["customer", "position", "from_phase", "to_phase", "since"],
        postgresql_where=sa.text("withdrawn IS NULL"),
    ),
)

hint = sa.Table(
    "hint",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("occasion", sa.Text, primary_key=True, comment="each is given once"),
    sa.Column("at", instant(), nullable=False),
    sa.Index("hint_at", "at", postgresql_include=["name"]),
)

change = sa.Table(
    "change",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column(
        "recorded_at",
        instant(),
        nullable=False,
        comment="when Kafka had acknowledged it, by the wall clock",
    ),
    sa.Column("body", sa.LargeBinary, nullable=False),
    comment="published transitions and corrections, in the order of their partition",
)

change_floor = sa.Table(
    "change_floor",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("seq", sa.BigInteger, nullable=False),
    comment="up to where changes were deleted, because they were too old",
)
