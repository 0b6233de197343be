-- $1 topic, $2 generation, $3 partition, $4 position, $5 end of what is lost, $6 where it goes on: generation, $7 and offset; $8 why,
-- $9 who, $10 how much. What was copied are the first of the records behind the position: what is lost are the last.
INSERT INTO gaps (topic, generation, partition, position, reason, accepted_by, cause,
                  from_offset, to_offset, next_generation, next_offset, carried_out_by, carried_out_at)
VALUES ($1, $2, $3, $4, $8, $9, 'moved', $5 - $10, $5, $6, $7, 'streamer move', now())
