"""The schema of lifecycle: customers, events, transitions, hints, timers; policies, when they judge; simulations."""

import sqlalchemy as sa

from services.lifecycle.domain.phases import Phase
from shared.tables import add_core, instant

metadata = sa.MetaData(schema="lifecycle")
add_core(metadata)

PHASES = ", ".join(f"'{phase}'" for phase in Phase)

customer = sa.Table(
    "customer",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("phase", sa.Text, comment="null: only events so far that create no customer"),
    sa.Column("version", sa.BigInteger, nullable=False, comment="records published for this customer"),
    sa.Column("state", sa.JSON, nullable=False, comment="as folded"),
    sa.Column("parked", sa.Text, comment="why this customer's events wait in the dead letters; null while they do not"),
    sa.Column("merged_into", sa.Text, comment="the customer who stays; this one's events go on to it"),
    sa.Column("key", sa.BigInteger, nullable=False, comment="hash of the customer, as its events have it"),
    sa.Column("signed_up_at", instant(), comment="of the state: the first sign-up"),
    sa.Column("activated_at", instant(), comment="of the state: the first product put to use"),
    sa.CheckConstraint(f"phase IN ({PHASES})", name="customer_phase"),
    sa.CheckConstraint("version >= 0", name="customer_version"),
)

event = sa.Table(
    "event",
    metadata,
    sa.Column("customer_key", sa.BigInteger, primary_key=True, autoincrement=False, comment="hash of the customer"),
    sa.Column("event_key", sa.BigInteger, primary_key=True, autoincrement=False, comment="hash of source and id"),
    sa.Column("order_key", sa.BigInteger, comment="hash of the order that it names"),
    sa.Column("time", instant(), nullable=False),
    sa.Column("recorded_at", instant(), nullable=False),
    sa.Column("act", sa.Boolean, nullable=False, comment="the customer has acted, bought, clicked or paid"),
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the record as it was read"),
    postgresql_partition_by="HASH (customer_key)",
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
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the transition as published, as JSON"),
    sa.CheckConstraint("(withdrawn IS NULL) = (withdrawn_at IS NULL)", name="transition_withdrawn_at"),
    sa.CheckConstraint(f"from_phase IN ({PHASES})", name="transition_from_phase"),
    sa.CheckConstraint(f"to_phase IN ({PHASES})", name="transition_to_phase"),
    sa.Index("transition_current", "customer", "position", unique=True, postgresql_where=sa.text("withdrawn IS NULL")),
)

hint = sa.Table(
    "hint",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("occasion", sa.Text, primary_key=True, comment="each is given once"),
    sa.Column("at", instant(), nullable=False),
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
    sa.Column("due_at", instant(), nullable=False, comment="no deadline of the customer lies before"),
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
    sa.Column("document", sa.JSON, nullable=False, comment="every threshold, the defaults too; never changed"),
    sa.Column("created_at", instant(), nullable=False, comment="the clock when it was stored"),
    sa.CheckConstraint("account IN ('b2c', 'b2b')", name="policy_account"),
    sa.CheckConstraint("version >= 1", name="policy_version"),
)

activation = sa.Table(
    "activation",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, comment="of schedule_number"),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("at", instant(), nullable=False, comment="what happens from here on is judged by the policy"),
    sa.Column("made_at", instant(), nullable=False, comment="the clock when it was made"),
    sa.Column("from_file", sa.Boolean, nullable=False, server_default=sa.text("false"), comment="a policy file asked"),
    sa.ForeignKeyConstraint(["name", "version"], ["policy.name", "policy.version"]),
)

fit = sa.Table(
    "fit",
    metadata,
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False, comment="of schedule_number"),
    sa.Column("effective_at", instant(), nullable=False, comment="purchases from here on are judged by it"),
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
    sa.Column("target", sa.BigInteger, nullable=False, comment="the number that customers are being told of"),
    sa.Column("after", sa.Text, nullable=False, server_default="", comment="customers up to this one know it"),
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
    sa.Column("ends", instant(), nullable=False, comment="no later than the clock when it was asked for"),
    sa.Column("account", sa.Text, comment="only customers of this kind; null: all"),
    sa.Column("state", sa.Text, nullable=False, server_default="queued"),
    sa.Column("done", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="customers"),
    sa.Column("total", sa.BigInteger, comment="customers; null until they have been counted"),
    sa.Column("events", sa.BigInteger, nullable=False, server_default=sa.text("0"), comment="folded so far"),
    sa.Column("reason", sa.Text, comment="why it failed"),
    sa.Column("report", sa.JSON),
    sa.Column("created_at", instant(), nullable=False, comment="by the wall clock, as the two below"),
    sa.Column("started_at", instant()),
    sa.Column("ended_at", instant()),
    sa.CheckConstraint("account IN ('b2c', 'b2b')", name="simulation_account"),
    sa.CheckConstraint("begins < ends", name="simulation_span"),
    sa.CheckConstraint("state IN ('queued', 'running', 'done', 'failed', 'cancelled')", name="simulation_state"),
    sa.CheckConstraint("(state = 'failed') = (reason IS NOT NULL)", name="simulation_reason"),
    sa.CheckConstraint("(state = 'done') = (report IS NOT NULL)", name="simulation_report"),
    sa.CheckConstraint("(state IN ('queued', 'running')) = (ended_at IS NULL)", name="simulation_ended"),
    sa.Index("simulation_open", "number", postgresql_where=sa.text("ended_at IS NULL")),
)
