-- What psql's \d+, DBeaver, dbt and Superset show beside a table, a column or a view. docs/schema.md says more. A later
-- migration comments what it adds; a test looks for what has no comment.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (11, 6);

COMMENT ON TABLE real_time_metrics IS 'One row per minute of event time, event type and region: what came in time. Open minutes are updated in place';
COMMENT ON TABLE late_metrics IS 'The same as real_time_metrics for events whose minute had closed when they came; daily_stats does without them';
COMMENT ON TABLE daily_stats IS 'One row per day, event type and region; region ALL for the whole country; event type most_active for the region with the most events';
COMMENT ON TABLE dead_letters IS 'One row per record that can''t be used: where it stood, why, and the record itself with its numbers masked';
COMMENT ON TABLE dead_letter_replays IS 'One row per sending of a dead letter to another topic: where to, by whom, whether it has arrived';
COMMENT ON TABLE replay_identity IS 'The name under which this database sends dead letters again, so that two senders shut each other out';
COMMENT ON TABLE stream_progress IS 'One row per partition and generation of the topic: the position, and what became of every record before it';
COMMENT ON TABLE day_ledger IS 'One row per partition and quarter of an hour: how many events were counted in it; the metrics are checked against it';
COMMENT ON TABLE gaps IS 'One row per loss that an operator accepted: which offsets, what had happened, who accepted it and why';
COMMENT ON TABLE settings IS 'One row: what decides whether an event is on time, late or dead, the same for everybody';
COMMENT ON TABLE subscriber_sketches IS 'One row per day, event type and region: an estimate of distinct subscribers that can be merged (HyperLogLog)';
COMMENT ON TABLE batch_runs IS 'One row per run of the batcher on a day: who, when, from what, with which outcome';
COMMENT ON TABLE anomalies IS 'One row per incident of unusual traffic: region, type, from when to when, how far from what was expected';
COMMENT ON TABLE detector_progress IS 'One row: up to where traffic was judged, and how many series there were';
COMMENT ON TABLE schema_compatibility IS 'One row per migration: the oldest program that may run on the schema after it';
COMMENT ON TABLE erasures IS 'One row per person that streamer erase removed: who did it, when, why, how much; not who it was';
COMMENT ON VIEW accounting IS 'One row per partition: what its offsets became. The last three columns are 0, or something is wrong';
COMMENT ON VIEW closed_windows IS 'Rows of real_time_metrics whose minute has closed in every partition: they change no more';
COMMENT ON VIEW completeness IS 'Up to when all partitions of a topic are complete, and which one holds it back';
COMMENT ON VIEW current_progress IS 'stream_progress without lives of topics that are over and partitions that are retired';
COMMENT ON VIEW day_states IS 'One row per computed day: final, provisional or stale, and why';
COMMENT ON VIEW metrics_with_late IS 'real_time_metrics and late_metrics added up: as if nothing had been late';
COMMENT ON SCHEMA persons IS 'Tables that name a subscriber; few roles read it, and streamer erase reaches all of it';

-- A column means the same wherever its name stands, unless the second list says otherwise.
DO $$
DECLARE
    one RECORD;
