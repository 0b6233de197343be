-- What the connector needs in the database of the exchange. Once, as a superuser, in that database:
--   psql … --set ON_ERROR_STOP=1 --file connect/source.sql
-- and then, in psql:  \password cdr_reader
--
-- The server itself needs, in postgresql.conf (wal_level with a restart):
--   wal_level = logical
--   max_slot_wal_keep_size = 10GB   -- so much log is kept at most for a reader that is away; without it, until the disk is full
CREATE ROLE cdr_reader LOGIN REPLICATION;
GRANT SELECT ON cdr TO cdr_reader;
-- Rows that are inserted, and nothing else: what is changed or deleted later does not leave the server.
CREATE PUBLICATION telecom_cdr FOR TABLE cdr WITH (publish = 'insert');
-- From here on rows are read; the server keeps its log until they are. Made here and never by the connector, which would make
-- a lost one anew and go on behind what it has missed. Again only after a loss that is accepted.
SELECT pg_create_logical_replication_slot('telecom_cdr', 'pgoutput');
