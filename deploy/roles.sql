-- A role for each program, with no more rights than it needs. As the owner of the tables, after
-- `streamer migrate`, and again after each upgrade:
--
--     psql "$DATABASE_URL" --file deploy/roles.sql
--
-- These roles can't log in. Give them to users that can: GRANT pipeline_streamer TO alice.

DO $$
DECLARE
    program TEXT;
BEGIN
    FOREACH program IN ARRAY ARRAY['streamer', 'detector', 'batcher', 'reader', 'operator', 'dashboards', 'dbt', 'bi', 'fraud',
        'eraser', 'churn', 'lifecycle'] LOOP
        BEGIN
            EXECUTE format('CREATE ROLE %I NOLOGIN', 'pipeline_' || program);
        EXCEPTION WHEN duplicate_object OR unique_violation THEN
            NULL; -- roles belong to the whole server: another database has made it
        END;
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO %I', current_database(), 'pipeline_' || program);
        EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', 'pipeline_' || program);
    END LOOP;
END $$;

-- the streamer
GRANT SELECT ON _sqlx_migrations, schema_compatibility, completeness TO pipeline_streamer;
GRANT SELECT, INSERT ON settings TO pipeline_streamer;
GRANT SELECT, INSERT, UPDATE ON stream_progress, real_time_metrics, late_metrics, day_ledger TO pipeline_streamer;
GRANT SELECT, INSERT, UPDATE ON subscriber_sketches TO pipeline_streamer;
GRANT INSERT ON dead_letters TO pipeline_streamer;
GRANT SELECT, INSERT ON log_marks TO pipeline_streamer;
GRANT SELECT, INSERT ON pattern_gaps TO pipeline_streamer;
GRANT SELECT ON rule_sets, rule_spans TO pipeline_streamer;
GRANT USAGE ON SCHEMA persons TO pipeline_streamer;
GRANT SELECT, INSERT, UPDATE ON persons.alerts TO pipeline_streamer;
GRANT SELECT, UPDATE ON gaps TO pipeline_streamer;
GRANT SELECT ON daily_stats, batch_runs, day_states, anomalies, detector_progress, current_progress, minute_figures
    TO pipeline_streamer; -- for --metrics-addr alone
GRANT SELECT (topic, generation, partition, "offset", reason, stored_at) ON dead_letters TO pipeline_streamer; -- their offsets, and for --metrics-addr
-- how many cases are open, for --metrics-addr; whose, its page shows where its user has the role pipeline_fraud as well
GRANT SELECT (rule, mode, state) ON persons.fraud_cases TO pipeline_streamer;

-- streamer detect; a user that runs `streamer run --detect` needs both
GRANT SELECT ON _sqlx_migrations, schema_compatibility, settings, current_progress, real_time_metrics, expired_quarters
    TO pipeline_detector;
GRANT SELECT, INSERT, UPDATE ON anomalies, detector_progress TO pipeline_detector;
GRANT SELECT, INSERT, UPDATE, DELETE ON detector_notes TO pipeline_detector;

-- the batcher
GRANT SELECT ON _sqlx_migrations, schema_compatibility, settings, current_progress, real_time_metrics, late_metrics,
    minute_figures, day_ledger, daily_stats, batch_runs, day_states, subscriber_sketches, expired_quarters
    TO pipeline_batcher;
GRANT INSERT, UPDATE, DELETE ON daily_stats TO pipeline_batcher;
GRANT INSERT, UPDATE ON batch_runs TO pipeline_batcher;
GRANT SELECT ON day_sums TO pipeline_batcher; -- what is remembered of the days' states; ledger_days is the trigger's alone
GRANT SELECT, INSERT, UPDATE ON day_versions TO pipeline_batcher;

-- batcher lifecycle: the only one that may delete what was counted, and the batcher of every night may not. Of a dead letter
-- it sees when it was stored, not what it holds.
GRANT SELECT ON _sqlx_migrations, schema_compatibility, settings, current_progress, day_ledger, daily_stats, batch_runs,
    day_states TO pipeline_lifecycle;
GRANT SELECT, DELETE ON real_time_metrics, late_metrics, subscriber_sketches TO pipeline_lifecycle;
GRANT SELECT, INSERT, UPDATE ON expired_quarters TO pipeline_lifecycle;
GRANT SELECT (topic, generation, partition, "offset", stored_at, erasure) ON dead_letters TO pipeline_lifecycle;
GRANT UPDATE (detail, key, payload, headers, erasure) ON dead_letters TO pipeline_lifecycle;
GRANT SELECT (topic, generation, partition, "offset", attempt, state, replayed_at), DELETE ON dead_letter_replays
    TO pipeline_lifecycle;
GRANT USAGE ON SCHEMA persons TO pipeline_lifecycle;
GRANT SELECT (id, through_alert, subscriber_id, rule, state, alerts, updated_at) ON persons.fraud_cases TO pipeline_lifecycle;
GRANT SELECT (id, subscriber_id, rule), DELETE ON persons.alerts TO pipeline_lifecycle;
GRANT SELECT (id, subscriber_id, rule, through_alert, decided_at), DELETE ON persons.verdicts TO pipeline_lifecycle;
GRANT SELECT (id, allowed_until), DELETE ON persons.allowlist TO pipeline_lifecycle;
GRANT SELECT (score_date, subscriber_id), DELETE ON persons.churn_scores TO pipeline_lifecycle;

