//! A day from a data lake: asks the archiver for its sums, and has the store compare and store them.
//!
//! In: a day whose minutes have expired. Out: its rows in `daily_stats`, or why there are none. The archiver is a program of its
//! own, which brings the lake's libraries along: nothing of them is linked here.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use chrono::NaiveDateTime;
use program::duration_text;
use serde::Deserialize;
use store::{BusinessDay, LakeDay, LakePair, LakeSums, Session};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Config, DayArg, Exit, business_zone, date, options, said, started_by, write};

/// What the archiver ends with when it has nothing of the day.
const NO_DATA: i32 = 4;
/// Decimals of MB and tenge.
const DECIMALS: usize = 6;

/// What `archiver day --json` prints.
#[derive(Debug, Deserialize)]
struct Answer {
    date: String,
    day_start: String,
    day_end: String,
    rows: Vec<Row>,
}

#[derive(Debug, Deserialize)]
struct Row {
    event_type: String,
    region: String,
    events: i64,
    duration_seconds: i64,
    data_mb: String,
    amount: String,
}

/// Replaces the day's rows. Three steps, of which the second one, the archiver's, may take minutes: no session waits for it,
/// and we wait for no longer than `--archiver-wait`.
///
/// # Errors
/// The day's minutes are there, the archiver or the database can't be asked, or the lake has not what was counted.
pub(crate) async fn compute(config: &Config, day: DayArg, output: &mut impl Write) -> Result<Exit> {
    let url = config.database.database_url.expose();
    let mut connection = store::connect_within(url, Session::Batch, config.wait).await?;
    store::ensure_schema(&mut connection).await?;
    let settings = store::load_settings(&mut connection).await?;
    let zone = business_zone(settings, config.business_timezone)?;
    let day = BusinessDay::new(date(day, zone), zone);
    store::ensure_expired(&mut connection, &day).await?;
    drop(connection);

    let program = archiver(config.archiver.as_deref());
    let found = ask(&program, url, &day, config.archiver_wait).await?;

    let mut connection = store::connect_within(url, Session::Batch, config.wait).await?;
    let session = store::session_id(&mut connection).await?;
    let by = format!("{}, from the lake", started_by(config));
    let options = options(config, &by);
    let run = async {
        anyhow::Ok(store::compute_day_from_lake(&mut connection, &day, options, &found).await?)
    };
    let (exit, text) = said(&day, store::watched(url, session, run).await?);
    write(output, &text)?;
    Ok(exit)
}

/// The archiver that was named, else the one beside this program, else the one on PATH.
fn archiver(named: Option<&Path>) -> PathBuf {
    const NAME: &str = "archiver";
    if let Some(named) = named {
        return named.to_owned();
    }
    let beside = std::env::current_exe().ok().map(|own| own.with_file_name(NAME));
    beside.filter(|path| path.is_file()).unwrap_or_else(|| NAME.into())
}

/// Asks the archiver for a day, and waits for its answer for so long. It takes LAKE_URL and whatever else it needs from the
/// environment; its messages go where ours do.
///
/// # Errors
/// It can't be started, fails, takes longer, has nothing of the day, or prints something else.
async fn ask(
    archiver: &Path,
    database_url: &str,
    day: &BusinessDay,
    wait: Duration,
) -> Result<LakeDay> {
    let date = day.date();
    let child = Command::new(archiver)
        .args(["day", &date.to_string(), "--json"])
        .env("DATABASE_URL", database_url)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        // An answer that nobody waits for any more is not worth reading the lake.
        .kill_on_drop(true)
        .spawn()
        .with_context(|| {
            format!(
                "cannot start {}: it reads the data lake; ARCHIVER names it where it is neither beside batcher nor on PATH",
                archiver.display()
            )
        })?;
    let Ok(ended) = timeout(wait, child.wait_with_output()).await else {
        bail!(
            "the archiver has not answered for {date} within {}, and was ended; daily_stats is as it was: look at what it \
             says, or wait longer with --archiver-wait",
            duration_text(wait)
        );
    };
    let ended = ended.context("cannot wait for the archiver")?;
    match ended.status.code() {
        Some(0) => parse(&ended.stdout, day),
        Some(NO_DATA) => bail!("the lake has no event of {date}; daily_stats is as it was"),
        _ => bail!("the archiver failed ({}); its messages stand above", ended.status),
    }
}

