//! Standard error that takes nothing costs log lines, and nothing else. Standard output whose reader
//! has gone ends a command quietly; one that is full ends it with a sentence.

use anyhow::{Context, Result, ensure};
use e2e::{Ended, Pipeline, Stream, WAIT_TIMEOUT, binary};
use sandbox::wait_until;

use crate::{DAY, EVENTS, with_a_computed_day, with_events};

/// What a log may be in a bad moment.
const BROKEN_LOGS: [Stream; 3] = [Stream::Full, Stream::ReaderGone, Stream::Closed];

/// Exit code of `batcher check` for a day that can still change.
const INCOMPLETE: i32 = 75;

/// Commands that answer on standard output, and how they end on a computed day.
const ANSWERS: [(&str, &[&str], i32); 28] = [
    ("streamer", &["--drain"], 0),
    ("streamer", &["settings", "show"], 0),
    ("streamer", &["settings", "set", "--max-future-skew", "5m"], 0),
    ("streamer", &["gaps"], 0),
    ("streamer", &["verify"], 0),
    ("streamer", &["status", "--stalled-after", "1h"], 0),
    ("streamer", &["status", "--json", "--stalled-after", "1h"], 0),
    ("streamer", &["health", "--flush-interval", "1h"], 0),
    ("streamer", &["late"], 0),
    ("streamer", &["dead-letters", "list"], 0),
    ("streamer", &["dead-letters", "stats"], 0),
    ("streamer", &["dead-letters", "replay"], 0),
    ("streamer", &["detect", "--once"], 0),
    ("streamer", &["migrate", "--adopt"], 0),
    ("streamer", &["--help"], 0),
    ("streamer", &["--version"], 0),
    ("streamer", &["completions", "bash"], 0),
    ("batcher", &[DAY], 0),
    ("batcher", &["check", "2099-01-01"], INCOMPLETE),
    ("batcher", &["validate", DAY], 0),
    ("batcher", &["report", DAY], 0),
    ("batcher", &["--from", "2025-11-08", "--to", DAY, "--again"], 0),
    ("batcher", &["--help"], 0),
    ("batcher", &["man"], 0),
    ("producer", &["plan"], 0),
    ("producer", &["plan", "--sample", "18446744073709551615"], 0),
    ("producer", &["schema"], 0),
    ("producer", &["--stdout", "--rate", "max"], 0),
];

fn end(
    pipeline: &Pipeline,
    program: &str,
    arguments: &[&str],
    output: Stream,
    log: Stream,
) -> Result<Ended> {
    pipeline.start_with_streams(program, arguments, output, log)?.end()
}

#[test]
fn a_log_that_takes_nothing_stops_no_work() -> Result<()> {
    for log in BROKEN_LOGS {
        let mut pipeline = with_events()?;
        let run = |program, arguments: &[&str]| {
            end(&pipeline, program, arguments, Stream::Kept, log)?
                .expect(0)
                .with_context(|| format!("{program} {arguments:?} with {log:?}"))
        };
        run("streamer", &["--drain"])?;
        run("batcher", &[DAY])?;
        run("batcher", &["--from", "2025-11-08", "--to", DAY, "--again"])?;
        run("producer", &["--count", "5", "--rate", "max"])?;
        run("sandbox", &["--help"])?;
        let counted = "SELECT COALESCE(SUM(event_count), 0)::bigint FROM real_time_metrics";
        let counted = pipeline.database.number(counted)?;
        ensure!(counted == EVENTS as i64, "{log:?}: {counted}");
    }
    Ok(())
}

#[test]
fn a_log_that_takes_nothing_does_not_change_how_a_signal_or_a_failure_ends() -> Result<()> {
    for log in BROKEN_LOGS {
        let mut pipeline = with_events()?;
        let streamer = pipeline.start_with_streams(
            "streamer",
            &["--flush-interval", "100ms"],
            Stream::Kept,
            log,
        )?;
        pipeline.wait_until_caught_up()?;
        streamer.terminate()?;
        streamer.end()?.expect(0).with_context(|| format!("SIGTERM with {log:?}"))?;
        let nowhere = ["--wait", "10ms", "--database-url", "postgres://me@127.0.0.1:1/x"];
        end(&pipeline, "streamer", &nowhere, Stream::Kept, log)?.expect(1)?;
        let nowhere = [nowhere.as_slice(), &[DAY]].concat();
        end(&pipeline, "batcher", &nowhere, Stream::Kept, log)?.expect(1)?;
        let wrong = ["--no-such-flag"];
        for program in ["streamer", "batcher", "producer", "sandbox"] {
            end(&pipeline, program, &wrong, Stream::Kept, log)?.expect(2)?;
        }
    }
    Ok(())
}

