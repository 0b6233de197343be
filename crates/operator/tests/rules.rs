//! `streamer rules` and `streamer fraud` on a real PostgreSQL: which partition is judged from where, and what becomes of cases.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::path::PathBuf;

use clap::{Parser, Subcommand};
use operator::Exit;
use operator::fraud::FraudCommand;
use operator::rules::RulesCommand;
use sqlx::AssertSqlSafe;
use store::{FirstContact, PgConnection, Session};
use windowing::Position;

const TOPIC: &str = "t";

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    #[command(subcommand)]
    Rules(RulesCommand),
    #[command(subcommand)]
    Fraud(FraudCommand),
}

struct Database {
    url: String,
    connection: PgConnection,
}

impl Database {
    /// With two partitions, at 0 and at 10.
    async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        store::agree_settings(&mut connection, store::ExplicitSettings::default()).await.unwrap();
        let ends = [0, 10].map(Position::at);
        let partitions = [(0, ends[0], ends[1]), (1, ends[1], ends[1])];
        store::ensure_partitions(
            &mut connection,
            (TOPIC, None),
            &partitions,
            FirstContact::Earliest,
            false,
        )
        .await
        .unwrap();
        Database { url, connection }
    }

    async fn execute(&mut self, statements: &str) {
        let statements = AssertSqlSafe(statements.to_owned());
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// Each row as a text.
    async fn rows(&mut self, select: &str) -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT array_to_string(r, ' ') FROM ({select}) AS s (r)"
        )))
        .fetch_all(&mut self.connection)
        .await
        .unwrap()
    }

    /// As typed behind `streamer`.
    async fn run(&self, line: &[&str]) -> Result<(), String> {
        let database = ["--database-url", self.url.as_str(), "--by", "somebody"];
        let with_by = matches!(line[1], "apply" | "off" | "confirm" | "dismiss" | "allow");
        let database = if with_by { &database[..] } else { &database[..2] };
        let cli = Cli::try_parse_from(["streamer"].iter().chain(line).chain(database)).unwrap();
        let ran = match cli.command {
            Command::Rules(command) => operator::rules::run(&command).await,
            Command::Fraud(command) => operator::fraud::run(&command).await,
        };
        ran.map(|exit| assert_eq!(exit, Exit::Done)).map_err(|error| format!("{error:#}"))
    }

    async fn spans(&mut self) -> Vec<String> {
        let select =
            "SELECT ARRAY[rule_set::text, rule, version::text, partition::text, from_offset::text]
                      FROM rule_spans ORDER BY rule_set, partition, rule";
        self.rows(select).await
    }

    async fn gaps(&mut self) -> Vec<String> {
        let select = "SELECT ARRAY[partition::text, from_offset::text, COALESCE(to_offset::text, '-'), reason,
                                   put_off_by, put_off_because] FROM pattern_gaps ORDER BY id";
        self.rows(select).await
    }

    /// Partition, epoch and how far rules were judged.
    async fn progress(&mut self) -> Vec<String> {
        let select =
            "SELECT ARRAY[partition::text, epoch::text, COALESCE(patterns_through::text, '-')]
                      FROM stream_progress ORDER BY partition";
        self.rows(select).await
    }
}