fn parse(printed: &[u8], day: &BusinessDay) -> Result<LakeDay> {
    let answer: Answer =
        serde_json::from_slice(printed).context("what the archiver printed can't be used")?;
    ensure!(
        answer.date == day.date().to_string()
            && bound(&answer.day_start)? == day.start()
            && bound(&answer.day_end)? == day.end(),
        "the archiver has answered for another day: {}, from {} to {} UTC; asked for was {}, from {} to {}",
        answer.date,
        answer.day_start,
        answer.day_end,
        day.date(),
        day.start(),
        day.end()
    );
    let pair = |row: Row| {
        Ok(LakePair {
            sums: LakeSums {
                events: row.events,
                seconds: row.duration_seconds,
                data_mb_millionths: millionths(&row.data_mb)?,
                amount_millionths: millionths(&row.amount)?,
            },
            event_type: row.event_type,
            region: row.region,
        })
    };
    Ok(LakeDay { pairs: answer.rows.into_iter().map(pair).collect::<Result<_>>()? })
}

fn bound(text: &str) -> Result<NaiveDateTime> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
        .with_context(|| format!("the archiver printed a time that can't be read: {text}"))
}

/// Reads a decimal number exactly, in millionths.
fn millionths(text: &str) -> Result<i128> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |digits| (-1, digits));
    let (whole, rest) = digits.split_once('.').unwrap_or((digits, "0"));
    let are_digits =
        |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let read = if are_digits(whole) && are_digits(rest) && rest.len() <= DECIMALS {
        format!("{whole}{rest:0<DECIMALS$}").parse::<i128>().ok()
    } else {
        None
    };
    read.map(|number| sign * number)
        .with_context(|| format!("the archiver printed a number that can't be read: {text}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day() -> BusinessDay {
        BusinessDay::new("2025-11-09".parse().unwrap(), "Asia/Almaty".parse().unwrap())
    }

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1.5", Some(1_500_000)),
            ("-0.000001", Some(-1)),
            ("9007199254740993.000001", Some(9_007_199_254_740_993_000_001)),
            ("0.0000001", None),
            ("1.", None),
            (".5", None),
            ("1e3", None),
            ("--1", None),
            ("NaN", None),
            ("", None),
            ("999999999999999999999999999999999999999", None),
        ] {
            assert_eq!(millionths(text).ok(), expected, "{text}");
        }
    }

    #[test]
    fn an_answer_is_for_the_day_that_was_asked_about_or_refused() {
        let answer = |start: &str, rows: &str| {
            format!(
                r#"{{"date":"2025-11-09","business_timezone":"Asia/Almaty","behind":0,"day_start":"{start}",
                     "day_end":"2025-11-09 19:00:00","rows":[{rows}]}}"#
            )
        };
        let row = r#"{"event_type":"call","region":"Osh","events":2,"duration_seconds":61,"data_mb":"0","amount":"1.5"}"#;
        let read = parse(answer("2025-11-08 19:00:00", row).as_bytes(), &day()).unwrap();
        let sums = LakeSums {
            events: 2,
            seconds: 61,
            data_mb_millionths: 0,
            amount_millionths: 1_500_000,
        };
        let pair = LakePair { event_type: "call".to_owned(), region: "Osh".to_owned(), sums };
        assert_eq!(read, LakeDay { pairs: vec![pair] });
        for (printed, expected) in [
            (answer("2025-11-09 00:00:00", row), "has answered for another day"),
            (answer("yesterday", row), "a time that can't be read: yesterday"),
            (
                answer("2025-11-08 19:00:00", &row.replace("1.5", "x")),
                "a number that can't be read: x",
            ),
            ("event_type region\n".to_owned(), "what the archiver printed can't be used"),
        ] {
            let error = format!("{:#}", parse(printed.as_bytes(), &day()).unwrap_err());
            assert!(error.contains(expected), "{printed}: {error}");
        }
    }
}
