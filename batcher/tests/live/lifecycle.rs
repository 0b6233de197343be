//! `batcher lifecycle`, what all others say of a day whose minutes have expired, and kill -9 at any point of it.

use std::process::Stdio;

use chrono::TimeDelta;

use crate::support::{
    Database, batcher, check, command, compute, day, hold, release, somebody_waits, until, windows,
};

const DATE: &str = "2025-11-09";
/// All events are older.
const MINUTES: &[&str] = &["lifecycle", "--retain-minutes", "30d"];

/// A final day with 12 rows in each quarter of an hour, and sums that say so.
async fn final_day(database: &mut Database) -> i64 {
    let day = day(DATE, "UTC");
    let windows = windows(day.start(), day.end(), TimeDelta::minutes(15));
    database.flush(&windows).await;
    database.complete_through("2025-11-20").await;
    database.compute(&day).await;
    windows.iter().map(|window| window.events).sum()
}

/// What there is of the day besides rows; empty: the ledger of each quarter is what has expired and what is there.
const UNEQUAL: &str = "
    SELECT COALESCE(string_agg(quarter || ': ' || counted || ' counted, ' || there, ', '), '')
    FROM (SELECT quarter_start AS quarter, SUM(on_time) AS counted FROM day_ledger GROUP BY 1) AS ledger
    FULL JOIN (
        SELECT quarter, SUM(events) AS there
        FROM (SELECT date_bin('15 minutes', window_start, '2000-01-01') AS quarter, event_count AS events FROM real_time_metrics
              UNION ALL SELECT quarter_start, events FROM expired_quarters) AS parts
        GROUP BY 1
    ) AS found USING (quarter)
    WHERE counted IS DISTINCT FROM there";

#[tokio::test]
async fn nothing_expires_unless_a_time_is_set_and_a_dry_run_only_says_what_would() {
    let mut database = Database::new().await;
    final_day(&mut database).await;
    let url = database.url.clone();
    check(&url, &["lifecycle"], 0, &["nothing expires: no RETAIN_… is set"]);
    let would = "real_time_metrics: 1152 rows would go, of 96 quarters of an hour from \
                 2025-11-09 00:00:00 to 2025-11-10 00:00:00 UTC";
    check(&url, &["lifecycle", "--dry-run", "--retain-minutes", "30d"], 0, &[would]);
    // Empty is unset, and each flag is a variable.
    let mut by_variable = command(&url, &["lifecycle", "--dry-run"]);
    by_variable.env("RETAIN_MINUTES", "30d").env("RETAIN_ALERTS", "");
    let said = String::from_utf8(by_variable.output().unwrap().stdout).unwrap();
    assert_eq!(said, format!("{would}\n"));
    check(&url, &["lifecycle", "--retain-minutes", "23h"], 2, &["nothing is deleted within a day"]);
    assert_eq!(database.text("SELECT COUNT(*)::text FROM real_time_metrics").await, "1152");

    check(&url, MINUTES, 0, &["1152 rows have gone, and their sums are in expired_quarters"]);
    check(&url, MINUTES, 0, &["real_time_metrics: nothing is to go"]);
    assert_eq!(database.text(UNEQUAL).await, "");
}

#[tokio::test]
async fn a_day_that_can_change_is_kept_and_named_and_a_broken_quarter_fails_the_run() {
    let mut database = Database::new().await;
    final_day(&mut database).await;
    let url = database.url.clone();
    database.complete_through("2025-11-09 23:00").await;
    let kept = "real_time_metrics: nothing is to go\n  kept: 2025-11-09 is provisional\n";
    check(&url, MINUTES, 0, &[kept]);
    database.complete_through("2025-11-20").await;
    database.execute("DELETE FROM real_time_metrics WHERE window_start = '2025-11-09 10:00' AND region = 'Almaty'").await;
    let broken = "the minutes of 1 quarters of an hour do not add up to the ledger, and stay";
    check(&url, MINUTES, 1, &["1140 rows have gone", "`streamer verify`", broken]);
}

