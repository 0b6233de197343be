//! `sandbox demo`: one simulated day through the three real programs, in about a minute.
//!
//! In: the programs beside this one's executable. Out: the commands as one would type them, what
//! they say, and then the answers to the queries that users of the tables ask. The day and the seed
//! are fixed, so the day's figures are the same in every run.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use chrono::{SecondsFormat, TimeDelta, Utc};
use program::{note, print};
use sqlx::{Column, Connection, Executor, PgConnection, Row, TypeInfo, ValueRef};

use crate::pair::Pair;
use crate::table::Table;

/// The day of the contract's sample query.
const DAY: &str = "2025-11-09";
const NEXT_DAY: &str = "2025-11-10";
const SEED: &str = "20251109";

/// Settings of the pipeline that a user may have in the environment: the demo shows the defaults.
const PIPELINE_VARIABLES: [&str; 8] = [
    "KAFKA_TOPIC",
    "KAFKA_GROUP_ID",
    "KAFKA_PROPERTIES",
    "FLUSH_INTERVAL",
    "WATERMARK_DELAY",
    "MAX_FUTURE_SKEW",
    "BUSINESS_TIMEZONE",
    "SUBSCRIBER_KEY",
];

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
  sandbox up        the same two servers for your own experiments: make sandbox
  README.md         how to run the three programs against your own Kafka and PostgreSQL
  README.md         operating: late data, dead letters, streamer verify
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
    for (title, program, arguments) in steps {
        programs.run(&pair, title, program, arguments)?;
    }
    show_queries(&pair.database_url()).await?;
    show(WHERE_NEXT)?;
    Ok(ExitCode::SUCCESS)
}

/// The folder of the three programs.
struct Programs(PathBuf);

impl Programs {
    fn beside_this_one() -> Result<Programs> {
        let this = std::env::current_exe().context("cannot find this program's own folder")?;
        let folder = this.parent().unwrap_or(Path::new(".")).to_owned();
        for name in ["producer", "streamer", "batcher"] {
            if !folder.join(name).is_file() {
                bail!("{name} is not in {}: build it first, with make demo", folder.display());
            }
        }
        Ok(Programs(folder))
    }

    fn run(&self, pair: &Pair, title: &str, name: &str, arguments: &[&str]) -> Result<()> {
        show(&format!("\n── {title}\n$ {name} {}", arguments.join(" ")))?;
        let mut command = Command::new(self.0.join(name));
        command.args(arguments).envs(pair.program_variables());
        for variable in PIPELINE_VARIABLES {
            command.env_remove(variable);
        }
        let status = command.status().with_context(|| format!("cannot run {name}"))?;
        if !status.success() {
            bail!("{name} failed: {status}");
        }
        Ok(())
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

fn show(text: &str) -> Result<()> {
    print(format!("{text}\n"))?;
    Ok(())
}
