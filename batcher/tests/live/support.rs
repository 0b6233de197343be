//! What the batcher's live tests share: a database of their own on a real PostgreSQL, windows to
//! put there, and a plain recomputation of a day in whole numbers.

use std::collections::BTreeMap;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use chrono::{NaiveDateTime, TimeDelta, TimeZone};
use chrono_tz::Tz;
use sqlx::Row;
use store::{BusinessDay, Condition, DayRun, PgConnection, RunOptions, Session};

/// One million millionths: amounts and megabytes are counted in 10⁻⁶ here.
pub(crate) const MILLION: i128 = 1_000_000;

/// A database with the pipeline's tables, and a connection to it.
pub(crate) struct Database {
    pub(crate) url: String,
    pub(crate) connection: PgConnection,
}

impl Database {
    pub(crate) async fn new() -> Self {
        let url = sandbox::fresh_database().unwrap();
        let mut connection = store::connect(&url, Session::Batch).await.unwrap();
        store::migrate(&mut connection).await.unwrap();
        Database { url, connection }
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        store::connect(&self.url, Session::Batch).await.unwrap()
    }

    /// Runs statements that a test writes itself.
    pub(crate) async fn execute(&mut self, statements: &'static str) {
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// The same for statements that a test puts together.
    pub(crate) async fn execute_text(&mut self, statements: String) {
        // The parts come from the test's own table.
        let statements = sqlx::AssertSqlSafe(statements);
        sqlx::raw_sql(statements).execute(&mut self.connection).await.unwrap();
    }

    /// Inserts windows as the streamer does.
    pub(crate) async fn insert_windows(&mut self, windows: &[WindowRow]) {
        let decimals = |value: fn(&WindowRow) -> i128| -> Vec<String> {
            windows.iter().map(|window| format!("{}e-6", value(window))).collect()
        };
        sqlx::query(
            "INSERT INTO real_time_metrics
                 (window_start, window_end, event_type, region, event_count, total_duration,
                  total_data_mb, total_amount, exact_data_mb, exact_amount, own)
             SELECT t, t + INTERVAL '1 minute', e, r, c, s, m::float8, a::float8, m, a, true
             FROM unnest($1::timestamp[], $2::text[], $3::text[], $4::bigint[], $5::bigint[],
                         $6::text[]::numeric[], $7::text[]::numeric[]) AS w(t, e, r, c, s, m, a)",
        )
        .bind(windows.iter().map(|window| window.start).collect::<Vec<_>>())
        .bind(windows.iter().map(|window| window.event_type).collect::<Vec<_>>())
        .bind(windows.iter().map(|window| window.region).collect::<Vec<_>>())
        .bind(windows.iter().map(|window| window.events).collect::<Vec<_>>())
        .bind(windows.iter().map(|window| window.seconds).collect::<Vec<_>>())
        .bind(decimals(|window| window.data_mb_millionths))
        .bind(decimals(|window| window.amount_millionths))
        .execute(&mut self.connection)
        .await
        .unwrap();
    }

    /// Inserts windows and notes them in the ledger, as a flush does.
    pub(crate) async fn flush(&mut self, windows: &[WindowRow]) {
        self.insert_windows(windows).await;
        self.note(windows, "on_time").await;
    }

    /// Inserts late events and notes them in the ledger, as a flush does. No on-time window may
    /// have been inserted yet.
    pub(crate) async fn flush_late(&mut self, windows: &[WindowRow]) {
        self.insert_windows(windows).await;
        self.execute(
            "INSERT INTO late_metrics
             SELECT window_start, window_end, event_type, event_count, total_duration,
                    total_data_mb, total_amount, region, now(), exact_data_mb, exact_amount
             FROM real_time_metrics;
             DELETE FROM real_time_metrics",
        )
        .await;
        self.note(windows, "late").await;
    }

    async fn note(&mut self, windows: &[WindowRow], column: &str) {
        let statement = format!(
            "INSERT INTO day_ledger (topic, generation, partition, quarter_start, {column})
             SELECT 't', 0, 0, date_bin('15 minutes', t, '2000-01-01') AS quarter, SUM(n)
             FROM unnest($1::timestamp[], $2::bigint[]) AS w(t, n) GROUP BY quarter
             ON CONFLICT (quarter_start, topic, generation, partition)
             DO UPDATE SET {column} = day_ledger.{column} + EXCLUDED.{column}"
        );
        sqlx::query(sqlx::AssertSqlSafe(statement))
            .bind(windows.iter().map(|window| window.start).collect::<Vec<_>>())
            .bind(windows.iter().map(|window| window.events).collect::<Vec<_>>())
            .execute(&mut self.connection)
            .await
            .unwrap();
    }

    /// Says of the one partition that all its on-time events before `through` have been counted.
    pub(crate) async fn complete_through(&mut self, through: &str) {
        self.execute_text(format!(
            "INSERT INTO stream_progress (topic, generation, partition, first_offset, next_offset,
                 complete_through) VALUES ('t', 0, 0, 0, 0, '{through}')
             ON CONFLICT (topic, generation, partition)
             DO UPDATE SET complete_through = EXCLUDED.complete_through"
        ))
        .await;
    }

