-- Unless somebody has decided about one of these alerts already. Two at once: the second one's row is refused by the
-- unique key if both have seen the same alerts, and is about the later ones alone if not.
-- $1 subscriber, $2 rule, $3 the case's first alert, $4 its last, $5 verdict, $6 reason, $7 by whom.
INSERT INTO persons.verdicts (subscriber_id, rule, through_alert, verdict, reason, decided_by)
SELECT $1, $2, $4, $5, $6, $7
WHERE NOT EXISTS (
    SELECT FROM persons.verdicts
    WHERE subscriber_id = $1 AND rule = $2 AND through_alert >= $3)
ON CONFLICT DO NOTHING
