-- Distinct subscribers of a day.

-- One row per (business day, event type, region): which subscribers its on-time events had, as a
-- HyperLogLog sketch, and how many events that covers. Flushes merge into it. Days from before this
-- table have no rows: how many subscribers they had is not known, and stays so.
CREATE TABLE subscriber_sketches (
    business_day        DATE    NOT NULL,           -- of the window's start …
    business_timezone   TEXT    NOT NULL,           -- … in this zone: another zone's days are other rows
    event_type          VARCHAR(50) NOT NULL,
    region              VARCHAR(100) NOT NULL,
    events_by_subscriber_id BIGINT NOT NULL DEFAULT 0, -- events covered, known by subscriber_id
    events_by_msisdn    BIGINT  NOT NULL DEFAULT 0, -- events covered that had none, told apart by msisdn
    sketch              BYTEA,                      -- Apache DataSketches HLL, lgK 12; NULL: made by a flush that is under way
    sketch_crc          BIGINT,                     -- CRC-32 of sketch: a damaged one is found before it is merged
    updated_at          TIMESTAMP NOT NULL DEFAULT now(),
    PRIMARY KEY (business_day, business_timezone, event_type, region),
    CHECK ((sketch IS NULL) = (sketch_crc IS NULL))
-- A row has up to 2.3 KB and changes with every flush. Kept in its page it is updated HOT, with 0.1
-- instead of 1 MB of WAL per 400 rows; beside it, in chunks, each update would write those anew.
) WITH (fillfactor = 70, toast_tuple_target = 8160);

-- Ours, after the columns that users know.
ALTER TABLE daily_stats
    ADD COLUMN distinct_subscribers BIGINT;         -- estimate, standard error 1.63 %; NULL: not all events are covered
