"""The schema of lifecycle: customers, events, transitions, hints, timers; policies, when they judge; simulations."""

import sqlalchemy as sa

from services.lifecycle.domain.state.phases import Phase
from shared.database.tables import add_core, instant

metadata = sa.MetaData(schema="lifecycle")
add_core(metadata)

CAUSES = "why the customer is at risk; empty otherwise"
AMOUNT = "minor units: the total of an order, or what of it is undone (null: all)"
VALUE = "minor units: lifetime revenue in the currency of most of it"
MAGNITUDE = "pairs of binary digits of the value: seldom changes, so it can be indexed"
PHASES = ", ".join(f"'{phase}'" for phase in Phase)
TALLY = "by UTC day: moves to at_risk by the kind of their causes; hints; those in a phase of whom a fact holds"
NUMBER = "how many batches have changed it"
STAMP = "sum of restated.number of all days before the end when it was computed"
VOICES = ", ".join(
    f"'{name}'"
    for name in (
        "feedback.submitted", "complaint.opened", "complaint.answered", "complaint.resolved", "inquiry.opened",
        "inquiry.answered", "contract.concluded", "contract.renewed", "contract.cancelled", "referral.succeeded",
        "referral.annulled", "customer.signed_up", "session.signed_in", "page.viewed", "message.opened",
        "message.clicked", "product.activated", "product.used", "newsletter.subscribed",
    )
)  # fmt: skip
"""Events that figures and views look for by type and time, beside orders."""


def magnitude(value: int) -> int:
    """Of a value in minor units: it grows by one when the value has grown fourfold. No value, and less, is 0."""
    return (value.bit_length() + 1) // 2 if value > 0 else 0


customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("phase", sa.Text, comment="null: only events so far that create no customer"),
    sa.Column(
        "version", sa.BigInteger, nullable=False, comment="records published for this customer"
    ),
    sa.Column("state", sa.JSON, nullable=False, comment="as folded"),
    sa.Column(
        "parked",
        sa.Text,
        comment="why this customer's events wait in the dead letters; null while they do not",
    ),
    sa.Column(
        "merged_into", sa.Text, comment="the customer who stays; this one's events go on to it"
    ),
    sa.Column(
        "key", sa.BigInteger, nullable=False, comment="hash of the customer, as its events have it"
    ),
    sa.Column("signed_up_at", instant(), comment="of the state: the first sign-up"),
    sa.Column("activated_at", instant(), comment="of the state: the first product put to use"),
    sa.Column("account", sa.Text),
    sa.Column("since", instant(), comment="when the phase was entered"),
    sa.Column("first_order_at", instant()),
    sa.Column("causes", sa.ARRAY(sa.Text), nullable=False, server_default="{}", comment=CAUSES),
    sa.Column("value", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment=VALUE),
    sa.Column("currency", sa.Text),
    sa.Column(
        "magnitude", sa.SmallInteger, nullable=False, server_default=sa.text("0"), comment=MAGNITUDE
    ),
    sa.PrimaryKeyConstraint("customer", postgresql_include=["partition"]),
    sa.CheckConstraint(f"phase IN ({PHASES})", name="customer_phase"),
    sa.CheckConstraint("version >= 0", name="customer_version"),
    sa.CheckConstraint("account IN ('b2c', 'b2b')", name="customer_account"),
    sa.Index("customer_of_key", "key"),
    sa.Index("customer_of_phase", "phase", "customer", postgresql_include=["key"]),
    sa.Index("customer_of_since", "phase", "since"),
    sa.Index(
        "customer_of_account",
        "account",
        "customer",
        postgresql_include=["key"],
        postgresql_where=sa.text("account IS NOT NULL"),
    ),
    sa.Index("customer_of_magnitude", "magnitude", "customer"),
    sa.Index(
        "customer_of_cause",
        "causes",
        postgresql_using="gin",
        postgresql_where=sa.text("causes <> '{}'"),
    ),
)

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
        comment="hash of source and id",
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
        "event_undone",
        "time",
        postgresql_include=["order_key", "customer_key", "amount", "currency"],
        postgresql_where=sa.text("type IN ('order.refunded', 'order.cancelled')"),
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

