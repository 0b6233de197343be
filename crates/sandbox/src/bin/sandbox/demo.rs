//! `sandbox demo`: one simulated day through the three real programs, in about a minute.
//!
//! In: the programs beside this one's executable. Out: the commands as one would type them, what
//! they say, and then the answers to the queries that users of the tables ask. The day and the seed
//! are fixed, so the day's figures are the same in every run.

use std::fmt;
use std::io::{BufRead, BufReader};
use std::process::{ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, TimeDelta, Utc};
use program::{note, print};
use sqlx::{Column, Connection, Executor, PgConnection, Row, TypeInfo, ValueRef};

use crate::pair::Pair;
use crate::programs::Programs;
use crate::table::Table;

/// The day of the contract's sample query.
const DAY: &str = "2025-11-09";
const NEXT_DAY: &str = "2025-11-10";
const SEED: &str = "20251109";

const QUERIES: [(&str, &str); 5] = [
    ("The last hour, by type", include_str!("../../../queries/last_hour.sql")),
    ("Today's top regions by data", include_str!("../../../queries/top_regions_today.sql")),
    ("The day 2025-11-09, the ten largest rows", include_str!("../../../queries/day.sql")),
    ("How many windows are stored", "SELECT COUNT(*) FROM real_time_metrics\n"),
    (
        "Every record accounted for: the last three columns must be 0",
        include_str!("../../../queries/accounting.sql"),
    ),
];

const WHERE_NEXT: &str = "
Where to look next
  make live         the same pipeline goes on, with its own page at http://127.0.0.1:9464, until Ctrl-C
  make sandbox      the same two servers, for your own experiments
  README.md         your own Kafka and PostgreSQL, your own records, the tables
  docs/operating.md late data, dead letters, streamer verify
  ARCHITECTURE.md   how one transaction keeps positions and results together
";

pub(crate) async fn demo() -> Result<ExitCode> {
    let programs = Programs::beside_this_one()?;
    note("Starting a throw-away Kafka and PostgreSQL …");
    let pair = Pair::start()?;

    let now = Utc::now();
    let now_text = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let hour_ago_text = (now - TimeDelta::hours(1)).to_rfc3339_opts(SecondsFormat::Secs, true);
    let steps: [(&str, &str, &[&str]); 7] = [
        ("A day of events", "producer", &["--seed", SEED, "--from", DAY, "--to", NEXT_DAY]),
        (
            "… and the last hour's",
            "producer",
            &["--seed", SEED, "--from", &hour_ago_text, "--to", &now_text],
        ),
        ("Windows of one minute, each event once", "streamer", &["run", "--drain"]),
        ("Can the day still change?", "batcher", &["check", DAY]),
        ("The day's statistics", "batcher", &[DAY]),
        ("Do they add up?", "batcher", &["validate", DAY]),
        ("Is every record accounted for?", "streamer", &["verify"]),
    ];
    let mut sent = 0;
    let mut counting = Duration::ZERO;
    for (title, program, arguments) in steps {
        let step = programs.run(&pair, title, program, arguments)?;
        match program {
            "producer" => sent += delivered(&step.log)?,
            "streamer" if arguments.contains(&"--drain") => counting = step.took,
            _ => {}
        }
    }
    show_queries(&pair.database_url()).await?;
    let counted = counted(&pair.database_url()).await?;
    show(&format!("\n── What it comes to\n{}\n{WHERE_NEXT}", Tally { sent, counted, counting }))?;
    Ok(if sent == counted { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was sent beside what was counted.
struct Tally {
    /// Events that the producers say were delivered.
    sent: u64,
    /// Events that the ledger holds: on time, late, or dead.
    counted: u64,
    /// How long the streamer ran.
    counting: Duration,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Tally { sent, counted, counting } = self;
        let (lost, doubled) = (sent.saturating_sub(*counted), counted.saturating_sub(*sent));
        let seconds = counting.as_secs_f64();
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss
        )]
        let rate = (*counted as f64 / seconds.max(f64::EPSILON)) as u64;
        writeln!(f, "{sent} events sent, {counted} counted: {lost} lost, {doubled} doubled")?;
        write!(
            f,
            "counted in {seconds:.1} s, the start included: {rate} events a second on one worker"
        )
    }
}

/// How many events a producer says were delivered.
fn delivered(log: &str) -> Result<u64> {
    let (_, rest) = log.rsplit_once(" delivered=").context("the producer gave no summary")?;
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().with_context(|| format!("no number in the producer's summary {rest:?}"))
}

async fn counted(database_url: &str) -> Result<u64> {
    let mut connection = PgConnection::connect(database_url).await?;
    let sql = "SELECT SUM(on_time + late + dead)::bigint FROM stream_progress";
    let counted: Option<i64> = sqlx::query_scalar(sql).fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(u64::try_from(counted.unwrap_or_default())?)
}

/// What one program said, and how long it took.
struct Step {
    log: String,
    took: Duration,
}

impl Programs {
    /// Runs one to its end; what it logs is shown and kept.
    fn run(&self, pair: &Pair, title: &str, name: &str, arguments: &[&str]) -> Result<Step> {
        show(&format!("\n── {title}\n$ {name} {}", arguments.join(" ")))?;
        let started = Instant::now();
        let mut command = self.command(pair, name);
        let mut child = command
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot run {name}"))?;
        let mut log = String::new();
        for line in BufReader::new(child.stderr.take().context("no standard error")?).lines() {
            let line = line.with_context(|| format!("what {name} logs can't be read"))?;
            note(&line);
            log.push_str(&line);
            log.push('\n');
        }
        let status = child.wait().with_context(|| format!("cannot wait for {name}"))?;
        if !status.success() {
            bail!("{name} failed: {status}");
        }
        Ok(Step { log, took: started.elapsed() })
    }
}

async fn show_queries(database_url: &str) -> Result<()> {
    let mut connection = PgConnection::connect(database_url).await?;
    for (title, sql) in QUERIES {
        let table =
            query(&mut connection, sql).await.with_context(|| format!("query {title:?}"))?;
        show(&format!("\n── {title}\n{sql}\n{}", table.to_text()))?;
    }
    connection.close().await?;
    Ok(())
}

/// Runs a query whose columns are not known here: the simple protocol answers in text.
async fn query(connection: &mut PgConnection, sql: &'static str) -> Result<Table> {
    let rows = connection.fetch_all(sqlx::raw_sql(sql)).await?;
    let mut table = Table::default();
    for row in rows {
        if table.header.is_empty() {
            table.header = row.columns().iter().map(|column| column.name().to_owned()).collect();
        }
        let cells = (0..row.len()).map(|index| cell(&row, index));
        table.rows.push(cells.collect::<Result<_>>()?);
    }
    Ok(table)
}

fn cell(row: &sqlx::postgres::PgRow, index: usize) -> Result<String> {
    let value = row.try_get_raw(index)?;
    if value.is_null() {
        return Ok(String::new());
    }
    let text = value.as_str().map_err(anyhow::Error::from_boxed);
    text.map(str::to_owned).with_context(|| format!("a value of type {}", value.type_info().name()))
}

pub(crate) fn show(text: &str) -> Result<()> {
    print(format!("{text}\n"))?;
    Ok(())
}
