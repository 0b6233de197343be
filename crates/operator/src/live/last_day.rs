//! The last 24 hours beside the same hours a week before: what the page's chart and its sums by region and type are made of.
//!
//! In: a session. Out: [`LastDay`], of one snapshot of the database, and `/day.json`, which is made of it once, whoever asks.
//! The hours end with the newest window of which nothing more is waited for, so both weeks are compared over whole minutes.
//!
//! ```text
//!   /day.json
//!     version          1
//!     read_at          RFC 3339; the database's clock
//!     from, to         the 24 hours
//!     step_seconds     how long a step is; the first begins at `from`
//!     has_before       whether there is any event a week before; if not, every `before` is 0 for want of data
//!     has_more_regions whether there are regions beside those listed; the sums of all have them too
//!     late_events      of these hours: they are in no other figure here
//!     dead_letters     stored in the last 24 hours by the clock; `dead_letters_max` means so many or more
//!     lines            region and event_type (null: all of them), now, before: events, seconds, data_mb, amount,
//!                      steps (events of each step; empty where region and type are both given)
//! ```

use std::collections::BTreeMap;

use chrono::{NaiveDateTime, TimeDelta, Timelike};
use serde::Serialize;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, FromRow};
use store::{FigureSql, StoreError, load_settings};

use super::sums::Sums;
use crate::status::instant;

/// A step of the chart.
const STEP_SECONDS: i64 = 300;
/// How many of them 24 hours have.
pub const STEPS: usize = 288;
/// Regions beyond these have no line of their own.
const REGIONS_MAX: i64 = 50;
/// Dead letters are counted up to here.
const DEAD_LETTERS_MAX: i64 = 100_000;
/// Raised when a field of `/day.json` changes its meaning or goes.
const VERSION: u32 = 1;

static LINES: FigureSql = FigureSql::new(include_str!("queries/live_day_lines.sql"));

const DOING: &str = "reading the last 24 hours";

/// The last 24 hours. All times are UTC.
#[derive(Clone, Debug)]
pub struct LastDay {
    /// The database's clock.
    pub read_at: NaiveDateTime,
    /// The first minute.
    pub from: NaiveDateTime,
    /// The end of the last one.
    pub to: NaiveDateTime,
    /// Whether there is any event a week before.
    pub has_before: bool,
    /// Whether there are regions beside those that have lines.
    pub has_more_regions: bool,
    /// Late events of these hours.
    pub late_events: i64,
    /// Dead letters stored in the last 24 hours, counted up to 100,000.
    pub dead_letters: i64,
    /// By region and type; `None`: all of them.
    pub lines: BTreeMap<LineName, Line>,
}

/// Region and type; `None`: all of them.
pub type LineName = (Option<String>, Option<String>);

/// One region, type, both, or all, in both weeks.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Line {
    /// These 24 hours.
    pub now: Hours,
    /// The same hours seven times 24 hours before.
    pub before: Hours,
}

/// Sums of 24 hours.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hours {
    /// Events on time.
    pub events: i64,
    /// What these come to, in the units of `real_time_metrics`.
    #[serde(flatten)]
    pub figures: Sums,
    /// Events of each of the [`STEPS`]; empty for a region and a type together.
    pub steps: Vec<i64>,
}

#[derive(FromRow)]
struct LineRow {
    /// `None`: the sums of all steps.
    step: Option<i32>,
    region: Option<String>,
    event_type: Option<String>,
    events: i64,
    #[sqlx(flatten)]
    figures: Sums,
}

