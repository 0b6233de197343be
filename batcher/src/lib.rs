//! Computes a day's statistics from the streamer's windows, says whether a day is complete, checks
//! what was computed, corrects what has changed since, shows a day on one page, and deletes what is old.
//!
//! In: a [`Config`]. Out: rows of `daily_stats` and `batch_runs`, lines on standard output, and an
//! [`Exit`]. All that knows SQL is in the crate `store`; this one decides what to do and what to say.

#![allow(missing_docs, reason = "a program: no other crate reads its interface")]

mod config;
mod days;
mod lake;
mod lifecycle;
mod messages;
mod metrics;
mod report;
mod tally;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use store::{
    BusinessDay, Condition, DayRun, ExplicitSettings, PgConnection, RunOptions, Session, Settings,
    Validation,
};

pub use config::{Config, DayArg, ReportFormat, SessionTask, Task};
pub use metrics::{METRICS, run_metrics};

use crate::days::Batch;

/// How a run ended, for the scripts that call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; the day is computed, complete, or valid.
    Done,
    /// There is no data for that date, or its minutes have expired; nothing was changed.
    NoData,
    /// The day's rows are not right.
    Invalid,
    /// The day can still change, or has changed since it was computed.
    Incomplete,
    /// No event was ever counted: there is nothing to compute yet.
    NothingYet,
}

impl From<Exit> for ExitCode {
    /// 2 is clap's, for wrong usage; 1 is for every error.
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::NoData => 4,
            Exit::Invalid => 5,
            Exit::NothingYet => 99, // what Airflow's BashOperator takes for "skip"
            Exit::Incomplete => 75, // EX_TEMPFAIL of sysexits.h: try again later
        })
    }
}

/// Does what `config` asks for and writes the answer to `output`.
///
/// # Errors
/// The database can't be used, a day can't be computed, or `output` can't be written.
pub async fn run(config: Config, output: &mut impl Write) -> Result<Exit> {
    match config.task() {
        Task::FromLake(day) => lake::compute(&config, day, output).await,
        Task::InSession(task) => {
            let url = config.database.database_url.expose();
            let mut connection = store::connect_within(url, Session::Batch, config.wait).await?;
            let session = store::session_id(&mut connection).await?;
            // A night's run has nobody who would notice that it waits for ever.
            let work = async {
                let exit = carry_out(&config, task, &mut connection, output).await?;
                if task.is_computing() {
                    remember_versions(&mut connection).await;
                }
                Ok(exit)
            };
            store::watched(url, session, work).await
        }
    }
}

/// Whoever asks for the days' states sums up what is not remembered: that takes longer, and is as right.
async fn remember_versions(connection: &mut PgConnection) {
    if let Err(error) = store::remember_versions(connection).await {
        let error = program::chain(&error.into());
        tracing::warn!(%error, "what the days sum up to could not be remembered");
    }
}

fn started_by(config: &Config) -> String {
    format!("{}@{}:{}", config.by, program::host_name(), std::process::id())
}

fn options<'a>(config: &Config, started_by: &'a str) -> RunOptions<'a> {
    RunOptions {
        condition: Condition::Always,
        include_late: config.include_late,
        lock_wait: config.lock_wait,
        started_by,
    }
}

async fn carry_out(
    config: &Config,
    task: SessionTask,
    connection: &mut PgConnection,
    output: &mut impl Write,
) -> Result<Exit> {
    store::ensure_schema(connection).await?;
    let settings = store::load_settings(connection).await?;
    let zone = business_zone(settings, config.business_timezone)?;
    let started_by = started_by(config);
    let options = options(config, &started_by);
    let day = |day| BusinessDay::new(date(day, zone), zone);

    let (exit, text) = match task {
        SessionTask::ComputeRange { from, to, again } => {
            let condition = if again { Condition::Always } else { Condition::UnlessCurrent };
            let options = RunOptions { condition, ..options };
            let batch = Batch { connection, zone, options, output };
            return batch.compute_range(date(from, zone), date(to, zone)).await;
        }
        SessionTask::ComputeStale { include_open } => {
            let options = RunOptions { condition: Condition::IfStale, ..options };
            let batch = Batch { connection, zone, options, output };
            return batch.compute_stale(include_open).await;
        }
        SessionTask::Lifecycle { retention, is_dry } => {
            return lifecycle::expire(connection, zone, &retention, is_dry, output).await;
        }
        SessionTask::Compute(date) => compute(connection, &day(date), options).await?,
        SessionTask::Check(date) => check(connection, &day(date)).await?,
        SessionTask::Validate(date) => validate(connection, &day(date)).await?,
        SessionTask::Report(date, format) => {
            let day = day(date);
            match store::day_report(connection, &day).await? {
                None => (Exit::NoData, messages::not_computed(&day)),
                Some(figures) => (Exit::Done, report::text(&day, &figures, format)?),
            }
        }
    };
    write(output, &text)?;
    Ok(exit)
}

