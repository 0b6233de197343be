//! The command line. Options are also environment variables.

use std::path::PathBuf;
use std::time::Duration;

use chrono::NaiveDate;
use churn::gather::Longest;
use clap::{Args, Parser, Subcommand, ValueEnum};
use program::{DatabaseArgs, LogArgs, parse_duration};

/// Foresee who will leave, from the lake's subscriber-days
///
/// Exit codes: 0 done; 1 failed, with the cause on standard error; 2 wrong usage; 5 refused: what is there is not enough or not right,
/// nothing was stored, and the former model and scores stay.
#[derive(Clone, Debug, Parser)]
#[command(name = "churn", version)]
pub(crate) struct Config {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[command(flatten)]
    pub(crate) database: DatabaseArgs,

    /// How long to wait for PostgreSQL
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration, global = true)]
    pub(crate) wait: Duration,

    /// The program that reads the lake; it takes LAKE_URL from the environment
    #[arg(long, env = "ARCHIVER", default_value = "archiver", global = true)]
    pub(crate) archiver: PathBuf,

    /// Number of the epoch of the subscribers' key: names of another one are of nobody whom the model knows
    #[arg(long, env = "SUBSCRIBER_KEY_EPOCH", default_value_t = 0, global = true)]
    pub(crate) subscriber_key_epoch: u32,

    /// Who runs this, for the table churn_models
    #[arg(long, env = "USER", default_value = "unknown", global = true)]
    pub(crate) by: String,

    #[command(flatten)]
    pub(crate) log: LogArgs,
}

#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Command {
    /// Train a model on what was known before a day, and store it
    Train(TrainArgs),
    /// Score everybody who was active in the week before a day with the newest model, and store it
    Score(ScoreArgs),
    /// Show the newest model, what it is worth, and which scores there are
    Report,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct TrainArgs {
    /// Nothing of this day or later is used: YYYY-MM-DD, in the business time zone
    #[arg(long)]
    pub(crate) as_of: NaiveDate,

    /// Days of the longest window of the features: with 60, 123 days of history are needed, with 30, 93
    #[arg(long, value_enum, default_value_t = Window::Days60)]
    pub(crate) longest_window: Window,
}

#[derive(Args, Clone, Debug)]
pub(crate) struct ScoreArgs {
    /// The day of the question: made of the days before it. YYYY-MM-DD, in the business time zone
    #[arg(long)]
    pub(crate) as_of: NaiveDate,
}

/// Days of the longest window.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Window {
    #[value(name = "30")]
    Days30,
    #[value(name = "60")]
    Days60,
}

impl From<Window> for Longest {
    fn from(window: Window) -> Self {
        match window {
            Window::Days30 => Longest::Days30,
            Window::Days60 => Longest::Days60,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Config::command().debug_assert();
        for (arguments, good) in [
            (&["train", "--as-of", "2025-07-05"][..], true),
            (&["train", "--as-of", "2025-07-05", "--longest-window", "30"], true),
            (&["train", "--as-of", "2025-07-05", "--longest-window", "31"], false),
            (&["train", "--as-of", "2025-02-30"], false),
            (&["score", "--as-of", "2025-07-05", "--archiver", "/x"], true),
            (&["score"], false),
            (&["report"], true),
            (&[], false),
        ] {
            let parsed = Config::try_parse_from(["churn"].iter().chain(arguments));
            assert_eq!(parsed.is_ok(), good, "{arguments:?}");
        }
    }
}