/// Reads it; `None`: no window is there yet. Looks at every window of two days, so it is not for every few seconds.
///
/// # Errors
/// A failed statement.
pub async fn last_day(connection: &mut PgConnection) -> Result<Option<LastDay>, StoreError> {
    let mut snapshot = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(StoreError::sql(DOING))?;
    let read_at = store::database_now(&mut snapshot).await?;
    let settings = load_settings(&mut snapshot).await?.unwrap_or_default();
    let newest: Option<NaiveDateTime> =
        sqlx::query_scalar("SELECT MAX(window_start) FROM real_time_metrics")
            .fetch_one(&mut *snapshot)
            .await
            .map_err(StoreError::sql(DOING))?;
    let delay = TimeDelta::from_std(settings.watermark_delay).unwrap_or_default();
    let Some(to) = newest.map(|newest| whole_minute(newest - delay)) else { return Ok(None) };
    let from = to - TimeDelta::hours(24);
    let mut regions: Vec<String> = sqlx::query_scalar(include_str!("queries/live_day_regions.sql"))
        .bind(from)
        .bind(to)
        .bind(REGIONS_MAX + 1)
        .fetch_all(&mut *snapshot)
        .await
        .map_err(StoreError::sql(DOING))?;
    let has_more_regions = regions.len() > REGIONS_MAX as usize;
    regions.truncate(REGIONS_MAX as usize);
    let now = read_lines(&mut snapshot, from, &regions).await?;
    let before = read_lines(&mut snapshot, from - TimeDelta::weeks(1), &regions).await?;
    let (late_events, dead_letters) = sqlx::query_as(include_str!("queries/live_day_refused.sql"))
        .bind(from)
        .bind(to)
        .bind(DEAD_LETTERS_MAX)
        .fetch_one(&mut *snapshot)
        .await
        .map_err(StoreError::sql(DOING))?;
    snapshot.commit().await.map_err(StoreError::sql(DOING))?;
    let has_before = !before.is_empty();
    let lines = beside_each_other(now, before);
    Ok(Some(LastDay {
        read_at,
        from,
        to,
        has_before,
        has_more_regions,
        late_events,
        dead_letters,
        lines,
    }))
}

fn whole_minute(time: NaiveDateTime) -> NaiveDateTime {
    time - TimeDelta::seconds(time.second().into())
        - TimeDelta::nanoseconds(time.nanosecond().into())
}

async fn read_lines(
    connection: &mut PgConnection,
    from: NaiveDateTime,
    regions: &[String],
) -> Result<BTreeMap<LineName, Hours>, StoreError> {
    let rows: Vec<LineRow> = sqlx::query_as(LINES.text())
        .bind(from)
        .bind(from + TimeDelta::hours(24))
        .bind(STEP_SECONDS)
        .bind(regions)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql(DOING))?;
    let mut lines = BTreeMap::<LineName, Hours>::new();
    for row in rows {
        let LineRow { step, region, event_type, events, figures } = row;
        let hours = lines.entry((region, event_type)).or_default();
        match step {
            None => (hours.events, hours.figures) = (events, figures),
            Some(step) => {
                hours.steps.resize(STEPS, 0);
                if let Some(place) =
                    usize::try_from(step).ok().and_then(|at| hours.steps.get_mut(at))
                {
                    *place = events;
                }
            }
        }
    }
    Ok(lines)
}

/// Every line of either week; what one of them does not have is 0 there.
fn beside_each_other(
    now: BTreeMap<LineName, Hours>,
    mut before: BTreeMap<LineName, Hours>,
) -> BTreeMap<LineName, Line> {
    let mut lines = BTreeMap::new();
    for (name, now) in now {
        let mut before = before.remove(&name).unwrap_or_default();
        before.steps.resize(now.steps.len(), 0);
        lines.insert(name, Line { now, before });
    }
    for (name, before) in before {
        let now = Hours { steps: vec![0; before.steps.len()], ..Hours::default() };
        lines.insert(name, Line { now, before });
    }
    lines
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    read_at: Option<String>,
    from: Option<String>,
    to: Option<String>,
    step_seconds: i64,
    has_before: bool,
    has_more_regions: bool,
    late_events: i64,
    dead_letters: i64,
    dead_letters_max: i64,
    lines: Vec<NamedLine<'a>>,
}

#[derive(Serialize)]
struct NamedLine<'a> {
    region: Option<&'a str>,
    event_type: Option<&'a str>,
    #[serde(flatten)]
    line: &'a Line,
}

/// `/day.json`; `null` where there is nothing yet.
pub(super) fn render(day: Option<&LastDay>) -> Vec<u8> {
    let document = day.map(|day| Document {
        version: VERSION,
        read_at: instant(Some(day.read_at)),
        from: instant(Some(day.from)),
        to: instant(Some(day.to)),
        step_seconds: STEP_SECONDS,
        has_before: day.has_before,
        has_more_regions: day.has_more_regions,
        late_events: day.late_events,
        dead_letters: day.dead_letters,
        dead_letters_max: DEAD_LETTERS_MAX,
        lines: day
            .lines
            .iter()
            .map(|((region, event_type), line)| NamedLine {
                region: region.as_deref(),
                event_type: event_type.as_deref(),
                line,
            })
            .collect(),
    });
    serde_json::to_vec(&document).expect("text, numbers and lists become JSON always")
}
