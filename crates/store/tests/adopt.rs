//! The replaced system's tables on a real PostgreSQL: recognised, refused, adopted as a whole or not
//! at all.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::time::Duration;

use sqlx::AssertSqlSafe;
use store::{
    Adoption, BusinessDay, Condition, DayRun, PgConnection, RunOptions, SchemaState, Session,
    StoreError, adopt, schema_state,
};

/// The tables as the replaced system made them, with what it is known to leave behind: a window
/// written twice, a window in two parts, NULL sums, a figure that is no number.
const METRICS: &str = "
    CREATE TABLE real_time_metrics (
        id SERIAL PRIMARY KEY,
        window_start TIMESTAMP NOT NULL,
        window_end TIMESTAMP NOT NULL,
        event_type VARCHAR(50) NOT NULL,
        event_count INTEGER NOT NULL,
        total_duration BIGINT,
        total_data_mb DOUBLE PRECISION,
        total_amount DOUBLE PRECISION,
        region VARCHAR(100),
        processed_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP
    );
    CREATE INDEX real_time_metrics_window_start ON real_time_metrics (window_start);
    CREATE INDEX idx_event_type ON real_time_metrics (event_type);
    INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
        total_duration, total_data_mb, total_amount, region, processed_at)
    VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 3, 30, NULL, NULL, 'Osh', '2025-11-09 10:04'),
           ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 3, 30, NULL, NULL, 'Osh', '2025-11-09 10:05'),
           ('2025-11-09 10:00', '2025-11-09 10:01', 'data_session', 4, 60, 0.5, NULL, 'Osh', '2025-11-09 10:04'),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 1, NULL, NULL, NULL, 'Aral', NULL),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 2, NULL, NULL, NULL, 'Aral', '2025-11-09 10:05'),
           ('2025-11-09 10:01', '2025-11-09 10:02', 'sms', 2, NULL, NULL, NULL, 'Aral', '2025-11-09 10:06'),
           ('2025-11-12 10:00', '2025-11-12 10:01', 'call', 1, 1, 'NaN', 0, 'Osh', '2025-11-12 10:04');";

const VIEW: &str = "CREATE VIEW dashboard AS SELECT event_type, event_count FROM real_time_metrics";

const DAILY: &str = "
    CREATE TABLE daily_stats (
        id SERIAL PRIMARY KEY,
        date DATE NOT NULL,
        event_type VARCHAR(50) NOT NULL,
        region VARCHAR(100),
        total_events BIGINT,
        total_duration_hours DOUBLE PRECISION,
        total_data_tb DOUBLE PRECISION,
        total_amount DOUBLE PRECISION,
        avg_duration_seconds DOUBLE PRECISION,
        avg_data_per_user_mb DOUBLE PRECISION,
        UNIQUE (date, event_type, region)
    );
    INSERT INTO daily_stats (date, event_type, region, total_events, total_duration_hours,
        total_data_tb, total_amount, avg_duration_seconds, avg_data_per_user_mb)
    VALUES ('2025-11-08', 'call', 'ALL', 100, 2.5, 0.25, 1.125, 45, 2),
           ('2025-11-08', 'call', 'Osh', 100, 2.5, 0.25, 1.125, NULL, NULL),
           ('2025-11-08', 'call', NULL, 7, 0, 0, 0, 0, 0);";

/// Everything that a crash may not change: relations, rights, the database's settings, and the rows.
const EVERYTHING: &str = "
    SELECT string_agg(line, E'\\n' ORDER BY line) FROM (
        SELECT format('%s %s ', relkind, relname) || ' ' || COALESCE(relacl::text, '') AS line
        FROM pg_class WHERE relnamespace = 'public'::regnamespace
        UNION ALL SELECT setconfig::text FROM pg_db_role_setting JOIN pg_database d
                  ON d.oid = setdatabase AND datname = current_database()
        UNION ALL SELECT m::text FROM real_time_metrics m
        UNION ALL SELECT d::text FROM daily_stats d
    ) AS everything";

struct Database {
    url: String,
    connection: PgConnection,
}

