"""The state of each customer, and when time alone will change it."""

import sqlalchemy as sa

from services.lifecycle.tables.schema import PHASES, metadata
from shared.database.tables import instant

CAUSES = "why the customer is at risk; empty otherwise"
VALUE = "minor units: lifetime revenue in the currency of most of it"
MAGNITUDE = "pairs of binary digits of the value: seldom changes, so it can be indexed"


def magnitude(value: int) -> int:
    """Return the magnitude of a value in minor units.

    It grows by one whenever the value grows fourfold; that of 0 and less is 0.
    """
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
    sa.Column("merges", sa.JSON, comment="its latest merge or unmerge; merges into it that ended"),
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
