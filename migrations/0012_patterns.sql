-- Rules over what one subscriber did lately (docs/rules.md): which are on, since where, what they found and what
-- they may have missed. What they remember is nowhere stored: it is built again from the log
-- (docs/decisions/0012-patterns-rebuilt-from-the-log.md).
--
-- Programs of before go on: they move positions and leave patterns_through behind, and the next owner writes
-- down what they moved over.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (12, 6);

ALTER TABLE stream_progress
    -- Up to here rules were judged, or pattern_gaps says that they were not; NULL: rules were never on.
    ADD COLUMN patterns_through BIGINT;

-- Each time that rules were put on, or off; the newest row counts.
CREATE TABLE rule_sets (
    id                      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rules                   TEXT,                   -- the file; NULL: rules are off from here on
    towers                  TEXT,                   -- the table of towers that the file names, as CSV
    applied_by              TEXT NOT NULL,          -- user@host:process
    applied_at              TIMESTAMP NOT NULL DEFAULT now()
);

-- From where on a rule of such a set is judged. Written in the transaction that raises every epoch. A partition or a
-- generation that has no row began later: it is judged from its first offset on.
CREATE TABLE rule_spans (
    rule_set                BIGINT NOT NULL REFERENCES rule_sets,
    rule                    TEXT NOT NULL,
    version                 INTEGER NOT NULL,
    topic                   TEXT NOT NULL,
    generation              INTEGER NOT NULL,
    partition               INTEGER NOT NULL,
    from_offset             BIGINT NOT NULL,
    PRIMARY KEY (rule_set, topic, generation, partition, rule)
);

-- Places in the log, one per partition and quarter of an hour of event time, and where the watermark delay changed: from
-- which on a log can be read again so that what comes of it is what was counted.
CREATE TABLE log_marks (
    topic                   TEXT NOT NULL,
    generation              INTEGER NOT NULL,
    partition               INTEGER NOT NULL,
    "offset"                BIGINT NOT NULL,        -- the record before which the mark stands
    quarter_start           TIMESTAMP NOT NULL,     -- that this record was the first to reach
    -- Of the records before it:
    max_event_time          TIMESTAMP,              -- the highest event time
    watermark               TIMESTAMP,              -- the watermark by which the record was judged
    on_time                 BIGINT NOT NULL,        -- events counted on time, in this generation
    late                    BIGINT NOT NULL,        -- and late
    watermark_delay_us      BIGINT NOT NULL,        -- how far the watermark stays behind from here on
    PRIMARY KEY (topic, generation, partition, "offset")
);

-- Where rules may have missed something.
CREATE TABLE pattern_gaps (
    id                      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic                   TEXT NOT NULL,
    generation              INTEGER NOT NULL,
    partition               INTEGER NOT NULL,
    from_offset             BIGINT NOT NULL,        -- from this record on
    to_offset               BIGINT,                 -- to before this one; NULL: as long as windows begin before complete_after
    complete_after          TIMESTAMP,              -- events up to this time may be missing
    blind_until             TIMESTAMP,              -- from this event time on all rules are judged again
    reason                  TEXT NOT NULL,          -- not_judged, retention, another_log, memory, off
    -- off: an operator has put the partition's rules off; until to_offset is set, they are.
    put_off_by              TEXT,                   -- user@host:process
    put_off_because         TEXT,
    CHECK (reason <> 'off' OR put_off_because IS NOT NULL),
    stored_at               TIMESTAMP NOT NULL DEFAULT now()
);

