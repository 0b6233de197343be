//! The program from outside: its output, its errors, its exit codes. Needs no Kafka.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Output, Stdio};

use chrono::{DateTime, Utc};

/// The program with these arguments, deaf to the environment of whoever runs the tests.
fn producer(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_producer"));
    command.args(line.split_whitespace()).env_clear().stdin(Stdio::null());
    command
}

fn output(line: &str) -> Output {
    producer(line).output().unwrap()
}

fn stdout(line: &str) -> String {
    let output = output(line);
    assert!(output.status.success(), "{line}: {}", text(&output.stderr));
    text(&output.stdout)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn timestamps(lines: &str) -> Vec<DateTime<Utc>> {
    lines
        .lines()
        .map(|line| {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            event["timestamp"].as_str().unwrap().parse().unwrap()
        })
        .collect()
}

#[test]
fn which_events_come_depends_on_the_seed_and_never_on_the_rate() {
    let range = "--stdout --from 2025-11-09 --to 2025-11-10 --count 200";
    let whole = stdout(&format!("{range} --seed 7"));
    assert_eq!(whole.lines().count(), 200);
    assert_eq!(stdout(&format!("{range} --seed 7 --rate max")), whole);
    assert_eq!(stdout(&format!("{range} --seed 7 --rate 2000")), whole);
    assert_ne!(stdout(&format!("{range} --seed 8")), whole);
    let start = stdout("--stdout --from 2025-11-09 --to 2025-11-10 --seed 7 --count 20");
    assert_eq!(start, whole.split_inclusive('\n').take(20).collect::<String>());
}

#[test]
fn which_events_come_does_not_depend_on_the_speed_or_on_shards() {
    for scenario in ["default", "kazakhstan"] {
        let range = format!(
            "--stdout --scenario {scenario} --seed 7 --from 2025-11-09T12:00:00Z --to 2025-11-09T12:00:40Z"
        );
        let whole = stdout(&range);
        assert!(whole.lines().count() > 50, "{whole}");
        assert_eq!(stdout(&format!("{range} --speed 200x")), whole);
        let mut union: Vec<String> = (1..=3)
            .flat_map(|shard| {
                let part = stdout(&format!("{range} --shard {shard}/3"));
                part.lines().map(str::to_owned).collect::<Vec<_>>()
            })
            .collect();
        let mut lines: Vec<&str> = whole.lines().collect();
        union.sort();
        lines.sort();
        assert_eq!(union, lines);
    }
}

#[test]
fn live_events_are_those_of_a_backfill_from_the_same_moment() {
    let before = Utc::now();
    let live = stdout("--stdout --seed 7 --base-rate 500 --count 20");
    let after = Utc::now();
    let times = timestamps(&live);
    assert!(times.iter().all(|time| (before..=after).contains(time)), "{times:?}");
    let from = times[0].to_rfc3339_opts(chrono::SecondsFormat::Micros, true);
    assert_eq!(
        stdout(&format!("--stdout --seed 7 --base-rate 500 --count 20 --from {from}")),
        live
    );
}

#[test]
fn a_live_rate_comes_with_timestamps_about_now() {
    for rate in ["2000", "max"] {
        let before = Utc::now();
        let live = stdout(&format!("--stdout --rate {rate} --count 100"));
        let after = Utc::now();
        let times = timestamps(&live);
        assert_eq!(times.len(), 100);
        assert!(times.iter().all(|time| (before..=after).contains(time)), "{times:?}");
    }
}

#[test]
fn a_run_can_be_repeated_with_the_seed_that_it_logs() {
    let range = "--stdout --from 2025-11-09 --to 2025-11-10 --count 5";
    let first = output(range);
    let log = text(&first.stderr);
    let seed: String =
        log.split_once("seed=").unwrap().1.chars().take_while(char::is_ascii_digit).collect();
    assert_eq!(stdout(&format!("{range} --seed {seed}")), text(&first.stdout));
}

#[test]
fn a_plan_says_what_would_come_and_sends_nothing() {
    // Nobody listens at this address, and nobody is asked.
    let range = "--kafka-bootstrap-servers 127.0.0.1:1 --seed 7 --from 2025-11-09 --to 2025-11-10";
    let plan = stdout(&format!("plan {range}"));
    for part in ["about 182880", "91440 data_session", "MB", "as fast as they are taken"] {
        assert!(plan.contains(part), "no {part:?} in {plan}");
    }
    let paced = stdout(&format!("plan {range} --rate 1000 --scenario kazakhstan"));
    assert!(paced.contains("kazakhstan") && paced.contains("at 1000 a second"), "{paced}");
    let endless = stdout("plan --seed 7 --scenario kazakhstan");
    assert!(endless.contains("no end") && endless.contains("until it is stopped"), "{endless}");
    let counted = stdout("plan --seed 7 --from 2025-11-09 --speed 60x --count 100");
    assert!(counted.contains("until 100 are sent"), "{counted}");
}

#[test]
fn a_plan_leaves_out_a_spike_that_comes_after_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("scenario.toml");
    let records = |spike: &str| {
        std::fs::write(&path, format!("extends = \"default\"\n{spike}")).unwrap();
        let plan = stdout(&format!(
            "plan --seed 7 --from 2025-11-09T12:00:00Z --to 2025-11-09T12:10:00Z --scenario {}",
            path.to_str().unwrap()
        ));
        plan.lines().find(|line| line.starts_with("records")).unwrap().to_owned()
    };
    let spike = "[[anomalies]]\nname = \"after\"\nfrom = \"2025-11-09T12:12:00Z\"\n\
                 to = \"2025-11-09T12:14:00Z\"\nmagnitude = 5\n";
    assert_eq!(records(spike), records(""));
    assert_ne!(records(&spike.replace("12:12", "12:08")), records(""));
}

