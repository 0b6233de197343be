-- The marks from which rules can be built again: all from the last one on before which no event is needed any more, and
-- always the newest one.
-- $1 topic, $2 generation, $3 partition, $4 position, $5 the event time after which events are needed; NULL: all are.
SELECT "offset", quarter_start, max_event_time, watermark, on_time, late, watermark_delay_us
FROM log_marks
WHERE (topic, generation, partition) = ($1, $2, $3)
  AND "offset" < $4
  AND "offset" >= COALESCE(
      (SELECT max("offset") FROM log_marks
       WHERE (topic, generation, partition) = ($1, $2, $3)
         AND "offset" < $4 AND max_event_time <= $5), 0)
ORDER BY "offset"
