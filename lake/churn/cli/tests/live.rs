//! The program on a real PostgreSQL, with rows that a stand-in for the archiver prints.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use chrono::{Days, NaiveDate};
use sqlx::{Connection, PgConnection, Row};
use tempfile::TempDir;

const HISTORY: u64 = 124;
const SUBSCRIBERS: u64 = 6_000;
const HEAD: &str = "date,subscriber,named_by,events,calls,messages,data_sessions,recharges,data_mb,distinct_counterparties,distinct_towers";

/// Prints the rows of the days that are asked for: `subscribers --export --from DAY --to DAY`.
const ARCHIVER: &str = r#"#!/bin/sh
exec awk -F, -v from="$4" -v to="$6" 'NR <= 2 || ($1 >= from && $1 < to)' "$(dirname "$0")/rows.csv"
"#;

fn first() -> NaiveDate {
    "2025-03-01".parse().unwrap()
}

fn as_of() -> NaiveDate {
    first() + Days::new(HISTORY)
}

/// A number that looks like chance (splitmix64), in [0, 1).
fn unit(a: u64, b: u64, c: u64) -> f64 {
    let mut bits = a.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ b.rotate_left(24) ^ c.rotate_left(48);
    for factor in [0xbf58_476d_1ce4_e5b9_u64, 0x94d0_49bb_1331_11eb] {
        bits = (bits ^ bits >> 30).wrapping_mul(factor);
    }
    (bits ^ bits >> 31) as f64 / u64::MAX as f64
}

/// A database with a ledger, and an archiver's rows that agree with it.
struct Setting {
    url: String,
    folder: TempDir,
    connection: PgConnection,
    rows: Vec<String>,
}

impl Setting {
    async fn new() -> Setting {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = PgConnection::connect(&url).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let archiver = folder.path().join("archiver");
        fs::write(&archiver, ARCHIVER).unwrap();
        fs::set_permissions(&archiver, fs::Permissions::from_mode(0o755)).unwrap();
        let mut setting = Setting { url, folder, connection, rows: Vec::new() };
        for day in 0..HISTORY {
            setting.add_day(day).await;
        }
        let through = as_of() + Days::new(1);
        setting
            .execute(&format!(
                "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset, complete_through)
                 VALUES ('telecom_events', 0, 0, 0, 0, '{through}')"
            ))
            .await;
        setting.write_rows();
        setting
    }

    /// One subscriber in 25 leaves between the days 64 and 94, and calls less for three weeks before.
    async fn add_day(&mut self, day: u64) {
        let date = first() + Days::new(day);
        let mut events = 5;
        for who in 0..SUBSCRIBERS {
            let leaves = (unit(who, 1, 0) < 0.04).then(|| 64 + (unit(who, 2, 0) * 30.0) as u64);
            if leaves.is_some_and(|leaves| day > leaves) {
                continue;
            }
            let is_leaving = leaves.is_some_and(|leaves| day + 21 > leaves);
            let calls = (unit(who, 3, day) * if is_leaving { 3.0 } else { 9.0 }) as u64;
            let sessions = (unit(who, 4, day) * 7.0) as u64;
            if calls + sessions > 0 {
                events += calls + sessions;
                self.rows.push(format!(
                    "{date},{who:016x},subscriber_id,{},{calls},0,{sessions},0,1.5,{calls},2",
                    calls + sessions
                ));
            }
        }
        self.rows.push(format!("{date},,nobody,5,5,0,0,0,0,0,0"));
        // Late ones count as well.
        self.execute(&format!(
            "INSERT INTO day_ledger (topic, generation, partition, quarter_start, on_time, late)
             VALUES ('telecom_events', 0, 0, '{date} 23:45', {}, 3)",
            events - 3
        ))
        .await;
    }

    fn write_rows(&self) {
        let mut text = format!("# version 17\n{HEAD}\n");
        self.rows.iter().for_each(|row| writeln!(text, "{row}").unwrap());
        fs::write(self.folder.path().join("rows.csv"), text).unwrap();
    }

