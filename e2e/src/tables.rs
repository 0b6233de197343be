//! What the tables hold, row by row beside what they must hold.

use std::collections::BTreeMap;
use std::fmt;

use anyhow::Result;
use chrono::{NaiveDate, NaiveDateTime};
use sqlx::Row;
use sqlx::postgres::PgRow;

use crate::Database;
use crate::oracle::{Account, DailyFigures, Expected, Key, MILLION, Sums};

/// How many differences of each table are shown.
const SHOWN_MAX: usize = 10;

/// Rows as text, by key as text.
type Rows = BTreeMap<String, String>;

/// Where tables and recomputation differ. Shows the first few of each table.
#[derive(Clone, Debug, Default)]
pub struct Differences(Vec<String>);

impl Differences {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn compare(&mut self, table: &str, expected: &Rows, found: &Rows) {
        let mut lines = Vec::new();
        for (key, row) in expected {
            match found.get(key) {
                None => lines.push(format!("{key}: missing, expected {row}")),
                Some(other) if other != row => {
                    lines.push(format!("{key}: found {other}, expected {row}"));
                }
                Some(_) => {}
            }
        }
        for (key, row) in found {
            if !expected.contains_key(key) {
                lines.push(format!("{key}: found {row}, expected no such row"));
            }
        }
        let total = lines.len();
        if total > 0 {
            lines.truncate(SHOWN_MAX);
            self.0.push(format!("{table}: {total} differences\n  {}", lines.join("\n  ")));
        }
    }
}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("\n"))
    }
}

/// Compares all tables of the streamer with what was recomputed.
///
/// # Errors
/// A query fails, or a key has two rows.
pub fn differences(database: &mut Database, expected: &Expected) -> Result<Differences> {
    let mut differences = Differences::default();
    for (table, condition, sums) in
        [("real_time_metrics", "own", &expected.on_time), ("late_metrics", "true", &expected.late)]
    {
        let found = metrics(database, table, condition)?;
        differences.compare(table, &sums.iter().map(metrics_row).collect(), &found);
    }
    let dead = expected.dead.iter().map(|(p, offset)| (format!("{p} @ {offset}"), String::new()));
    differences.compare("dead_letters", &dead.collect(), &dead_letters(database)?);
    let ledger = expected.ledger.iter().map(|((quarter, partition), (on_time, late))| {
        (format!("{quarter} {partition}"), format!("{on_time} on time, {late} late"))
    });
    differences.compare("day_ledger", &ledger.collect(), &day_ledger(database)?);
    let accounts = expected
        .accounts
        .iter()
        .map(|(partition, account)| (format!("partition {partition}"), account_row(account)));
    differences.compare("stream_progress", &accounts.collect(), &progress(database)?);
    Ok(differences)
}

/// The rows of `daily_stats` of a date.
///
/// # Errors
/// A query fails.
pub fn daily_rows(
    database: &mut Database,
    date: NaiveDate,
) -> Result<BTreeMap<(String, String), DailyFigures>> {
    let rows = database.rows(&format!(
        "SELECT event_type, region, total_events, total_duration_hours, total_data_tb,
                total_amount, avg_duration_seconds
         FROM daily_stats WHERE date = '{date}'"
    ))?;
    let figures = |row: &PgRow| -> Result<_> {
        let doubles = [row.try_get(3)?, row.try_get(4)?, row.try_get(5)?, row.try_get(6)?];
        Ok(((row.try_get(0)?, row.try_get(1)?), (row.try_get(2)?, doubles)))
    };
    rows.iter().map(figures).collect()
}

fn metrics(database: &mut Database, table: &str, condition: &str) -> Result<Rows> {
    let rows = database.rows(&format!(
        "SELECT window_start, event_type, region, window_end = window_start + INTERVAL '1 minute',
                event_count, total_duration, exact_data_mb::text, exact_amount::text,
                total_data_mb, total_amount
         FROM {table} WHERE {condition}"
    ))?;
    unique(rows, |row| {
        let key: Key = (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?);
        let (is_a_minute, events, seconds): (bool, i64, i64) =
            (row.try_get(3)?, row.try_get(4)?, row.try_get(5)?);
        let (exact_mb, exact_amount): (&str, &str) = (row.try_get(6)?, row.try_get(7)?);
        let (mb, amount): (f64, f64) = (row.try_get(8)?, row.try_get(9)?);
        let row = format!(
            "{events} events, {seconds} s, {exact_mb} MB = {mb:?}, {exact_amount} tenge = {amount:?}"
        );
        let flaw = if is_a_minute { "" } else { ", window_end is wrong" };
        Ok((key_text(&key), row + flaw))
    })
}

fn metrics_row((key, sums): (&Key, &Sums)) -> (String, String) {
    let Sums { events, seconds, data_mb, amount } = sums;
    let decimal =
        |millionths: &i128| format!("{}.{:06}", millionths / MILLION, millionths % MILLION);
    // Parsing a decimal gives the double nearest to it.
    let double = |decimal: &str| decimal.parse::<f64>().unwrap_or(f64::NAN);
    let (data_mb, amount) = (decimal(data_mb), decimal(amount));
    let row = format!(
        "{events} events, {seconds} s, {data_mb} MB = {:?}, {amount} tenge = {:?}",
        double(&data_mb),
        double(&amount)
    );
    (key_text(key), row)
}

fn key_text((start, event_type, region): &Key) -> String {
    format!("{start} {event_type:?} {region:?}")
}

fn dead_letters(database: &mut Database) -> Result<Rows> {
    let rows = database.rows("SELECT partition, \"offset\" FROM dead_letters")?;
    unique(rows, |row| {
        let (partition, offset): (i32, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok((format!("{partition} @ {offset}"), String::new()))
    })
}

fn day_ledger(database: &mut Database) -> Result<Rows> {
    let rows = database.rows("SELECT quarter_start, partition, on_time, late FROM day_ledger")?;
    unique(rows, |row| {
        let (quarter, partition): (NaiveDateTime, i32) = (row.try_get(0)?, row.try_get(1)?);
        let (on_time, late): (i64, i64) = (row.try_get(2)?, row.try_get(3)?);
        Ok((format!("{quarter} {partition}"), format!("{on_time} on time, {late} late")))
    })
}

fn progress(database: &mut Database) -> Result<Rows> {
    let rows = database.rows(
        "SELECT partition, first_offset, next_offset, on_time, late, dead, skipped, max_event_time
         FROM stream_progress",
    )?;
    unique(rows, |row| {
        let partition: i32 = row.try_get(0)?;
        let account = Account {
            first: row.try_get(1)?,
            next: row.try_get(2)?,
            on_time: row.try_get(3)?,
            late: row.try_get(4)?,
            dead: row.try_get(5)?,
            skipped: row.try_get(6)?,
            max_event_time: row.try_get(7)?,
        };
        Ok((format!("partition {partition}"), account_row(&account)))
    })
}

fn account_row(account: &Account) -> String {
    let Account { first, next, on_time, late, dead, skipped, max_event_time } = account;
    format!(
        "{first} to {next}: {on_time} on time, {late} late, {dead} dead, {skipped} skipped, \
         last event at {max_event_time:?}"
    )
}

/// The rows by key; a key that stands twice is an error.
fn unique(rows: Vec<PgRow>, read: impl Fn(&PgRow) -> Result<(String, String)>) -> Result<Rows> {
    let mut found = Rows::new();
    for row in &rows {
        let (key, row) = read(row)?;
        if let Some(other) = found.insert(key.clone(), row) {
            anyhow::bail!("two rows of {key}: one is {other}");
        }
    }
    Ok(found)
}
