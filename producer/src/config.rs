//! The command line.
//!
//! In: arguments and environment. Out: a [`Cli`]: what to do, and a [`Config`] whose parts fit together: a [`Plan`] of one
//! run follows from it.

mod plan;
mod values;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use chrono::Utc;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use event_model::EventTime;
use generator::Shard;
use generator::instant::parse_time;
use program::{KafkaArgs, LogArgs, MetricsArgs, Secret, parse_duration};

pub use self::plan::Plan;
use self::values::{
    parse_count, parse_epoch, parse_per_second, parse_rate, parse_shard, parse_speed,
};

const EXAMPLES: &str = "\
Examples:
  producer --seed 1 --from 2025-11-09 --to 2025-11-10     # a day of events, as fast as possible
  producer --rate 1000                                    # live, a thousand a second, until Ctrl-C
  producer --seed 1 --count 5 --stdout                    # five events to look at
  producer plan --from 2025-11-09 --to 2025-11-10         # how many that would be, and how long it takes";

/// Generates realistic telecom events and sends them to Kafka.
///
/// Without --from the events are live: they happen from now on, and each is sent when its time
/// comes. With --from and --to it sends all events of that range as fast as possible; with --from
/// alone it catches up as fast as possible, or at --speed, and then goes on live.
///
/// Which events there are depends on --scenario, --seed and the density (--base-rate, or a live
/// --rate) alone; two ranges that meet give exactly the events of the whole, and so do shards.
#[derive(Clone, Debug, Parser)]
#[command(name = "producer", version, verbatim_doc_comment)]
#[command(args_conflicts_with_subcommands = true, after_help = EXAMPLES)]
pub struct Cli {
    /// What to send.
    #[command(flatten)]
    pub config: Config,

    /// What to do instead of sending.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What to do instead of sending.
#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// Say what would be sent with the same arguments: how many events, how many bytes, how long
    Plan(Box<PlanArgs>),
    /// Print the description of an event for other programs
    Schema(SchemaArgs),
    /// Print where the scenario's towers stand: tower, region, latitude, longitude
    Towers(TowersArgs),
}

/// Arguments of `producer towers`.
#[derive(Args, Clone, Debug)]
pub struct TowersArgs {
    /// Whose towers: `kazakhstan`, `lifelike`, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "kazakhstan")]
    pub scenario: String,

    /// Check an operator's own table instead, and say how many towers and regions it has
    #[arg(long, value_name = "FILE", conflicts_with = "scenario")]
    pub check: Option<PathBuf>,
}

/// Arguments of `producer plan`.
#[derive(Args, Clone, Debug)]
pub struct PlanArgs {
    /// What would be sent.
    #[command(flatten)]
    pub config: Config,

    /// Print the first N events instead
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub sample: Option<u64>,
}

/// Arguments of `producer schema`.
#[derive(Args, Clone, Copy, Debug)]
pub struct SchemaArgs {
    /// In which form
    #[arg(long, value_enum, default_value_t = SchemaForm::JsonSchema)]
    pub form: SchemaForm,
}

/// In which form an event is described.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SchemaForm {
    /// JSON Schema 2020-12, of the event alone.
    JsonSchema,
    /// AsyncAPI 3.0, of the topic and the event in it.
    Asyncapi,
}

/// What to send, and when.
#[derive(Args, Clone, Debug)]
pub struct Config {
    #[command(flatten)]
    pub kafka: KafkaArgs,

    /// Where metrics are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,

    #[command(flatten)]
    pub log: LogArgs,

    /// Figures to draw from: `default`, `kazakhstan`, `lifelike`, or a TOML file
    #[arg(long, value_name = "NAME|FILE", default_value = "default")]
    pub scenario: String,