    async fn execute(&mut self, statement: &str) {
        sqlx::query(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    async fn number(&mut self, statement: &'static str) -> i64 {
        sqlx::query_scalar(statement).fetch_one(&mut self.connection).await.unwrap()
    }

    fn churn(&self, arguments: &[&str]) -> Output {
        let archiver: PathBuf = self.folder.path().join("archiver");
        Command::new(env!("CARGO_BIN_EXE_churn"))
            .args(arguments)
            .env("DATABASE_URL", &self.url)
            .env("ARCHIVER", archiver)
            .output()
            .unwrap()
    }

    /// What the program printed, after it ended well.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.churn(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What the program complained of, after it was refused.
    fn refused(&self, arguments: &[&str]) -> String {
        let output = self.churn(arguments);
        let text = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(5), "{text}");
        text
    }
}

#[tokio::test]
async fn a_model_is_trained_scores_are_stored_and_the_newest_13_dates_are_kept() {
    let mut setting = Setting::new().await;
    let day = as_of().to_string();
    let trained = setting.done(&["train", "--as-of", &day]);
    assert!(trained.starts_with(&format!("model 1, as of {day}: learnt from ")), "{trained}");
    assert_eq!(setting.number("SELECT data_version FROM churn_models").await, 17);
    assert_eq!(
        setting.number("SELECT (metrics->>'positives')::bigint FROM churn_models").await / 100,
        2
    );

    // Trained again on the same days: the same numbers.
    setting.done(&["train", "--as-of", &day]);
    assert_eq!(setting.number("SELECT COUNT(DISTINCT model) FROM churn_models").await, 1);

    let scored = setting.done(&["score", "--as-of", &day]);
    assert!(scored.ends_with("subscribers scored with model 2\n"), "{scored}");
    let population = setting.number("SELECT COUNT(*) FROM persons.churn_scores").await;
    assert!((5_700..6_000).contains(&population), "{population}");
    let row = sqlx::query(
        "SELECT subscriber_id, probability, reasons FROM persons.churn_scores ORDER BY probability DESC LIMIT 1",
    )
    .fetch_one(&mut setting.connection)
    .await
    .unwrap();
    let reasons: Vec<String> = row.get("reasons");
    assert!((1..=3).contains(&reasons.len()), "{reasons:?}");
    assert!(
        row.get::<f32, _>("probability") > 0.0 && row.get::<String, _>("subscriber_id").len() == 16
    );

    // Once more the same day: its rows are replaced.
    setting.done(&["score", "--as-of", &day]);
    assert_eq!(setting.number("SELECT COUNT(*) FROM persons.churn_scores").await, population);

    for ago in 1..=13 {
        let day = as_of() - Days::new(ago);
        let insert =
            format!("INSERT INTO persons.churn_scores VALUES ('{day}', 'a', 1, 0.5, '{{}}')");
        setting.execute(&insert).await;
    }
    setting.done(&["score", "--as-of", &day]);
    let dates = "SELECT COUNT(DISTINCT score_date) FROM persons.churn_scores";
    assert_eq!(setting.number(dates).await, 13);

    let report = setting.done(&["report"]);
    for expected in ["model 2, as of", "recency alone", "naive label", "calls_change_", &day] {
        assert!(report.contains(expected), "{expected}: {report}");
    }
}

#[tokio::test]
async fn every_refusal_names_its_cause_and_leaves_the_former_model_and_scores() {
    let mut setting = Setting::new().await;
    let day = as_of().to_string();
    setting.done(&["train", "--as-of", &day]);
    setting.done(&["score", "--as-of", &day]);
    let models = "SELECT COUNT(*) FROM churn_models";
    let scores = "SELECT COUNT(*) FROM persons.churn_scores";
    let before = (setting.number(models).await, setting.number(scores).await);

    let earlier = (as_of() - Days::new(2)).to_string();
    let text = setting.refused(&["train", "--as-of", &earlier]);
    assert!(text.contains("history too short: it begins on 2025-03-01, and 123 days"), "{text}");

    let stale = (as_of() - Days::new(3)).to_string();
    setting
        .execute(&format!(
            "UPDATE day_ledger SET late = late + 1 WHERE quarter_start::date = '{stale}'"
        ))
        .await;
    for command in ["train", "score"] {
        let text = setting.refused(&[command, "--as-of", &day]);
        assert!(text.contains(&format!("stale day: the subscriber-days of {stale}")), "{text}");
    }
    setting
        .execute(&format!(
            "UPDATE day_ledger SET late = late - 1 WHERE quarter_start::date = '{stale}'"
        ))
        .await;

    let text = setting.churn_in_epoch(1, &["score", "--as-of", &day]);
    assert!(text.contains("change of key epoch: the model of"), "{text}");

    let rows = setting.rows.clone();
    let missing = (as_of() - Days::new(5)).to_string();
    setting.rows.retain(|row| !row.starts_with(&missing));
    setting.write_rows();
    for command in ["train", "score"] {
        let text = setting.refused(&[command, "--as-of", &day]);
        assert!(
            text.contains(&format!("missing day: there are no subscriber-days of {missing}")),
            "{text}"
        );
    }

    // From this day on everybody has another name.
    let renamed = (as_of() - Days::new(20)).to_string();
    let rename = |row: &String| match row.as_str() >= renamed.as_str() {
        true => row.replace(",00000", ",fffff"),
        false => row.clone(),
    };
    setting.rows = rows.iter().map(rename).collect();
    setting.write_rows();
    for command in ["train", "score"] {
        let text = setting.refused(&[command, "--as-of", &day]);
        assert!(text.contains("change of key epoch: of the subscribers of"), "{text}");
    }

    let half =
        |row: &&String| !row.contains("subscriber_id") || row.as_bytes()[26].is_multiple_of(2);
    setting.rows = rows.iter().filter(half).cloned().collect();
    setting.write_rows();
    setting.agree().await;
    let text = setting.refused(&["train", "--as-of", &day]);
    assert!(text.contains("too few positives: "), "{text}");

    assert_eq!((setting.number(models).await, setting.number(scores).await), before);
}

#[tokio::test]
async fn an_archiver_that_fails_or_is_not_there_is_an_error_and_no_refusal() {
    let setting = Setting::new().await;
    let day = as_of().to_string();
    fs::write(setting.folder.path().join("archiver"), "#!/bin/sh\nexit 3\n").unwrap();
    let output = setting.churn(&["train", "--as-of", &day]);
    assert_eq!(output.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&output.stderr).contains("the archiver failed (exit status: 3)")
    );
    fs::remove_file(setting.folder.path().join("archiver")).unwrap();
    let output = setting.churn(&["train", "--as-of", &day]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("ARCHIVER names it"));
    let output = setting.churn(&["train", "--as-of", &(as_of() + Days::new(9)).to_string()]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not complete yet"));
}

impl Setting {
    fn churn_in_epoch(&self, epoch: u32, arguments: &[&str]) -> String {
        let epoch = epoch.to_string();
        self.refused(&[arguments, &["--subscriber-key-epoch", &epoch]].concat())
    }

    /// Sets the ledger to what the rows hold.
    async fn agree(&mut self) {
        let mut events = std::collections::BTreeMap::new();
        for row in &self.rows {
            let fields: Vec<&str> = row.split(',').collect();
            *events.entry(fields[0].to_owned()).or_insert(0) += fields[3].parse::<i64>().unwrap();
        }
        for (date, events) in events {
            self.execute(&format!(
                "UPDATE day_ledger SET on_time = {events}, late = 0 WHERE quarter_start::date = '{date}'"
            ))
            .await;
        }
    }
}
