"""The tables of every service with a database: owner, checkpoint, outbox, quarantine …"""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.schema import SchemaItem


def instant() -> pg.TIMESTAMP:
    """timestamptz: always UTC in code."""
    return pg.TIMESTAMP(timezone=True)


def add_core(metadata: sa.MetaData) -> None:
    """Declare the shared tables in a service's metadata (its schema is the metadata's)."""
    sa.Table("owner", metadata, *_owner())
    sa.Table("checkpoint", metadata, *_checkpoint())
    sa.Table("outbox", metadata, *_outbox())
    sa.Table("quarantine", metadata, *_quarantine())
    sa.Table("dead_letter", metadata, *_dead_letter())
    sa.Table("lease", metadata, *_lease())


def _owner() -> list[SchemaItem]:
    import_began = "clock when the history import began; null once its deadlines have fired"
    applied = "deadlines up to here have been applied"
    return [
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("clock", instant(), nullable=False, comment=applied),
        sa.Column("clock_mode", sa.Text, nullable=False),
        sa.Column("import_began", instant(), comment=import_began),
        sa.Column("import_open", sa.Boolean, nullable=False, server_default=sa.text("false")),
        sa.CheckConstraint("clock_mode IN ('wall', 'log')", name="owner_clock_mode"),
    ]


def _checkpoint() -> list[SchemaItem]:
    last = "where the last record applied is; null before any"
    return [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, sa.ForeignKey("owner.partition"), primary_key=True),
        sa.Column("next_offset", sa.BigInteger, nullable=False),
        sa.Column("ticked", instant(), comment="the last tick seen on this topic"),
        sa.Column("stopped", sa.Text, comment="why the partition has stopped; null while it runs"),
        sa.Column("last_offset", sa.BigInteger, comment=last),
        sa.Column("last_digest", sa.LargeBinary, comment="by which that record is known again"),
        sa.CheckConstraint("(last_offset IS NULL) = (last_digest IS NULL)", name="checkpoint_last"),
    ]


def _outbox() -> list[SchemaItem]:
    return [
        sa.Column("seq", sa.BigInteger, sa.Identity(always=True), primary_key=True),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Index("outbox_partition_seq", "partition", "seq"),
    ]


def _quarantine() -> list[SchemaItem]:
    number = "its number in the outbox, where it goes back to"
    return [
        sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False, comment=number),
        sa.Column("partition", sa.Integer, nullable=False),
        sa.Column("topic", sa.Text, nullable=False),
        sa.Column("key", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("traceparent", sa.Text),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("recorded_at", instant(), nullable=False),
        sa.Index("quarantine_partition_key", "partition", "key"),
    ]


def _dead_letter() -> list[SchemaItem]:
    parked = "the parked customer whose event this is; null for bad records"
    of_customers = sa.text("customer IS NOT NULL")
    return [
        sa.Column("topic", sa.Text, primary_key=True),
        sa.Column("partition", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("offset", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("customer", sa.Text, comment=parked),
        sa.Column("subject", sa.Text, comment="whose event it is; null if that cannot be read"),
        sa.Column("time", instant(), comment="when it happened; null if that cannot be read"),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("value", sa.LargeBinary, nullable=False),
        sa.Column("recorded_at", instant(), nullable=False),
        sa.Index("dead_letter_customer", "customer", postgresql_where=of_customers),
        sa.Index(
            "dead_letter_subject",
            "subject",
            "time",
            postgresql_where=sa.text("subject IS NOT NULL"),
        ),
    ]


def _lease() -> list[SchemaItem]:
    until = "by the clock of the database; from then on anybody may take it"
    return [
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("holder", sa.Uuid, nullable=False),
        sa.Column("until", instant(), nullable=False, comment=until),
    ]
