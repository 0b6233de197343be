//! Changing the schema beside programs and readers that use it, and programs beside a schema that
//! has moved on, on a real PostgreSQL.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use sqlx::AssertSqlSafe;
use store::{PgConnection, SchemaState, Session, StoreError, schema_state};

/// More than enough for what must end by itself.
const DEADLINE: Duration = Duration::from_secs(60);

async fn connect(url: &str) -> PgConnection {
    store::connect(url, Session::Batch).await.unwrap()
}

async fn migrated() -> (String, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = connect(&url).await;
    store::migrate(&mut connection).await.unwrap();
    (url, connection)
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements.to_owned())).execute(connection).await.unwrap();
}

/// Takes the schema back to before the migration that sets replica identities, which needs tables
/// that others may use.
const TAKE_BACK: &str = "
    DELETE FROM _sqlx_migrations WHERE version = 8;
    DELETE FROM schema_compatibility WHERE migration = 8;
    ALTER TABLE stream_progress DROP COLUMN flush_blocked, DROP COLUMN flush_blocked_at;";

#[tokio::test]
async fn a_migration_that_waits_for_a_reader_lets_other_readers_pass() {
    tokio::task::LocalSet::new().run_until(wait_for_a_reader()).await;
}

async fn wait_for_a_reader() {
    let (url, mut connection) = migrated().await;
    execute(&mut connection, TAKE_BACK).await;
    let mut long_reader = connect(&url).await;
    execute(&mut long_reader, "BEGIN; SELECT COUNT(*) FROM daily_stats").await;

    let migrating = {
        let url = url.clone();
        tokio::task::spawn_local(async move { store::migrate(&mut connect(&url).await).await })
    };
    // Others come while it tries. None waits until the long reader ends: it does not before they have read.
    let mut reader = connect(&url).await;
    let mut has_waited = false;
    let waiting = async {
        while !has_waited {
            execute(&mut reader, "SELECT COUNT(*) FROM daily_stats").await;
            has_waited = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'
                     AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))",
            )
            .fetch_one(&mut reader)
            .await
            .unwrap();
        }
        // Behind it, and while the long reader goes on.
        execute(&mut reader, "SELECT COUNT(*) FROM daily_stats").await;
    };
    tokio::time::timeout(DEADLINE, waiting).await.expect("the migration waits for the reader");
    assert!(!migrating.is_finished());

    execute(&mut long_reader, "ROLLBACK").await;
    let migrated = tokio::time::timeout(DEADLINE, migrating).await.expect("it goes on by itself");
    migrated.unwrap().unwrap();
    assert_eq!(schema_state(&mut connection).await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn a_program_runs_on_a_later_schema_that_permits_it_and_on_no_other() {
    for (compatibility, is_permitted) in [
        (Some(8), true),
        (Some(1), true),
        // Only programs that know this migration.
        (Some(1000), false),
        // It says nothing.
        (None, false),
    ] {
        let (_, mut connection) = migrated().await;
        execute(
            &mut connection,
            "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
             VALUES (1000, 'later', true, '', 0)",
        )
        .await;
        if let Some(oldest_program) = compatibility {
            let insert =
                format!("INSERT INTO schema_compatibility VALUES (1000, {oldest_program})");
            execute(&mut connection, &insert).await;
        }
        let state = schema_state(&mut connection).await;
        match state {
            Ok(SchemaState::Current) => {
                assert!(is_permitted, "{compatibility:?}");
                // Nothing to do, and nothing is done.
                store::migrate(&mut connection).await.unwrap();
            }
            Err(StoreError::SchemaTooNew(1000)) => assert!(!is_permitted, "{compatibility:?}"),
            other => panic!("{compatibility:?}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn every_table_can_be_published() {
    let (_, mut connection) = migrated().await;
    execute(&mut connection, "CREATE PUBLICATION everything FOR ALL TABLES").await;
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT oid::regclass::text FROM pg_class
         WHERE relkind = 'r' AND relnamespace IN ('public'::regnamespace, 'persons'::regnamespace)
         ORDER BY relname",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(tables.contains(&"real_time_metrics".to_owned()), "{tables:?}");
    for table in tables {
        // PostgreSQL refuses these before it looks for rows.
        let column: String = sqlx::query_scalar(
            "SELECT attname::text FROM pg_attribute
             WHERE attrelid = $1::regclass AND attnum > 0 AND attgenerated = '' AND attidentity = ''
             ORDER BY attnum LIMIT 1",
        )
        .bind(&table)
        .fetch_one(&mut connection)
        .await
        .unwrap();
        execute(&mut connection, &format!("UPDATE {table} SET {column} = {column} WHERE false"))
            .await;
        execute(&mut connection, &format!("DELETE FROM {table} WHERE false")).await;
    }
}

/// What `streamer erase` rests on, so that it reaches a table that it has never heard of.
#[tokio::test]
async fn every_table_of_persons_says_whom_its_rows_are_about() {
    let (_, mut connection) = migrated().await;
    assert_eq!(nameless_tables(&mut connection).await, [""; 0]);
    execute(
        &mut connection,
        "CREATE TABLE persons.cases (id INT PRIMARY KEY, subscriber_id TEXT NOT NULL);
         CREATE TABLE persons.notes (of_case INT REFERENCES persons.cases ON DELETE CASCADE);
         CREATE TABLE persons.optional (subscriber_id TEXT);
         CREATE TABLE persons.bound (subscriber_id TEXT NOT NULL, of_case INT REFERENCES persons.cases);
         CREATE TABLE persons.nobody (region TEXT)",
    )
    .await;
    assert_eq!(nameless_tables(&mut connection).await, ["bound", "nobody", "optional"]);
}

/// Tables of `persons` that neither have a column `subscriber_id TEXT NOT NULL` nor go with a row of another one, and
/// those that keep a row of another one from being deleted.
async fn nameless_tables(connection: &mut PgConnection) -> Vec<String> {
    sqlx::query_scalar(
        "SELECT relname::text FROM pg_class t
         WHERE relnamespace = 'persons'::regnamespace AND relkind IN ('r', 'p') AND (
             NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = t.oid AND attname = 'subscriber_id'
                         AND atttypid = 'text'::regtype AND attnotnull)
             AND NOT EXISTS (SELECT FROM pg_constraint WHERE conrelid = t.oid AND contype = 'f' AND confdeltype = 'c')
             OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = t.oid AND contype = 'f' AND confdeltype <> 'c'))
         ORDER BY relname",
    )
    .fetch_all(connection)
    .await
    .unwrap()
}

#[tokio::test]
async fn a_schema_persons_that_is_somebody_else_s_is_left_alone() {
    let url = sandbox::fresh_database().unwrap();
    let mut connection = connect(&url).await;
    execute(&mut connection, "CREATE SCHEMA persons; CREATE TABLE persons.theirs ()").await;
    let Err(StoreError::NeedsMigration(Some(cause))) = store::migrate(&mut connection).await else {
        panic!("migrated");
    };
    assert!(cause.to_string().contains("ALTER SCHEMA persons RENAME TO"), "{cause}");

    execute(&mut connection, "DROP TABLE persons.theirs").await;
    store::migrate(&mut connection).await.unwrap();
    assert_eq!(schema_state(&mut connection).await.unwrap(), SchemaState::Current);
}

/// A table or column that no tool explains is looked up in the code.
#[tokio::test]
async fn every_table_view_and_column_says_what_it_is() {
    let (_, mut connection) = migrated().await;
    let silent: Vec<String> = sqlx::query_scalar(
        "SELECT relname || COALESCE('.' || attname, '')
         FROM pg_class
         JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname IN ('public', 'persons')
         LEFT JOIN LATERAL (
             SELECT attname, attnum FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
             UNION ALL SELECT NULL, 0
         ) AS part ON true
         WHERE relkind IN ('r', 'p', 'v') AND relname != '_sqlx_migrations'
           AND COALESCE(col_description(pg_class.oid, attnum), CASE attnum WHEN 0 THEN obj_description(pg_class.oid) END) IS NULL
         ORDER BY 1",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    assert!(silent.is_empty(), "COMMENT ON is missing for {silent:?}");
}

/// Users write `DATE(window_start) = …`: without an index of its own that reads every minute that is kept.
#[tokio::test]
async fn a_day_is_found_by_its_date_with_an_index_that_a_migration_builds_of_a_small_table_alone() {
    let (_, mut connection) = migrated().await;
    const MIGRATION: &str = include_str!("../../../migrations/0021_day_sums.sql");
    let building = MIGRATION.rfind("DO $$").unwrap();
    let (bound, no_table) = ("256 * 1024 * 1024", "0");
    assert!(MIGRATION[building..].contains(bound));
    // A small table; a large one; a small one to which it has come already.
    for (build, is_built) in [
        (MIGRATION[building..].to_owned(), true),
        (
            "DROP INDEX real_time_metrics_date;".to_owned()
                + &MIGRATION[building..].replace(bound, no_table),
            false,
        ),
        (MIGRATION[building..].to_owned(), true),
    ] {
        execute(&mut connection, &build).await;
        execute(&mut connection, "SET enable_seqscan = off").await;
        let plan: Vec<String> = sqlx::query_scalar(
            "EXPLAIN SELECT region, SUM(total_data_mb) FROM real_time_metrics
             WHERE DATE(window_start) = DATE(NOW() AT TIME ZONE 'UTC') GROUP BY region",
        )
        .fetch_all(&mut connection)
        .await
        .unwrap();
        let is_used = plan.iter().any(|line| line.contains("real_time_metrics_date"));
        assert_eq!(is_used, is_built, "{plan:#?}");
    }
}
