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

COMMENT ON COLUMN stream_progress.patterns_through IS 'Up to here rules were judged, or pattern_gaps says that they were not; NULL: rules were never on';
COMMENT ON TABLE rule_sets IS 'One row each time that rules were put on, or off; the newest counts';
COMMENT ON TABLE rule_spans IS 'One row per rule and partition: from where on a rule of a set is judged';
COMMENT ON TABLE log_marks IS 'Places in the log, one per partition and quarter of an hour: from which on it can be read again';
COMMENT ON TABLE pattern_gaps IS 'One row per stretch of the log in which rules may have missed something, and why';
COMMENT ON TABLE persons.alerts IS 'One row per rule, subscriber, bucket of time and partition: what a rule found';
COMMENT ON TABLE persons.verdicts IS 'One row per decision of the fraud desk about a case';
COMMENT ON TABLE persons.allowlist IS 'Subscribers whose alerts make no cases, until a day, and why';
COMMENT ON VIEW persons.fraud_cases IS 'One row per rule and subscriber: the alerts up to a verdict, and how the case stands';

DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT * FROM (VALUES
            ('rule_sets', 'id', 'Number of the set; the newest counts'),
            ('rule_sets', 'rules', 'The file of rules; NULL: rules are off from here on'),
            ('rule_sets', 'towers', 'The table of towers that the file names, as CSV'),
            ('rule_sets', 'applied_by', 'user@host:process'),
            ('rule_sets', 'applied_at', 'When, UTC'),
            ('rule_spans', 'rule_set', 'The row of rule_sets'),
            ('rule_spans', 'rule', 'Name of the rule'),
            ('rule_spans', 'version', 'Its version'),
            ('rule_spans', 'topic', 'Kafka topic'),
            ('rule_spans', 'generation', 'Which life of the topic'),
            ('rule_spans', 'partition', 'Kafka partition'),
            ('rule_spans', 'from_offset', 'First offset that it judges'),
            ('log_marks', 'topic', 'Kafka topic'),
            ('log_marks', 'generation', 'Which life of the topic'),
            ('log_marks', 'partition', 'Kafka partition'),
            ('log_marks', 'offset', 'The record before which the mark stands'),
            ('log_marks', 'quarter_start', 'Quarter of an hour of event time that this record was the first to reach, UTC'),
            ('log_marks', 'max_event_time', 'Highest event time before it, UTC'),
            ('log_marks', 'watermark', 'Watermark by which the record was judged, UTC'),
            ('log_marks', 'on_time', 'Events on time before it, in this generation'),
            ('log_marks', 'late', 'Late events before it, in this generation'),
            ('log_marks', 'watermark_delay_us', 'Watermark delay from here on, microseconds'),
            ('pattern_gaps', 'id', 'Number of the row'),
            ('pattern_gaps', 'topic', 'Kafka topic'),
            ('pattern_gaps', 'generation', 'Which life of the topic'),
            ('pattern_gaps', 'partition', 'Kafka partition'),
            ('pattern_gaps', 'from_offset', 'First offset concerned'),
            ('pattern_gaps', 'to_offset', 'End of it; NULL: as long as windows begin before complete_after'),
            ('pattern_gaps', 'complete_after', 'Events up to this time may be missing in windows, UTC'),
            ('pattern_gaps', 'blind_until', 'From this event time on all rules are judged again, UTC'),
            ('pattern_gaps', 'reason', 'not_judged, retention, another_log, memory or off'),
            ('pattern_gaps', 'put_off_by', 'Who put the rules off: user@host:process'),
            ('pattern_gaps', 'put_off_because', 'Why'),
            ('pattern_gaps', 'stored_at', 'When, UTC'),
            ('persons.alerts', 'id', 'Rises in the order of COMMIT: a follower reads WHERE id > its last'),
            ('persons.alerts', 'rule', 'Name of the rule'),
            ('persons.alerts', 'version', 'Its version'),
            ('persons.alerts', 'mode', 'shadow: nobody is to act on it; live'),
            ('persons.alerts', 'subscriber_id', 'Pseudonym, as the events name them'),
            ('persons.alerts', 'bucket_start', 'Start of the bucket of event time, UTC'),
            ('persons.alerts', 'bucket_seconds', 'Its length'),
            ('persons.alerts', 'topic', 'Kafka topic'),
            ('persons.alerts', 'generation', 'Which life of the topic'),
            ('persons.alerts', 'partition', 'Kafka partition'),
            ('persons.alerts', 'hits', 'How many events met the rule in the bucket'),
            ('persons.alerts', 'window_start', 'Of the first hit: events after this, UTC'),
            ('persons.alerts', 'window_end', 'Of the first hit: up to this, UTC'),
            ('persons.alerts', 'measures', 'Of the first hit: [[value, at_least or at_most, threshold], …]'),
            ('persons.alerts', 'offsets', 'Of the first hit: offsets of up to ten of its records'),
            ('persons.alerts', 'first_stored_at', 'When the first hit was stored, UTC'),
            ('persons.alerts', 'updated_at', 'When the last one was, UTC'),
            ('persons.verdicts', 'id', 'Number of the row'),
            ('persons.verdicts', 'subscriber_id', 'Pseudonym'),
            ('persons.verdicts', 'rule', 'Name of the rule'),
            ('persons.verdicts', 'through_alert', 'Alerts up to this number are decided; what comes later is a new case'),
            ('persons.verdicts', 'verdict', 'confirmed or dismissed'),
            ('persons.verdicts', 'reason', 'Why'),
            ('persons.verdicts', 'decided_by', 'By whom'),
            ('persons.verdicts', 'decided_at', 'When, UTC'),
            ('persons.allowlist', 'id', 'Number of the row'),
            ('persons.allowlist', 'subscriber_id', 'Pseudonym'),
            ('persons.allowlist', 'rule', 'Name of the rule; NULL: all rules'),
            ('persons.allowlist', 'reason', 'Why'),
            ('persons.allowlist', 'allowed_by', 'By whom'),
            ('persons.allowlist', 'allowed_at', 'When, UTC'),
            ('persons.allowlist', 'allowed_until', 'And no longer, UTC'),
            ('persons.fraud_cases', 'id', 'Number of its first alert'),
            ('persons.fraud_cases', 'through_alert', 'Number of its last alert'),
            ('persons.fraud_cases', 'subscriber_id', 'Pseudonym'),
            ('persons.fraud_cases', 'rule', 'Name of the rule'),
            ('persons.fraud_cases', 'version', 'Its newest version among the alerts'),
            ('persons.fraud_cases', 'mode', 'live if one alert is'),
            ('persons.fraud_cases', 'state', 'open, confirmed, dismissed, allowed or expired'),
            ('persons.fraud_cases', 'alerts', 'Number of alerts'),
            ('persons.fraud_cases', 'hits', 'Sum of their hits'),
            ('persons.fraud_cases', 'first_hit', 'Event time of the first hit, UTC'),
            ('persons.fraud_cases', 'last_bucket', 'Start of the newest bucket, UTC'),
            ('persons.fraud_cases', 'opened_at', 'When its first alert was stored, UTC'),
            ('persons.fraud_cases', 'updated_at', 'When its last hit was stored, UTC'),
            ('persons.fraud_cases', 'reason', 'Why it was decided so'),
            ('persons.fraud_cases', 'decided_by', 'By whom'),
            ('persons.fraud_cases', 'decided_at', 'When, UTC')
        ) AS comments (of_table, of_column, text)
    LOOP
        EXECUTE format('COMMENT ON COLUMN %s.%I IS %L', one.of_table, one.of_column, one.text);
    END LOOP;
END $$;