    /// What the view says of a date: its state, and why it is stale.
    pub(crate) async fn state(&mut self, date: &str) -> Option<(String, Option<String>)> {
        sqlx::query_as("SELECT state, stale_because FROM day_states WHERE date = $1::text::date")
            .bind(date)
            .fetch_optional(&mut self.connection)
            .await
            .unwrap()
    }

    /// The one number, or text, that a query answers.
    pub(crate) async fn text(&mut self, query: &'static str) -> String {
        sqlx::query_scalar(query).fetch_one(&mut self.connection).await.unwrap()
    }

    /// Computes the day and says how many rows were written.
    pub(crate) async fn compute(&mut self, day: &BusinessDay) -> i64 {
        match compute(&mut self.connection, day).await.unwrap() {
            DayRun::Computed(computed) => computed.rows,
            other => panic!("{}: {other:?}", day.date()),
        }
    }

    /// The stored rows of a date, NULLs as NaN.
    pub(crate) async fn daily_rows(&mut self, date: &str) -> DailyRows {
        let rows = sqlx::query(
            "SELECT event_type, region, total_events, total_duration_hours, total_data_tb,
                    total_amount, COALESCE(avg_duration_seconds, 'NaN'), avg_data_per_user_mb
             FROM daily_stats WHERE date = $1::text::date",
        )
        .bind(date)
        .fetch_all(&mut self.connection)
        .await
        .unwrap();
        let row = |row: sqlx::postgres::PgRow| {
            assert_eq!(row.get::<Option<f64>, _>(7), None, "avg_data_per_user_mb is not known yet");
            let figures = Figures {
                events: row.get(2),
                hours: row.get(3),
                data_tb: row.get(4),
                amount: row.get(5),
                avg_seconds: row.get(6),
            };
            ((row.get(0), row.get(1)), figures)
        };
        rows.into_iter().map(row).collect()
    }
}

/// Runs the program against `database_url` with nothing from the environment of the tests.
pub(crate) fn batcher(database_url: &str, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(database_url, arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().expect("an exit code, not a signal"), text(stdout), text(stderr))
}

/// The same, to be started.
pub(crate) fn command(database_url: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_batcher"));
    command.args(arguments).env_clear().env("DATABASE_URL", database_url).env("WAIT", "1s");
    command
}

/// Runs the program, which must exit with `exit` and say each of `said` somewhere.
#[track_caller]
pub(crate) fn check(database_url: &str, arguments: &[&str], exit: i32, said: &[&str]) {
    let (found, stdout, stderr) = batcher(database_url, arguments);
    let all = format!("{stdout}{stderr}");
    assert_eq!(found, exit, "{arguments:?}: {all}");
    for text in said {
        assert!(all.contains(text), "{arguments:?} must say {text:?}: {all}");
    }
}

/// Waits until a query of this database answers yes.
pub(crate) async fn until(connection: &mut PgConnection, what: &str, query: &'static str) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        let holds: bool = sqlx::query_scalar(query).fetch_one(&mut *connection).await.unwrap();
        if holds {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("waited in vain: {what}");
}

/// Waits until a session of this database waits for a lock.
pub(crate) async fn somebody_waits(connection: &mut PgConnection) {
    until(
        connection,
        "nobody waited for the lock",
        "SELECT EXISTS (SELECT FROM pg_stat_activity
         WHERE datname = current_database() AND wait_event_type = 'Lock')",
    )
    .await;
}

/// Starts a transaction that holds what `statement` locks, until it is rolled back.
pub(crate) async fn hold(connection: &mut PgConnection, statement: &'static str) {
    sqlx::raw_sql("BEGIN").execute(&mut *connection).await.unwrap();
    sqlx::raw_sql(statement).execute(connection).await.unwrap();
}

/// Ends it, changing nothing.
pub(crate) async fn release(connection: &mut PgConnection) {
    sqlx::raw_sql("ROLLBACK").execute(connection).await.unwrap();
}

/// Computes a day with a wait that no test reaches.
pub(crate) async fn compute(
    connection: &mut PgConnection,
    day: &BusinessDay,
) -> Result<DayRun, store::DailyError> {
    store::compute_day(connection, day, OPTIONS).await
}

pub(crate) const OPTIONS: RunOptions<'_> = RunOptions {
    condition: Condition::Always,
    include_late: false,
    lock_wait: Duration::from_secs(60),
    started_by: "a test",
};