impl Database {
    async fn with(statements: &[&str]) -> Self {
        let url = sandbox::fresh_database().unwrap();
        let connection = store::connect(&url, Session::Batch).await.unwrap();
        let mut database = Database { url, connection };
        for statement in statements {
            database.execute(statement).await;
        }
        database
    }

    async fn connect(&self) -> PgConnection {
        store::connect(&self.url, Session::Batch).await.unwrap()
    }

    async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    async fn text(&mut self, query: &str) -> String {
        let query = AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    /// One line per row, columns separated by commas, NULL empty.
    async fn lines(&mut self, query: &str) -> Vec<String> {
        let query =
            AssertSqlSafe(format!("SELECT trim(BOTH '()' FROM q::text) FROM ({query}) AS q"));
        sqlx::query_scalar(query).fetch_all(&mut self.connection).await.unwrap()
    }

    async fn adopt(&mut self) -> Adoption {
        adopt(&mut self.connection).await.unwrap()
    }
}

/// The message and its causes.
fn chain(error: &StoreError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[tokio::test]
async fn the_replaced_systems_tables_are_refused_with_the_step_to_take() {
    for (tables, names) in [
        (&[METRICS, DAILY][..], "real_time_metrics, daily_stats"),
        (&[METRICS], "real_time_metrics"),
        (&[DAILY], "daily_stats"),
    ] {
        let mut database = Database::with(tables).await;
        for error in [
            store::migrate(&mut database.connection).await.unwrap_err(),
            store::ensure_schema(&mut database.connection).await.unwrap_err(),
        ] {
            let message = error.to_string();
            assert!(message.contains(&format!("replaced system: {names};")), "{message}");
            assert!(message.contains("`streamer migrate --adopt`"), "{message}");
        }
    }
}

#[tokio::test]
async fn other_tables_of_our_names_stay_refused() {
    for (statements, foreign) in [
        (&["CREATE TABLE real_time_metrics (window_start TIMESTAMP)"][..], "real_time_metrics"),
        (&["CREATE VIEW daily_stats AS SELECT 1 AS date"], "daily_stats"),
        (
            &[METRICS, "ALTER TABLE real_time_metrics ALTER event_count TYPE TEXT"],
            "real_time_metrics",
        ),
        (&[METRICS, "ALTER TABLE real_time_metrics DROP total_amount"], "real_time_metrics"),
        (
            &[METRICS, "ALTER TABLE real_time_metrics ALTER window_end TYPE TIMESTAMPTZ"],
            "real_time_metrics",
        ),
        // Ours, but for the history.
        (&[METRICS, "ALTER TABLE real_time_metrics ADD own BOOLEAN"], "real_time_metrics"),
        // One of the two is not the replaced system's, or there is a third.
        (&[METRICS, "CREATE TABLE daily_stats (date DATE)"], "daily_stats"),
        (&[METRICS, DAILY, "CREATE TABLE settings (x INT)"], "settings"),
        // A name that adoption needs is taken.
        (&[METRICS, "CREATE TABLE real_time_metrics_legacy (x INT)"], "real_time_metrics_legacy"),
    ] {
        let mut database = Database::with(statements).await;
        let before = database.lines("SELECT relname FROM pg_class ORDER BY 1").await;
        let error = adopt(&mut database.connection).await.unwrap_err();
        let StoreError::ForeignTables(named) = &error else { panic!("{statements:?}: {error}") };
        assert_eq!(named, foreign, "{statements:?}");
        assert_eq!(database.lines("SELECT relname FROM pg_class ORDER BY 1").await, before);
    }
}

#[tokio::test]
async fn adopted_rows_are_copied_as_they_are_and_kept_as_they_were() {
    let mut database = Database::with(&[METRICS, DAILY]).await;
    let metrics = "SELECT window_start, window_end, event_type, event_count, total_duration,
                   total_data_mb, total_amount, region, processed_at FROM real_time_metrics";
    let daily =
        "SELECT date, event_type, region, total_events, total_duration_hours, total_data_tb,
                 total_amount, avg_duration_seconds, avg_data_per_user_mb FROM daily_stats";
    let (metrics_before, daily_before) =
        (database.lines(metrics).await, database.lines(daily).await);

    let adoption = database.adopt().await;

    assert_eq!(database.lines(metrics).await, metrics_before);
    assert_eq!(database.lines(&format!("{metrics}_legacy")).await, metrics_before);
    // Our key has no NULLs: the row without a region stays where it is.
    let whole: Vec<_> = daily_before.iter().filter(|line| !line.contains("call,,")).collect();
    let mut copied = database.lines(daily).await;
    copied.sort();
    assert_eq!(copied.iter().collect::<Vec<_>>(), whole);
    assert_eq!(database.lines(&format!("{daily}_legacy")).await, daily_before);
    let tables: Vec<_> = adoption
        .tables
        .iter()
        .map(|table| (table.name, table.rows, table.copied, &*table.columns_left))
        .collect();
    let id = &["id".to_owned()][..];
    assert_eq!(tables, [("real_time_metrics", 7, 7, id), ("daily_stats", 3, 2, id)]);
    assert_eq!(database.text("SELECT bool_or(own)::text FROM real_time_metrics").await, "false");
    assert_eq!(schema_state(&mut database.connection).await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn the_report_names_doubled_keys_unusable_rows_and_views() {
    let mut database = Database::with(&[METRICS, DAILY, VIEW]).await;
    let adoption = database.adopt().await;
    let keys: Vec<_> = adoption
        .doubled_keys
        .iter()
        .map(|key| {
            let start = key.window_start.unwrap().to_string();
            (start, key.event_type.as_deref(), key.region.as_deref(), key.rows, key.agree)
        })
        .collect();
    let start = |time: &str| format!("2025-11-09 {time}");
    assert_eq!(
        keys,
        [
            (start("10:00:00"), Some("call"), Some("Osh"), 2, true),
            (start("10:01:00"), Some("sms"), Some("Aral"), 3, false),
        ]
    );
    assert_eq!((adoption.doubled_keys_total, adoption.surplus_rows), (2, 3));
    let unusable = adoption.unusable_row.unwrap().to_string();
    assert!(unusable.contains("2025-11-12 10:00:00"), "{unusable}");
    assert!(unusable.contains("total_data_mb is NaN"), "{unusable}");
    assert_eq!(adoption.views, ["dashboard"]);
}

#[tokio::test]
async fn doubled_keys_beyond_the_bound_are_counted() {
    let many = "
        INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, region)
        SELECT day, day, 'call', 1, 'Osh'
        FROM generate_series('2025-01-01'::timestamp, '2025-02-19', '1 day') AS day,
             generate_series(1, 3)";
    let mut database = Database::with(&[METRICS, many]).await;
    let adoption = database.adopt().await;
    assert_eq!(adoption.doubled_keys.len(), store::DOUBLED_KEYS_LISTED_MAX);
    assert_eq!(adoption.doubled_keys_total, 50 + 2);
    assert_eq!(adoption.surplus_rows, 2 * 50 + 3);
}

#[tokio::test]
async fn one_of_the_two_tables_is_enough() {
    for (table, name, rows) in [(METRICS, "real_time_metrics", 7), (DAILY, "daily_stats", 3)] {
        let mut database = Database::with(&[table]).await;
        let adoption = database.adopt().await;
        assert_eq!(adoption.tables.len(), 1);
        assert_eq!((adoption.tables[0].name, adoption.tables[0].rows), (name, rows));
        assert_eq!(schema_state(&mut database.connection).await.unwrap(), SchemaState::Current);
    }
}

#[tokio::test]
async fn what_belongs_to_a_table_is_renamed_with_it() {
    let mut database = Database::with(&[METRICS, DAILY]).await;
    database.adopt().await;
    let names = database
        .lines(
            "SELECT relname FROM pg_class
             WHERE relnamespace = 'public'::regnamespace AND relname LIKE '%legacy%'
             ORDER BY relname",
        )
        .await;
    assert_eq!(
        names,
        [
            "daily_stats_legacy",
            "daily_stats_legacy_date_event_type_region_key",
            "daily_stats_legacy_id_seq",
            "daily_stats_legacy_pkey",
            "idx_event_type_legacy",
            "real_time_metrics_legacy",
            "real_time_metrics_legacy_id_seq",
            "real_time_metrics_legacy_pkey",
            "real_time_metrics_legacy_window_start",
        ]
    );
    // It works as before under its new name.
    database
        .execute("INSERT INTO daily_stats_legacy (date, event_type) VALUES ('2025-11-07', 'call')")
        .await;
    let last = database.text("SELECT MAX(id)::text FROM daily_stats_legacy").await;
    assert_eq!(last, "4");
}

#[tokio::test]
async fn adopting_again_finds_nothing_and_changes_nothing() {
    let mut database = Database::with(&[METRICS, DAILY]).await;
    database.adopt().await;
    let before = database.text(EVERYTHING).await;
    assert_eq!(database.adopt().await, Adoption::default());
    assert_eq!(database.text(EVERYTHING).await, before);
    // Nor does it need anything to adopt.
    let mut empty = Database::with(&[]).await;
    assert_eq!(empty.adopt().await, Adoption::default());
    assert_eq!(schema_state(&mut empty.connection).await.unwrap(), SchemaState::Current);
}

#[tokio::test]
async fn of_two_who_adopt_at_once_one_does() {
    let database = Database::with(&[METRICS, DAILY]).await;
    let (mut first, mut second) = (database.connect().await, database.connect().await);
    let (first, second) = tokio::join!(adopt(&mut first), adopt(&mut second));
    let mut tables = [first.unwrap().tables.len(), second.unwrap().tables.len()];
    tables.sort_unstable();
    assert_eq!(tables, [0, 2]);
}

/// A session that adopts and is killed once it has come to a command of this kind.
async fn kill_at(database: &mut Database, command: &str) {
    // Whoever runs such a command waits for a lock that this test holds.
    let barrier = format!(
        "CREATE FUNCTION wait_to_be_killed() RETURNS event_trigger LANGUAGE plpgsql AS
             'BEGIN PERFORM pg_advisory_xact_lock(7); END';
         SELECT pg_advisory_lock(7);
         CREATE EVENT TRIGGER barrier ON ddl_command_end WHEN TAG IN ('{command}')
             EXECUTE FUNCTION wait_to_be_killed();"
    );
    database.execute(&barrier).await;
    let mut session = database.connect().await;
    let victim: i32 =
        sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut session).await.unwrap();
    let waiting = format!(
        "SELECT COUNT(*)::text FROM pg_locks
         WHERE locktype = 'advisory' AND NOT granted AND pid = {victim}"
    );
    let kill = format!("SELECT pg_terminate_backend({victim}, 60000)::text");
    tokio::task::LocalSet::new()
        .run_until(async {
            let adopting = tokio::task::spawn_local(async move { adopt(&mut session).await });
            while database.text(&waiting).await == "0" {
                assert!(!adopting.is_finished(), "{command}: it came to its end");
            }
            // Waits until the session is gone.
            assert_eq!(database.text(&kill).await, "true");
            adopting.await.unwrap().unwrap_err();
        })
        .await;
    database
        .execute(
            "SELECT pg_advisory_unlock(7);
             DROP EVENT TRIGGER barrier;
             DROP FUNCTION wait_to_be_killed();",
        )
        .await;
}

#[tokio::test]
async fn a_kill_anywhere_leaves_everything_as_it_was() {
    let mut database = Database::with(&[
        METRICS,
        DAILY,
        "DO $$ BEGIN CREATE ROLE reader_of_adopted; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON real_time_metrics TO reader_of_adopted",
    ])
    .await;
    let before = database.text(EVERYTHING).await;
    // In the order in which they come: renaming, migrations, and, after the rows, rights.
    for command in ["ALTER TABLE", "ALTER INDEX", "CREATE TABLE", "CREATE VIEW", "GRANT"] {
        kill_at(&mut database, command).await;
        assert_eq!(database.text(EVERYTHING).await, before, "{command}");
    }
    assert_eq!(database.adopt().await.tables.len(), 2);
}

#[tokio::test]
async fn a_missing_right_is_named_and_changes_nothing() {
    let mut database = Database::with(&[
        METRICS,
        DAILY,
        "DO $$ BEGIN CREATE ROLE stranger_to_adopted; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT ALL ON SCHEMA public TO stranger_to_adopted;
         GRANT ALL ON real_time_metrics, daily_stats TO stranger_to_adopted;",
    ])
    .await;
    let before = database.text(EVERYTHING).await;
    let mut stranger = database.connect().await;
    sqlx::raw_sql("SET ROLE stranger_to_adopted").execute(&mut stranger).await.unwrap();
    let error = chain(&adopt(&mut stranger).await.unwrap_err());
    assert!(error.contains("failed while renaming the tables"), "{error}");
    assert!(error.contains("must be owner of table real_time_metrics"), "{error}");
    drop(stranger);
    assert_eq!(database.text(EVERYTHING).await, before);
}

#[tokio::test]
async fn whoever_might_use_the_tables_may_use_ours() {
    let mut database = Database::with(&[
        METRICS,
        "DO $$ BEGIN CREATE ROLE \"Dash Board\"; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         DO $$ BEGIN CREATE ROLE owner_of_adopted; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
         GRANT SELECT ON real_time_metrics TO PUBLIC;
         GRANT SELECT, INSERT ON real_time_metrics TO \"Dash Board\" WITH GRANT OPTION;
         ALTER TABLE real_time_metrics OWNER TO owner_of_adopted",
    ])
    .await;
    database.adopt().await;
    let rights = database
        .lines(
            "SELECT COALESCE(NULLIF(grantee, 0)::regrole::text, 'public') AS grantee,
                    string_agg(privilege_type || CASE WHEN is_grantable THEN '*' ELSE '' END, ' '
                               ORDER BY privilege_type) AS rights
             FROM pg_class, aclexplode(relacl)
             WHERE relname = 'real_time_metrics' AND pg_get_userbyid(grantee) <> current_user
             GROUP BY 1 ORDER BY 1",
        )
        .await;
    assert_eq!(
        rights,
        [
            r#""""Dash Board""","INSERT* SELECT*""#,
            "owner_of_adopted,\"DELETE INSERT REFERENCES SELECT TRIGGER TRUNCATE UPDATE\"",
            "public,SELECT",
        ]
    );
}

#[tokio::test]
async fn adopted_rows_are_part_of_the_days_figures_and_not_of_the_accounting() {
    let mut database = Database::with(&[METRICS, DAILY]).await;
    database.adopt().await;
    // One window of ours beside those, with its accounting.
    database
        .execute(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, on_time)
             VALUES ('t', 0, 0, 0, 5, 5);
             INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             VALUES ('t', 0, 0, '2025-11-09 10:00', 5);
             INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                 total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-09 10:00', '2025-11-09 10:01', 'call', 'Osh', 5, 10, 0, 0, 0, 0, true)",
        )
        .await;
    assert!(store::verify(&mut database.connection).await.unwrap().differences.is_empty());

    let day = |date: &str| BusinessDay::new(date.parse().unwrap(), chrono_tz::UTC);
    let options = RunOptions {
        condition: Condition::Always,
        include_late: false,
        lock_wait: Duration::from_secs(60),
        started_by: "a test",
    };
    let run = store::compute_day(&mut database.connection, &day("2025-11-09"), options).await;
    let run = run.unwrap();
    assert!(matches!(run, DayRun::Computed(_)));
    let rows = database
        .lines(
            "SELECT event_type, region, total_events FROM daily_stats
             WHERE date = '2025-11-09' AND region <> 'ALL' ORDER BY event_type",
        )
        .await;
    // What was written twice is counted twice, as the replaced system did.
    let expected = ["call,Osh,11", "data_session,Osh,4", "most_active,Osh,15", "sms,Aral,5"];
    assert_eq!(rows, expected);
    // A day with a figure that is no number is refused by name, and its neighbours are not.
    let error = store::compute_day(&mut database.connection, &day("2025-11-12"), options)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("2025-11-12 10:00:00"), "{error}");
}

