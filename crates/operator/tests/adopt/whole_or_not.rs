//! Adoption happens once and as a whole, whoever else adopts, whatever ends it.

use store::{Adoption, SchemaState, StoreError, adopt, schema_state};

use crate::support::{DAILY, Database, EVERYTHING, METRICS};

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
