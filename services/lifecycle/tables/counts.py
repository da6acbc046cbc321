"""What is counted by day, and the figures made of it."""

import sqlalchemy as sa

from services.lifecycle.tables.schema import metadata
from shared.database.tables import instant

TALLY = (
    "by UTC day: moves to at_risk by the kind of their causes; hints;"
    " those in a phase of whom a fact holds"
)
NUMBER = "how many batches have changed it"
STAMP = "sum of restated.number of all days before the end when it was computed"

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
