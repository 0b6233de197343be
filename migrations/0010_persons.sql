-- Tables that name a subscriber get a schema of their own, so that rights can be given for all of them at once, those
-- that later migrations add included; and what must be deleted about one person can be found in the catalogue.
-- docs/privacy.md says what such a table has to look like.
INSERT INTO schema_compatibility (migration, oldest_program) VALUES (10, 6);

-- Made beforehand where the tables' owner may not create a schema. One that holds somebody else's tables is none of
-- ours: `streamer erase` would delete from them.
DO $$
BEGIN
    IF to_regnamespace('persons') IS NULL THEN
        CREATE SCHEMA persons;
    ELSIF EXISTS (SELECT FROM pg_class WHERE relnamespace = 'persons'::regnamespace) THEN
        RAISE EXCEPTION 'the schema persons of this database holds tables that are not this pipeline''s; give that schema another name: ALTER SCHEMA persons RENAME TO …';
    END IF;
END $$;
REVOKE ALL ON SCHEMA persons FROM PUBLIC;

-- One row per person that was erased: `streamer erase`. Whom it was about is not in it.
CREATE TABLE erasures (
    id                  BIGINT    PRIMARY KEY,      -- 1, 2, …: what dead_letters.erasure names
    erased_at           TIMESTAMP NOT NULL DEFAULT now(),
    erased_by           TEXT      NOT NULL,         -- who, for the record
    reason              TEXT      NOT NULL,         -- why: the number of a request, say
    -- SHA-256 of the salt, which is random, and the identifier: who has the identifier can tell that it was erased,
    -- and nobody else can tell which it was. NULL: an identifier that is no pseudonym, which trying all would find.
    subject_salt        BYTEA,
    subject_digest      BYTEA,
    persons_rows        JSONB     NOT NULL,         -- {"table": {"deleted": 3, "changed": 1}, …}, of the schema persons
    dead_letters        BIGINT    NOT NULL,         -- how many were emptied
    replays             BIGINT    NOT NULL,         -- of how many sendings the corrected payload was
    CHECK ((subject_salt IS NULL) = (subject_digest IS NULL))
);

-- Which erasure has emptied the letter; NULL: it is whole. Such a letter still counts, and is never sent again.
ALTER TABLE dead_letters ADD COLUMN erasure BIGINT;