#[tokio::test]
async fn one_run_at_a_time() {
    let mut database = Database::new().await;
    let mut other = database.connect().await;
    assert!(store::lock_lifecycle(&mut other).await.unwrap());
    check(&database.url, MINUTES, 1, &["another `batcher lifecycle` is running on this database"]);
    database.execute("SELECT 1").await;
}

#[tokio::test]
async fn a_day_of_which_a_part_has_expired_is_refused_by_name_and_its_figures_stay() {
    let mut database = Database::new().await;
    let events = final_day(&mut database).await;
    let url = database.url.clone();
    let before = database.daily_rows(DATE).await;
    // One quarter of the day, as of a run that was ended, and then all of it.
    for part in ["WHERE window_start < '2025-11-09 00:15'", ""] {
        database
            .execute_text(format!(
                "WITH gone AS (DELETE FROM real_time_metrics {part} RETURNING *)
                 INSERT INTO expired_quarters (relation, quarter_start, rows, events, seconds, data_mb, amount)
                 SELECT 'real_time_metrics', date_bin('15 minutes', window_start, '2000-01-01'), COUNT(*), SUM(event_count),
                        SUM(total_duration), SUM(exact_data_mb), SUM(exact_amount) FROM gone GROUP BY 2"
            ))
            .await;
        assert_eq!(database.text(UNEQUAL).await, "");
        let refused = "2025-11-09 can't be computed from its minutes any more, and daily_stats is left as it is: minutes expired";
        check(&url, &[DATE], 1, &[refused]);
        check(&url, &[DATE, "--include-late"], 1, &[refused]);
        check(&url, &["--from", DATE, "--to", DATE, "--again"], 1, &[refused, "1 failed"]);
        // Up to date is up to date.
        check(&url, &["--from", DATE, "--to", DATE], 0, &["1 were up to date"]);
        check(
            &url,
            &["validate", DATE],
            4,
            &["2025-11-09: can't be checked any more: minutes expired"],
        );
        check(&url, &["check", DATE], 0, &["2025-11-09: complete", "its minutes expired"]);
        let (_, report, _) = batcher(&url, &["report", DATE]);
        assert!(
            report.contains("final") && report.contains("; minutes expired: those of"),
            "{report}"
        );
        assert!(!report.contains("busiest hour"), "{report}");
        check(
            &url,
            &["report", DATE, "--format", "json"],
            0,
            &[r#""minutes_expired":true"#, r#""busiest_hour":null"#],
        );
        check(&url, &["--stale"], 0, &["stale days: 0 computed"]);
        let state = "SELECT state || ' ' || minutes_expired FROM day_states";
        assert_eq!(database.text(state).await, "final true");
        assert_eq!(database.daily_rows(DATE).await, before);
    }
    assert_eq!(
        database.text("SELECT SUM(events)::text FROM expired_quarters").await,
        events.to_string()
    );

    // An event that comes now is a row, makes the day stale, and nothing can be done about that but say so.
    let one_more = windows(day(DATE, "UTC").start(), day(DATE, "UTC").end(), TimeDelta::days(1));
    database.flush(&one_more[..1]).await;
    assert_eq!(database.text(UNEQUAL).await, "");
    let stays = "1 stale days stay as they are, 2025-11-09 to 2025-11-09: their minutes expired";
    check(&url, &["--stale"], 0, &["stale days: 0 computed", stays]);
    check(&url, &["--stale", "--include-open"], 0, &[stays]);
    check(&url, &["check", DATE], 0, &["stale: it counted", "its minutes expired"]);
    check(&url, &["validate", DATE], 4, &["minutes expired"]);
    let why = "2025-11-09 is stale: it counted";
    check(&url, MINUTES, 0, &["nothing is to go", why]);
    assert_eq!(database.daily_rows(DATE).await, before);
}

#[tokio::test]
async fn late_minutes_that_have_expired_concern_days_with_late_events_alone() {
    let mut database = Database::new().await;
    let url = database.url.clone();
    let day = day(DATE, "UTC");
    let windows = windows(day.start(), day.end(), TimeDelta::hours(1));
    database.flush_late(&windows[..12]).await;
    database.flush(&windows).await;
    database.complete_through("2025-11-20").await;
    let late = &["lifecycle", "--retain-late-metrics", "30d"];
    check(&url, &[DATE], 0, &["final"]);
    check(&url, late, 0, &["late_metrics: 12 rows have gone"]);
    check(&url, &["validate", DATE], 0, &["valid"]);
    check(&url, &[DATE, "--include-late"], 1, &["minutes expired: those of 1 quarters of an hour"]);
    compute(&mut database.connection, &day).await.unwrap();
    check(&url, &["validate", DATE], 0, &["valid"]);
}

#[tokio::test]
async fn killed_anywhere_it_leaves_whole_quarters_and_the_next_run_goes_on() {
    const KILLS: usize = 25;
    let mut database = Database::new().await;
    let events = final_day(&mut database).await;
    let mut expired_before = 0;
    let mut partial = 0;
    for kill in 0..KILLS {
        let mut command = command(&database.url, MINUTES);
        let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // Killed once a few quarters more have gone, wherever it is then.
        const EXPIRED: &str = "SELECT COUNT(*) FROM expired_quarters";
        let goal = expired_before + kill as i64 % 6;
        let mut expired: i64 = 0;
        while program.try_wait().unwrap().is_none() && expired < goal {
            expired =
                sqlx::query_scalar(EXPIRED).fetch_one(&mut database.connection).await.unwrap();
        }
        program.kill().unwrap();
        program.wait().unwrap();
        const ENDED: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid())";
        until(&mut database.connection, "the program's session to end", ENDED).await;
        assert_eq!(database.text(UNEQUAL).await, "", "kill {kill}");
        expired_before =
            sqlx::query_scalar(EXPIRED).fetch_one(&mut database.connection).await.unwrap();
        partial += usize::from((1..96).contains(&expired_before));
        check(&database.url, &["--stale"], 0, &["stale days: 0 computed"]);
    }
    assert!(partial > 1, "it was never killed in the midst of it");
    check(&database.url, MINUTES, 0, &[]);
    assert_eq!(database.text(UNEQUAL).await, "");
    let all = database.text("SELECT SUM(events) || ' of ' || COUNT(*) FROM expired_quarters").await;
    assert_eq!(all, format!("{events} of 96"));
}