    /// Every choice comes from this number [default: a random one, which is logged]
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true)]
    pub seed: Option<u64>,

    /// Send only every N-th subscriber's events, from the I-th on (1/4, 2/4, 3/4, 4/4) [default: 1/1]
    ///
    /// Processes that share a --seed and --from and have each a shard send together exactly what one
    /// would send alone. A live --rate is that of all shards together.
    #[arg(long, value_name = "I/N", value_parser = parse_shard)]
    pub shard: Option<Shard>,

    /// First event time: 2025-11-09 (midnight UTC) or 2025-11-09T12:00:00+05:00 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub from: Option<EventTime>,

    /// End of event time, itself not included; written like --from [default: none]
    ///
    /// With an end, nothing waits for its event time: a range is sent as fast as possible.
    #[arg(long, value_name = "TIME", value_parser = parse_time, requires = "from")]
    pub to: Option<EventTime>,

    /// Send at N seconds of event time per second, like 60x, until now is reached; then live
    #[arg(long, value_name = "Nx", value_parser = parse_speed, requires = "from")]
    pub speed: Option<f64>,

    /// Events per second: a number, or `max`
    ///
    /// With --from it only paces the sending of the very same events. Without --from it is a live
    /// stream of that many events a second at every hour, in place of the daily curve; `max` is then
    /// as fast as possible, and since event times never run ahead of the clock they fall behind it.
    #[arg(long, value_name = "N|max", value_parser = parse_rate, allow_negative_numbers = true)]
    pub rate: Option<Rate>,

    /// Density: events per second of event time where all factors are 1 [default: the scenario's, 2]
    ///
    /// The scenario `default` multiplies it by 1.5 at 08–10, 1.3 at 12–14, 2.0 at 18–22 and 0.3 at
    /// 00–06 in the time of Almaty. At 2 a day has about 182,880 events.
    #[arg(long, value_name = "N", value_parser = parse_per_second, allow_negative_numbers = true)]
    pub base_rate: Option<f64>,

    /// Stop after this many events [default: never, or at --to]
    #[arg(long, value_name = "N", value_parser = parse_count, allow_negative_numbers = true)]
    pub count: Option<u64>,

    /// Write the events to standard output, one JSON object a line, instead of to Kafka
    #[arg(long)]
    pub stdout: bool,

    /// What the key of a message is, and with it what stays together in a partition (docs/scaling.md)
    #[arg(long, value_enum, value_name = "FIELD", default_value_t = MessageKey::Subscriber)]
    pub key: MessageKey,

    /// Write what a pipeline must make of the events to this file, one JSON object a line
    ///
    /// The topic must be empty before, nobody else may write to it, and the run must have an end.
    #[arg(long, value_name = "FILE", conflicts_with = "shard")]
    pub truth: Option<PathBuf>,

    /// Time zone whose midnights bound the days of --truth, as in the pipeline's settings
    #[arg(long, value_name = "NAME", default_value = "UTC", requires = "truth")]
    pub truth_timezone: chrono_tz::Tz,

    /// Key of the subscribers' pseudonyms, at least 32 hex digits [default: a well-known demo key]
    #[arg(long, value_name = "HEX", env = "SUBSCRIBER_KEY", hide_env_values = true)]
    pub subscriber_key: Option<Secret>,

    /// Number of the key's epoch; pseudonyms of two epochs can't be linked (docs/privacy.md)
    #[arg(long, value_name = "N", env = "SUBSCRIBER_KEY_EPOCH", default_value = "0")]
    #[arg(value_parser = parse_epoch)]
    pub subscriber_key_epoch: u32,

    /// How long to wait for Kafka at the start, like 200ms, 30s or 2m
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
}

/// What the key of a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum MessageKey {
    /// subscriber_id: all that one subscriber does is in one partition, in its order.
    Subscriber,
    /// The region: each group of the tables is in one partition.
    Region,
}

/// Events per second.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rate {
    PerSecond(f64),
    /// As many as possible.
    Max,
}

impl Cli {
    /// How to log, whatever the command.
    pub fn log(&self) -> &LogArgs {
        match &self.command {
            Some(Command::Plan(arguments)) => &arguments.config.log,
            _ => &self.config.log,
        }
    }

    /// Reads arguments (the first is the program's name) and environment.
    ///
    /// # Errors
    /// An error of clap, whose `exit` prints it and ends the program with code 2 (or 0 for --help).
    pub fn from_args<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Cli, clap::Error> {
        let cli = Cli::try_parse_from(args)?;
        let config = match &cli.command {
            None => &cli.config,
            Some(Command::Plan(plan)) => &plan.config,
            Some(Command::Schema(_) | Command::Towers(_)) => return Ok(cli),
        };
        // The seed doesn't decide whether the parts fit together.
        match config.plan(EventTime::from(Utc::now()), 0) {
            Ok(_) => Ok(cli),
            Err(problem) => Err(Cli::command().error(ErrorKind::ValueValidation, problem)),
        }
    }
}

impl Config {
    /// Reads the arguments of a run that sends (the first is the program's name), and environment.
    ///
    /// # Errors
    /// As for [`Cli::from_args`].
    pub fn from_args<T: Into<OsString> + Clone>(
        args: impl IntoIterator<Item = T>,
    ) -> Result<Config, clap::Error> {
        Ok(Cli::from_args(args)?.config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        assert_eq!(program::check_examples::<Cli>(), Ok(4));
    }
}
