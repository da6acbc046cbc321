"""The schema of reactivation: what was read of customers, cases as folded, offers, timers."""

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB

from services.reactivation.domain.cases import RUNNING, State
from services.reactivation.domain.permissions import PermissionKind
from shared.database.tables import add_core, instant

metadata = sa.MetaData(schema="reactivation")
add_core(metadata)

STATES = ", ".join(f"'{state}'" for state in State)
RUNNING_STATES = ", ".join(f"'{state}'" for state in State if state in RUNNING)
PERMISSION_KINDS = ", ".join(f"'{kind}'" for kind in PermissionKind)


def _event_key() -> sa.Column[int]:
    return sa.Column(
        "event_key",
        sa.BigInteger,
        primary_key=True,
        autoincrement=False,
        comment="hash of source and id",
    )


customer = sa.Table(
    "customer",
    metadata,
    sa.Column(
        "customer",
        sa.Text,
        primary_key=True,
        comment="who has lapsed at least once, or become one with somebody; the row to lock",
    ),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column(
        "parked",
        sa.Text,
        comment="why this customer's records wait in the dead letters; null if they do not",
    ),
)

lapse = sa.Table(
    "lapse",
    metadata,
    sa.Column("customer", sa.Text, sa.ForeignKey("customer.customer"), primary_key=True),
    sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("occurred_at", instant(), nullable=False),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("historical", sa.Boolean, nullable=False),
    sa.Column("withdrawn", sa.BigInteger, comment="version of the correction that voided it"),
    sa.Column(
        "merged",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="voided only because its customer became another id: it counts there",
    ),
    sa.Column(
        "pending",
        sa.Boolean,
        nullable=False,
        server_default=sa.false(),
        comment="of a correction whose last part has not come yet",
    ),
    sa.CheckConstraint("phase IN ('inactive', 'former')", name="lapse_phase"),
)

order_event = sa.Table(
    "order_event",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    _event_key(),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("time", instant(), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("details", JSONB, nullable=False, comment="shared.orders.facts.OrderDetails"),
    sa.Column("codes", sa.Text, comment="those that could be ours: canonical, between blanks"),
)

permission = sa.Table(
    "permission",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    _event_key(),
    sa.Column("time", instant(), nullable=False),
    sa.Column("rank", sa.SmallInteger, nullable=False, comment="order within one instant"),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.CheckConstraint(f"kind IN ({PERMISSION_KINDS})", name="permission_kind"),
)

merge = sa.Table(
    "merge",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    _event_key(),
    sa.Column("time", instant(), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("into_id", sa.Text, comment="null if the event ends a merge"),
    sa.Index("merge_into", "into_id"),
)

winback_case = sa.Table(
    "winback_case",
    metadata,
    sa.Column("id", sa.Uuid, primary_key=True),
    sa.Column("customer", sa.Text, sa.ForeignKey("customer.customer"), nullable=False),
    sa.Column(
        "origin", sa.Text, nullable=False, comment="the id that it was opened for, before any merge"
    ),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column(
        "version", sa.BigInteger, nullable=False, comment="records published about this case"
    ),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("opened_at", instant(), nullable=False, comment="when the customer lapsed"),
    sa.Column("rule", sa.Text, nullable=False),
    sa.Column("phase", sa.Text, nullable=False),
    sa.Column("cooldown_days", sa.Integer, nullable=False),
    sa.Column("ended_at", instant()),
    sa.Column("order_id", sa.Text, comment="the order that ended the case"),
    sa.Column("with_code", sa.Boolean),
    sa.Column("used_for", sa.Text, comment="the order that the code is used for"),
    sa.Column("reason", sa.Text, comment="why it was cancelled or let go"),
    sa.CheckConstraint(f"state IN ({STATES})", name="winback_case_state"),
    sa.CheckConstraint(
        f"(state IN ({RUNNING_STATES})) = (ended_at IS NULL)", name="winback_case_ended"
    ),
    sa.CheckConstraint(
        "state <> 'won_back' OR (order_id IS NOT NULL AND with_code IS NOT NULL)",
        name="winback_case_won_back",
    ),
    sa.CheckConstraint(
        "(state IN ('cancelled', 'let_go')) = (reason IS NOT NULL)", name="winback_case_reason"
    ),
    sa.Index(
        "winback_case_running",
        "customer",
        unique=True,
        postgresql_where=sa.text(f"state IN ({RUNNING_STATES})"),
    ),
    sa.Index("winback_case_origin", "origin"),
    sa.Index("winback_case_newest", "opened_at", "id"),
    sa.Index("winback_case_state_newest", "state", "opened_at", "id"),
    sa.Index("winback_case_customer", "customer", "opened_at", "id"),
)

offer = sa.Table(
    "offer",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column("case_id", sa.Uuid, sa.ForeignKey("winback_case.id"), nullable=False, unique=True),
    sa.Column("percent", sa.Integer, nullable=False),
    sa.Column("made_at", instant(), nullable=False),
    sa.Column("expires_at", instant(), nullable=False),
    sa.Column(
        "attributed_until",
        instant(),
        nullable=False,
        comment="until here a plain return counts as ours",
    ),
    sa.Column("reserved_for", sa.Text, comment="the order that the code was last put aside for"),
    sa.Column("reserved_by", sa.Text, comment="the customer who did so, by the id of the request"),
    sa.Column("reserved_until", instant(), comment="null once it is confirmed"),
    sa.CheckConstraint("percent BETWEEN 1 AND 100", name="offer_percent"),
    sa.CheckConstraint("(reserved_for IS NULL) = (reserved_by IS NULL)", name="offer_reserved"),
    sa.CheckConstraint(
        "reserved_until IS NULL OR reserved_for IS NOT NULL", name="offer_reserved_until"
    ),
)

redemption = sa.Table(
    "redemption",
    metadata,
    sa.Column("code", sa.Text, sa.ForeignKey("offer.code"), primary_key=True),
    sa.Column("order_id", sa.Text, primary_key=True, comment="the order that it was used for"),
    sa.Column("confirmed_at", instant(), primary_key=True),
)

timer = sa.Table(
    "timer",
    metadata,
    sa.Column("customer", sa.Text, sa.ForeignKey("customer.customer"), primary_key=True),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column("due_at", instant(), nullable=False, comment="the customer's earliest deadline"),
    sa.Index("timer_due", "partition", "due_at"),
)
