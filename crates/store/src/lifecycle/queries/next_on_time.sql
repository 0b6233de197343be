-- The first of our minutes in [$1, $2); NULL: none. One step into an index.
SELECT MIN(window_start) FROM real_time_metrics WHERE own AND window_start >= $1 AND window_start < $2