#[tokio::test]
async fn users_queries_answer_as_before() {
    let recent = "
        INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count,
            total_data_mb, region)
        SELECT t, t, 'call', 2, 2621.44, 'Osh'
        FROM unnest(ARRAY[date_trunc('day', now()::timestamp), now()::timestamp]) AS t";
    let mut database = Database::with(&["SET timezone = 'UTC'", METRICS, DAILY, recent]).await;
    let queries = [
        "SELECT event_type, COUNT(*) AS windows, SUM(event_count) AS total_events
         FROM real_time_metrics WHERE window_start >= TIMESTAMP '2025-11-09' - INTERVAL '1 hour'
         GROUP BY event_type ORDER BY event_type",
        "SELECT region, ROUND(SUM(total_data_mb)::numeric / 1024 / 1024, 4) AS data_tb
         FROM real_time_metrics WHERE DATE(window_start) = CURRENT_DATE GROUP BY region",
        "SELECT event_type, region, ROUND(total_data_tb::numeric, 4), ROUND(total_amount::numeric, 2)
         FROM daily_stats WHERE date = '2025-11-08' AND region != 'ALL'",
        "SELECT COUNT(*) FROM real_time_metrics",
    ];
    let mut before = Vec::new();
    for query in queries {
        before.push(database.lines(query).await);
    }
    database.adopt().await;
    for (query, expected) in queries.iter().zip(before) {
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(database.lines(query).await, expected, "{query}");
    }
}

