-- Which programs may run on this schema, so that a release can be rolled out and back one process at
-- a time.
--
-- A program knows the migrations up to the one it was built with. It runs on a schema that has later
-- ones as long as each of them names it, or an older one, in oldest_program. Programs built before
-- this migration do not read the table: those that run go on, and they refuse to start again.

CREATE TABLE schema_compatibility (
    migration           BIGINT PRIMARY KEY,
    -- Programs that know at least this migration may run on the schema.
    oldest_program      BIGINT NOT NULL,
    CHECK (oldest_program <= migration)
);
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (7, 6);