/// A file that holds one rule.
fn rules_file(version: i32, at_least: i32) -> PathBuf {
    let name = format!("rules-{}-{version}-{at_least}.toml", std::process::id());
    let path = std::env::temp_dir().join(name);
    let text = format!(
        "[[rules]]\nname = \"calls\"\nversion = {version}\nmode = \"live\"\nwithin = \"1h\"\n\
         conditions = [{{ kind = \"count\", at_least = {at_least} }}]\n"
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[tokio::test]
async fn rules_are_judged_from_each_stored_position_on_and_every_epoch_rises() {
    let mut database = Database::new().await;
    let before = database.progress().await;
    assert_eq!(before, ["0 0 -", "1 0 -"]);
    assert_eq!(database.run(&["rules", "off"]).await.unwrap_err(), "no rules are on");

    let (first, second) = (rules_file(1, 5), rules_file(2, 6));
    database.run(&["rules", "apply", first.to_str().unwrap()]).await.unwrap();
    assert_eq!(database.spans().await, ["1 calls 1 0 0", "1 calls 1 1 10"]);
    assert_eq!(database.progress().await, ["0 1 0", "1 1 10"]);
    database.run(&["rules", "list"]).await.unwrap();

    // Partition 0 was moved on by a program without rules, 1 by one that judged them.
    database
        .execute(
            "UPDATE stream_progress SET next_offset = next_offset + 7;
             UPDATE stream_progress SET patterns_through = next_offset WHERE partition = 1",
        )
        .await;
    database.run(&["rules", "apply", second.to_str().unwrap()]).await.unwrap();
    assert_eq!(database.spans().await[2..], ["2 calls 2 0 7", "2 calls 2 1 17"]);
    assert_eq!(database.gaps().await, ["0 0 7 not_judged"]);
    assert_eq!(database.progress().await, ["0 2 7", "1 2 17"]);

    database.run(&["rules", "off"]).await.unwrap();
    database.execute("UPDATE stream_progress SET next_offset = next_offset + 1").await;
    // While rules are off, nothing is missed.
    database.run(&["rules", "apply", second.to_str().unwrap()]).await.unwrap();
    assert_eq!(database.gaps().await, ["0 0 7 not_judged"]);
    assert_eq!(database.spans().await[4..], ["4 calls 2 0 8", "4 calls 2 1 18"]);
}

#[tokio::test]
async fn a_rule_that_was_changed_is_put_on_only_under_another_version() {
    let mut database = Database::new().await;
    let (first, changed, again) = (rules_file(1, 5), rules_file(1, 7), rules_file(2, 7));
    database.run(&["rules", "apply", first.to_str().unwrap()]).await.unwrap();
    database.run(&["rules", "off"]).await.unwrap();
    let refused = database.run(&["rules", "apply", changed.to_str().unwrap()]).await.unwrap_err();
    assert!(refused.contains("rule calls, version 1, differs from"), "{refused}");
    assert!(refused.contains("(set 1)"), "{refused}");
    database.run(&["rules", "apply", again.to_str().unwrap()]).await.unwrap();
    assert_eq!(database.rows("SELECT ARRAY[count(*)::text] FROM rule_sets").await, ["3"]);
}

#[tokio::test]
async fn one_partition_s_rules_are_off_until_rules_are_put_on_again() {
    let mut database = Database::new().await;
    let off =
        ["rules", "off", "--topic", TOPIC, "--partition", "1", "--reason", "a trigger refuses"];
    let refused = database.run(&off).await.unwrap_err();
    assert!(refused.starts_with("nothing to put off: t [1]"), "{refused}");

    let file = rules_file(1, 5);
    let file = file.to_str().unwrap();
    database.run(&["rules", "apply", file]).await.unwrap();
    database.execute("UPDATE stream_progress SET next_offset = next_offset + 2").await;
    database.run(&off).await.unwrap();
    let missed = ["1 10 12 not_judged", "1 12 - off somebody a trigger refuses"];
    assert_eq!(database.gaps().await, missed);
    assert_eq!(database.progress().await, ["0 1 0", "1 2 12"]);
    assert!(database.run(&off).await.is_err(), "twice");
    let rows = store::load_progress(&mut database.connection, TOPIC, &[0, 1]).await.unwrap();
    let is_on: Vec<bool> = rows.iter().map(|row| row.history.patterns.is_some()).collect();
    assert_eq!(is_on, [true, false]);

    database.execute("UPDATE stream_progress SET next_offset = next_offset + 3").await;
    database.run(&["rules", "apply", file]).await.unwrap();
    let missed =
        ["1 10 12 not_judged", "1 12 15 off somebody a trigger refuses", "0 0 5 not_judged"];
    assert_eq!(database.gaps().await, missed);
    let rows = store::load_progress(&mut database.connection, TOPIC, &[1]).await.unwrap();
    assert_eq!(rows[0].history.patterns.as_ref().unwrap().judged_from, [15]);
}

/// Alerts of one rule, of these subscribers in this order, each in a bucket of its own.
async fn add_alerts(database: &mut Database, rule: &str, subscribers: &[&str]) {
    for subscriber in subscribers {
        database
            .execute(&format!(
                "INSERT INTO persons.alerts (rule, version, mode, subscriber_id, bucket_start, bucket_seconds, topic,
                     generation, partition, hits, window_start, window_end, measures, offsets)
                 SELECT '{rule}', 1, 'live', '{subscriber}', '2026-01-01'::timestamp + count(*) * INTERVAL '1 day', 86400, 't',
                     0, 0, 2, '2026-01-01', '2026-01-02', '[[2.0, \"at_least\", 2.0]]', '{{1,2}}' FROM persons.alerts"
            ))
            .await;
    }
}

async fn cases(database: &mut Database) -> Vec<String> {
    let select =
        "SELECT ARRAY[id::text, subscriber_id, rule, state, alerts::text, hits::text, decided_by]
                  FROM persons.fraud_cases ORDER BY id";
    database.rows(select).await
}

#[tokio::test]
async fn a_case_is_all_that_a_rule_finds_about_somebody_until_it_is_decided() {
    let mut database = Database::new().await;
    add_alerts(&mut database, "calls", &["a", "b", "a"]).await;
    add_alerts(&mut database, "sms", &["a"]).await;
    let open = ["1 a calls open 2 4", "2 b calls open 1 2", "4 a sms open 1 2"];
    assert_eq!(cases(&mut database).await, open);
    database.run(&["fraud", "list"]).await.unwrap();
    database.run(&["fraud", "show", "1", "--json"]).await.unwrap();

    database.run(&["fraud", "confirm", "1", "--reason", "SIM box"]).await.unwrap();
    add_alerts(&mut database, "calls", &["a"]).await;
    // One more hit of an alert that was decided about changes no verdict.
    database.execute("UPDATE persons.alerts SET hits = hits + 1 WHERE id = 1").await;
    let decided = [
        "1 a calls confirmed 2 5 somebody",
        "2 b calls open 1 2",
        "4 a sms open 1 2",
        "5 a calls open 1 2",
    ];
    assert_eq!(cases(&mut database).await, decided);
    let twice = database.run(&["fraud", "dismiss", "1", "--reason", "no"]).await.unwrap_err();
    assert_eq!(twice, "case 1 was confirmed by somebody already");
    database.run(&["fraud", "dismiss", "5", "--reason", "a kiosk"]).await.unwrap();
    let none = database.run(&["fraud", "show", "77"]).await.unwrap_err();
    assert!(none.starts_with("there is no case 77"), "{none}");
    database.run(&["fraud", "stats"]).await.unwrap();
    assert_eq!(cases(&mut database).await[3], "5 a calls dismissed 1 2 somebody");
}

#[tokio::test]
async fn nobody_hears_of_a_subscriber_that_is_allowed_until_that_is_over() {
    let mut database = Database::new().await;
    add_alerts(&mut database, "calls", &["a", "b"]).await;
    add_alerts(&mut database, "sms", &["a", "b"]).await;
    let state = |cases: Vec<String>| -> Vec<String> {
        cases.iter().map(|case| case.split(' ').nth(3).unwrap().to_owned()).collect()
    };
    let allow = ["fraud", "allow", "a", "--for", "90days", "--reason", "a call centre"];
    database.run(&[&allow[..], &["--rule", "calls"]].concat()).await.unwrap();
    assert_eq!(state(cases(&mut database).await), ["allowed", "open", "open", "open"]);
    database.run(&allow).await.unwrap();
    assert_eq!(state(cases(&mut database).await), ["allowed", "open", "allowed", "open"]);
    database
        .execute("UPDATE persons.allowlist SET allowed_at = '2000-01-01', allowed_until = now()")
        .await;
    assert_eq!(state(cases(&mut database).await), ["open"; 4]);
    database
        .execute("UPDATE persons.alerts SET updated_at = now() - INTERVAL '31 days' WHERE id = 2")
        .await;
    assert_eq!(state(cases(&mut database).await), ["open", "expired", "open", "open"]);
    let long = database.run(&["fraud", "allow", "a", "--for", "400years", "--reason", "x"]).await;
    assert!(long.unwrap_err().starts_with("--for: write a duration"));
}
