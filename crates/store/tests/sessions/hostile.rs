//! What administrators set for a role, a database or a table, and what it must not do to figures.

use sqlx::AssertSqlSafe;
use store::{PgConnection, Session, StoreError, connect, migrate};

use crate::text;

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::query(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}

/// A new database with our tables, and a session of its owner.
async fn migrated() -> (String, PgConnection) {
    let url = sandbox::fresh_database().unwrap();
    let mut owner = connect(&url, Session::Batch).await.unwrap();
    migrate(&mut owner).await.unwrap();
    (url, owner)
}

/// Sets something for all sessions of this database.
async fn set_for_database(url: &str, owner: &mut PgConnection, setting: &str) {
    let database = url.rsplit('/').next().unwrap();
    execute(owner, &format!("ALTER DATABASE {database} SET {setting}")).await;
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_not_taken_for_absent() {
    let (url, mut owner) = migrated().await;
    let user = format!("reader_of_{}", url.rsplit('/').next().unwrap());
    execute(&mut owner, &format!("CREATE ROLE {user} LOGIN PASSWORD 'x'")).await;
    execute(&mut owner, &format!("GRANT SELECT ON ALL TABLES IN SCHEMA public TO {user}")).await;
    execute(
        &mut owner,
        "INSERT INTO late_metrics (window_start, window_end, event_type, region, event_count,
                                   total_duration, total_data_mb, total_amount, exact_data_mb, exact_amount)
         VALUES ('2025-11-09 00:00', '2025-11-09 00:01', 'call', 'Almaty', 1, 0, 0, 0, 0, 0)",
    )
    .await;
    let login = url.replace("telecom_user:telecom_pass", &format!("{user}:x"));
    let mut reader = connect(&login, Session::Batch).await.unwrap();
    let count = "SELECT COUNT(*) FROM late_metrics";
    let seen: i64 = sqlx::query_scalar(count).fetch_one(&mut reader).await.unwrap();
    assert_eq!(seen, 1);
    execute(&mut owner, "ALTER TABLE late_metrics ENABLE ROW LEVEL SECURITY").await;

    let hidden = sqlx::query(count).fetch_one(&mut reader).await.map_err(StoreError::sql("it"));
    let error = text(&hidden.unwrap_err());
    assert!(error.contains("DISABLE ROW LEVEL SECURITY"), "{error}");
}

#[tokio::test]
async fn limits_for_users_queries_are_not_those_of_our_sessions() {
    let (url, mut owner) = migrated().await;
    for setting in [
        "statement_timeout = '7min'",
        "lock_timeout = '7min'",
        "idle_session_timeout = '7min'",
        "jit = on",
    ] {
        set_for_database(&url, &mut owner, setting).await;
    }
    for (session, expected) in [
        (Session::Batch, ["0", "0", "0", "off"]),
        (Session::Control, ["15s", "5s", "0", "off"]),
        (Session::Flush, ["15s", "5s", "0", "off"]),
    ] {
        let mut connection = connect(&url, session).await.unwrap();
        let found: (String, String, String, String) = sqlx::query_as(
            "SELECT current_setting('statement_timeout'), current_setting('lock_timeout'),
                    current_setting('idle_session_timeout'), current_setting('jit')",
        )
        .fetch_one(&mut connection)
        .await
        .unwrap();
        assert_eq!([found.0, found.1, found.2, found.3], expected, "{session:?}");
    }
}

#[tokio::test]
async fn where_nothing_may_be_written_the_cause_is_named() {
    let url = sandbox::fresh_database().unwrap();
    let mut owner = connect(&url, Session::Batch).await.unwrap();
    set_for_database(&url, &mut owner, "default_transaction_read_only = on").await;
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let error = text(&migrate(&mut connection).await.unwrap_err());
    assert!(error.contains("default_transaction_read_only") && !error.contains("owner"), "{error}");
}

#[tokio::test]
async fn without_a_schema_in_the_search_path_it_is_named() {
    let url = sandbox::fresh_database().unwrap();
    let mut owner = connect(&url, Session::Batch).await.unwrap();
    set_for_database(&url, &mut owner, "search_path = ''").await;
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let error = text(&migrate(&mut connection).await.unwrap_err());
    assert!(error.contains("search_path") && !error.contains("owner"), "{error}");
}

#[tokio::test]
async fn tables_in_another_schema_are_not_made_a_second_time() {
    let (url, mut owner) = migrated().await;
    execute(&mut owner, "CREATE SCHEMA mine").await;
    set_for_database(&url, &mut owner, "search_path = mine").await;
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let error = migrate(&mut connection).await.unwrap_err();
    assert!(matches!(&error, StoreError::OtherSchema(schema) if schema == "public"), "{error}");
}
