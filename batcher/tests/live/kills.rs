//! kill -9 at any point leaves the old day or the new one, and `batch_runs` tells no lies about it.

use std::process::{Child, Stdio};

use chrono::TimeDelta;
use store::PgConnection;

use crate::support::{
    DailyRows, Database, WindowRow, check, command, day, hold, recompute, release, somebody_waits,
    until, windows,
};

const DATE: &str = "2025-11-09";
/// A final day, and one event more than it was computed from.
struct Case {
    database: Database,
    old: DailyRows,
    new: DailyRows,
}

impl Case {
    async fn new() -> Self {
        let mut database = Database::new().await;
        let day = day(DATE, "UTC");
        let mut windows = windows(day.start(), day.end(), TimeDelta::hours(1));
        database.flush(&windows).await;
        database.complete_through("2025-11-10").await;
        database.compute(&day).await;
        let old = recompute(&windows, DATE, chrono_tz::UTC);
        let new = one_more_event(&mut database, &mut windows).await;
        Case { database, old, new }
    }

    fn start(&self) -> Child {
        let mut command = command(&self.database.url, &[DATE]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Kills the program, and ends its session as the server does once it notices.
    async fn kill(&mut self, mut program: Child) {
        program.kill().unwrap();
        program.wait().unwrap();
        self.database
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()
                   AND query NOT LIKE '%held by a test%'",
            )
            .await;
        session_ends(&mut self.database.connection).await;
    }
}

async fn session_ends(connection: &mut PgConnection) {
    const ENDED: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid()
           AND query NOT LIKE '%held by a test%')";
    until(connection, "the program's session to end", ENDED).await;
}

/// Counts one event more, and says what the day's rows are with it.
async fn one_more_event(database: &mut Database, windows: &mut [WindowRow]) -> DailyRows {
    let start = windows[0].start;
    windows[0].events += 1;
    let WindowRow { event_type, region, .. } = windows[0];
    database
        .execute_text(format!(
            "UPDATE real_time_metrics SET event_count = event_count + 1
             WHERE window_start = '{start}' AND event_type = '{event_type}' AND region = '{region}';
             UPDATE day_ledger SET on_time = on_time + 1 WHERE quarter_start = '{start}'"
        ))
        .await;
    recompute(windows, DATE, chrono_tz::UTC)
}

/// (date's rows are the new ones, runs without an end)
async fn left(case: &mut Case) -> (bool, String) {
    let rows = case.database.daily_rows(DATE).await;
    assert!(rows == case.old || rows == case.new, "neither the old day nor the new one: {rows:?}");
    let open = "SELECT count(*)::text FROM batch_runs WHERE finished_at IS NULL";
    (rows == case.new, case.database.text(open).await)
}

/// Whatever was left: it counts as stale, and is put right.
async fn heals(mut case: Case) {
    let state = case.database.state(DATE).await.map(|(state, _)| state);
    assert_eq!(state.as_deref(), Some("stale"));
    check(&case.database.url, &["--stale"], 0, &["stale days: 1 computed"]);
    assert_eq!(case.database.daily_rows(DATE).await, case.new);
    let state = case.database.state(DATE).await.map(|(state, _)| state);
    assert_eq!(state.as_deref(), Some("final"));
}

#[tokio::test]
async fn killed_before_it_has_begun_and_inside_its_transaction() {
    // (what keeps the program waiting, runs without an end)
    for (lock, open_runs) in [
        ("LOCK TABLE batch_runs IN SHARE MODE /* held by a test */", "0"),
        ("SELECT FROM daily_stats FOR UPDATE /* held by a test */", "1"),
    ] {
        let mut case = Case::new().await;
        let mut holder = case.database.connect().await;
        hold(&mut holder, lock).await;
        let program = case.start();
        somebody_waits(&mut case.database.connection).await;
        case.kill(program).await;
        release(&mut holder).await;
        drop(holder);
        assert_eq!(left(&mut case).await, (false, open_runs.to_owned()), "{lock}");
        heals(case).await;
    }
}

#[tokio::test]
async fn killed_while_it_commits() {
    // Two ends: the server notices before it has committed, and after.
    for (server_notices_first, is_new) in [(true, false), (false, true)] {
        let mut case = Case::new().await;
        case.database
            .execute(
                "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
                 CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON daily_stats
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_here()",
            )
            .await;
        let mut holder = case.database.connect().await;
        hold(&mut holder, "SELECT pg_advisory_lock(7) /* held by a test */").await;
        let mut program = case.start();
        somebody_waits(&mut case.database.connection).await;
        if server_notices_first {
            case.kill(program).await;
            drop(holder);
        } else {
            program.kill().unwrap();
            program.wait().unwrap();
            drop(holder);
            session_ends(&mut case.database.connection).await;
        }
        assert_eq!(left(&mut case).await, (is_new, "1".to_owned()));
        case.database.execute("DROP TRIGGER at_commit ON daily_stats").await;
        heals(case).await;
    }
}

#[tokio::test]
async fn killed_after_its_commit_before_its_version_is_stored() {
    let mut case = Case::new().await;
    let mut day_holder = case.database.connect().await;
    let mut run_holder = case.database.connect().await;
    hold(&mut day_holder, "SELECT FROM daily_stats FOR UPDATE /* held by a test */").await;
    let program = case.start();
    somebody_waits(&mut case.database.connection).await;
    hold(&mut run_holder, "SELECT FROM batch_runs FOR UPDATE /* held by a test */").await;
    release(&mut day_holder).await;
    drop(day_holder);
    let committed = "SELECT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock'
           AND query LIKE '%UPDATE batch_runs%')";
    until(&mut case.database.connection, "the run to commit", committed).await;
    case.kill(program).await;
    release(&mut run_holder).await;
    drop(run_holder);
    assert_eq!(left(&mut case).await, (true, "1".to_owned()));
    heals(case).await;
}

#[tokio::test]
async fn killed_anywhere_a_day_that_is_not_stale_is_the_newest_one() {
    const KILLS: usize = 40;
    let mut database = Database::new().await;
    let day = day(DATE, "UTC");
    let mut windows = windows(day.start(), day.end(), TimeDelta::hours(1));
    database.flush(&windows).await;
    database.complete_through("2025-11-10").await;
    database.compute(&day).await;
    let mut computed = vec![recompute(&windows, DATE, chrono_tz::UTC)];
    for looks in 0..KILLS {
        computed.push(one_more_event(&mut database, &mut windows).await);
        let mut case = Case { database, old: DailyRows::new(), new: DailyRows::new() };
        let mut program = case.start();
        const RUNS: &str = "SELECT EXISTS (SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid())::text";
        // It may be done before it was seen.
        while program.try_wait().unwrap().is_none() && case.database.text(RUNS).await == "false" {}
        // Each look takes about as long as one of the program's own statements.
        for _ in 0..looks {
            case.database.text("SELECT count(*)::text FROM daily_stats").await;
        }
        program.kill().unwrap();
        program.wait().unwrap();
        session_ends(&mut case.database.connection).await;

        let rows = case.database.daily_rows(DATE).await;
        assert!(computed.contains(&rows), "{looks}: not a day that ever was");
        let state = case.database.state(DATE).await.map(|(state, _)| state);
        if state.as_deref() != Some("stale") {
            assert_eq!(Some(&rows), computed.last(), "{looks}: {state:?}");
        }
        database = case.database;
    }
    check(&database.url, &["--stale"], 0, &[]);
    assert_eq!(Some(&database.daily_rows(DATE).await), computed.last());
}
