"""Simulations of policies, from the request to the report."""

import sqlalchemy as sa

from services.lifecycle.tables.schema import metadata
from shared.database.tables import instant

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