#[tokio::test]
async fn killed_while_it_commits_the_quarter_has_gone_or_not() {
    for (server_notices_first, expired) in [(true, "0"), (false, "1")] {
        let mut database = Database::new().await;
        final_day(&mut database).await;
        database
            .execute(
                "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                     'BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
                 CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON expired_quarters
                     DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_here()",
            )
            .await;
        let mut holder = database.connect().await;
        hold(&mut holder, "SELECT pg_advisory_xact_lock(7) /* held by a test */").await;
        let mut command = command(&database.url, MINUTES);
        let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        somebody_waits(&mut database.connection).await;
        program.kill().unwrap();
        program.wait().unwrap();
        if server_notices_first {
            database
                .execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                     WHERE datname = current_database() AND pid <> pg_backend_pid() AND query NOT LIKE '%held by a test%'",
                )
                .await;
            const ENDED: &str = "SELECT COUNT(*) = 1 FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()";
            until(&mut database.connection, "the program's session to end", ENDED).await;
        }
        release(&mut holder).await;
        drop(holder);
        const ALONE: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid())";
        until(&mut database.connection, "all sessions to end", ALONE).await;
        assert_eq!(database.text("SELECT COUNT(*)::text FROM expired_quarters").await, expired);
        assert_eq!(database.text(UNEQUAL).await, "");
        database.execute("DROP TRIGGER at_commit ON expired_quarters").await;
        check(&database.url, MINUTES, 0, &["rows have gone"]);
        assert_eq!(database.text(UNEQUAL).await, "");
    }
}
