-- real_time_metrics in parts, a day each: for whoever has so many groups that a part is better dropped than its rows deleted.
-- docs/scaling.md says for whom, how, and what to know before. Run as the owner of the tables, once in each database:
--
--   psql "$DATABASE_URL" --set ON_ERROR_STOP=1 --file deploy/partitioned-minutes.sql
--
-- This only defines three functions and a view. The programs know nothing of parts: they go on naming real_time_metrics.

-- The parts, and the first day that is not in them any more; NULL: the part for everything else.
CREATE OR REPLACE VIEW real_time_metrics_parts AS
SELECT inhrelid::regclass AS part, substring(pg_get_expr(relpartbound, inhrelid) FROM $re$ TO \('([0-9-]+)$re$)::date AS ends
FROM pg_inherits JOIN pg_class ON oid = inhrelid
-- By name: it means the partitioned table, once there is one.
WHERE inhparent = to_regclass('real_time_metrics');
COMMENT ON VIEW real_time_metrics_parts IS 'Parts of real_time_metrics; ends: the first day behind a part';

-- Makes real_time_metrics a partitioned table. What is there and lies before `first_day` stays where it is and becomes one part,
-- real_time_metrics_before; rows of later days, and those of others without a time, go to the part that takes everything else,
-- real_time_metrics_rest. Views, rights and publications name the new table afterwards. Streamers wait meanwhile: for as long as
-- one look at every row takes, since PostgreSQL checks the bounds of a part.
CREATE OR REPLACE FUNCTION partition_real_time_metrics(first_day date) RETURNS void
LANGUAGE plpgsql SET lock_timeout = '10s' AS $$
DECLARE
    old     regclass := 'real_time_metrics'::regclass;
    owner   text;
    remark  text := obj_description('real_time_metrics'::regclass, 'pg_class');
    problem text;
    -- Statements for the new table, taken down while the old one has its name.
    indexes text[];
    grants  text[];
    views   text[];
    shown   text[];
    item    text;
BEGIN
    -- In the order in which a flush takes them.
    LOCK TABLE stream_progress, real_time_metrics IN ACCESS EXCLUSIVE MODE;

    -- What this can't carry over is refused by name.
    SELECT string_agg(what, ', ') INTO problem FROM (
        SELECT 'it is partitioned already' AS what FROM pg_class WHERE oid = old AND relkind = 'p'
        UNION ALL SELECT 'trigger ' || tgname FROM pg_trigger WHERE tgrelid = old AND NOT tgisinternal
        UNION ALL SELECT 'policy ' || polname FROM pg_policy WHERE polrelid = old
        UNION ALL SELECT 'rights on column ' || attname FROM pg_attribute WHERE attrelid = old AND attacl IS NOT NULL
        UNION ALL SELECT DISTINCT 'materialized view ' || r.ev_class::regclass
            FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
            WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = old AND c.relkind = 'm'
        UNION ALL SELECT 'publication ' || p.pubname || ' with a filter or a list of columns'
            FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid
            WHERE pr.prrelid = old AND (pr.prqual IS NOT NULL OR pr.prattrs IS NOT NULL)
    ) AS found;
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION 'real_time_metrics can''t be partitioned: %', problem
            USING HINT = 'take it away first, and make it again on the partitioned table';
    END IF;

    SELECT pg_get_userbyid(relowner) INTO owner FROM pg_class WHERE oid = old;
    SELECT array_agg(pg_get_indexdef(indexrelid)) INTO indexes FROM pg_index WHERE indrelid = old;
    SELECT array_agg(format('GRANT %s ON real_time_metrics TO %s%s', a.privilege_type,
                            CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END,
                            CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END))
        INTO grants FROM pg_class c, aclexplode(c.relacl) AS a WHERE c.oid = old AND a.grantee <> c.relowner;
    SELECT array_agg(DISTINCT format('CREATE OR REPLACE VIEW %s%s AS %s', c.oid::regclass,
                                     ' WITH (' || array_to_string(c.reloptions, ', ') || ')', pg_get_viewdef(c.oid)))
        INTO views
        FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
        WHERE d.classid = 'pg_rewrite'::regclass AND d.refobjid = old AND c.relkind = 'v';
    -- Subscribers go on seeing one table of that name.
    SELECT array_agg(statement) INTO shown FROM (
        SELECT format('ALTER PUBLICATION %I SET (publish_via_partition_root = true)', pubname) AS statement, 3 AS turn
            FROM pg_publication_tables WHERE tablename = 'real_time_metrics' AND schemaname::regnamespace = (SELECT relnamespace FROM pg_class WHERE oid = old)
        UNION ALL SELECT format('ALTER PUBLICATION %I ADD TABLE real_time_metrics', p.pubname), 1
            FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid WHERE pr.prrelid = old
        UNION ALL SELECT format('ALTER PUBLICATION %I DROP TABLE ONLY real_time_metrics_before', p.pubname), 2
            FROM pg_publication_rel pr JOIN pg_publication p ON p.oid = pr.prpubid WHERE pr.prrelid = old
        ORDER BY turn
    ) AS publications;

    -- Later migrations look for indexes by their names, so the new table's have them.
    FOR item IN SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = old LOOP
        EXECUTE format('ALTER INDEX %s RENAME TO %I', item, item || '_before');
    END LOOP;
    ALTER TABLE real_time_metrics RENAME TO real_time_metrics_before;
    CREATE TABLE real_time_metrics
        (LIKE real_time_metrics_before INCLUDING DEFAULTS INCLUDING CONSTRAINTS INCLUDING COMMENTS)
        PARTITION BY RANGE (window_start);
    EXECUTE format('ALTER TABLE real_time_metrics OWNER TO %I', owner);
    EXECUTE format('COMMENT ON TABLE real_time_metrics IS %L', remark);
    ALTER TABLE real_time_metrics REPLICA IDENTITY FULL;
    FOREACH item IN ARRAY indexes || COALESCE(grants, '{}') LOOP
        EXECUTE item;
    END LOOP;

    CREATE TABLE real_time_metrics_rest PARTITION OF real_time_metrics DEFAULT WITH (fillfactor = 70);
    ALTER TABLE real_time_metrics_rest REPLICA IDENTITY FULL;
    EXECUTE format('ALTER TABLE real_time_metrics_rest OWNER TO %I', owner);
    WITH moved AS (
        DELETE FROM real_time_metrics_before WHERE window_start IS NULL OR window_start >= first_day RETURNING *
    )
    INSERT INTO real_time_metrics_rest SELECT * FROM moved;
    EXECUTE format('ALTER TABLE real_time_metrics ATTACH PARTITION real_time_metrics_before FOR VALUES FROM (MINVALUE) TO (%L)',
                   first_day);

    FOREACH item IN ARRAY COALESCE(views, '{}') || COALESCE(shown, '{}') LOOP
        EXECUTE item;
    END LOOP;
    -- Autovacuum never analyses a partitioned table itself, only its parts.
    ANALYZE real_time_metrics;
END
$$;
COMMENT ON FUNCTION partition_real_time_metrics IS 'Makes real_time_metrics a partitioned table; all before first_day is one part';

-- Makes a part for each day (UTC) from the end of the newest part up to, and not with, `until`. Rows of such a day that are in
-- real_time_metrics_rest move with it. A flush waits for it no longer than that takes; it waits for flushes 2 s and fails then,
-- to be called again. Returns how many parts it made.
CREATE OR REPLACE FUNCTION add_real_time_metrics_parts(until date) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '2s' AS $$
DECLARE
    day   date;
    part  text;
    owner text;
    made  integer := 0;
BEGIN
    SELECT MAX(ends) INTO day FROM real_time_metrics_parts;
    IF day IS NULL THEN
        RAISE EXCEPTION 'real_time_metrics has no part with an end' USING HINT = 'call partition_real_time_metrics(first_day) first';
    END IF;
    IF day >= until THEN
        RETURN 0;
    END IF;
    SELECT pg_get_userbyid(relowner) INTO owner FROM pg_class WHERE oid = 'real_time_metrics'::regclass;
    -- Before anything is changed: whoever waits here holds nothing that a flush waits for.
    LOCK TABLE ONLY real_time_metrics IN SHARE UPDATE EXCLUSIVE MODE;
    LOCK TABLE real_time_metrics_rest IN ACCESS EXCLUSIVE MODE;
    WHILE day < until LOOP
        part := 'real_time_metrics_' || to_char(day, 'YYYYMMDD');
        EXECUTE format('CREATE TABLE %I (LIKE real_time_metrics INCLUDING DEFAULTS INCLUDING CONSTRAINTS) WITH (fillfactor = 70)', part);
        EXECUTE format('ALTER TABLE %I REPLICA IDENTITY FULL', part);
        EXECUTE format('ALTER TABLE %I OWNER TO %I', part, owner);
        EXECUTE format('WITH moved AS (DELETE FROM real_time_metrics_rest WHERE window_start >= %L AND window_start < %L RETURNING *)
                        INSERT INTO %I SELECT * FROM moved', day, day + 1, part);
        EXECUTE format('ALTER TABLE real_time_metrics ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)', part, day, day + 1);
        day := day + 1;
        made := made + 1;
    END LOOP;
    RETURN made;
END
$$;
COMMENT ON FUNCTION add_real_time_metrics_parts IS 'Makes the parts of real_time_metrics up to a day, and returns how many';

-- Drops parts of days before `until` that have no row any more: `batcher lifecycle` has deleted them and noted their sums, so the
-- accounting holds. The lock that a drop needs stops every reader and writer of real_time_metrics, and waits behind the longest
-- of them: so it is waited for 200 ms and then given up, to be called again. The newest part stays. Returns how many it dropped.
CREATE OR REPLACE FUNCTION drop_empty_real_time_metrics_parts(until date) RETURNS integer
LANGUAGE plpgsql SET lock_timeout = '200ms' AS $$
DECLARE
    part     text;
    is_empty boolean;
    dropped  integer := 0;
BEGIN
    FOR part IN
        -- The newest says where the next one begins.
        SELECT parts.part::text FROM real_time_metrics_parts AS parts
        WHERE ends <= until AND ends < (SELECT MAX(ends) FROM real_time_metrics_parts)
        ORDER BY ends
    LOOP
        EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', part) INTO is_empty;
        IF is_empty THEN
            -- Nobody adds a row between this look and the drop.
            LOCK TABLE real_time_metrics IN ACCESS EXCLUSIVE MODE;
            EXECUTE format('SELECT NOT EXISTS (SELECT FROM %s)', part) INTO is_empty;
            IF is_empty THEN
                EXECUTE format('DROP TABLE %s', part);
                dropped := dropped + 1;
            END IF;
        END IF;
    END LOOP;
    RETURN dropped;
END
$$;
COMMENT ON FUNCTION drop_empty_real_time_metrics_parts IS 'Drops the parts of real_time_metrics before a day that have no rows, and returns how many';