-- One rule's hits of one subscriber in one bucket, in one partition: so no two writers share a row, and evidence does not depend
-- on who was first.
CREATE TABLE persons.alerts (
    id                      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    rule                    TEXT NOT NULL,
    version                 INTEGER NOT NULL,
    mode                    TEXT NOT NULL CHECK (mode IN ('shadow', 'live')),
    subscriber_id           TEXT NOT NULL,          -- as the events name them: a pseudonym
    bucket_start            TIMESTAMP NOT NULL,
    bucket_seconds          BIGINT NOT NULL,
    topic                   TEXT NOT NULL,
    generation              INTEGER NOT NULL,
    partition               INTEGER NOT NULL,
    hits                    BIGINT NOT NULL CHECK (hits > 0),
    -- The first hit's; it never changes.
    window_start            TIMESTAMP NOT NULL,     -- events after this …
    window_end              TIMESTAMP NOT NULL,     -- … up to this
    measures                JSONB NOT NULL,         -- [[value, "at_least" or "at_most", threshold], …], as the rule's conditions stand
    offsets                 BIGINT[] NOT NULL,      -- of up to ten records
    first_stored_at         TIMESTAMP NOT NULL DEFAULT now(),
    updated_at              TIMESTAMP NOT NULL DEFAULT now(),
    UNIQUE (rule, version, subscriber_id, bucket_start, topic, generation, partition)
) WITH (fillfactor = 70);

-- By whom, of whom and when: cases, the allowlist.
CREATE INDEX alerts_by_subscriber ON persons.alerts (subscriber_id, rule);

-- What the fraud desk has decided about a case: about one rule's alerts of one subscriber up to this one.
CREATE TABLE persons.verdicts (
    id                      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscriber_id           TEXT NOT NULL,
    rule                    TEXT NOT NULL,
    through_alert           BIGINT NOT NULL,        -- persons.alerts.id; what comes later is a new case
    verdict                 TEXT NOT NULL CHECK (verdict IN ('confirmed', 'dismissed')),
    reason                  TEXT NOT NULL,
    decided_by              TEXT NOT NULL,          -- who, for the record
    decided_at              TIMESTAMP NOT NULL DEFAULT now(),
    UNIQUE (subscriber_id, rule, through_alert)
);

-- Subscribers of whom nobody wants to hear: call centres, test numbers. Their alerts are stored as all others.
CREATE TABLE persons.allowlist (
    id                      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subscriber_id           TEXT NOT NULL,
    rule                    TEXT,                   -- NULL: for all rules
    reason                  TEXT NOT NULL,
    allowed_by              TEXT NOT NULL,
    allowed_at              TIMESTAMP NOT NULL DEFAULT now(),
    allowed_until           TIMESTAMP NOT NULL,     -- and no longer
    CHECK (allowed_until > allowed_at)
);
CREATE INDEX allowlist_by_subscriber ON persons.allowlist (subscriber_id);

-- Cases: the alerts of one rule and one subscriber, of all its versions, partitions and buckets, up to a verdict. A case without a verdict is
-- over 30 days after its last hit.
CREATE VIEW persons.fraud_cases AS
SELECT min(a.id) AS id, max(a.id) AS through_alert, a.subscriber_id, a.rule, max(a.version) AS version,
       CASE WHEN bool_or(a.mode = 'live') THEN 'live' ELSE 'shadow' END AS mode,
       CASE WHEN max(v.verdict) IS NOT NULL THEN max(v.verdict)
            WHEN bool_or(w.is_allowed) THEN 'allowed'
            WHEN max(a.updated_at) < now() - INTERVAL '30 days' THEN 'expired'
            ELSE 'open' END AS state,
       count(*) AS alerts, sum(a.hits)::bigint AS hits,
       min(a.window_end) AS first_hit, max(a.bucket_start) AS last_bucket,
       min(a.first_stored_at) AS opened_at, max(a.updated_at) AS updated_at,
       max(v.reason) AS reason, max(v.decided_by) AS decided_by, max(v.decided_at) AS decided_at
FROM persons.alerts a
LEFT JOIN LATERAL (
    SELECT * FROM persons.verdicts
    WHERE subscriber_id = a.subscriber_id AND rule = a.rule AND through_alert >= a.id
    ORDER BY through_alert LIMIT 1) AS v ON true
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM persons.allowlist l
                   WHERE l.subscriber_id = a.subscriber_id AND COALESCE(l.rule, a.rule) = a.rule
                     AND now() < l.allowed_until) AS is_allowed) AS w
GROUP BY a.subscriber_id, a.rule, v.id;