pub(crate) fn day(date: &str, zone: &str) -> BusinessDay {
    BusinessDay::new(date.parse().unwrap(), zone.parse().unwrap())
}

/// One minute of one type in one region.
#[derive(Clone, Debug)]
pub(crate) struct WindowRow {
    pub(crate) start: NaiveDateTime,
    pub(crate) event_type: &'static str,
    pub(crate) region: &'static str,
    pub(crate) events: i64,
    pub(crate) seconds: i64,
    pub(crate) data_mb_millionths: i128,
    pub(crate) amount_millionths: i128,
}

pub(crate) const EVENT_TYPES: [&str; 3] = ["call", "data_session", "звонок"];
pub(crate) const REGIONS: [&str; 4] = ["Almaty", "Astana", "aktau", "Алматы"];

/// Windows of every type and region, one each `step` over [from, to), with figures that look
/// random and never change.
pub(crate) fn windows(from: NaiveDateTime, to: NaiveDateTime, step: TimeDelta) -> Vec<WindowRow> {
    let mut windows = Vec::new();
    let mut start = from;
    let mut seed = 1_u64;
    let mut figure = |below: u64| {
        // The multiplier and addend of Knuth's MMIX; the high bits are the good ones.
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) % below
    };
    while start < to {
        for event_type in EVENT_TYPES {
            for region in REGIONS {
                windows.push(WindowRow {
                    start,
                    event_type,
                    region,
                    events: 1 + figure(500) as i64,
                    seconds: figure(100_000) as i64,
                    data_mb_millionths: i128::from(figure(5_000_000_000)),
                    amount_millionths: i128::from(figure(5_000_000_000)),
                });
            }
        }
        start += step;
    }
    windows
}

/// (event_type, region) → figures.
pub(crate) type DailyRows = BTreeMap<(String, String), Figures>;

/// One row of `daily_stats`.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    pub(crate) events: i64,
    pub(crate) hours: f64,
    pub(crate) data_tb: f64,
    pub(crate) amount: f64,
    /// NaN: NULL.
    pub(crate) avg_seconds: f64,
}

impl PartialEq for Figures {
    /// Bit by bit, so that the NaN that stands for NULL equals itself.
    fn eq(&self, other: &Self) -> bool {
        let bits = |figures: &Figures| {
            let Figures { events, hours, data_tb, amount, avg_seconds } = *figures;
            (events, [hours, data_tb, amount, avg_seconds].map(f64::to_bits))
        };
        bits(self) == bits(other)
    }
}

/// The day's rows, by adding up whole numbers and dividing once. A window's day is found here by
/// converting its own start, not by the day's bounds.
pub(crate) fn recompute(windows: &[WindowRow], date: &str, zone: Tz) -> DailyRows {
    let date = date.parse().unwrap();
    let mut sums: BTreeMap<(String, String), Sums> = BTreeMap::new();
    let mut by_region: BTreeMap<&str, Sums> = BTreeMap::new();
    for window in windows {
        if zone.from_utc_datetime(&window.start).date_naive() != date {
            continue;
        }
        for region in [window.region, "ALL"] {
            let key = (window.event_type.to_owned(), region.to_owned());
            sums.entry(key).or_default().add(window);
        }
        by_region.entry(window.region).or_default().add(window);
    }
    // Sorted by code point; the last of equals wins in max_by_key, hence the reversal.
    let busiest = by_region.iter().rev().max_by_key(|(_, sums)| sums.events);
    if let Some((region, most)) = busiest {
        sums.insert(("most_active".to_owned(), (*region).to_owned()), *most);
    }
    sums.into_iter().map(|(key, sums)| (key, sums.figures())).collect()
}

#[derive(Clone, Copy, Default)]
struct Sums {
    events: i64,
    seconds: i64,
    data_mb_millionths: i128,
    amount_millionths: i128,
}

impl Sums {
    fn add(&mut self, window: &WindowRow) {
        self.events += window.events;
        self.seconds += window.seconds;
        self.data_mb_millionths += window.data_mb_millionths;
        self.amount_millionths += window.amount_millionths;
    }

    fn figures(&self) -> Figures {
        Figures {
            events: self.events,
            hours: quotient(self.seconds.into(), 3600),
            data_tb: quotient(self.data_mb_millionths, MILLION * 1024 * 1024),
            amount: quotient(self.amount_millionths, MILLION),
            avg_seconds: match self.events {
                0 => f64::NAN,
                events => quotient(self.seconds.into(), events.into()),
            },
        }
    }
}

/// The double nearest to the quotient: both numbers are doubles without rounding, and a division
/// of doubles rounds once.
fn quotient(numerator: i128, denominator: i128) -> f64 {
    const EXACT: i128 = 1 << 53;
    assert!(numerator.abs() <= EXACT && denominator <= EXACT);
    numerator as f64 / denominator as f64
}
