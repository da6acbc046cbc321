"""The core tables; members, merges, codes, orders, claims, rewards; a ledger that guards itself."""

from typing import Final

from alembic import op

from shared.database.connection import role
from shared.database.migrations import CORE_V1, execute

revision = "0001"
down_revision = None

SCRIPT: Final = """
CREATE TABLE member (
    customer text PRIMARY KEY,
    has_claims boolean NOT NULL DEFAULT false,
    parked text
) WITH (fillfactor = 70);
COMMENT ON COLUMN member.customer IS 'the row to lock before a customer is changed';
COMMENT ON COLUMN member.has_claims IS 'as a referee';
COMMENT ON COLUMN member.parked
    IS 'why this customer is not judged for now; null while there is no reason';
CREATE TABLE merge (
    customer text,
    event_key bigint,
    time timestamptz NOT NULL,
    source text NOT NULL,
    event_id text NOT NULL,
    into_id text,
    PRIMARY KEY (customer, event_key)
);
COMMENT ON COLUMN merge.event_key IS 'hash of source and id';
COMMENT ON COLUMN merge.into_id IS 'null if the event ends a merge';
CREATE INDEX merge_into ON merge (into_id);
CREATE TABLE code (
    code text PRIMARY KEY,
    customer text UNIQUE REFERENCES member,
    issued_at timestamptz,
    CHECK ((customer IS NULL) = (issued_at IS NULL))
);
COMMENT ON COLUMN code.customer IS 'whose it is; null while it was only named';
CREATE TABLE pending_advocate (
    customer text PRIMARY KEY,
    since timestamptz NOT NULL
);
COMMENT ON COLUMN pending_advocate.customer
    IS 'an advocate by a correction whose last part has not come yet';
CREATE TABLE order_event (
    customer text,
    source text,
    id text,
    kind text NOT NULL
        CHECK (kind IN ('order.completed', 'order.updated', 'order.refunded',
                        'order.refund_withdrawn', 'order.cancelled')),
    time timestamptz NOT NULL,
    order_id text NOT NULL,
    store text,
    amount bigint,
    currency text,
    refund_id text,
    replacement_of text,
    return_window_days integer,
    historical boolean NOT NULL,
    PRIMARY KEY (customer, source, id),
    CHECK ((amount IS NULL) = (currency IS NULL))
);
COMMENT ON COLUMN order_event.store IS 'null: the source';
COMMENT ON COLUMN order_event.replacement_of IS 'the order that a replacement is for';
COMMENT ON COLUMN order_event.amount IS 'minor units: total, or what was refunded';
CREATE TABLE claim (
    id uuid PRIMARY KEY,
    referee text NOT NULL REFERENCES member,
    source text NOT NULL,
    event text NOT NULL,
    time timestamptz NOT NULL,
    code text NOT NULL,
    recommender text,
    terms jsonb NOT NULL,
    expires_at timestamptz NOT NULL,
    state text NOT NULL
        CHECK (state IN ('accepted', 'superseded', 'expired', 'refused', 'qualified',
                         'unqualified')),
    reason text,
    order_id text,
    answers integer NOT NULL DEFAULT 0,
    revision integer NOT NULL DEFAULT 0,
    facts jsonb,
    answer text,
    recorded_at timestamptz NOT NULL,
    UNIQUE (referee, source, event)
) WITH (fillfactor = 70);
COMMENT ON COLUMN claim.recommender IS 'whose code it is; null while nobody''s';
COMMENT ON COLUMN claim.terms IS 'those in force when it was recorded';
COMMENT ON COLUMN claim.order_id IS 'the first order, once it has decided';
COMMENT ON COLUMN claim.answers IS 'how many have been announced; 0: it has not been judged yet';
COMMENT ON COLUMN claim.revision IS 'how often the facts of its rewards have changed';
COMMENT ON COLUMN claim.facts IS 'what both rewards depend on; null: nothing is earned';
COMMENT ON COLUMN claim.answer
    IS 'the reason for which it was refused when recorded; null if it was not';
CREATE INDEX claim_waiting ON claim (code) WHERE recommender IS NULL;
CREATE TABLE reward (
    claim_id uuid,
    side text CHECK (side IN ('recommender', 'referee')),
    customer text REFERENCES member,
    earner text NOT NULL,
    partition integer NOT NULL,
    revision integer NOT NULL,
    facts jsonb,
    state text NOT NULL CHECK (state IN ('pending', 'available', 'reversed', 'annulled')),
    as_of timestamptz NOT NULL,
    due_at timestamptz,
    since timestamptz NOT NULL,
    moved boolean NOT NULL DEFAULT false,
    told jsonb,
    announced jsonb,
    PRIMARY KEY (claim_id, side, customer)
) WITH (fillfactor = 70);
COMMENT ON COLUMN reward.earner IS 'the reward is owed to the survivor of this id';
COMMENT ON COLUMN reward.moved
    IS 'whether it is owed to somebody else by now, who was sent the balance';
COMMENT ON COLUMN reward.since IS 'the time of the event that made the outcome what it is';
COMMENT ON COLUMN reward.told IS 'what was announced last of the recommendation''s outcome';
COMMENT ON COLUMN reward.announced IS 'the facts by which the balance was announced last';
COMMENT ON COLUMN reward.revision IS 'of the facts; a lower one that arrives later is ignored';
COMMENT ON COLUMN reward.facts IS 'null: not earned after all';
COMMENT ON COLUMN reward.as_of IS 'the ledger holds its movements until then';
COMMENT ON COLUMN reward.due_at IS 'when it becomes available; null if it is or never will';
CREATE INDEX reward_customer ON reward (customer);
CREATE INDEX reward_due ON reward (partition, due_at) WHERE due_at IS NOT NULL;
CREATE TABLE posting (
    id uuid PRIMARY KEY,
    seq bigint GENERATED ALWAYS AS IDENTITY,
    customer text NOT NULL,
    claim_id uuid NOT NULL,
    side text NOT NULL,
    content uuid NOT NULL,
    kind text NOT NULL
        CHECK (kind IN ('earned', 'matured', 'reversed', 'restored', 'cancelled', 'transferred')),
    time timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    cause text NOT NULL,
    cancels uuid UNIQUE REFERENCES posting,
    counterpart uuid UNIQUE,
    entries integer NOT NULL CHECK (entries >= 2),
    CHECK ((kind = 'cancelled') = (cancels IS NOT NULL)),
    CHECK ((kind = 'transferred') = (counterpart IS NOT NULL)),
    FOREIGN KEY (claim_id, side, customer) REFERENCES reward
);
COMMENT ON COLUMN posting.content IS 'the same for everything that says the same';
COMMENT ON COLUMN posting.cause IS 'the order, or source and id of what reversed it';
COMMENT ON COLUMN posting.counterpart IS 'the other posting of a transfer';
COMMENT ON COLUMN posting.entries IS 'how many it was committed with: none is added later';
CREATE INDEX posting_reward ON posting (claim_id, side);
CREATE INDEX posting_customer ON posting (customer, seq);
CREATE TABLE entry (
    posting_id uuid REFERENCES posting,
    account text CHECK (account IN ('customer:pending', 'customer:available', 'program:expense',
                                    'program:clearing')),
    customer text NOT NULL,
    amount bigint NOT NULL CHECK (amount <> 0),
    currency text,
    PRIMARY KEY (posting_id, account, currency)
);
COMMENT ON COLUMN entry.amount IS 'minor units';
CREATE INDEX entry_customer ON entry (customer);
CREATE TABLE idempotency (
    key text PRIMARY KEY,
    request text NOT NULL,
    claim_id uuid REFERENCES claim
);
COMMENT ON COLUMN idempotency.key IS 'path and Idempotency-Key';
COMMENT ON COLUMN idempotency.request IS 'the body that came with it first';
"""

