//! `batcher DAY --from-lake`: a day whose minutes have expired comes from the lake, if the lake has exactly what was counted.
//!
//! The archiver is a script here, which prints what the day's windows sum up to. The real one: `lake/archiver/tests/live`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;

use chrono::TimeDelta;
use store::BusinessDay;
use tempfile::TempDir;

use crate::support::{
    Database, MILLION, WindowRow, batcher, command, compute, day, hold, recompute, release,
    somebody_waits, until, windows,
};

const DATE: &str = "2025-11-09";
const EXPIRE: &[&str] = &["lifecycle", "--retain-minutes", "30d", "--retain-late-metrics", "30d"];

/// A final day, on-time and late events, whose minutes have expired; and an archiver that prints their sums.
struct Setting {
    database: Database,
    folder: TempDir,
    day: BusinessDay,
    all: Vec<WindowRow>,
}

impl Setting {
    async fn new(zone: &str) -> Self {
        let mut database = Database::new().await;
        database
            .execute_text(format!(
                "INSERT INTO settings (only_row, watermark_delay_ms, max_future_skew_ms, business_timezone)
                 VALUES (true, 120000, 300000, '{zone}')"
            ))
            .await;
        let day = day(DATE, zone);
        let late = windows(day.start() + TimeDelta::minutes(7), day.end(), TimeDelta::minutes(90));
        let on_time = windows(day.start(), day.end(), TimeDelta::minutes(15));
        database.flush_late(&late).await;
        database.flush(&on_time).await;
        database.complete_through("2025-11-20").await;
        database.compute(&day).await;
        let all = on_time.into_iter().chain(late).collect();
        let setting = Setting { database, folder: tempfile::tempdir().unwrap(), day, all };
        setting.print(&setting.answer(&setting.all));
        setting
    }

    fn expire(&self) {
        let (code, _, said) = batcher(&self.database.url, EXPIRE);
        assert_eq!(code, 0, "{said}");
    }

    fn archiver(&self) -> PathBuf {
        self.folder.path().join("archiver")
    }