#[test]
fn a_sample_is_the_beginning_of_the_run() {
    let range = "--seed 7 --scenario kazakhstan --from 2025-11-09T12:00:00Z --to 2025-11-10";
    let sample = stdout(&format!("plan {range} --sample 7"));
    assert_eq!(sample, stdout(&format!("{range} --stdout --count 7")));
}

#[test]
fn the_truth_stands_in_its_file_and_ends_with_the_sums() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("truth.ndjson");
    let shown = path.to_str().unwrap();
    let sent = stdout(&format!(
        "--stdout --seed 7 --from 2025-11-09 --to 2025-11-10 --count 500 --truth {shown}"
    ));
    let truth = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<serde_json::Value> =
        truth.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines[0]["kind"], "run");
    assert_eq!(lines[0]["seed"], 7);
    let end = &lines[lines.len() - 1];
    assert_eq!((end["kind"].as_str(), end["sent"].as_u64()), (Some("end"), Some(500)));
    assert_eq!(sent.lines().count(), 500);

    let cut = folder.path().join("cut.ndjson");
    let line = format!(
        "--stdout --seed 7 --from 2025-11-09 --to 2025-11-10 --truth {}",
        cut.to_str().unwrap()
    );
    let mut program = producer(&line).stdout(Stdio::piped()).spawn().unwrap();
    // A reader that goes away: nobody knows what it has got.
    drop(program.stdout.take());
    assert!(program.wait().unwrap().success());
    let cut = std::fs::read_to_string(&cut).unwrap();
    assert!(!cut.contains("\"end\""), "{cut}");

    let nowhere = output("--stdout --from 2025-11-09 --count 5 --truth /no/such/folder/truth");
    assert_eq!(nowhere.status.code(), Some(1));
    assert!(text(&nowhere.stderr).contains("check the file of --truth"));
}

