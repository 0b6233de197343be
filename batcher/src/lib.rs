//! Computes a day's statistics from the streamer's windows, says whether a day is complete, and
//! checks what was computed.
//!
//! In: a [`Config`]. Out: rows of `daily_stats`, lines on standard output, and an [`Exit`]. All
//! that knows SQL is in the crate `store`; this one decides what to do and what to say.

mod config;
mod metrics;
mod report;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use chrono::Utc;
use chrono_tz::Tz;
use store::{BusinessDay, DayRun, ExplicitSettings, Session, Settings};

pub use config::{Action, Config, DayArg};
pub use metrics::{METRICS, run_metrics};

/// How a run ended, for the scripts that call it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Done; the day is computed, complete, or valid.
    Done,
    /// There is no data for that date; nothing was changed.
    NoData,
    /// The day's rows are not right.
    Invalid,
    /// The day can still change.
    Incomplete,
}

impl From<Exit> for ExitCode {
    /// 2 is clap's, for wrong usage; 1 is for every error.
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::NoData => 4,
            Exit::Invalid => 5,
            Exit::Incomplete => 75, // EX_TEMPFAIL of sysexits.h: try again later
        })
    }
}

/// Does what `config` asks for and writes the answer to `output`.
///
/// # Errors
/// The database can't be used, a row can't be added up, or `output` can't be written.
pub async fn run(config: Config, output: &mut impl Write) -> Result<Exit> {
    let mut connection =
        store::connect(config.database.database_url.expose(), Session::Batch).await?;
    store::ensure_schema(&mut connection).await?;
    let settings = store::load_settings(&mut connection).await?;
    let zone = business_zone(settings, config.business_timezone)?;

    let (action, day) = config.action();
    let day = match day {
        DayArg::Yesterday => BusinessDay::yesterday(Utc::now(), zone),
        DayArg::Date(date) => BusinessDay::new(date, zone),
    };
    let (exit, text) = match action {
        Action::Compute => compute(&mut connection, &day, config.lock_wait).await?,
        Action::Check => {
            let state = store::day_state(&mut connection, &day).await?;
            let exit = if state.is_complete() { Exit::Done } else { Exit::Incomplete };
            (exit, report::completeness(&day, &state))
        }
        Action::Validate => match store::validate_day(&mut connection, &day).await? {
            None => (Exit::NoData, report::nothing_to_validate(&day)),
            Some(differences) => {
                let exit = if differences.is_empty() { Exit::Done } else { Exit::Invalid };
                (exit, report::validation(&day, &differences))
            }
        },
    };
    output.write_all(text.as_bytes()).context("writing the answer to standard output")?;
    Ok(exit)
}

async fn compute(
    connection: &mut store::PgConnection,
    day: &BusinessDay,
    lock_wait: std::time::Duration,
) -> Result<(Exit, String)> {
    match store::compute_day(connection, day, lock_wait).await? {
        DayRun::NoData => Ok((Exit::NoData, report::no_data(day))),
        DayRun::Computed(computed) => {
            tracing::warn!(
                "avg_data_per_user_mb is NULL: distinct subscribers are not counted yet"
            );
            if !computed.state.is_complete() {
                tracing::warn!("provisional: {}", report::why_open(day, &computed.state));
            }
            Ok((Exit::Done, report::computed(day, &computed)))
        }
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
