-- The pipeline's tables. Every TIMESTAMP here is UTC.
--
-- The database's own time zone becomes UTC so that NOW() and CURRENT_DATE compare rightly with
-- them in users' queries. Only the owner may set it; elsewhere users SET TIME ZONE 'UTC' themselves.
DO $$
BEGIN
    EXECUTE format('ALTER DATABASE %I SET timezone TO ''UTC''', current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE WARNING 'the time zone of database % could not be set to UTC: not its owner', current_database();
END $$;

-- What decides whether a record is on time, late or dead. One row: all workers use these, never
-- their own flags, so that a classification does not depend on who made it (I-3).
CREATE TABLE settings (
    only_row            BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    watermark_delay_ms  BIGINT  NOT NULL CHECK (watermark_delay_ms >= 0),
    max_future_skew_ms  BIGINT  NOT NULL CHECK (max_future_skew_ms >= 0),
    business_timezone   TEXT    NOT NULL,
    updated_at          TIMESTAMP NOT NULL DEFAULT now()
);

-- One row per life of a partition: how far it is read, and what became of every record (I-1).
CREATE TABLE stream_progress (
    topic               TEXT    NOT NULL,
    generation          INTEGER NOT NULL,           -- 0, 1, …: a recreated topic is the next one
    partition           INTEGER NOT NULL,
    first_offset        BIGINT  NOT NULL,           -- where we began
    next_offset         BIGINT  NOT NULL,           -- the position: the next offset to read
    epoch               BIGINT  NOT NULL DEFAULT 0, -- rises when deltas made before must not be stored any more
    watermark           TIMESTAMP,                  -- never goes back within a generation (I-4)
    max_event_time      TIMESTAMP,                  -- highest event time accepted so far
    on_time             BIGINT  NOT NULL DEFAULT 0,
    late                BIGINT  NOT NULL DEFAULT 0,
    dead                BIGINT  NOT NULL DEFAULT 0,
    gap                 BIGINT  NOT NULL DEFAULT 0, -- offsets an operator accepted as lost
    skipped             BIGINT  NOT NULL DEFAULT 0, -- offsets that never held a record for us
    -- The last record read, to recognise the log again: offset, record timestamp, CRC-32 of key and value.
    witness_offset      BIGINT,
    witness_timestamp_ms BIGINT,
    witness_crc         BIGINT,
    -- The first record read in this generation: it tells a truncated log from a recreated one.
    origin_offset       BIGINT,
    origin_timestamp_ms BIGINT,
    origin_crc          BIGINT,
    log_end_seen        BIGINT,                     -- highest end of the log ever seen: names a lost range
    caught_up_at        TIMESTAMP,                  -- at this time the broker had nothing left after next_offset
    complete_through    TIMESTAMP,                  -- estimate: all on-time events before this have been counted
    group_id            TEXT,                       -- who flushed last: consumer group …
    owner               TEXT,                       -- … and process
    halted_reason       TEXT,                       -- why it waits for an operator; NULL: it does not
    updated_at          TIMESTAMP NOT NULL DEFAULT now(),
    retired_at          TIMESTAMP,                  -- taken out by an operator
    PRIMARY KEY (topic, generation, partition),
    CHECK (next_offset >= first_offset)
) WITH (fillfactor = 70);                           -- room for HOT updates: this row changes every flush

-- The live table. First the contract's columns, then ours, which have defaults, so that an INSERT
-- with the contract's columns alone goes on working; such a row is not `own` and never meets an upsert.
CREATE TABLE real_time_metrics (
    window_start        TIMESTAMP,
    window_end          TIMESTAMP,
    event_type          VARCHAR(50),
    event_count         BIGINT,
    total_duration      BIGINT,                     -- seconds
    total_data_mb       DOUBLE PRECISION,
    total_amount        DOUBLE PRECISION,           -- tenge
    region              VARCHAR(100),
    processed_at        TIMESTAMP DEFAULT now(),
    exact_data_mb       NUMERIC NOT NULL DEFAULT 0, -- the DOUBLE beside it is set from this (I-5)
    exact_amount        NUMERIC NOT NULL DEFAULT 0,
    own                 BOOLEAN NOT NULL DEFAULT false,
    CONSTRAINT own_rows_are_whole CHECK (NOT own OR (
        window_start IS NOT NULL AND window_end IS NOT NULL AND event_type IS NOT NULL
        AND event_count IS NOT NULL AND total_duration IS NOT NULL AND region IS NOT NULL))
) WITH (fillfactor = 70);

-- The predicate is constant for a row, so updates stay HOT. No index on processed_at: it changes
-- with every update and would make HOT impossible.
CREATE UNIQUE INDEX real_time_metrics_own_key
    ON real_time_metrics (window_start, event_type, region) WHERE own;
-- Users' queries and the batcher select by time, foreign rows included.
CREATE INDEX real_time_metrics_window_start ON real_time_metrics (window_start);

-- Events whose window had closed when they came: the same columns, one row per key.
CREATE TABLE late_metrics (
    window_start        TIMESTAMP NOT NULL,
    window_end          TIMESTAMP NOT NULL,
    event_type          VARCHAR(50) NOT NULL,
    event_count         BIGINT NOT NULL,
    total_duration      BIGINT NOT NULL,
    total_data_mb       DOUBLE PRECISION NOT NULL,
    total_amount        DOUBLE PRECISION NOT NULL,
    region              VARCHAR(100) NOT NULL,
    processed_at        TIMESTAMP NOT NULL DEFAULT now(),
    exact_data_mb       NUMERIC NOT NULL,
    exact_amount        NUMERIC NOT NULL,
    PRIMARY KEY (window_start, event_type, region)
) WITH (fillfactor = 70);

-- Records that can't be used, whole, with their coordinates and the reason (I-7).
CREATE TABLE dead_letters (
    topic               TEXT    NOT NULL,
    generation          INTEGER NOT NULL,
    partition           INTEGER NOT NULL,
    "offset"            BIGINT  NOT NULL,
    reason              TEXT    NOT NULL,           -- a code, e.g. not_json
    detail              TEXT    NOT NULL,           -- a sentence: the field, the value, what was expected
    record_timestamp    TIMESTAMP,
    key                 BYTEA,
    payload             BYTEA,                      -- NULL: the record had none
    headers             JSONB,                      -- [[name, value in hex or null], …]; NULL: none
    stored_at           TIMESTAMP NOT NULL DEFAULT now(),
    PRIMARY KEY (topic, generation, partition, "offset")
);
CREATE INDEX dead_letters_reason ON dead_letters (reason, stored_at);

-- How many events each partition put into each quarter of an hour. Quarters are UTC: every time
-- zone's days are whole quarters. Rows are never deleted: they are what metrics are checked against (I-1).
CREATE TABLE day_ledger (
    topic               TEXT    NOT NULL,
    generation          INTEGER NOT NULL,
    partition           INTEGER NOT NULL,
    quarter_start       TIMESTAMP NOT NULL,
    on_time             BIGINT  NOT NULL DEFAULT 0,
    late                BIGINT  NOT NULL DEFAULT 0,
    PRIMARY KEY (quarter_start, topic, generation, partition)
) WITH (fillfactor = 70);

-- The day's figures, one row per (date, event_type, region); region 'ALL' sums a type, event_type
-- 'most_active' is the region with the most events.
CREATE TABLE daily_stats (
    date                DATE NOT NULL,
    event_type          VARCHAR(50) NOT NULL,
    region              VARCHAR(100) NOT NULL,
    total_events        BIGINT,
    total_duration_hours DOUBLE PRECISION,
    total_data_tb       DOUBLE PRECISION,           -- MB / 1024 / 1024
    total_amount        DOUBLE PRECISION,           -- tenge
    avg_duration_seconds DOUBLE PRECISION,          -- total seconds / number of events
    avg_data_per_user_mb DOUBLE PRECISION,          -- NULL: the number of subscribers is not known
    UNIQUE (date, event_type, region)
);

-- I-1 at a glance: both differences are 0 in every committed state.
CREATE VIEW accounting AS
SELECT p.topic, p.generation, p.partition, p.first_offset, p.next_offset,
       p.on_time, p.late, p.dead, p.gap, p.skipped,
       (p.next_offset - p.first_offset) - (p.on_time + p.late + p.dead + p.gap + p.skipped) AS unaccounted,
       p.on_time - COALESCE(l.on_time, 0) AS on_time_off_ledger,
       p.late    - COALESCE(l.late, 0)    AS late_off_ledger
FROM stream_progress p
LEFT JOIN (
    SELECT topic, generation, partition, SUM(on_time)::bigint AS on_time, SUM(late)::bigint AS late
    FROM day_ledger GROUP BY topic, generation, partition
) l USING (topic, generation, partition);
