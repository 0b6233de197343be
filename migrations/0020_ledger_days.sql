-- The ledger summed up by day, so that what is asked often costs no more as years go by: at 48 partitions a day has 4,608
-- rows of day_ledger and 48 of these. The next migration fills in the days before and has the views read them.
--
-- A trigger keeps it, so that it holds whatever release writes the ledger, and a change of the ledger by hand shows.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (20, 6);

-- The sum of a day and partition is that of its rows: one by the trigger, and one of what was there before it, which
-- nobody writes again. So filling in waits for no flush, and no flush for it. A row belongs to whoever holds its
-- partition's lock in stream_progress, as those of day_ledger do: flushes never wait for each other here.
CREATE TABLE ledger_days (
    day                 DATE    NOT NULL,
    topic               TEXT    NOT NULL,
    generation          INTEGER NOT NULL,
    partition           INTEGER NOT NULL,
    is_from_before      BOOLEAN NOT NULL,
    on_time             BIGINT  NOT NULL,
    late                BIGINT  NOT NULL,
    PRIMARY KEY (day, topic, generation, partition, is_from_before)
) WITH (fillfactor = 70);

COMMENT ON TABLE ledger_days IS 'day_ledger summed up by UTC day: a trigger keeps it, streamer verify compares both';
COMMENT ON COLUMN ledger_days.day IS 'Day, UTC';
COMMENT ON COLUMN ledger_days.topic IS 'Kafka topic';
COMMENT ON COLUMN ledger_days.generation IS 'Which life of the topic: 0, then one more each time it was recreated';
COMMENT ON COLUMN ledger_days.partition IS 'Kafka partition';
COMMENT ON COLUMN ledger_days.is_from_before IS 'What the ledger had when this table came; false: what was added since';
COMMENT ON COLUMN ledger_days.on_time IS 'Events that came in time';
COMMENT ON COLUMN ledger_days.late IS 'Events whose minute had closed';

-- What the ledger summed up to between two moments, when all UTC days that these touch summed up to `touched`. While
-- they still do, nothing was added, and nobody has to sum it up again. A business day of Almaty is no UTC day.
CREATE TABLE day_versions (
    day_start           TIMESTAMP NOT NULL,
    day_end             TIMESTAMP NOT NULL,
    touched             BIGINT    NOT NULL,
    on_time             BIGINT    NOT NULL,
    late                BIGINT    NOT NULL,
    PRIMARY KEY (day_start, day_end)
) WITH (fillfactor = 70);

COMMENT ON TABLE day_versions IS 'What the ledger was last found to sum up to, of each stretch of time that was computed as a day';
COMMENT ON COLUMN day_versions.day_start IS 'Start of the day, UTC';
COMMENT ON COLUMN day_versions.day_end IS 'Its end, UTC; not part of it';
COMMENT ON COLUMN day_versions.touched IS 'Events of all UTC days that it has a part of; another number now: this row is out of date';
COMMENT ON COLUMN day_versions.on_time IS 'Its events that came in time';
COMMENT ON COLUMN day_versions.late IS 'Its events whose minute had closed';

-- By the rights of the tables' owner: who may write the ledger needs no right on its sums, and must not have one.
CREATE FUNCTION follow_day_ledger() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO ledger_days AS d
        SELECT quarter_start::date, topic, generation, partition, false, SUM(on_time), SUM(late)
        FROM added
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (day, topic, generation, partition, is_from_before) DO UPDATE
        SET on_time = d.on_time + EXCLUDED.on_time, late = d.late + EXCLUDED.late;
    ELSIF TG_OP = 'UPDATE' THEN
        INSERT INTO ledger_days AS d
        SELECT quarter_start::date, topic, generation, partition, false, SUM(on_time), SUM(late)
        FROM (SELECT quarter_start, topic, generation, partition, on_time, late FROM added
              UNION ALL
              SELECT quarter_start, topic, generation, partition, -on_time, -late FROM removed) AS change
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (day, topic, generation, partition, is_from_before) DO UPDATE
        SET on_time = d.on_time + EXCLUDED.on_time, late = d.late + EXCLUDED.late;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO ledger_days AS d
        SELECT quarter_start::date, topic, generation, partition, false, -SUM(on_time), -SUM(late)
        FROM removed
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
        ON CONFLICT (day, topic, generation, partition, is_from_before) DO UPDATE
        SET on_time = d.on_time + EXCLUDED.on_time, late = d.late + EXCLUDED.late;
    ELSE
        DELETE FROM ledger_days;
    END IF;
    RETURN NULL;
END $$;
DO $$
BEGIN
    EXECUTE format('ALTER FUNCTION follow_day_ledger() SET search_path = %I, pg_temp', current_schema());
END $$;
REVOKE ALL ON FUNCTION follow_day_ledger() FROM PUBLIC;

CREATE TRIGGER ledger_added AFTER INSERT ON day_ledger
    REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION follow_day_ledger();
CREATE TRIGGER ledger_changed AFTER UPDATE ON day_ledger
    REFERENCING OLD TABLE AS removed NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION follow_day_ledger();
CREATE TRIGGER ledger_removed AFTER DELETE ON day_ledger
    REFERENCING OLD TABLE AS removed FOR EACH STATEMENT EXECUTE FUNCTION follow_day_ledger();
CREATE TRIGGER ledger_emptied AFTER TRUNCATE ON day_ledger
    FOR EACH STATEMENT EXECUTE FUNCTION follow_day_ledger();
