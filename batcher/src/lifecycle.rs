//! `batcher lifecycle`: what is older than it is kept expires.
//!
//! In: for how long each table is kept, nothing of which has a default. Out: a line for each table that has a time, with what went and
//! what was kept although it is old, and why.

use std::fmt::Write as _;
use std::io::Write;
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use chrono_tz::Tz;
use clap::Args;
use program::parse_duration;
use store::{Expired, Expiring, PgConnection, Retention};

use crate::{Exit, write};

/// The shortest time for which anything is kept.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Arguments of `lifecycle`.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Kept for so long, like 400d; unset or empty: for ever")]
pub(crate) struct LifecycleArgs {
    /// Only say what would go
    #[arg(long, help_heading = "Options")]
    pub(crate) dry_run: bool,
    /// Minutes of real_time_metrics, once every day that they are part of is final; their sums stay
    #[arg(long, env = "RETAIN_MINUTES", value_name = "TIME")]
    retain_minutes: Option<Keep>,
    /// Minutes of late_metrics, in the same way
    #[arg(long, env = "RETAIN_LATE_METRICS", value_name = "TIME")]
    retain_late_metrics: Option<Keep>,
    /// Sketches of subscribers, once the minutes of their day are gone
    #[arg(long, env = "RETAIN_SKETCHES", value_name = "TIME")]
    retain_sketches: Option<Keep>,
    /// What dead letters hold; their rows stay
    #[arg(long, env = "RETAIN_DEAD_LETTERS", value_name = "TIME")]
    retain_dead_letters: Option<Keep>,
    /// Sendings of dead letters, once their letter is emptied
    #[arg(long, env = "RETAIN_REPLAYS", value_name = "TIME")]
    retain_replays: Option<Keep>,
    /// Alerts, by the case: since its last hit, and never an open one
    #[arg(long, env = "RETAIN_ALERTS", value_name = "TIME")]
    retain_alerts: Option<Keep>,
    /// Verdicts, once their alerts are gone
    #[arg(long, env = "RETAIN_VERDICTS", value_name = "TIME")]
    retain_verdicts: Option<Keep>,
    /// Entries of the allowlist, since their end
    #[arg(long, env = "RETAIN_ALLOWLIST", value_name = "TIME")]
    retain_allowlist: Option<Keep>,
    /// Churn scores
    #[arg(long, env = "RETAIN_CHURN_SCORES", value_name = "TIME")]
    retain_churn_scores: Option<Keep>,
}

/// For how long; `None`: the variable is empty, as where Compose hands on what is not set.
#[derive(Clone, Copy, Debug)]
struct Keep(Option<Duration>);

impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() {
            return Ok(Keep(None));
        }
        let keep = parse_duration(text)?;
        if keep < DAY {
            return Err(
                "nothing is deleted within a day; write a longer time, like 400d".to_owned()
            );
        }
        Ok(Keep(Some(keep)))
    }
}

impl LifecycleArgs {
    pub(crate) fn retention(&self) -> Retention {
        let mut retention = Retention::default();
        for (what, keep) in [
            (Expiring::Minutes, self.retain_minutes),
            (Expiring::Late, self.retain_late_metrics),
            (Expiring::Sketches, self.retain_sketches),
            (Expiring::DeadLetters, self.retain_dead_letters),
            (Expiring::Replays, self.retain_replays),
            (Expiring::Alerts, self.retain_alerts),
            (Expiring::Verdicts, self.retain_verdicts),
            (Expiring::Allowlist, self.retain_allowlist),
            (Expiring::ChurnScores, self.retain_churn_scores),
        ] {
            retention.set(what, keep.and_then(|keep| keep.0));
        }
        retention
    }
}

/// Goes through the tables that have a time.
pub(crate) async fn expire(
    connection: &mut PgConnection,
    zone: Tz,
    retention: &Retention,
    is_dry: bool,
    output: &mut impl Write,
) -> Result<Exit> {
    let kept_for_some_time: Vec<Expiring> =
        Expiring::ALL.into_iter().filter(|what| retention.of(*what).is_some()).collect();
    if kept_for_some_time.is_empty() {
        write(output, "nothing expires: no RETAIN_… is set\n")?;
        return Ok(Exit::Done);
    }
    ensure!(
        is_dry || store::lock_lifecycle(connection).await?,
        "another `batcher lifecycle` is running on this database; wait for its end"
    );
    let mut broken_quarters = 0;
    for what in kept_for_some_time {
        let expired = store::expire(connection, what, retention, zone, is_dry)
            .await
            .with_context(|| format!("expiring {}", what.table()))?;
        write(output, &text(what, &expired, is_dry))?;
        broken_quarters += expired.broken_quarters;
    }
    ensure!(
        broken_quarters == 0,
        "the minutes of {broken_quarters} quarters of an hour do not add up to the ledger, and stay: `streamer verify` says what is wrong"
    );
    Ok(Exit::Done)
}

fn text(what: Expiring, expired: &Expired, is_dry: bool) -> String {
    let Expired { rows, quarters, span, kept, kept_unlisted, .. } = expired;
    let table = what.table();
    let mut text = match (rows, span) {
        (0, _) => format!("{table}: nothing is to go"),
        (rows, Some((from, to))) => format!(
            "{table}: {rows} rows {}, of {quarters} quarters of an hour from {from} to {to} UTC",
            if is_dry { "would go" } else { "have gone, and their sums are in expired_quarters" },
        ),
        (rows, None) if what == Expiring::DeadLetters => format!(
            "{table}: {rows} letters {} emptied; their rows stay",
            if is_dry { "would be" } else { "were" }
        ),
        (rows, None) => {
            format!("{table}: {rows} rows {}", if is_dry { "would go" } else { "have gone" })
        }
    };
    text.push('\n');
    for because in kept {
        writeln!(text, "  kept: {because}").expect("a String takes any text");
    }
    if *kept_unlisted > 0 {
        writeln!(text, "  kept: {kept_unlisted} more").expect("a String takes any text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_kept_for_less_than_a_day_and_what_is_empty_for_ever() {
        for (text, expected) in [
            ("400d", Ok(Some(400))),
            ("24h", Ok(Some(1))),
            ("", Ok(None)),
            ("23h 59m", Err("nothing is deleted within a day; write a longer time, like 400d")),
            ("400", Err("write a number and a unit")),
        ] {
            match (text.parse::<Keep>(), expected) {
                (Ok(Keep(keep)), Ok(days)) => assert_eq!(keep, days.map(|days| DAY * days)),
                (Err(error), Err(part)) => assert!(error.contains(part), "{text:?}: {error}"),
                (found, _) => panic!("{text:?}: {found:?}"),
            }
        }
    }
}
