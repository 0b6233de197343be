//! How unusual traffic is looked for, by `streamer detect` and `run --detect`.

use std::time::Duration;

use anomaly::{Budget, HolidayPattern};
use clap::Args;
use program::{DatabaseArgs, LogArgs, MetricsArgs, parse_duration};

use super::passes::{self, Pass};
use crate::args::parse_within;

/// The shortest and longest pause between two looks for unusual traffic.
const DETECT_INTERVAL_MIN: Duration = Duration::from_millis(100);
const DETECT_INTERVAL_MAX: Duration = Duration::from_secs(3600);

/// How unusual traffic is looked for.
#[derive(Args, Clone, Debug)]
pub struct DetectionArgs {
    /// How often unusual traffic is looked for
    #[arg(long, env = "DETECT_INTERVAL", default_value = "30s", value_parser = parse_detect_interval)]
    pub detect_interval: Duration,
    /// Dates that are like no other, in the business time zone: MM-DD or YYYY-MM-DD, with commas; or none
    #[arg(long, env = "DETECT_HOLIDAYS", default_value = anomaly::calendar::HOLIDAYS,
          hide_default_value = true, value_parser = parse_holidays)]
    pub detect_holidays: Holidays,
    /// How many false alerts a month of each region and type are put up with, 0.01 to 100
    #[arg(long, env = "DETECT_FALSE_ALERTS", default_value = "1", value_parser = parse_budget)]
    pub detect_false_alerts: Budget,
}

impl DetectionArgs {
    /// Judges what has become complete.
    ///
    /// # Errors
    /// Those of [`passes::detect_pass`].
    pub(crate) async fn pass(
        &self,
        connection: &mut store::PgConnection,
    ) -> Result<Pass, store::StoreError> {
        passes::detect_pass(connection, &self.detect_holidays.0, self.detect_false_alerts).await
    }
}

/// Dates that are like no other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holidays(pub Vec<HolidayPattern>);

/// Arguments of `detect`.
#[derive(Args, Clone, Debug)]
pub struct DetectArgs {
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How it is looked for.
    #[command(flatten)]
    pub detection: DetectionArgs,
    /// Judge all that is complete, say what is unusual, and exit
    #[arg(long)]
    pub once: bool,
    /// How long to wait for PostgreSQL at start, and with --once for another detector
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
    /// Where metrics are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// The form of the log lines.
    #[command(flatten)]
    pub log: LogArgs,
}

fn parse_detect_interval(text: &str) -> Result<Duration, String> {
    parse_within(text, DETECT_INTERVAL_MIN..=DETECT_INTERVAL_MAX)
}

fn parse_budget(text: &str) -> Result<Budget, String> {
    let alerts: Option<f64> = text.trim().parse().ok();
    let budget = alerts.and_then(Budget::a_month);
    budget.ok_or_else(|| {
        format!("`{text}` is no number from 0.01 to 100: false alerts of each region and type in 30 days")
    })
}

fn parse_holidays(text: &str) -> Result<Holidays, String> {
    if text.trim() == "none" {
        return Ok(Holidays(Vec::new()));
    }
    text.split(',').map(|date| date.trim().parse()).collect::<Result<_, _>>().map(Holidays)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        detect: DetectArgs,
    }

    #[test]
    fn a_budget_is_a_number_of_false_alerts_a_month() {
        let parsed = |alerts| Line::try_parse_from(["detect", "--detect-false-alerts", alerts]);
        for refused in ["0", "101", "one", "NaN"] {
            let error = parsed(refused).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(error.contains(refused) && error.contains("0.01 to 100"), "{error}");
        }
        let budget = parsed("0.5").ok().map(|line| line.detect.detection.detect_false_alerts);
        assert_eq!(budget, Budget::a_month(0.5));
    }

    #[test]
    fn holidays_are_a_list_a_default_or_none() {
        for (flags, expected) in [
            (&[][..], 15),
            (&["--detect-holidays", "12-31, 2026-05-27"], 2),
            (&["--detect-holidays", "none"], 0),
        ] {
            let line = Line::try_parse_from(["detect"].iter().chain(flags)).unwrap();
            let holidays = line.detect.detection.detect_holidays;
            assert_eq!(holidays.0.len(), expected, "{flags:?}");
        }
    }
}