    /// What `archiver day --json` prints of a lake with these windows' events.
    fn answer(&self, windows: &[WindowRow]) -> String {
        let mut rows = Vec::new();
        let is_new = |window: &&WindowRow, rows: &[String]| {
            let name =
                format!(r#""event_type":"{}","region":"{}""#, window.event_type, window.region);
            (!rows.iter().any(|row| row.contains(&name))).then_some(name)
        };
        for window in windows {
            let Some(name) = is_new(&window, &rows) else { continue };
            let same = windows.iter().filter(|other| {
                (other.event_type, other.region) == (window.event_type, window.region)
            });
            let (mut events, mut seconds, mut megabytes, mut tenge) = (0, 0, 0, 0);
            for one in same {
                events += one.events;
                seconds += one.seconds;
                megabytes += one.data_mb_millionths;
                tenge += one.amount_millionths;
            }
            let decimal = |number: i128| format!("{}.{:06}", number / MILLION, number % MILLION);
            rows.push(format!(
                r#"{{{name},"events":{events},"duration_seconds":{seconds},"data_mb":"{}","amount":"{}"}}"#,
                decimal(megabytes),
                decimal(tenge)
            ));
        }
        format!(
            r#"{{"date":"{DATE}","business_timezone":"{}","day_start":"{}","day_end":"{}","behind":0,"rows":[{}]}}"#,
            self.day.zone(),
            self.day.start(),
            self.day.end(),
            rows.join(",")
        )
    }

    /// From now on the archiver prints this, if it is asked as it has to be.
    fn print(&self, answer: &str) {
        fs::write(self.folder.path().join("answer"), answer).unwrap();
        let url = &self.database.url;
        self.script(&format!(
            "[ \"$*\" = 'day {DATE} --json' ] && [ \"$DATABASE_URL\" = '{url}' ] && exec cat \"$(dirname \"$0\")/answer\"\nexit 9"
        ));
    }

    fn script(&self, body: &str) {
        fs::write(self.archiver(), format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(self.archiver(), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn compute_from_lake(&self) -> (i32, String) {
        self.compute_from_lake_with(&[])
    }

    fn compute_from_lake_with(&self, options: &[&str]) -> (i32, String) {
        let arguments = [&[DATE, "--from-lake"], options].concat();
        let mut command = command(&self.database.url, &arguments);
        command.env("ARCHIVER", self.archiver()).env("PATH", "/usr/bin:/bin");
        let ended = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let said = format!("{}{}", text(ended.stdout), text(ended.stderr));
        (ended.status.code().unwrap(), said)
    }

    #[track_caller]
    fn check(&self, exit: i32, said: &[&str]) {
        let (found, all) = self.compute_from_lake();
        assert_eq!(found, exit, "{all}");
        for text in said {
            assert!(all.contains(text), "must say {text:?}: {all}");
        }
    }
}

#[tokio::test]
async fn a_day_from_the_lake_is_the_day_with_late_events_and_stays_final() {
    for zone in ["UTC", "Asia/Almaty"] {
        let mut setting = Setting::new(zone).await;
        let expected = recompute(&setting.all, DATE, zone.parse().unwrap());
        // What the minutes would give, to the last bit.
        let (code, _, said) = batcher(&setting.database.url, &[DATE, "--include-late"]);
        assert_eq!(code, 0, "{said}");
        assert_eq!(setting.database.daily_rows(DATE).await, expected);
        setting.expire();
        setting.database.execute("DELETE FROM daily_stats").await;

        let done =
            "16 rows from 12 sums of the lake and 0 rows of others, final, with late events (";
        setting.check(
            0,
            &[
                done,
                "avg_data_per_user_mb is NULL in some rows",
                "date=2025-11-09 null_rows=16 rows=16",
            ],
        );

        assert_eq!(setting.database.daily_rows(DATE).await, expected, "{zone}");
        let state = "SELECT state || ' ' || minutes_expired || ' ' || include_late || ' ' || source_rows FROM day_states";
        assert_eq!(setting.database.text(state).await, "final true true 12");
        let by = "SELECT started_by FROM batch_runs ORDER BY id DESC LIMIT 1";
        assert!(setting.database.text(by).await.ends_with(", from the lake"));
        let (code, _, _) = batcher(&setting.database.url, &["report", DATE]);
        assert_eq!(code, 0);
    }
}

#[tokio::test]
async fn a_late_event_for_expired_minutes_is_in_the_day_afterwards() {
    let mut setting = Setting::new("UTC").await;
    setting.expire();
    setting.check(0, &["final, with late events"]);
    let one_more = windows(setting.day.start(), setting.day.end(), TimeDelta::days(1));
    setting.database.flush(&one_more[..1]).await;
    let (_, said, _) = batcher(&setting.database.url, &["--stale"]);
    assert!(said.contains("`batcher 2025-11-09 --from-lake`"), "{said}");
    // The lake has not come so far yet: nothing is stored.
    let before = setting.database.daily_rows(DATE).await;
    setting.check(1, &["the lake does not have what was counted of 2025-11-09"]);
    assert_eq!(setting.database.daily_rows(DATE).await, before);

    setting.all.push(one_more[0].clone());
    setting.print(&setting.answer(&setting.all));
    setting.check(0, &["final, with late events, corrected"]);
    let expected = recompute(&setting.all, DATE, chrono_tz::UTC);
    assert_eq!(setting.database.daily_rows(DATE).await, expected);
    assert_eq!(setting.database.text("SELECT state FROM day_states").await, "final");
    // Its minute may expire as well now.
    let (_, said, _) = batcher(&setting.database.url, EXPIRE);
    assert!(said.contains("1 rows have gone"), "{said}");
    setting.check(0, &["final"]);
}

#[tokio::test]
async fn rows_of_others_are_part_of_it_and_an_unusable_one_is_named() {
    let mut setting = Setting::new("UTC").await;
    setting.expire();
    setting
        .database
        .execute(
            "INSERT INTO real_time_metrics (window_start, event_type, region, event_count, total_data_mb)
             VALUES ('2025-11-09 10:00', 'call', 'Almaty', 5, 1.5), ('2025-11-09 11:00', 'mms', 'Osh', 2, NULL)",
        )
        .await;
    setting.check(0, &["from 12 sums of the lake and 2 rows of others"]);
    let mut all = setting.all.clone();
    let of_others = |event_type, region, events, data_mb_millionths| WindowRow {
        start: setting.day.start(),
        event_type,
        region,
        events,
        seconds: 0,
        data_mb_millionths,
        amount_millionths: 0,
    };
    all.push(of_others("call", "Almaty", 5, 1_500_000));
    all.push(of_others("mms", "Osh", 2, 0));
    let expected = recompute(&all, DATE, chrono_tz::UTC);
    assert_eq!(setting.database.daily_rows(DATE).await, expected);

    setting.database.execute("UPDATE real_time_metrics SET total_amount = 'NaN'").await;
    setting.check(1, &["real_time_metrics has a row that can't be part of the day's figures"]);
    assert_eq!(setting.database.daily_rows(DATE).await, expected);
}

#[tokio::test]
async fn what_was_known_of_subscribers_stays_where_the_events_are_the_same() {
    let mut setting = Setting::new("UTC").await;
    let url = setting.database.url.clone();
    assert_eq!(batcher(&url, &[DATE, "--include-late"]).0, 0);
    setting
        .database
        .execute(
            "UPDATE daily_stats SET distinct_subscribers = 7 WHERE event_type = 'call';
             UPDATE daily_stats SET total_events = total_events - 1 WHERE region = 'aktau'",
        )
        .await;
    setting.expire();
    setting.check(0, &["null_rows=12 rows=16"]);
    let known = "SELECT string_agg(event_type || ' ' || region || ' ' || (avg_data_per_user_mb = total_data_tb * 1048576 / 7), ', ' ORDER BY region COLLATE \"C\")
                 FROM daily_stats WHERE distinct_subscribers = 7";
    assert_eq!(
        setting.database.text(known).await,
        "call ALL true, call Almaty true, call Astana true, call Алматы true"
    );
    // Rows of a day with other bounds are of other events, however many.
    setting
        .database
        .execute("UPDATE batch_runs SET day_start = day_start - INTERVAL '15 minutes'")
        .await;
    setting.check(0, &["null_rows=16 rows=16"]);
}

#[tokio::test]
async fn a_lake_that_has_not_exactly_what_was_counted_is_refused_and_nothing_changes() {
    let mut setting = Setting::new("UTC").await;
    setting.expire();
    let before = setting.database.daily_rows(DATE).await;
    let changed = |change: fn(&mut WindowRow)| {
        let mut all = setting.all.clone();
        change(&mut all[3]);
        all
    };
    for other in [
        setting.all[1..].to_vec(),
        setting.all.iter().chain(&setting.all[..1]).cloned().collect(),
        changed(|row| row.events += 1),
        changed(|row| row.seconds -= 1),
        changed(|row| row.data_mb_millionths += 1),
        changed(|row| row.amount_millionths += 1),
        vec![],
    ] {
        setting.print(&setting.answer(&other));
        setting.check(1, &["the lake does not have what was counted of 2025-11-09, and daily_stats is left as it is", "`archiver status`"]);
    }
    setting.print(&setting.answer(&setting.all));
    // The same sums, but the ledger knows of more: rows were deleted by hand.
    setting
        .database
        .execute("UPDATE day_ledger SET late = late + 1 WHERE quarter_start = '2025-11-09 12:00'")
        .await;
    setting.check(1, &["windows have been deleted"]);
    assert_eq!(setting.database.daily_rows(DATE).await, before);
    let runs =
        "SELECT COUNT(*) FILTER (WHERE outcome = 'failed') || ' of ' || COUNT(*) FROM batch_runs";
    assert_eq!(setting.database.text(runs).await, "8 of 9");
}

#[tokio::test]
async fn an_archiver_that_can_not_answer_is_an_error_with_the_way_out() {
    let mut setting = Setting::new("UTC").await;
    // As long as the minutes are there, the lake isn't even asked.
    setting.script("echo asked >&2; exit 1");
    let (code, said) = setting.compute_from_lake();
    let instead = "`batcher 2025-11-09 --include-late` computes the same from them";
    assert!(code == 1 && said.contains(instead) && !said.contains("asked"), "{code}: {said}");

    setting.expire();
    let before = setting.database.daily_rows(DATE).await;
    setting.check(1, &["asked", "the archiver failed (exit status: 1); its messages stand above"]);
    setting.script("exit 4");
    setting.check(1, &["the lake has no event of 2025-11-09"]);
    setting.print("event_type  region");
    setting.check(1, &["what the archiver printed can't be used"]);
    let other_zone =
        setting.answer(&setting.all).replace("2025-11-09 00:00:00", "2025-11-08 19:00:00");
    setting.print(&other_zone);
    setting.check(
        1,
        &["the archiver has answered for another day: 2025-11-09, from 2025-11-08 19:00:00"],
    );
    fs::remove_file(setting.archiver()).unwrap();
    setting.check(
        1,
        &["cannot start", "ARCHIVER names it where it is neither beside batcher nor on PATH"],
    );
    assert_eq!(setting.database.daily_rows(DATE).await, before);
}

#[tokio::test]
async fn an_archiver_that_never_answers_is_ended_and_the_day_stays_as_it_was() {
    let mut setting = Setting::new("UTC").await;
    setting.expire();
    let before = setting.database.daily_rows(DATE).await;
    // It waits in the shell itself, so that all who write to its standard error are gone when that is: `output` returns then.
    setting.script(
        "mkfifo \"$0.never\"; exec bash -c 'read -t 60 <> \"$0\"; echo it ended by itself >&2; exit 9' \"$0.never\"",
    );
    let (code, said) = setting.compute_from_lake_with(&["--archiver-wait", "2s"]);
    let expected = "the archiver has not answered for 2025-11-09 within 2s, and was ended; daily_stats is as it was";
    assert!(code == 1 && said.contains(expected), "{code}: {said}");
    assert!(
        said.contains("wait longer with --archiver-wait") && !said.contains("by itself"),
        "{said}"
    );
    assert_eq!(setting.database.daily_rows(DATE).await, before);
    // Nobody has noted a run, and the next one is not in its way.
    setting.print(&setting.answer(&setting.all));
    setting.check(0, &["final, with late events"]);
}

#[tokio::test]
async fn killed_while_it_commits_the_day_is_the_former_one_or_the_lakes_and_the_next_run_is_right()
{
    let mut setting = Setting::new("UTC").await;
    setting.expire();
    let expected = recompute(&setting.all, DATE, chrono_tz::UTC);
    let before = setting.database.daily_rows(DATE).await;
    assert_ne!(before, expected);
    setting
        .database
        .execute(
            "CREATE FUNCTION wait_here() RETURNS trigger LANGUAGE plpgsql AS
                 'BEGIN SET LOCAL lock_timeout = 0; PERFORM pg_advisory_xact_lock(7); RETURN NULL; END';
             CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON daily_stats
                 DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait_here()",
        )
        .await;
    let mut holder = setting.database.connect().await;
    hold(&mut holder, "SELECT pg_advisory_xact_lock(7)").await;
    let mut command = command(&setting.database.url, &[DATE, "--from-lake"]);
    command.env("ARCHIVER", setting.archiver()).env("PATH", "/usr/bin:/bin");
    let mut program = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    somebody_waits(&mut setting.database.connection).await;
    program.kill().unwrap();
    program.wait().unwrap();
    release(&mut holder).await;
    drop(holder);
    const ALONE: &str = "SELECT NOT EXISTS (SELECT FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid())";
    until(&mut setting.database.connection, "all sessions to end", ALONE).await;
    setting.database.execute("DROP TRIGGER at_commit ON daily_stats").await;
    // Whether its rows are there nobody knows: the day is stale until somebody computes it.
    assert_eq!(setting.database.text("SELECT state FROM day_states").await, "stale");
    let error =
        compute(&mut setting.database.connection, &setting.day).await.unwrap_err().to_string();
    assert!(error.contains("--from-lake"), "{error}");
    setting.check(0, &["final, with late events"]);
    assert_eq!(setting.database.daily_rows(DATE).await, expected);
    assert_eq!(setting.database.text("SELECT state FROM day_states").await, "final");
}
