"""Policies and fits: from when each one judges customers, and how many it has judged so far."""

import sqlalchemy as sa

from services.lifecycle.tables.schema import metadata
from shared.database.tables import instant

schedule_number = sa.Sequence("schedule_number", metadata=metadata)
"""Numbers of activations and fits, taken under one lock so that they become visible in order."""

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
        "edition",
        sa.Integer,
        nullable=False,
        server_default=sa.text("0"),
        comment="of the rules by which they are folded",
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
