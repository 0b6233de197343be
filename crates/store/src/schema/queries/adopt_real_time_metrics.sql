-- The replaced system's windows as they are, doubled ones included. They are not `own`: they have no
-- part in the accounting, and the batcher adds them up.
INSERT INTO real_time_metrics (
    window_start, window_end, event_type, event_count, total_duration, total_data_mb, total_amount,
    region, processed_at
)
SELECT window_start, window_end, event_type, event_count, total_duration, total_data_mb,
       total_amount, region, processed_at
FROM real_time_metrics_legacy
