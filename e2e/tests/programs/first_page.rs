//! What the first page of the repository promises, word for word: the demo's last lines, the pipeline that
//! goes on, and the commands of its blocks.

use std::path::Path;
use std::{env, fs};

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, Running};

/// A program that starts servers needs Java from PATH, and finds Kafka's jars in a cache below HOME.
fn start_sandbox(command: &str) -> Result<Running> {
    let inherited = ["PATH", "HOME"].map(|name| (name, env::var(name).unwrap_or_default()));
    let variables = inherited.each_ref().map(|(name, value)| (*name, value.as_str()));
    Running::start("sandbox", &[command], &variables)
}

#[test]
fn the_demo_ends_with_nothing_lost_and_nothing_doubled() -> Result<()> {
    let ended = start_sandbox("demo")?.end()?.expect(0)?;
    let (_, end) = ended.output.split_once("What it comes to").context("no last lines")?;
    ensure!(end.contains("counted: 0 lost, 0 doubled"), "{end}");
    ensure!(end.contains("make live"), "it does not say what to type next: {end}");
    Ok(())
}

#[test]
fn the_live_pipeline_counts_until_it_is_asked_to_end() -> Result<()> {
    let live = start_sandbox("live")?;
    live.wait_for_log(" on time, 0 late, 0 that can't be used")?;
    live.terminate()?;
    let output = live.end()?.expect(0)?.output;
    ensure!(output.contains("The page:     http://127.0.0.1:"), "{output}");
    Ok(())
}

/// The lines of a section that run one of the programs: program and arguments.
fn commands(section: &str) -> Result<Vec<(String, Vec<String>)>> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let page = fs::read_to_string(page)?;
    let (_, rest) = page.split_once(section).with_context(|| format!("no section {section}"))?;
    let lines = rest.split("\n## ").next().unwrap_or_default().lines();
    let command = |line: &str| {
        let typed = line.split(" # ").next().unwrap_or_default();
        let typed = typed.strip_prefix("cargo run -p ").unwrap_or(typed).replacen(" -- ", " ", 1);
        let mut words = typed.split_whitespace().map(str::to_owned);
        let program = words.next()?;
        let ours = ["producer", "streamer", "batcher"].contains(&program.as_str());
        ours.then(|| (program, words.collect()))
    };
    let in_blocks = lines.scan(false, |inside, line| {
        *inside ^= line.starts_with("```");
        Some((*inside, line))
    });
    Ok(in_blocks.filter(|(inside, _)| *inside).filter_map(|(_, line)| command(line)).collect())
}

#[test]
fn the_commands_of_the_first_page_work_one_after_another() -> Result<()> {
    for section in ["## Try it, without Docker", "## With your own Kafka and PostgreSQL"] {
        let mut pipeline = Pipeline::new(3)?;
        let commands = commands(section)?;
        let programs: Vec<&str> = commands.iter().map(|(program, _)| program.as_str()).collect();
        let first = ["producer", "streamer", "batcher"];
        ensure!(programs.starts_with(&first), "{section}: {commands:?}");
        for (program, arguments) in &commands {
            let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
            pipeline.run(program, &arguments)?.expect(0)?;
        }
        let days = "SELECT COUNT(*) FROM daily_stats WHERE date = '2025-11-09'";
        ensure!(pipeline.database.number(days)? > 30, "{section}: no rows of the day");
        pipeline.verify()?;
    }
    Ok(())
}
