-- The first of our minutes in [$1, $2); NULL: none. One step into an index.
SELECT MIN(window_start) FROM late_metrics WHERE window_start >= $1 AND window_start < $2
