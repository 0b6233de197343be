//! Three switches write a file of calls each hour, and `intake` sends them one after the other: by the delay that
//! `intake check` recommends nothing is late, and with the default one the late events are counted by `--include-late`.
//! Either way a day's statistics are what a plain count of the rows gives.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::{Result, ensure};
use e2e::{Pipeline, run};
use sqlx::Row as _;

const MAPPING: &str = r#"
name = "switches"
[event]
type = "call"
[time]
zone = "UTC"
formats = ["%Y-%m-%d %H:%M:%S"]
end = "end"
[duration]
column = "secs"
[subscriber]
column = "src"
[region]
column = "area"
"#;
const DATE: &str = "2025-11-09";
const REGIONS: [&str; 3] = ["Almaty", "Osh", "Шымкент"];
const SWITCHES: u64 = 3;
/// So few that the sketches count them exactly.
const SUBSCRIBERS: u64 = 200;
/// The hours of the day, and the next one, in which its last calls would be late.
const HOURS: u64 = 25;

/// What a day's row must say: events, seconds, subscribers.
type Counted = BTreeMap<String, (i64, i64, BTreeSet<u64>)>;

/// Files in the order in which they come, and what the day's rows add up to, for each region and for all.
fn hourly_files(folder: &tempfile::TempDir) -> Result<(Vec<PathBuf>, Counted)> {
    let (mut paths, mut counted) = (Vec::new(), Counted::new());
    let mut state = 29_u64;
    let mut below = |end: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % end
    };
    for hour in 0..HOURS {
        for switch in 0..SWITCHES {
            let mut text = "end,secs,src,area\n".to_owned();
            let mut second = below(60);
            while second < 3_600 {
                let (seconds, subscriber) = (below(1_200) as i64, below(SUBSCRIBERS));
                let region = REGIONS[below(REGIONS.len() as u64) as usize];
                let day = if hour < 24 { DATE } else { "2025-11-10" };
                writeln!(
                    text,
                    "{day} {:02}:{:02}:{:02},{seconds},+7701{subscriber:07},{region}",
                    hour % 24,
                    second / 60,
                    second % 60
                )?;
                if hour < 24 {
                    for key in [region, "ALL"] {
                        let row = counted.entry(key.to_owned()).or_default();
                        row.0 += 1;
                        row.1 += seconds;
                        row.2.insert(subscriber);
                    }
                }
                second += below(120);
            }
            let path = folder.path().join(format!("switch-{switch}-{hour:02}.csv"));
            std::fs::write(&path, text)?;
            paths.push(path);
        }
    }
    Ok((paths, counted))
}

/// Sends the files and computes the day. Returns how many events were late, and what is in `daily_stats`.
fn day_of(
    pipeline: &mut Pipeline,
    files: &[&str],
    map: &str,
    batcher: &[&str],
) -> Result<(i64, Vec<sqlx::postgres::PgRow>)> {
    let journal = format!("{}-journal", pipeline.topic.name());
    let name = pipeline.topic.name().to_owned();
    let flags = ["--demo-key", "--journal", &journal, "--name", &name];
    pipeline.run("intake", &[&["run", map][..], files, &flags].concat())?.expect(0)?;
    pipeline.drain()?;
    pipeline.verify()?;
    pipeline.run("batcher", &[&[DATE], batcher].concat())?.expect(0)?;
    let late = pipeline
        .database
        .number("SELECT COALESCE(SUM(event_count), 0)::bigint FROM late_metrics")?;
    let rows = pipeline.database.rows(
        "SELECT region, total_events, round(total_duration_hours * 3600)::bigint, distinct_subscribers
         FROM daily_stats WHERE event_type = 'call' ORDER BY region",
    )?;
    Ok((late, rows))
}

fn expect_counted(
    rows: &[sqlx::postgres::PgRow],
    counted: &Counted,
    has_subscribers: bool,
) -> Result<()> {
    let found: BTreeMap<String, (i64, i64, Option<i64>)> =
        rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2), row.get(3)))).collect();
    let expected: BTreeMap<String, (i64, i64, Option<i64>)> = counted
        .iter()
        .map(|(region, (events, seconds, subscribers))| {
            let subscribers = has_subscribers.then_some(subscribers.len() as i64);
            (region.clone(), (*events, *seconds, subscribers))
        })
        .collect();
    ensure!(found == expected, "daily_stats: {found:?}\nrecounted: {expected:?}");
    Ok(())
}

#[test]
fn a_day_of_three_switches_hourly_files_is_what_a_plain_count_gives() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (paths, counted) = hourly_files(&folder)?;
    let map = folder.path().join("map.toml");
    std::fs::write(&map, MAPPING)?;
    let map = map.to_string_lossy();
    let names: Vec<String> = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
    let files: Vec<&str> = names.iter().map(String::as_str).collect();

    let checked = run("intake", &[&["check", &map][..], &files].concat(), &[])?.expect(0)?;
    ensure!(checked.output.contains("settings set --watermark-delay 1h"), "{}", checked.output);

    let mut patient = Pipeline::new(3)?;
    patient.run("streamer", &["migrate"])?.expect(0)?;
    patient.run("streamer", &["settings", "set", "--watermark-delay", "1h"])?.expect(0)?;
    let (late, rows) = day_of(&mut patient, &files, &map, &[])?;
    ensure!(late == 0, "{late} late events");
    expect_counted(&rows, &counted, true)?;

    // With the default of two minutes a good part is late, and is counted all the same.
    let mut hasty = Pipeline::new(3)?;
    let (late, rows) = day_of(&mut hasty, &files, &map, &["--include-late"])?;
    ensure!(late > 1_000, "only {late} late events: nothing is shown");
    expect_counted(&rows, &counted, false)
}
