//! docs/recipes.md: its queries, its table for cron and its ways to backfill are tried as they stand there.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use chrono::{TimeDelta, Timelike, Utc};
use e2e::{Ended, Pipeline};

/// The day that the recipes fill.
const PAST: &str = "2025-11-08";

fn page() -> Result<String> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/recipes.md");
    fs::read_to_string(page).context("docs/recipes.md")
}

/// The blocks of one language in a section of the page, or in all of it.
fn blocks(section: &str, language: &str) -> Result<Vec<String>> {
    let page = page()?;
    let (_, rest) = page.split_once(section).with_context(|| format!("no section {section}"))?;
    let text = rest.split("\n## ").next().unwrap_or_default();
    let opening = format!("```{language}\n");
    let parts = if section.is_empty() { page.as_str() } else { text }.split(&opening).skip(1);
    Ok(parts
        .filter_map(|part| part.split_once("\n```"))
        .map(|(block, _)| block.to_owned())
        .collect())
}

/// A pipeline that has counted the last hour.
fn with_an_hour(zone: &str) -> Result<Pipeline> {
    let pipeline = Pipeline::new(1)?;
    count_hours(&pipeline, 1, 0, zone)?;
    Ok(pipeline)
}

#[test]
fn every_query_answers_with_the_true_figures() -> Result<()> {
    let queries = blocks("", "sql")?;
    ensure!(queries.len() == 4, "{} queries", queries.len());
    let mut pipeline = with_an_hour("Asia/Almaty")?;
    for query in &queries {
        let rows = pipeline.database.rows(query).with_context(|| query.clone())?;
        ensure!(!rows.is_empty(), "no row: {query}");
    }
    // The last day by region has every event of the hour, and so have the hours of the business day.
    let all = pipeline.database.number("SELECT SUM(event_count)::bigint FROM real_time_metrics")?;
    for query in [&queries[0], &queries[2]] {
        let sum = format!("SELECT SUM(events)::bigint FROM ({query}) AS answer");
        ensure!(pipeline.database.number(&sum)? == all, "not all events: {query}");
    }
    // The clock on the wall is five hours ahead of UTC.
    let ahead = format!(
        "SELECT EXTRACT(epoch FROM MAX(local_time) - (SELECT MAX(window_start) FROM real_time_metrics
             WHERE event_type = 'data_session'))::bigint FROM ({}) AS answer",
        queries[1]
    );
    ensure!(pipeline.database.number(&ahead)? == 5 * 3_600);
    // A week ago there was nothing.
    let before = format!("SELECT COUNT(week_before) FROM ({}) AS answer", queries[3]);
    ensure!(pipeline.database.number(&before)? == 0);
    Ok(())
}

/// Runs the commands of a block that are one of our programs, one after another; after a producer, counts what it
/// has sent, as the streamer does that runs beside it.
fn run_all(pipeline: &Pipeline, block: &str) -> Result<Vec<Ended>> {
    let mut all = Vec::new();
    for line in block.lines() {
        let words: Vec<&str> =
            line.split('#').next().unwrap_or_default().split_whitespace().collect();
        let [program @ ("producer" | "streamer" | "batcher"), arguments @ ..] = words.as_slice()
        else {
            continue;
        };
        all.push(pipeline.run(program, arguments)?.expect(0).with_context(|| line.to_owned())?);
        if *program == "producer" {
            pipeline.drain()?;
        }
    }
    Ok(all)
}

#[test]
fn a_day_that_comes_late_is_counted_beside_live_traffic() -> Result<()> {
    let mut pipeline = with_an_hour("UTC")?;
    let blocks = blocks("## Backfilling beside live traffic", "text")?;
    let ended = run_all(&pipeline, &blocks[0])?;
    ensure!(ended.len() == 4, "{} commands", ended.len());
    let late = pipeline.database.number("SELECT SUM(late)::bigint FROM stream_progress")?;
    ensure!(late > 0, "the day was not late");
    ensure!(events_of_the_day(&mut pipeline)? == late);
    pipeline.verify()
}

#[test]
fn a_day_in_a_topic_of_its_own_is_on_time() -> Result<()> {
    let mut live = with_an_hour("UTC")?;
    let past = Pipeline::on(live.topic.bootstrap(), live.database.url(), 1)?;
    let blocks = blocks("## Backfilling beside live traffic", "text")?;
    // The name stands for that of this test's topic; the variables of the first line are the pipeline's.
    let block = blocks[1].replace("telecom_past", past.topic.name());
    let ended = run_all(&past, &block)?;
    ensure!(ended.len() == 5, "{} commands", ended.len());
    let counted = format!(
        "SELECT SUM(on_time)::bigint FROM stream_progress WHERE topic = '{}' AND late = 0",
        past.topic.name()
    );
    let counted = live.database.number(&counted)?;
    ensure!(counted > 0 && events_of_the_day(&mut live)? == counted, "{counted}");
    live.verify()
}

/// What `daily_stats` has counted on the day that was filled.
fn events_of_the_day(pipeline: &mut Pipeline) -> Result<i64> {
    pipeline.database.number(&format!(
        "SELECT SUM(total_events)::bigint FROM daily_stats
         WHERE date = '{PAST}' AND region = 'ALL' AND event_type <> 'most_active'"
    ))
}

/// Sends the events of some hours, counted back from now, and counts them.
fn count_hours(pipeline: &Pipeline, from: i64, to: i64, zone: &str) -> Result<()> {
    let ago = |hours: i64| {
        (Utc::now() - TimeDelta::hours(hours)).format("%Y-%m-%dT%H:%M:%SZ").to_string()
    };
    pipeline
        .run("producer", &["--seed", "1", "--from", &ago(from), "--to", &ago(to)])?
        .expect(0)?;
    pipeline.run("streamer", &["--drain", "--business-timezone", zone])?.expect(0)?;
    Ok(())
}

/// A time zone in which it is noon, more or less.
fn zone_of_noon() -> String {
    let ahead = 12 - i64::from(Utc::now().hour());
    // These names count the hours that a zone is behind.
    format!("Etc/GMT{:+}", -ahead)
}

#[test]
fn the_lines_for_cron_compute_yesterday_once_it_is_over() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let table = blocks("## A cron of three lines", "text")?.join("\n");
    let commands: Vec<String> = table
        .lines()
        .filter_map(|line| line.split_once("* * *").map(|(_, command)| command.to_owned()))
        .collect();
    ensure!(commands.len() == 2, "{table}");
    let batcher = e2e::binary("batcher")?.display().to_string();
    let url = pipeline.database.url().to_owned();
    let run = |command: &str| -> Result<Option<i32>> {
        let command = command.replace("/usr/local/bin/batcher", &batcher);
        let mut shell = Command::new("sh");
        Ok(shell.args(["-c", &command]).env("DATABASE_URL", &url).status()?.code())
    };
    let days = "SELECT COUNT(DISTINCT date) FROM daily_stats";
    let zone = zone_of_noon();
    // Nothing was counted yet: `check` says so, and nothing is computed.
    pipeline.run("streamer", &["--drain", "--business-timezone", &zone])?.expect(0)?;
    ensure!(run(&commands[0])? == Some(99));
    ensure!(pipeline.database.number(days)? == 0);
    count_hours(&pipeline, 14, 0, &zone)?;
    for command in &commands {
        ensure!(run(command)? == Some(0), "{command}");
        ensure!(pipeline.database.number(days)? == 1, "{command}");
    }
    Ok(())
}
