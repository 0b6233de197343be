-- $1 id, $2 who, $3 why, $4 whom (NULL: nothing is kept of it), $5 rows of persons, $6 letters, $7 replays.
INSERT INTO erasures (id, erased_by, reason, subject_salt, subject_digest, persons_rows, dead_letters, replays)
SELECT $1, $2, $3, salt, sha256(salt || convert_to($4, 'UTF8')), $5, $6, $7
FROM (SELECT CASE WHEN $4::text IS NOT NULL THEN uuid_send(gen_random_uuid()) END AS salt) AS salted