-- status, verify, compare, gaps, health, settings show, dead-letters stats, and people who only look: everything that is about
-- nobody. In one statement, so that no reader is denied anything while this runs.
DO $$
BEGIN
    GRANT SELECT ON ALL TABLES IN SCHEMA public TO pipeline_reader;
    REVOKE SELECT ON dead_letters, dead_letter_replays FROM pipeline_reader;
    GRANT SELECT (topic, generation, partition, "offset", reason, record_timestamp, stored_at, erasure) ON dead_letters
        TO pipeline_reader;
    GRANT SELECT (topic, generation, partition, "offset", attempt, state, target, target_ends, replayed_by, started_at,
        replayed_at) ON dead_letter_replays TO pipeline_reader;
END $$;

-- Grafana's dashboards, which anybody in the house may look at. Of dead letters how many there are, and
-- why: what a record held, numbers of subscribers perhaps, is not for everybody.
GRANT SELECT ON real_time_metrics, daily_stats, day_ledger, anomalies, detector_progress TO pipeline_dashboards;
GRANT SELECT (topic, generation, partition, "offset", reason, record_timestamp, stored_at, erasure) ON dead_letters
    TO pipeline_dashboards;

-- operators: accept-gap, retire, settings set, dead-letters replay; and all that readers may
GRANT SELECT ON ALL TABLES IN SCHEMA public TO pipeline_operator;
GRANT INSERT, UPDATE ON gaps TO pipeline_operator;
-- move opens rows, and shuts out programs that know of no clusters
GRANT INSERT, UPDATE ON stream_progress TO pipeline_operator;
GRANT UPDATE (oldest_program) ON schema_compatibility TO pipeline_operator;
GRANT INSERT, UPDATE ON settings TO pipeline_operator;
GRANT INSERT, UPDATE, DELETE ON dead_letter_replays TO pipeline_operator;
-- rules apply, rules off
GRANT INSERT ON rule_sets, rule_spans, pattern_gaps TO pipeline_operator;
GRANT UPDATE (to_offset) ON pattern_gaps TO pipeline_operator;

-- Tables that name a subscriber stand in the schema `persons`, and nobody above may look into it: the fraud desk reads
-- them. The default privileges give it those as well that a later migration adds, and count for tables that are made by
-- the role that runs this script.
GRANT USAGE ON SCHEMA persons TO pipeline_fraud;
GRANT SELECT ON ALL TABLES IN SCHEMA persons TO pipeline_fraud;
ALTER DEFAULT PRIVILEGES IN SCHEMA persons GRANT SELECT ON TABLES TO pipeline_fraud;
-- streamer fraud
GRANT SELECT ON _sqlx_migrations, schema_compatibility TO pipeline_fraud;
GRANT INSERT ON persons.verdicts, persons.allowlist TO pipeline_fraud;

-- churn (docs/churn.md)
GRANT SELECT ON _sqlx_migrations, schema_compatibility, settings, current_progress, day_ledger, daily_stats TO pipeline_churn;
GRANT SELECT, INSERT ON churn_models TO pipeline_churn;
GRANT USAGE ON SCHEMA persons TO pipeline_churn;
GRANT SELECT, INSERT, DELETE ON persons.churn_scores TO pipeline_churn;

-- streamer erase
GRANT SELECT ON _sqlx_migrations, schema_compatibility, current_progress, dead_letters, dead_letter_replays, erasures
    TO pipeline_eraser;
GRANT UPDATE (detail, key, payload, headers, erasure) ON dead_letters TO pipeline_eraser;
GRANT UPDATE (corrected_payload) ON dead_letter_replays TO pipeline_eraser;
GRANT INSERT ON erasures TO pipeline_eraser;
GRANT USAGE ON SCHEMA persons TO pipeline_eraser;
GRANT SELECT, UPDATE, DELETE ON ALL TABLES IN SCHEMA persons TO pipeline_eraser;
ALTER DEFAULT PRIVILEGES IN SCHEMA persons GRANT SELECT, UPDATE, DELETE ON TABLES TO pipeline_eraser;

-- dbt: reads what its models are made from, writes the schema `marts`. No table that names a subscriber (of frauds how
-- many there are), no sketch, and of dead letters no more than Grafana: docs/dbt.md.
DO $$
BEGIN
    IF to_regnamespace('marts') IS NULL THEN
        CREATE SCHEMA marts;
    END IF;
END $$;
GRANT USAGE, CREATE ON SCHEMA marts TO pipeline_dbt;
GRANT SELECT ON real_time_metrics, late_metrics, day_ledger, daily_stats, batch_runs, day_states, stream_progress,
    current_progress, accounting, gaps, anomalies, fraud_counts TO pipeline_dbt;
GRANT SELECT (topic, generation, partition, "offset", reason, record_timestamp, stored_at) ON dead_letters TO pipeline_dbt;

-- Dashboards on what dbt has built, such as Superset's. dbt grants each table when it builds it.
GRANT USAGE ON SCHEMA marts TO pipeline_bi;
