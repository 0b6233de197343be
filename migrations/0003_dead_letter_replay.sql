-- Sending dead letters again, and late events beside the others.

-- One row per sending of a letter; the letter itself is kept as it was. A row is committed before
-- its letter is sent, together with where the target's log ended, so that after a crash the target
-- can be searched from there: the letter arrived, or it did not. Rows are not bound to
-- dead_letters by a foreign key: that table can be emptied without asking this one.
CREATE TABLE dead_letter_replays (
    topic               TEXT    NOT NULL,           -- the letter
    generation          INTEGER NOT NULL,
    partition           INTEGER NOT NULL,
    "offset"            BIGINT  NOT NULL,
    attempt             INTEGER NOT NULL CHECK (attempt > 0), -- counts through letters that died again
    state               TEXT    NOT NULL CHECK (state IN ('replaying', 'replayed')),
    target              TEXT    NOT NULL,           -- topic that it is sent to
    target_ends         JSONB   NOT NULL,           -- [[partition, end of its log before], …]
    corrected_payload   BYTEA,                      -- sent in place of the letter's own; NULL: its own was sent
    replayed_by         TEXT    NOT NULL,           -- who, for the record
    started_at          TIMESTAMP NOT NULL DEFAULT now(),
    replayed_at         TIMESTAMP,                  -- when it was known to have arrived
    PRIMARY KEY (topic, generation, partition, "offset", attempt),
    CHECK ((state = 'replayed') = (replayed_at IS NOT NULL))
);
-- What an interrupted run left; nearly always empty.
CREATE INDEX dead_letter_replays_interrupted ON dead_letter_replays (topic) WHERE state = 'replaying';

-- The name under which replays of this database speak to Kafka. A broker refuses the former
-- speaker once a new one has come: a replay taken for dead can't send any more.
CREATE TABLE replay_identity (
    only_row            BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    transactional_id    TEXT    NOT NULL
);
INSERT INTO replay_identity (transactional_id) VALUES ('dead-letter-replay-' || gen_random_uuid());

-- Lists go by time.
CREATE INDEX dead_letters_stored_at ON dead_letters (stored_at);

-- What real_time_metrics would hold had no event been late: the same columns, one row per key for
-- our own rows and late_metrics together. Rows that others inserted appear as they are, so one key
-- may have such a row besides. Conditions on window_start, event_type and region reach the tables.
CREATE VIEW metrics_with_late AS
SELECT window_start, window_end, event_type,
       SUM(event_count)::bigint AS event_count,
       SUM(total_duration)::bigint AS total_duration,
       SUM(exact_data_mb)::double precision AS total_data_mb,
       SUM(exact_amount)::double precision AS total_amount,
       region,
       MAX(processed_at) AS processed_at
FROM (
    SELECT window_start, window_end, event_type, event_count, total_duration,
           exact_data_mb, exact_amount, region, processed_at
    FROM real_time_metrics WHERE own
    UNION ALL
    SELECT window_start, window_end, event_type, event_count, total_duration,
           exact_data_mb, exact_amount, region, processed_at
    FROM late_metrics
) counted
GROUP BY window_start, window_end, event_type, region
UNION ALL
SELECT window_start, window_end, event_type, event_count, total_duration,
       total_data_mb, total_amount, region, processed_at
FROM real_time_metrics WHERE NOT own;