/// A statement of docs/operations.md, by how its comment begins.
fn statement_of_the_page(start: &str) -> &'static str {
    let page = include_str!("../../../docs/operations.md");
    let from = page.find(&format!("-- {start}")).unwrap();
    page[from..].split("```").next().unwrap()
}

#[tokio::test]
async fn the_pages_statement_leaves_one_of_adopted_rows_that_agree() {
    let mut database = Database::with(&[METRICS]).await;
    database.adopt().await;
    database.execute(statement_of_the_page("doubled:")).await;
    let rows = database
        .lines(
            "SELECT event_type, event_count, processed_at::time FROM real_time_metrics
             WHERE window_start < '2025-11-12' ORDER BY 1, 2",
        )
        .await;
    assert_eq!(rows, ["call,3,10:04:00", "data_session,4,10:04:00", "sms,1,", "sms,2,10:05:00"]);
}

#[tokio::test]
async fn the_pages_statement_removes_what_every_partition_has_counted_again() {
    let adopted = "
        INSERT INTO real_time_metrics (window_start, window_end, event_type, event_count, region)
        SELECT start, start, 'call', 1, 'Osh'
        FROM unnest('{2025-11-20 09:59,2025-11-20 10:29,2025-11-20 10:30,2025-11-20 11:00}'::timestamp[])
             AS start;";
    let mut database = Database::with(&[METRICS, "DELETE FROM real_time_metrics", adopted]).await;
    database.adopt().await;
    let remove = statement_of_the_page("counted again:");
    let left = "SELECT to_char(window_start, 'HH24:MI'), own FROM real_time_metrics ORDER BY 1, 2";

    // Nothing was counted again: nothing goes.
    database.execute(remove).await;
    assert_eq!(database.lines(left).await.len(), 4);

    // The log of partition 1 begins later, in the quarter from 10:15 on.
    database
        .execute(
            "INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time)
             SELECT 't', 0, p, start, 1
             FROM (VALUES (0, TIMESTAMP '2025-11-20 09:45'), (0, '2025-11-20 11:00'),
                          (1, '2025-11-20 10:15'), (1, '2025-11-20 11:00')) AS l (p, start);
             INSERT INTO real_time_metrics (window_start, window_end, event_type, region, event_count,
                 total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             VALUES ('2025-11-20 11:00', '2025-11-20 11:01', 'call', 'Osh', 2, 0, 0, 0, 0, 0, true)",
        )
        .await;
    database.execute(remove).await;
    assert_eq!(database.lines(left).await, ["09:59,f", "10:29,f", "11:00,t"]);
}