retold = sa.Table(
    "retold",
    metadata,
    sa.Column("customer_key", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("order_key", sa.BigInteger, primary_key=True, autoincrement=False),
    comment="orders to be looked at one by one: told again, or undone before they were told",
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

flow = sa.Table(
    "flow",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("from_phase", sa.Text, primary_key=True, comment="empty: not yet known"),
    sa.Column("to_phase", sa.Text, primary_key=True),
    sa.Column("rule", sa.Text, primary_key=True),
    sa.Column(
        "account", sa.Text, primary_key=True, comment="what the customers are now; empty: not known"
    ),
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.BigInteger, nullable=False),
    comment="current transitions by UTC day",
)

tally = sa.Table(
    "tally",
    metadata,
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("what", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("n", sa.BigInteger, nullable=False),
    sa.CheckConstraint("what IN ('cause', 'hint', 'signed_up', 'activated')", name="tally_what"),
    comment=TALLY,
)

restated = sa.Table(
    "restated",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("day", sa.Date, primary_key=True),
    sa.Column("number", sa.BigInteger, nullable=False, server_default=sa.text("1"), comment=NUMBER),
    sa.Column("at", instant(), nullable=False, comment="the clock of the last"),
    comment="days that were over when something of them changed",
)

figure = sa.Table(
    "figure",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("begins", sa.Date, primary_key=True),
    sa.Column("ends", sa.Date, primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("value", sa.JSON, nullable=False),
    sa.Column("stamp", sa.BigInteger, nullable=False, comment=STAMP),
    sa.Column("computed_at", instant(), nullable=False),
    sa.Column(
        "asked_at", instant(), nullable=False, comment="within a day; -infinity: computed ahead"
    ),
)

pattern = sa.Table(
    "pattern",
    metadata,
    sa.Column("topic", sa.Text, primary_key=True),
    sa.Column("week", sa.Date, primary_key=True),
    comment="complaint patterns that were published, by the Monday of the week",
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

hint = sa.Table(
    "hint",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("occasion", sa.Text, primary_key=True, comment="each is given once"),
    sa.Column("at", instant(), nullable=False),
    sa.Index("hint_at", "at", postgresql_include=["name"]),
)

sighting = sa.Table(
    "sighting",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("type", sa.Text, primary_key=True, comment="the shop sends events of this type"),
)

timer = sa.Table(
    "timer",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column(
        "due_at", instant(), nullable=False, comment="no deadline of the customer lies before"
    ),
    sa.Index("timer_due", "partition", "due_at"),
)

schedule_number = sa.Sequence("schedule_number", metadata=metadata)
"""Numbers of activations and fits, taken under one lock, so that they become visible in order."""

policy = sa.Table(
    "policy",
    metadata,
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("version", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("account", sa.Text, comment="the kind of account that it judges; null: all"),
    sa.Column(
        "document",
        sa.JSON,
        nullable=False,
        comment="every threshold, the defaults too; never changed",
    ),
    sa.Column("created_at", instant(), nullable=False, comment="the clock when it was stored"),
    sa.CheckConstraint("account IN ('b2c', 'b2b')", name="policy_account"),
    sa.CheckConstraint("version >= 1", name="policy_version"),
)

activation = sa.Table(
    "activation",
    metadata,
    sa.Column(
        "number", sa.BigInteger, primary_key=True, autoincrement=False, comment="of schedule_number"
    ),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column(
        "at", instant(), nullable=False, comment="what happens from here on is judged by the policy"
    ),
    sa.Column("made_at", instant(), nullable=False, comment="the clock when it was made"),
    sa.Column(
        "from_file",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="a policy file asked",
    ),
    sa.ForeignKeyConstraint(["name", "version"], ["policy.name", "policy.version"]),
)

fit = sa.Table(
    "fit",
    metadata,
    sa.Column(
        "number", sa.BigInteger, primary_key=True, autoincrement=False, comment="of schedule_number"
    ),
    sa.Column(
        "effective_at", instant(), nullable=False, comment="purchases from here on are judged by it"
    ),
    sa.Column("made_at", instant(), nullable=False),
    sa.Column("accepted", sa.Boolean, nullable=False),
    sa.Column("reason", sa.Text, comment="why it was refused"),
    sa.Column("customers", sa.Integer, nullable=False, comment="customers that it was made from"),
    sa.Column("repeats", sa.Integer, nullable=False, comment="their repeat purchases"),
    sa.Column("parameters", sa.JSON, nullable=False, comment="the fit as the fold reads it"),
    sa.CheckConstraint("accepted = (reason IS NULL)", name="fit_reason"),
)

rearming = sa.Table(
    "rearming",
    metadata,
    sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column(
        "target",
        sa.BigInteger,
        nullable=False,
        comment="the number that customers are being told of",
    ),
    sa.Column(
        "after",
        sa.Text,
        nullable=False,
        server_default="",
        comment="customers up to this one know it",
    ),
    sa.Column("done", sa.BigInteger, nullable=False, server_default=sa.text("0")),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("finished", sa.Boolean, nullable=False, server_default=sa.text("false")),
)

simulation = sa.Table(
    "simulation",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("number", sa.BigInteger, sa.Identity(always=True), nullable=False, unique=True),
    sa.Column("idempotency_key", sa.Text, unique=True),
    sa.Column("request", sa.Text, nullable=False, comment="the body that came with the key first"),
    sa.Column("policy", sa.JSON, nullable=False, comment="the candidate"),
    sa.Column("begins", instant(), nullable=False, comment="the candidate judges from here on"),
    sa.Column(
        "ends", instant(), nullable=False, comment="no later than the clock when it was asked for"
    ),
    sa.Column("account", sa.Text, comment="only customers of this kind; null: all"),
    sa.Column("state", sa.Text, nullable=False, server_default="queued"),
    sa.Column(
        "done", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="customers"
    ),
    sa.Column("total", sa.BigInteger, comment="customers; null until they have been counted"),
    sa.Column(
        "events",
        sa.BigInteger,
        nullable=False,
        server_default=sa.text("0"),
        comment="folded so far",
    ),
    sa.Column("reason", sa.Text, comment="why it failed"),
    sa.Column("report", sa.JSON),
    sa.Column(
        "created_at", instant(), nullable=False, comment="by the wall clock, as the two below"
    ),
    sa.Column("started_at", instant()),
    sa.Column("ended_at", instant()),
    sa.CheckConstraint("account IN ('b2c', 'b2b')", name="simulation_account"),
    sa.CheckConstraint("begins < ends", name="simulation_span"),
    sa.CheckConstraint(
        "state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="simulation_state"
    ),
    sa.CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="simulation_reason"),
    sa.CheckConstraint("(state = 'done') = (report IS NOT NULL)", name="simulation_report"),
    sa.CheckConstraint(
        "(state IN ('queued', 'running')) = (ended_at IS NULL)", name="simulation_ended"
    ),
    sa.Index("simulation_open", "number", postgresql_where=sa.text("ended_at IS NULL")),
)
