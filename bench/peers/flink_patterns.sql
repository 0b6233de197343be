-- The three rules of patterns.toml as Flink SQL: two OVER windows and one MATCH_RECOGNIZE, which share one read of the topic. Their
-- findings are added to a table of PostgreSQL. Run by Flink's SQL client in a cluster of its own process; the harness fills in @NAMES@.
--
-- A window of docs/rules.md is (s - within, s]; Flink's RANGE frame is [s - interval, s]. Event times are whole milliseconds here, so an
-- interval that is a millisecond shorter makes them the same. A row of the frame's own moment belongs to Flink's frame whether it came before or
-- after; the harness sends no subscriber two events of one moment.
--
-- Bounded by the log's end, so Flink ends by itself.
SET 'execution.target' = 'local';
SET 'table.dml-sync' = 'true';
SET 'table.local-time-zone' = 'UTC';
SET 'parallelism.default' = '2';

CREATE TABLE events (
    event_type STRING,
    event_subtype STRING,
    duration_seconds INT,
    subscriber_id STRING,
    counterparty_id STRING,
    `timestamp` TIMESTAMP_LTZ(3),
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

CREATE TABLE findings (
    rule STRING,
    subscriber_id STRING,
    found_at TIMESTAMP(3), -- of the event by which the rule holds
    first_at TIMESTAMP(3), -- of the sequence: the call that was missed
    measured BIGINT
) WITH (
    'connector' = 'jdbc',
    'url' = 'jdbc:postgresql://@DATABASE_HOST@/@DATABASE@',
    'table-name' = 'findings',
    'username' = '@DATABASE_USER@',
    'password' = '@DATABASE_PASSWORD@'
);

-- What a missed call can be followed by, and missed calls themselves.
CREATE VIEW calls AS
SELECT * FROM events
WHERE event_type = 'call' AND counterparty_id IS NOT NULL
    AND (event_subtype = 'outgoing' OR event_subtype = 'incoming' AND duration_seconds <= 3);

EXECUTE STATEMENT SET
BEGIN

INSERT INTO findings
SELECT 'many_messages', subscriber_id, CAST(`timestamp` AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), messages
FROM (
    SELECT subscriber_id, `timestamp`, COUNT(*) OVER (
        PARTITION BY subscriber_id ORDER BY `timestamp`
        RANGE BETWEEN INTERVAL '09:59.999' MINUTE TO SECOND(3) PRECEDING AND CURRENT ROW
    ) AS messages
    FROM events
    WHERE event_type = 'sms' AND event_subtype = 'outgoing'
)
WHERE messages >= 8;

INSERT INTO findings
SELECT 'many_numbers', subscriber_id, CAST(`timestamp` AS TIMESTAMP(3)), CAST(NULL AS TIMESTAMP(3)), numbers
FROM (
    SELECT subscriber_id, `timestamp`, COUNT(DISTINCT counterparty_id) OVER (
        PARTITION BY subscriber_id ORDER BY `timestamp`
        RANGE BETWEEN INTERVAL '59:59.999' MINUTE TO SECOND(3) PRECEDING AND CURRENT ROW
    ) AS numbers
    FROM events
    WHERE event_type = 'call' AND event_subtype = 'outgoing'
)
WHERE numbers >= 6;

-- The last missed call before each call back. The harness knows what docs/rules.md makes of a pair: a hit by each call that is
-- looked for, as long as the window holds both.
INSERT INTO findings
SELECT 'called_back', subscriber_id, CAST(back_at AS TIMESTAMP(3)), CAST(missed_at AS TIMESTAMP(3)), CAST(1 AS BIGINT)
FROM calls MATCH_RECOGNIZE (
    PARTITION BY subscriber_id, counterparty_id
    ORDER BY `timestamp`
    MEASURES MISSED.`timestamp` AS missed_at, BACK.`timestamp` AS back_at
    ONE ROW PER MATCH
    AFTER MATCH SKIP PAST LAST ROW
    PATTERN (MISSED BACK) WITHIN INTERVAL '30' MINUTE
    DEFINE MISSED AS MISSED.event_subtype = 'incoming', BACK AS BACK.event_subtype = 'outgoing'
);

END;