#[test]
fn towers_are_printed_as_a_table_that_it_accepts_itself() {
    let printed = output("towers");
    assert!(printed.status.success(), "{}", text(&printed.stderr));
    let table = text(&printed.stdout);
    assert!(table.starts_with("tower,region,latitude,longitude\n1000,Almaty,43.10"), "{table}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("towers.csv");
    std::fs::write(&path, &table).unwrap();
    let checked = output(&format!("towers --check {}", path.to_str().unwrap()));
    let towers = table.lines().count() - 1;
    assert!(towers > 5_000);
    let expected = format!("{towers} towers in 20 regions\n");
    assert!(text(&checked.stdout).ends_with(&expected), "{}", text(&checked.stdout));

    std::fs::write(&path, "tower,region,latitude,longitude\n1,Here,95,0\n").unwrap();
    for (line, parts) in [
        (format!("towers --check {}", path.to_str().unwrap()), &["line 2", "latitude: `95`"]),
        ("towers --check /no/such/file".to_owned(), &["/no/such/file", "can't be read"]),
        ("towers --scenario default".to_owned(), &["scenario default", "[movement]"]),
    ] {
        let refused = output(&line);
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{line}: {error}");
        for part in parts {
            assert!(error.contains(part), "{line}: no {part:?} in {error}");
        }
    }
}

#[test]
fn the_closing_summary_says_how_many() {
    let output = output("--stdout --from 2025-11-09 --to 2025-11-10 --count 5");
    let log = text(&output.stderr);
    assert!(log.contains("sent=5 delivered=5 failed=0 seconds="), "{log}");
}

#[test]
fn bad_input_is_named_with_a_way_out() {
    for (line, parts) in [
        (
            "--from 2025-11-10 --to 2025-11-10",
            &["--from 2025-11-10", "not before", "--to 2025-11-10"] as &[_],
        ),
        ("--from 2025-11-11 --to 2025-11-10", &["--from 2025-11-11", "not before"]),
        ("--from yesterday", &["yesterday", "--from", "2025-11-09"]),
        ("--from 2025-13-01", &["2025-13-01", "--from", "2025-11-09"]),
        ("--from 2025-11-09T12:00:00", &["2025-11-09T12:00:00", "--from", "+05:00"]),
        ("--from 1999-12-31", &["1999-12-31", "--from", "2000-01-01"]),
        ("--to 2025-11-10", &["--from"]),
        ("--rate 0", &["'0'", "--rate", "above 0", "max"]),
        ("--rate fast", &["fast", "--rate", "max"]),
        ("--rate -5", &["'-5'", "--rate", "above 0"]),
        ("--rate NaN", &["NaN", "--rate"]),
        ("--rate 1000001", &["1000001", "--rate", "1000000"]),
        ("--base-rate inf", &["inf", "--base-rate"]),
        ("--rate 5 --base-rate 2", &["--rate", "--base-rate", "--from"]),
        ("--count 0", &["'0'", "--count", "1 or more"]),
        ("--seed -1", &["'-1'", "--seed"]),
        ("--wait 5", &["'5'", "--wait", "30s"]),
        ("--speed 60x", &["--speed", "--from"]),
        ("--speed 0x --from 2025-11-09", &["0x", "--speed", "60x"]),
        ("--speed 60x --from 2099-11-09", &["--speed", "in the past", "2099-11-09"]),
        ("--shard 0/4", &["0/4", "--shard", "1/4"]),
        ("--shard 5/4", &["5/4", "--shard"]),
        ("--scenario kasachstan", &["kasachstan", "default, kazakhstan", "TOML"]),
        ("--scenario nowhere.toml", &["nowhere.toml", "can't be read"]),
        ("--truth t.ndjson", &["--truth", "--to", "--count"]),
        ("--truth t.ndjson --shard 1/2 --count 5", &["--truth", "--shard"]),
    ] {
        let output = output(&format!("--stdout {line}"));
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{line}: {error}");
        assert!(output.stdout.is_empty(), "{line}");
        for part in parts {
            assert!(error.contains(part), "{line}: no {part:?} in {error}");
        }
    }
}

#[test]
fn a_silent_partition_that_is_not_there_is_named_before_anything_is_sent() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.toml");
    let lines = "extends = \"default\"\n[[faults.silent_partitions]]\npartition = 3\n\
                 from = \"2025-11-09\"\nto = \"2025-11-10\"";
    std::fs::write(&path, lines).unwrap();
    let range = format!("--from 2025-11-09 --to 2025-11-10 --scenario {}", path.to_str().unwrap());
    for program in ["--stdout", "plan", "plan --sample 5"] {
        let line = format!("{program} {range}");
        let refused = output(&line);
        let error = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{program}: {error}");
        assert!(refused.stdout.is_empty(), "{program}");
        for part in ["partition: 3", "less than 3", "telecom_events", "--topic-partitions"] {
            assert!(error.contains(part), "{program}: no {part:?} in {error}");
        }
        assert!(output(&format!("{line} --topic-partitions 4 --count 5")).status.success());
    }
}