async fn compute(
    connection: &mut PgConnection,
    day: &BusinessDay,
    options: RunOptions<'_>,
) -> Result<(Exit, String)> {
    Ok(said(day, store::compute_day(connection, day, options).await?))
}

/// What is said after a day was computed.
fn said(day: &BusinessDay, run: DayRun) -> (Exit, String) {
    match run {
        DayRun::NoData { late_events } => (Exit::NoData, messages::no_data(day, late_events)),
        DayRun::NotNeeded => (Exit::Done, String::new()),
        DayRun::Computed(computed) => {
            if !computed.state.is_complete() {
                let because = messages::why_open(day, &computed.state);
                tracing::warn!(date = %day.date(), %because, "provisional");
            }
            warn_of_correction(day, &computed);
            (Exit::Done, messages::computed(day, &computed))
        }
    }
}

/// A day that had been complete was used by somebody, most likely.
fn warn_of_correction(day: &BusinessDay, computed: &store::ComputedDay) {
    if let Some(before) = computed.changed_after_final {
        tracing::warn!(
            date = %day.date(),
            events_then = before,
            events_now = computed.version,
            "a day had been computed as complete, and changed afterwards"
        );
    }
}

async fn check(connection: &mut PgConnection, day: &BusinessDay) -> Result<(Exit, String)> {
    let state = store::day_state(connection, day).await?;
    let record = store::day_record(connection, day).await?;
    if state.is_complete() && store::is_empty(connection).await? {
        return Ok((Exit::NothingYet, messages::nothing_yet(day)));
    }
    let exit = if state.is_complete() { Exit::Done } else { Exit::Incomplete };
    Ok((exit, messages::completeness(day, &state, record.as_ref())))
}

async fn validate(connection: &mut PgConnection, day: &BusinessDay) -> Result<(Exit, String)> {
    Ok(match store::validate_day(connection, day).await? {
        Validation::NoRows => (Exit::NoData, messages::not_computed(day)),
        Validation::Expired(expired) => (Exit::NoData, messages::expired(day, &expired)),
        Validation::Stale(because) => (Exit::Incomplete, messages::stale(day, &because)),
        Validation::Compared(differences) => {
            let exit = if differences.is_empty() { Exit::Done } else { Exit::Invalid };
            (exit, messages::validation(day, &differences))
        }
    })
}

fn write(output: &mut impl Write, text: &str) -> Result<()> {
    output.write_all(text.as_bytes()).context("writing the answer to standard output")
}

fn date(day: DayArg, zone: Tz) -> NaiveDate {
    match day {
        DayArg::Yesterday => BusinessDay::yesterday(Utc::now(), zone).date(),
        DayArg::Date(date) => date,
    }
}

/// The zone whose midnights bound the day: the stored one, which a zone given explicitly must
/// equal. Before the first start of a streamer nothing is stored, and nothing is stored here.
fn business_zone(stored: Option<Settings>, given: Option<Tz>) -> Result<Tz> {
    let Some(stored) = stored else {
        return Ok(given.unwrap_or(Settings::default().business_timezone));
    };
    let explicit = ExplicitSettings { business_timezone: given, ..ExplicitSettings::default() };
    Ok(explicit.check_against(stored)?.business_timezone)
}