BALANCED: Final = """
CREATE FUNCTION must_balance() RETURNS trigger LANGUAGE plpgsql
SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    touched uuid = to_jsonb(NEW)
        ->> CASE TG_TABLE_NAME WHEN 'posting' THEN 'id' ELSE 'posting_id' END;
    wrong text;
BEGIN
    SELECT concat_ws(', ',
        CASE WHEN count(e.posting_id) <> p.entries
            THEN format('%s entries instead of %s', count(e.posting_id), p.entries) END,
        CASE WHEN bool_or(e.customer <> p.customer) THEN 'another customer' END,
        CASE WHEN count(DISTINCT e.currency) > 1 THEN 'several currencies' END,
        CASE WHEN sum(e.amount) <> 0 THEN format('a sum of %s', sum(e.amount)) END)
    INTO wrong
    FROM referral.posting AS p LEFT JOIN referral.entry AS e ON e.posting_id = p.id
    WHERE p.id = touched GROUP BY p.id;
    IF wrong <> '' THEN
        RAISE EXCEPTION 'posting % does not balance: %', touched, wrong
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END IF;
    RETURN NULL;
END $$
"""
"""Its names are those of the schema, whatever tables a session makes for itself."""

APPEND_ONLY: Final = """
CREATE FUNCTION must_only_grow() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the ledger is append-only: % of % is refused', TG_OP, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation';
END $$
"""


def upgrade() -> None:
    execute(op, CORE_V1 + SCRIPT)
    op.execute(f"REVOKE UPDATE, DELETE ON posting, entry FROM {role('referral')}")
    op.execute(BALANCED)
    op.execute(APPEND_ONLY)
    for table in ("posting", "entry"):
        op.execute(
            f"CREATE CONSTRAINT TRIGGER {table}_balances AFTER INSERT ON {table} "
            "DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION must_balance()"
        )
        op.execute(
            f"CREATE TRIGGER {table}_only_grows BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION must_only_grow()"
        )


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing before it")
