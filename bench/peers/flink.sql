-- The streamer's work as Flink SQL: counts and sums per minute of event time, type and region, late by at most two
-- minutes, upserted into PostgreSQL. Run by Flink's SQL client in a cluster of its own process; the harness
-- fills in @NAMES@.
--
-- Bounded by the log's end: then Flink closes the last windows too, and ends by itself.
SET 'execution.target' = 'local';
SET 'table.dml-sync' = 'true';
SET 'table.local-time-zone' = 'UTC';
SET 'parallelism.default' = '2';

CREATE TABLE events (
    event_type STRING,
    region STRING,
    duration_seconds INT,
    data_mb DECIMAL(12, 2),
    amount DECIMAL(12, 2),
    `timestamp` TIMESTAMP_LTZ(3), -- finer ones can't be event time
    WATERMARK FOR `timestamp` AS `timestamp` - INTERVAL '2' MINUTE
) WITH (
    'connector' = 'kafka',
    'topic' = '@TOPIC@',
    'properties.bootstrap.servers' = '@KAFKA@',
    'scan.startup.mode' = 'earliest-offset',
    'scan.bounded.mode' = 'latest-offset',
    'format' = 'json',
    'json.timestamp-format.standard' = 'ISO-8601'
);

CREATE TABLE real_time_metrics (
    window_start TIMESTAMP(6),
    window_end TIMESTAMP(6),
    event_type STRING,
    event_count BIGINT,
    total_duration BIGINT,
    total_data_mb DOUBLE,
    total_amount DOUBLE,
    region STRING,
    PRIMARY KEY (window_start, event_type, region) NOT ENFORCED
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:postgresql://@DATABASE_HOST@/@DATABASE@',
    'table-name' = 'real_time_metrics',
    'username' = '@DATABASE_USER@',
    'password' = '@DATABASE_PASSWORD@'
);

INSERT INTO real_time_metrics
SELECT
    CAST(window_start AS TIMESTAMP(6)),
    CAST(window_end AS TIMESTAMP(6)),
    event_type,
    COUNT(*),
    COALESCE(SUM(CAST(duration_seconds AS BIGINT)), 0),
    CAST(COALESCE(SUM(data_mb), 0) AS DOUBLE),
    CAST(COALESCE(SUM(amount), 0) AS DOUBLE),
    region
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(`timestamp`), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, event_type, region;
