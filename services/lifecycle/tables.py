"""The schema of lifecycle: customers, their events, transitions, hints and timers."""

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
    sa.Column("body", sa.LargeBinary, nullable=False, comment="the transition as published, as JSON"),
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