#[test]
fn a_reader_that_has_gone_ends_a_command_quietly_and_a_full_disk_with_a_sentence() -> Result<()> {
    let pipeline = with_a_computed_day()?;
    for (program, arguments, code) in ANSWERS {
        let what = || format!("{program} {arguments:?}");
        let quiet = end(&pipeline, program, arguments, Stream::ReaderGone, Stream::Kept)?;
        ensure!(!quiet.log.contains("standard output"), "{}: {}", what(), quiet.log);
        quiet.expect(code).with_context(what)?;
        let told = end(&pipeline, program, arguments, Stream::Full, Stream::Kept)?;
        ensure!(told.log.contains("write to standard output"), "{}: {}", what(), told.log);
        ensure!(!told.log.contains("panicked"), "{}: {}", what(), told.log);
        told.expect(1).with_context(what)?;
    }
    Ok(())
}

#[test]
fn what_is_to_be_done_is_done_although_nobody_can_be_told() -> Result<()> {
    for output in [Stream::ReaderGone, Stream::Full] {
        let mut pipeline = with_events()?;
        pipeline.drain()?;
        // A day without events is spoken of first, and the next one is computed all the same.
        let range = ["--from", "2025-11-08", "--to", DAY];
        end(&pipeline, "batcher", &range, output, Stream::Kept)?;
        let days = pipeline.database.number("SELECT COUNT(DISTINCT date) FROM daily_stats")?;
        ensure!(days == 1, "{output:?}: {days}");
    }
    Ok(())
}

#[test]
fn watching_ends_when_nobody_watches_any_more() -> Result<()> {
    let pipeline = with_a_computed_day()?;
    let watch = ["status", "--watch", "--stalled-after", "1h"];
    end(&pipeline, "streamer", &watch, Stream::ReaderGone, Stream::Kept)?.expect(0)?;
    Ok(())
}

/// `script` gives the program a terminal, on which it draws a bar, and takes it away when it is
/// killed. Most systems then send SIGHUP; the shell outlives it to tell how the program ended.
#[test]
fn a_terminal_that_goes_away_breaks_nothing() -> Result<()> {
    let pipeline = with_events()?;
    let before = pipeline.topic.end()?;
    let folder = tempfile::tempdir()?;
    let note = folder.path().join("exit");
    let line = format!(
        "trap : HUP; {} --rate 200 --count 600 --kafka-bootstrap-servers {} --kafka-topic {}; echo $? > {}",
        binary("producer")?.display(),
        pipeline.topic.bootstrap(),
        pipeline.topic.name(),
        note.display()
    );
    let mut terminal = std::process::Command::new("script")
        .args(["--quiet", "--command", &line, "/dev/null"])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::null())
        .spawn()
        .context("`script` of util-linux is missing")?;
    wait_until("events are sent", WAIT_TIMEOUT, || {
        pipeline.topic.end().is_ok_and(|end| end > before + 100)
    })?;
    terminal.kill()?;
    terminal.wait()?;
    let mut code = String::new();
    wait_until("the producer ends", WAIT_TIMEOUT, || {
        code = std::fs::read_to_string(&note).unwrap_or_default();
        code.ends_with('\n')
    })?;
    ensure!(code == "0\n", "exit code {code}");
    Ok(())
}

#[test]
fn sighup_ends_a_program_as_sigterm_does() -> Result<()> {
    let mut pipeline = with_events()?;
    let streamer = pipeline.start("streamer", &["--flush-interval", "100ms"])?;
    pipeline.wait_until_caught_up()?;
    let producer = pipeline.start("producer", &["--rate", "100"])?;
    wait_until("events are sent", WAIT_TIMEOUT, || {
        pipeline.topic.end().is_ok_and(|end| end > EVENTS as i64)
    })?;
    for (running, last_words) in [(producer, "failed=0 "), (streamer, "stopping signal=SIGHUP")] {
        running.hang_up()?;
        let ended = running.end()?.expect(0)?;
        ensure!(ended.log.contains(last_words), "{}", ended.log);
    }
    Ok(())
}
