-- The first words of a flush, in one message. Every flush of every process on this database waits here for its turn,
-- first come first served, inside its transaction: whatever becomes of the process, the turn ends with the
-- transaction. Nothing is locked before it, so whoever has the turn waits for nobody who waits for it. Rows are read by a later statement, with a
-- snapshot of its own.
-- The key is "turn" in ASCII. After the wait the session's own timeouts hold again (a test compares them).
BEGIN;
SET LOCAL lock_timeout = '30s';
SET LOCAL statement_timeout = '40s';
SELECT pg_advisory_xact_lock(1953854062);
SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '15s';
-- As the server saw it: the way to it is no wait for others.
SELECT EXTRACT(epoch FROM clock_timestamp() - now())::double precision AS waited_seconds
