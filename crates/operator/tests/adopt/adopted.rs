//! What is adopted and what refused, what the report says, and what the tables are then.

use store::{SchemaState, StoreError, adopt, schema_state};

use crate::support::{DAILY, Database, METRICS, VIEW};

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