BEGIN
    FOR one IN
        SELECT relname, attname, COALESCE(own.text, shared.text) AS text
        FROM pg_class
        JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
        LEFT JOIN (VALUES
            ('window_start', 'Start of the minute of event time, UTC'),
            ('window_end', 'End of the minute, UTC; not part of it'),
            ('event_type', 'call, sms, data_session, balance_recharge, or another that senders use'),
            ('region', 'The region that the event names'),
            ('event_count', 'Number of events'),
            ('total_duration', 'Seconds of calls and sessions'),
            ('total_data_mb', 'MB, rounded from the exact sum'),
            ('total_amount', 'Tenge, rounded from the exact sum'),
            ('exact_data_mb', 'MB, exact to the sixth decimal'),
            ('exact_amount', 'Tenge, exact to the sixth decimal'),
            ('processed_at', 'Last flush that touched the row, UTC'),
            ('own', 'Written by the streamer; false: by somebody else, and never updated by it'),
            ('topic', 'Kafka topic'),
            ('generation', 'Which life of the topic: 0, then one more each time it was recreated'),
            ('partition', 'Kafka partition'),
            ('offset', 'Kafka offset of the record'),
            ('first_offset', 'Where counting began: the zero of the accounting'),
            ('next_offset', 'The position: the first offset that is not counted yet'),
            ('epoch', 'Raised when what was judged before must not be stored any more'),
            ('watermark', 'Minutes before it are closed, UTC'),
            ('max_event_time', 'Highest event time so far, UTC'),
            ('on_time', 'Events that came in time'),
            ('late', 'Events whose minute had closed'),
            ('dead', 'Records that can''t be used: rows of dead_letters'),
            ('gap', 'Offsets within a loss that was accepted: rows of gaps'),
            ('skipped', 'Offsets without a record: transaction markers, compaction'),
            ('witness_offset', 'Offset of the last record read'),
            ('witness_timestamp_ms', 'Its timestamp: read again first, to recognise the log'),
            ('witness_crc', 'CRC-32 of it'),
            ('origin_offset', 'Offset of the first record read in this generation'),
            ('origin_timestamp_ms', 'Its timestamp: tells a truncated log from a recreated one'),
            ('origin_crc', 'CRC-32 of it'),
            ('log_end_seen', 'Highest end of the log ever seen'),
            ('caught_up_at', 'All that the log held then is before the position, UTC'),
            ('complete_through', 'Up to here no event in time can come any more, UTC; never goes back'),
            ('group_id', 'Consumer group of who wrote last'),
            ('owner', 'Who wrote last: host:process:worker'),
            ('halted_reason', 'Why it waits for an operator; NULL: it does not'),
            ('updated_at', 'Last change, UTC'),
            ('retired_at', 'Since when it is out of service, UTC; NULL: it is not'),
            ('max_ahead_ms', 'Most that an event was ahead of its record, milliseconds'),
            ('max_behind_ms', 'Most that an event was behind its record, milliseconds'),
            ('sum_behind_ms', 'Sum of these, for an average'),
            ('flush_blocked', 'Why nothing of it can be stored until the database is mended'),
            ('flush_blocked_at', 'Since when, UTC; counts while it is not older than updated_at'),
            ('recent_at', 'Moment of the recent sums, UTC'),
            ('recent_events', 'Events of about the last quarter of an hour; an estimate that fades'),
            ('recent_late', 'Of these, late ones'),
            ('recent_seconds', 'Seconds of calls and sessions in them'),
            ('recent_late_seconds', 'Of these, in late events'),
            ('quarter_start', 'Start of the quarter of an hour of event time, UTC'),
            ('business_timezone', 'Time zone whose midnights bound the day'),
            ('business_day', 'Day of that time zone'),
            ('date', 'Day of the business time zone'),
            ('day_start', 'Its first moment, UTC'),
            ('day_end', 'Its end, UTC; not part of it'),
            ('include_late', 'Late events are in the figures'),
            ('reason', 'Why'),
            ('rows', 'Rows written to daily_stats'),
            ('source_rows', 'Minute rows read'),
            ('version', 'Events of the day in the ledger when it was computed: rises with every change'),
            ('only_row', 'There is one row'),
            ('id', 'Number of the row'),
            ('started_at', 'When it began, UTC'),
            ('state', 'How it stands')
        ) AS shared (attname, text) USING (attname)
        LEFT JOIN (VALUES
            ('daily_stats', 'event_type', 'Event type, or most_active for the day''s busiest region'),
            ('daily_stats', 'region', 'Region, or ALL for the sum of them'),
            ('daily_stats', 'total_events', 'Events of the day'),
            ('daily_stats', 'total_duration_hours', 'Hours of calls and sessions'),
            ('daily_stats', 'total_data_tb', 'TB of 1024 x 1024 MB'),
            ('daily_stats', 'total_amount', 'Tenge'),
            ('daily_stats', 'avg_duration_seconds', 'Seconds per event'),
            ('daily_stats', 'avg_data_per_user_mb', 'MB per estimated distinct subscriber; NULL where that is not known for exactly these events'),
            ('daily_stats', 'distinct_subscribers', 'Estimate, standard error 1.63 %, exact up to 384; NULL where it is not known'),
            ('dead_letters', 'reason', 'A code to group by'),
            ('dead_letters', 'detail', 'A sentence: field, value, what was expected'),
            ('dead_letters', 'record_timestamp', 'The record''s own, UTC; NULL: none, or one out of bounds'),
            ('dead_letters', 'key', 'The record''s key, long numbers masked'),
            ('dead_letters', 'payload', 'The record, long numbers masked; NULL: it had none, or a person was erased'),
            ('dead_letters', 'headers', '[[name, value in hex or null], …] in their order'),
            ('dead_letters', 'stored_at', 'When it was stored, UTC'),
            ('dead_letters', 'erasure', 'The row of erasures that emptied it; NULL: it is whole'),
            ('dead_letter_replays', 'attempt', 'Which sending of this letter'),
            ('dead_letter_replays', 'state', 'replaying: sent or not, nobody knows yet; replayed: it has arrived'),
            ('dead_letter_replays', 'target', 'Topic that it was sent to'),
            ('dead_letter_replays', 'target_ends', 'Where that topic ended before: a search for the letter begins there'),
            ('dead_letter_replays', 'corrected_payload', 'Sent in place of the letter''s own; NULL: its own'),
            ('dead_letter_replays', 'replayed_by', 'Who sent it'),
            ('dead_letter_replays', 'replayed_at', 'When it was known to have arrived, UTC'),
            ('replay_identity', 'transactional_id', 'transactional.id of the sender'),
            ('gaps', 'position', 'The position that the permission is for'),
            ('gaps', 'start_from', 'Where to go on, where nothing else tells'),
            ('gaps', 'accepted_by', 'Who permitted it'),
            ('gaps', 'accepted_at', 'When, UTC'),
            ('gaps', 'cause', 'What had happened to the log'),
            ('gaps', 'from_offset', 'First offset lost'),
            ('gaps', 'to_offset', 'End of what was lost; not part of it'),
            ('gaps', 'next_generation', 'Generation in which reading went on'),
            ('gaps', 'next_offset', 'Offset at which it went on'),
            ('gaps', 'carried_out_by', 'Which worker went on; NULL: none yet'),
            ('gaps', 'carried_out_at', 'When, UTC'),
            ('settings', 'watermark_delay_ms', 'How long a minute waits for stragglers, milliseconds'),
            ('settings', 'max_future_skew_ms', 'How far an event may be ahead of its record, milliseconds'),
            ('subscriber_sketches', 'events_by_subscriber_id', 'Events covered, named by subscriber_id'),
            ('subscriber_sketches', 'events_by_msisdn', 'Events covered, named by msisdn'),
            ('subscriber_sketches', 'sketch', 'Apache DataSketches HLL, its own form'),
            ('subscriber_sketches', 'sketch_crc', 'CRC-32 of it'),
            ('batch_runs', 'started_by', 'user@host:process'),
            ('batch_runs', 'finished_at', 'When it ended, UTC; NULL: it goes on or was killed'),
            ('batch_runs', 'outcome', 'computed, no_data or failed; NULL: it goes on or was killed'),
            ('batch_runs', 'provisional', 'The day could still change then'),
            ('batch_runs', 'error', 'Why it failed'),
            ('day_states', 'state', 'final, provisional or stale'),
            ('day_states', 'stale_because', 'What has changed since; NULL: nothing'),
            ('day_states', 'changed_after_final', 'It had been final, and changed afterwards'),
            ('day_states', 'computed_at', 'When it was computed, UTC'),
            ('day_states', 'computed_by', 'By whom'),
            ('day_states', 'version_now', 'The version that the ledger has now'),
            ('day_states', 'final_version', 'The version at which it was final first'),
            ('anomalies', 'direction', 'high or low'),
            ('anomalies', 'first_window', 'Start of the first unusual window, UTC'),
            ('anomalies', 'opened_at', 'End of the window by which it was noticed, UTC'),
            ('anomalies', 'last_window', 'Start of the last window that was not calm, UTC'),
            ('anomalies', 'closed_at', 'End of the window by which it was over, UTC'),
            ('anomalies', 'state', 'open or closed'),
            ('anomalies', 'calm_windows', 'Calm windows since; the third closes it'),
            ('anomalies', 'peak_observed', 'Events in the worst window'),
            ('anomalies', 'peak_expected', 'What was expected there'),
            ('anomalies', 'peak_score', 'How far away that is'),
            ('anomalies', 'detected_at', 'When it was stored, UTC'),
            ('detector_progress', 'judged_through', 'Up to here traffic was judged, UTC'),
            ('detector_progress', 'series_judged', 'Series that were judged'),
            ('detector_progress', 'series_small', 'Series too small to be judged'),
            ('detector_progress', 'series_warming_up', 'Series with too little history'),
            ('schema_compatibility', 'migration', 'Number of the migration'),
            ('schema_compatibility', 'oldest_program', 'The newest migration that the oldest such program knew'),
            ('erasures', 'erased_at', 'When, UTC'),
            ('erasures', 'erased_by', 'By whom'),
            ('erasures', 'subject_salt', 'Random'),
            ('erasures', 'subject_digest', 'SHA-256 of salt and identifier: who has the identifier can tell that it was erased'),
            ('erasures', 'persons_rows', '{"table": {"deleted": 3, "changed": 1}, …}'),
            ('erasures', 'dead_letters', 'Dead letters that were emptied'),
            ('erasures', 'replays', 'Sendings whose corrected payload was emptied'),
            ('accounting', 'unaccounted', 'Offsets that nothing accounts for: 0'),
            ('accounting', 'on_time_off_ledger', 'Difference to the ledger: 0'),
            ('accounting', 'late_off_ledger', 'Difference to the ledger: 0'),
            ('completeness', 'complete_through', 'Up to here all partitions are complete, UTC'),
            ('completeness', 'held_back_by', 'The partition that is least far')
        ) AS own (relname, attname, text) USING (relname, attname)
        WHERE relnamespace = (SELECT relnamespace FROM pg_class WHERE oid = 'schema_compatibility'::regclass)
          AND relkind IN ('r', 'p', 'v') AND relname IN (
              'real_time_metrics', 'late_metrics', 'daily_stats', 'dead_letters', 'dead_letter_replays', 'replay_identity',
              'stream_progress', 'day_ledger', 'gaps', 'settings', 'subscriber_sketches', 'batch_runs', 'anomalies',
              'detector_progress', 'schema_compatibility', 'erasures', 'accounting', 'closed_windows', 'completeness',
              'current_progress', 'day_states', 'metrics_with_late')
    LOOP
        IF one.text IS NOT NULL THEN
            EXECUTE format('COMMENT ON COLUMN %I.%I IS %L', one.relname, one.attname, one.text);
        END IF;
    END LOOP;
END $$;
