"""The schema of referral: members, merges, codes, orders, claims, rewards, and the ledger."""

from enum import StrEnum

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg

from services.referral.domain import claims, ledger, rewards
from shared.database.tables import add_core, instant
from shared.orders.facts import OrderAction

metadata = sa.MetaData(schema="referral")
add_core(metadata)


def _one_of(column: str, words: type[StrEnum]) -> sa.CheckConstraint:
    names = ", ".join(f"'{word}'" for word in words)
    return sa.CheckConstraint(f"{column} IN ({names})")


member = sa.Table(
    "member",
    metadata,
    sa.Column(
        "customer",
        sa.Text,
        primary_key=True,
        comment="the row to lock before a customer is changed",
    ),
    sa.Column(
        "has_claims",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="as a referee",
    ),
    sa.Column(
        "parked",
        sa.Text,
        comment="why this customer is not judged for now; null while there is no reason",
    ),
)

merge = sa.Table(
    "merge",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("event_key", sa.BigInteger, primary_key=True, comment="hash of source and id"),
    sa.Column("time", instant(), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event_id", sa.Text, nullable=False),
    sa.Column("into_id", sa.Text, comment="null if the event ends a merge"),
    sa.Index("merge_into", "into_id"),
)

pending_advocate = sa.Table(
    "pending_advocate",
    metadata,
    sa.Column(
        "customer",
        sa.Text,
        primary_key=True,
        comment="an advocate by a correction whose last part has not come yet",
    ),
    sa.Column("since", instant(), nullable=False),
)

code = sa.Table(
    "code",
    metadata,
    sa.Column("code", sa.Text, primary_key=True),
    sa.Column(
        "customer",
        sa.Text,
        sa.ForeignKey("member.customer"),
        unique=True,
        comment="whose it is; null while it was only named",
    ),
    sa.Column("issued_at", instant()),
    sa.CheckConstraint("(customer IS NULL) = (issued_at IS NULL)"),
)

order_event = sa.Table(
    "order_event",
    metadata,
    sa.Column("customer", sa.Text, primary_key=True),
    sa.Column("source", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("time", instant(), nullable=False),
    sa.Column("order_id", sa.Text, nullable=False),
    sa.Column("store", sa.Text, comment="null: the source"),
    sa.Column("amount", sa.BigInteger, comment="minor units: total, or what was refunded"),
    sa.Column("currency", sa.Text),
    sa.Column("refund_id", sa.Text),
    sa.Column("replacement_of", sa.Text, comment="the order that a replacement is for"),
    sa.Column("return_window_days", sa.Integer),
    sa.Column("historical", sa.Boolean, nullable=False),
    _one_of("kind", OrderAction),
    sa.CheckConstraint("(amount IS NULL) = (currency IS NULL)"),
)

claim = sa.Table(
    "claim",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("referee", sa.Text, sa.ForeignKey("member.customer"), nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("event", sa.Text, nullable=False),
    sa.Column("time", instant(), nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("recommender", sa.Text, comment="whose code it is; null while nobody's"),
    sa.Column("terms", pg.JSONB, nullable=False, comment="those in force when it was recorded"),
    sa.Column("expires_at", instant(), nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("reason", sa.Text),
    sa.Column("order_id", sa.Text, comment="the first order, once it has decided"),
    sa.Column(
        "answers",
        sa.Integer,
        nullable=False,
        server_default=sa.text("0"),
        comment="how many have been announced; 0: it has not been judged yet",
    ),
    sa.Column(
        "revision",
        sa.Integer,
        nullable=False,
        server_default=sa.text("0"),
        comment="how often the facts of its rewards have changed",
    ),
    sa.Column("facts", pg.JSONB, comment="what both rewards depend on; null: nothing is earned"),
    sa.Column(
        "answer",
        sa.Text,
        comment="the reason for which it was refused when recorded; null if it was not",
    ),
    sa.Column("recorded_at", instant(), nullable=False),
    sa.UniqueConstraint("referee", "source", "event"),
    sa.Index("claim_waiting", "code", postgresql_where=sa.text("recommender IS NULL")),
    _one_of("state", claims.State),
)

reward = sa.Table(
    "reward",
    metadata,
    sa.Column("claim_id", pg.UUID, primary_key=True),
    sa.Column("side", sa.Text, primary_key=True),
    sa.Column("customer", sa.Text, sa.ForeignKey("member.customer"), primary_key=True),
    sa.Column(
        "earner", sa.Text, nullable=False, comment="the reward is owed to the survivor of this id"
    ),
    sa.Column("partition", sa.Integer, nullable=False),
    sa.Column(
        "revision",
        sa.Integer,
        nullable=False,
        comment="of the facts; a lower one that arrives later is ignored",
    ),
    sa.Column("facts", pg.JSONB, comment="null: not earned after all"),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column(
        "as_of", instant(), nullable=False, comment="the ledger holds its movements until then"
    ),
    sa.Column(
        "due_at", instant(), comment="when it becomes available; null if it is or never will"
    ),
    sa.Column(
        "since",
        instant(),
        nullable=False,
        comment="the time of the event that made the outcome what it is",
    ),
    sa.Column(
        "moved",
        sa.Boolean,
        nullable=False,
        server_default=sa.text("false"),
        comment="whether it is owed to somebody else by now, who was sent the balance",
    ),
    sa.Column("told", pg.JSONB, comment="what was announced last of the recommendation's outcome"),
    sa.Column("announced", pg.JSONB, comment="the facts by which the balance was announced last"),
    sa.Index("reward_customer", "customer"),
    sa.Index("reward_due", "partition", "due_at", postgresql_where=sa.text("due_at IS NOT NULL")),
    _one_of("side", rewards.Side),
    _one_of("state", rewards.RewardState),
)

posting = sa.Table(
    "posting",
    metadata,
    sa.Column("id", pg.UUID, primary_key=True),
    sa.Column("seq", sa.BigInteger, sa.Identity(always=True), nullable=False),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("claim_id", pg.UUID, nullable=False),
    sa.Column("side", sa.Text, nullable=False),
    sa.Column(
        "content", pg.UUID, nullable=False, comment="the same for everything that says the same"
    ),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("time", instant(), nullable=False),
    sa.Column("recorded_at", instant(), nullable=False),
    sa.Column(
        "cause", sa.Text, nullable=False, comment="the order, or source and id of what reversed it"
    ),
    sa.Column("cancels", pg.UUID, sa.ForeignKey("posting.id"), unique=True),
    sa.Column("counterpart", pg.UUID, unique=True, comment="the other posting of a transfer"),
    sa.Column(
        "entries",
        sa.Integer,
        nullable=False,
        comment="how many it was committed with: none is added later",
    ),
    sa.ForeignKeyConstraint(
        ["claim_id", "side", "customer"], ["reward.claim_id", "reward.side", "reward.customer"]
    ),
    sa.Index("posting_customer", "customer", "seq"),
    sa.Index("posting_reward", "claim_id", "side"),
    _one_of("kind", rewards.Kind),
    sa.CheckConstraint("entries >= 2"),
    sa.CheckConstraint("(kind = 'cancelled') = (cancels IS NOT NULL)"),
    sa.CheckConstraint("(kind = 'transferred') = (counterpart IS NOT NULL)"),
)

entry = sa.Table(
    "entry",
    metadata,
    sa.Column("posting_id", pg.UUID, sa.ForeignKey("posting.id"), primary_key=True),
    sa.Column("account", sa.Text, primary_key=True),
    sa.Column("customer", sa.Text, nullable=False),
    sa.Column("amount", sa.BigInteger, nullable=False, comment="minor units"),
    sa.Column("currency", sa.Text, primary_key=True),
    sa.Index("entry_customer", "customer"),
    _one_of("account", ledger.Account),
    sa.CheckConstraint("amount <> 0"),
)

idempotency = sa.Table(
    "idempotency",
    metadata,
    sa.Column("key", sa.Text, primary_key=True, comment="path and Idempotency-Key"),
    sa.Column("request", sa.Text, nullable=False, comment="the body that came with it first"),
    sa.Column("claim_id", pg.UUID, sa.ForeignKey("claim.id")),
)
