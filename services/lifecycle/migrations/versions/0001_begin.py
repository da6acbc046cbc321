"""Create everything: ownership, outbox, customers, events, transitions, policies, simulations."""

from alembic import op

from shared.database.migrations import CORE_V1, execute

revision = "0001"
down_revision = None

PHASES = (
    "('prospect', 'new', 'established', 'advocate', 'at_risk', 'inactive', 'former', 'won_back')"
)
EVENT_PARTITIONS = 8
VOICES = ", ".join(
    f"'{name}'"
    for name in (
        "feedback.submitted",
        "complaint.opened",
        "complaint.answered",
        "complaint.resolved",
        "inquiry.opened",
        "inquiry.answered",
        "contract.concluded",
        "contract.renewed",
        "contract.cancelled",
        "customer.closed",
        "referral.succeeded",
        "referral.annulled",
        "customer.signed_up",
        "session.signed_in",
        "page.viewed",
        "message.opened",
        "message.clicked",
        "engagement.recorded",
        "checkout.started",
        "product.activated",
        "product.used",
        "newsletter.subscribed",
    )
)

SCRIPT = f"""
CREATE TABLE customer (
    customer text,
    partition integer NOT NULL,
    phase text CONSTRAINT customer_phase CHECK (phase IN {PHASES}),
    version bigint NOT NULL CONSTRAINT customer_version CHECK (version >= 0),
    state json NOT NULL,
    parked text,
    merged_into text,
    merges json,
    key bigint NOT NULL,
    signed_up_at timestamptz,
    activated_at timestamptz,
    account text CONSTRAINT customer_account CHECK (account IN ('b2c', 'b2b')),
    since timestamptz,
    first_order_at timestamptz,
    causes text[] NOT NULL DEFAULT '{{}}',
    value bigint NOT NULL DEFAULT 0,
    currency text,
    magnitude smallint NOT NULL DEFAULT 0,
    PRIMARY KEY (customer) INCLUDE (partition)
) WITH (fillfactor = 70);
COMMENT ON COLUMN customer.phase IS 'null: only events so far that create no customer';
COMMENT ON COLUMN customer.version IS 'records published for this customer';
COMMENT ON COLUMN customer.state IS 'as folded';
COMMENT ON COLUMN customer.parked IS
    'why this customer''s events wait in the dead letters; null while they do not';
COMMENT ON COLUMN customer.merged_into IS 'the customer who stays; this one''s events go on to it';
COMMENT ON COLUMN customer.merges IS
    'its latest merge or unmerge; merges into it that ended';
COMMENT ON COLUMN customer.key IS 'hash of the customer, as its events have it';
COMMENT ON COLUMN customer.signed_up_at IS 'of the state: the first sign-up';
COMMENT ON COLUMN customer.activated_at IS 'of the state: the first product put to use';
COMMENT ON COLUMN customer.since IS 'when the phase was entered';
COMMENT ON COLUMN customer.causes IS 'why the customer is at risk; empty otherwise';
COMMENT ON COLUMN customer.value IS 'minor units: lifetime revenue in the currency of most of it';
COMMENT ON COLUMN customer.magnitude IS
    'pairs of binary digits of the value: seldom changes, so it can be indexed';
CREATE INDEX customer_of_key ON customer (key);
CREATE INDEX customer_of_phase ON customer (phase, customer) INCLUDE (key);
CREATE INDEX customer_of_since ON customer (phase, since);
CREATE INDEX customer_of_account ON customer (account, customer)
    INCLUDE (key) WHERE account IS NOT NULL;
CREATE INDEX customer_of_magnitude ON customer (magnitude, customer);
CREATE INDEX customer_of_cause ON customer USING gin (causes) WHERE causes <> '{{}}';
CREATE TABLE event (
    customer_key bigint,
    event_key bigint,
    order_key bigint,
    time timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    type text NOT NULL,
    amount bigint,
    currency text,
    body bytea NOT NULL,
    PRIMARY KEY (customer_key, event_key)
) PARTITION BY HASH (customer_key);
CREATE INDEX event_sold ON event (time) INCLUDE (customer_key, order_key, amount, currency)
    WHERE type = 'order.completed';
CREATE INDEX event_voiced ON event (type, time) INCLUDE (customer_key) WHERE type IN ({VOICES});
COMMENT ON COLUMN event.customer_key IS 'hash of the customer';
COMMENT ON COLUMN event.event_key IS
    'hash of source and id, and of the customer it was sent for if that is another';
COMMENT ON COLUMN event.order_key IS 'hash of the order that it names';
COMMENT ON COLUMN event.type IS 'what has happened, as the record says';
COMMENT ON COLUMN event.amount IS
    'minor units: the total of an order, or what of it is undone (null: all)';
COMMENT ON COLUMN event.body IS 'the record as it was read';
CREATE TABLE order_version (
    customer_key bigint,
    order_key bigint,
    store_key bigint,
    at timestamptz,
    bought_at timestamptz NOT NULL,
    amount bigint NOT NULL,
    currency text NOT NULL,
    stands boolean NOT NULL,
    PRIMARY KEY (customer_key, order_key, store_key, at)
);
COMMENT ON TABLE order_version IS
    'what orders were and are once they are more than one plain purchase';
COMMENT ON COLUMN order_version.order_key IS 'hash of the id, as its events have it';
COMMENT ON COLUMN order_version.store_key IS 'hash of the store';
COMMENT ON COLUMN order_version.at IS 'from here to the next version';
COMMENT ON COLUMN order_version.amount IS 'minor units: what is left';
COMMENT ON COLUMN order_version.stands IS 'a purchase that is not undone';
CREATE INDEX order_version_bought ON order_version (bought_at);
CREATE TABLE remark (
    customer_key bigint,
    event_key bigint,
    reason text NOT NULL,
    waits boolean NOT NULL,
    PRIMARY KEY (customer_key, event_key)
);
COMMENT ON TABLE remark IS 'stored events that have had no effect, and why, as last folded';
COMMENT ON COLUMN remark.waits IS 'until its order is known';
CREATE TABLE transition (
    customer text,
    version bigint,
    position integer,
    from_phase text CONSTRAINT transition_from_phase CHECK (from_phase IN {PHASES}),
    to_phase text NOT NULL CONSTRAINT transition_to_phase CHECK (to_phase IN {PHASES}),
    rule text NOT NULL,
    occurred_at timestamptz NOT NULL,
    withdrawn bigint,
    recorded_at timestamptz NOT NULL,
    withdrawn_at timestamptz,
    since timestamptz,
    body bytea NOT NULL,
    PRIMARY KEY (customer, version, position),
    CONSTRAINT transition_withdrawn_at CHECK ((withdrawn IS NULL) = (withdrawn_at IS NULL))
);
COMMENT ON COLUMN transition.withdrawn IS 'version of the correction that voided it';
COMMENT ON COLUMN transition.recorded_at IS 'the clock when it was recorded';
COMMENT ON COLUMN transition.withdrawn_at IS 'the clock when it was voided';
COMMENT ON COLUMN transition.since IS 'when the phase that was left had been entered';
COMMENT ON COLUMN transition.body IS 'the transition as published, as JSON';
CREATE UNIQUE INDEX transition_current ON transition (customer, position) WHERE withdrawn IS NULL;
CREATE INDEX transition_at ON transition (occurred_at)
    INCLUDE (customer, position, from_phase, to_phase, since)
    WHERE withdrawn IS NULL;
CREATE TABLE flow (
    day date,
    from_phase text,
    to_phase text,
    rule text,
    account text,
    partition integer,
    n bigint NOT NULL,
    PRIMARY KEY (day, from_phase, to_phase, rule, account, partition)
);
COMMENT ON TABLE flow IS 'current transitions by UTC day';
COMMENT ON COLUMN flow.from_phase IS 'empty: not yet known';
COMMENT ON COLUMN flow.account IS 'what the customers are now; empty: not known';
CREATE TABLE tally (
    day date,
    what text CONSTRAINT tally_what CHECK (what IN ('cause', 'hint', 'signed_up', 'activated')),
    name text,
    partition integer,
    n bigint NOT NULL,
    PRIMARY KEY (day, what, name, partition)
);
COMMENT ON TABLE tally IS
    'by UTC day: moves to at_risk by the kind of their causes; hints;'
    ' those in a phase of whom a fact holds';
CREATE TABLE restated (
    partition integer,
    day date,
    number bigint NOT NULL DEFAULT 1,
    at timestamptz NOT NULL,
    PRIMARY KEY (partition, day)
);
COMMENT ON TABLE restated IS 'days that were over when something of them changed';
COMMENT ON COLUMN restated.number IS 'how many batches have changed it';
COMMENT ON COLUMN restated.at IS 'the clock of the last';
CREATE TABLE figure (
    name text,
    begins date,
    ends date,
    account text,
    value json NOT NULL,
    stamp bigint NOT NULL,
    computed_at timestamptz NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (name, begins, ends, account)
);
COMMENT ON COLUMN figure.stamp IS
    'sum of restated.number of all days before the end when it was computed';
COMMENT ON COLUMN figure.asked_at IS 'within a day; -infinity: computed ahead';
CREATE TABLE pattern (topic text, week date, PRIMARY KEY (topic, week));
COMMENT ON TABLE pattern IS 'complaint patterns that were published, by the Monday of the week';
CREATE TABLE change (
    partition integer,
    seq bigint,
    customer text NOT NULL,
    recorded_at timestamptz NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (partition, seq)
);
COMMENT ON TABLE change IS 'published transitions and corrections, in the order of their partition';
COMMENT ON COLUMN change.recorded_at IS 'when Kafka had acknowledged it, by the wall clock';
CREATE TABLE change_floor (partition integer PRIMARY KEY, seq bigint NOT NULL);
COMMENT ON TABLE change_floor IS 'up to where changes were deleted, because they were too old';
CREATE TABLE hint (
    customer text,
    name text,
    occasion text,
    at timestamptz NOT NULL,
    PRIMARY KEY (customer, name, occasion)
);
CREATE INDEX hint_at ON hint (at) INCLUDE (name);
COMMENT ON COLUMN hint.occasion IS 'each is given once';
CREATE TABLE timer (
    customer text PRIMARY KEY,
    partition integer NOT NULL,
    due_at timestamptz NOT NULL
)
    WITH (fillfactor = 70);
COMMENT ON COLUMN timer.due_at IS 'no deadline of the customer lies before';
CREATE INDEX timer_due ON timer (partition, due_at);
CREATE SEQUENCE schedule_number;
CREATE TABLE policy (
    name text,
    version integer CONSTRAINT policy_version CHECK (version >= 1),
    account text CONSTRAINT policy_account CHECK (account IN ('b2c', 'b2b')),
    document json NOT NULL,
    created_at timestamptz NOT NULL,
    PRIMARY KEY (name, version)
);
COMMENT ON COLUMN policy.account IS 'the kind of account that it judges; null: all';
COMMENT ON COLUMN policy.document IS 'every threshold, the defaults too; never changed';
COMMENT ON COLUMN policy.created_at IS 'the clock when it was stored';
CREATE TABLE activation (
    number bigint PRIMARY KEY,
    name text NOT NULL,
    version integer NOT NULL,
    at timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    from_file boolean NOT NULL DEFAULT false,
    FOREIGN KEY (name, version) REFERENCES policy (name, version)
);
COMMENT ON COLUMN activation.number IS 'of schedule_number';
COMMENT ON COLUMN activation.at IS 'what happens from here on is judged by the policy';
COMMENT ON COLUMN activation.made_at IS 'the clock when it was made';
COMMENT ON COLUMN activation.from_file IS 'a policy file asked';
CREATE TABLE fit (
    number bigint PRIMARY KEY,
    effective_at timestamptz NOT NULL,
    made_at timestamptz NOT NULL,
    accepted boolean NOT NULL,
    reason text,
    customers integer NOT NULL,
    repeats integer NOT NULL,
    parameters json NOT NULL,
    CONSTRAINT fit_reason CHECK (accepted = (reason IS NULL))
);
COMMENT ON COLUMN fit.number IS 'of schedule_number';
COMMENT ON COLUMN fit.effective_at IS 'purchases from here on are judged by it';
COMMENT ON COLUMN fit.reason IS 'why it was refused';
COMMENT ON COLUMN fit.customers IS 'customers that it was made from';
COMMENT ON COLUMN fit.repeats IS 'their repeat purchases';
COMMENT ON COLUMN fit.parameters IS 'the fit as the fold reads it';
CREATE TABLE rearming (
    partition integer PRIMARY KEY,
    target bigint NOT NULL,
    edition integer NOT NULL DEFAULT 0,
    after text NOT NULL DEFAULT '',
    done bigint NOT NULL DEFAULT 0,
    total bigint NOT NULL,
    finished boolean NOT NULL DEFAULT false
);
COMMENT ON COLUMN rearming.target IS 'the number that customers are being told of';
COMMENT ON COLUMN rearming.edition IS 'of the rules by which they are folded';
COMMENT ON COLUMN rearming.after IS 'customers up to this one know it';
CREATE TABLE simulation (
    id uuid PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    idempotency_key text UNIQUE,
    request text NOT NULL,
    policy json NOT NULL,
    begins timestamptz NOT NULL,
    ends timestamptz NOT NULL,
    account text CONSTRAINT simulation_account CHECK (account IN ('b2c', 'b2b')),
    state text NOT NULL DEFAULT 'queued'
        CONSTRAINT simulation_state
        CHECK (state IN ('queued', 'running', 'done', 'failed', 'cancelled')),
    done bigint NOT NULL DEFAULT 0,
    total bigint,
    events bigint NOT NULL DEFAULT 0,
    reason text,
    report json,
    created_at timestamptz NOT NULL,
    started_at timestamptz,
    ended_at timestamptz,
    CONSTRAINT simulation_span CHECK (begins < ends),
    CONSTRAINT simulation_reason CHECK ((state = 'failed') = (reason IS NOT NULL)),
    CONSTRAINT simulation_report CHECK ((state = 'done') = (report IS NOT NULL)),
    CONSTRAINT simulation_ended CHECK ((state IN ('queued', 'running')) = (ended_at IS NULL))
);
COMMENT ON COLUMN simulation.request IS 'the body that came with the key first';
COMMENT ON COLUMN simulation.policy IS 'the candidate';
COMMENT ON COLUMN simulation.begins IS 'the candidate judges from here on';
COMMENT ON COLUMN simulation.ends IS 'no later than the clock when it was asked for';
COMMENT ON COLUMN simulation.account IS 'only customers of this kind; null: all';
COMMENT ON COLUMN simulation.done IS 'customers';
COMMENT ON COLUMN simulation.total IS 'customers; null until they have been counted';
COMMENT ON COLUMN simulation.events IS 'folded so far';
COMMENT ON COLUMN simulation.reason IS 'why it failed';
COMMENT ON COLUMN simulation.created_at IS 'by the wall clock, as the two below';
CREATE INDEX simulation_open ON simulation (number) WHERE ended_at IS NULL;
"""


def upgrade() -> None:
    execute(op, CORE_V1 + SCRIPT)
    for n in range(EVENT_PARTITIONS):
        op.execute(
            f"CREATE TABLE event_{n} PARTITION OF event"
            f" FOR VALUES WITH (MODULUS {EVENT_PARTITIONS}, REMAINDER {n})"
        )


def downgrade() -> None:
    raise NotImplementedError("the first version has nothing before it")