#[test]
fn a_bad_key_is_refused_without_showing_it_and_a_good_one_is_never_shown() {
    let range = "--stdout --from 2025-11-09 --to 2025-11-10 --count 3";
    let secret = "c0ffee5ecretc0ffee5ecretc0ffee5ecret";
    let refused = producer(range).env("SUBSCRIBER_KEY", secret).output().unwrap();
    let error = text(&refused.stderr);
    assert_eq!(refused.status.code(), Some(2), "{error}");
    assert!(error.contains("SUBSCRIBER_KEY") && error.contains("32 hex digits"), "{error}");
    assert!(!error.contains("ffee5"), "{error}");

    let key = "c0ffee5ec0de".repeat(4);
    let keyed =
        producer(range).env("SUBSCRIBER_KEY", &key).env("RUST_LOG", "trace").output().unwrap();
    let log = text(&keyed.stderr);
    assert!(keyed.status.success() && !log.contains("ffee5") && !log.contains("WARN"), "{log}");
    let help = producer("--help").env("SUBSCRIBER_KEY", &key).output().unwrap();
    assert!(!text(&help.stdout).contains("ffee5"));
}

#[test]
fn without_a_key_it_warns() {
    let unset = output("--stdout --from 2025-11-09 --to 2025-11-10 --count 3");
    assert!(text(&unset.stderr).contains("WARN SUBSCRIBER_KEY is not set"));
    let empty = producer("--stdout --from 2025-11-09 --to 2025-11-10 --count 3")
        .env("SUBSCRIBER_KEY", "")
        .env("SUBSCRIBER_KEY_EPOCH", "")
        .output()
        .unwrap();
    assert!(text(&empty.stderr).contains("WARN SUBSCRIBER_KEY is not set"));
}

#[test]
fn a_broker_that_does_not_answer_is_named() {
    // Port 1 of the loopback is reserved and nobody listens there.
    let output = output("--kafka-bootstrap-servers 127.0.0.1:1 --wait 100ms");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    for part in ["ERROR", "127.0.0.1:1", "100ms", "KAFKA_BOOTSTRAP_SERVERS"] {
        assert!(error.contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn a_reader_that_has_read_enough_is_no_failure() {
    let mut child = producer("--stdout --from 2025-11-09 --to 2025-11-10")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first_line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first_line).unwrap();
    let output = child.wait_with_output().unwrap();
    let log = text(&output.stderr);
    assert!(output.status.success() && !log.contains("ERROR"), "{log}");
}

#[test]
fn a_signal_ends_a_live_run_in_good_order() {
    for signal in ["-TERM", "-INT"] {
        let mut child = producer("--stdout --rate 1000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        let mut read = String::new();
        lines.read_line(&mut read).unwrap();
        // The shell's own kill: not every machine has the program.
        let kill = format!("kill {signal} {}", child.id());
        let killed = Command::new("sh").args(["-c", &kill]).status().unwrap();
        assert!(killed.success());
        lines.read_to_string(&mut read).unwrap();
        let output = child.wait_with_output().unwrap();
        let log = text(&output.stderr);
        assert!(output.status.success(), "{log}");
        assert!(read.ends_with("}\n"), "the last line is cut: {read}");
        let sent = read.lines().count();
        assert!(log.contains(&format!("sent={sent} delivered={sent} failed=0 ")), "{log}");
    }
}
