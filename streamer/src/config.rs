//! Command line of the streamer. Each field is also an environment variable.

use std::time::Duration;

use chrono_tz::Tz;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};
use operator::args::{QuestionArgs, parse_flush_interval, parse_setting};
use operator::compare::CompareArgs;
use operator::dead_letters::DeadLettersCommand;
use operator::detect::{DetectArgs, DetectionArgs};
use operator::erase::EraseArgs;
use operator::fraud::FraudCommand;
use operator::gaps::{AcceptGapArgs, RetireArgs};
use operator::health::HealthArgs;
use operator::late::LateArgs;
use operator::live::LinkArgs;
use operator::migrate::MigrateArgs;
use operator::moves::MoveArgs;
use operator::rules::RulesCommand;
use operator::settings::SettingsCommand;
use operator::status::StatusArgs;
use program::{DatabaseArgs, KafkaArgs, LogArgs, MetricsArgs, parse_duration};
use store::{ExplicitSettings, FirstContact, SynchronousCommit};
use windowing::results::Numbers;

use crate::contents::RegistryArgs;
use crate::examples;

/// Counts telecom events in 1-minute event-time windows, exactly once, from Kafka to PostgreSQL
#[derive(Parser, Clone, Debug)]
#[command(version, args_conflicts_with_subcommands = true, after_help = examples::STREAMER)]
pub struct Cli {
    /// What to do; without one, `run`.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The flags of `run`.
    #[command(flatten)]
    pub run: RunArgs,
}

impl Cli {
    /// How to log, whatever the command.
    pub fn log(&self) -> &LogArgs {
        match &self.command {
            None => &self.run.log,
            Some(Command::Run(args)) => &args.log,
            Some(Command::Migrate(args)) => &args.database.log,
            Some(Command::Verify(args) | Command::Gaps(args)) => &args.database.log,
            Some(Command::Compare(args)) => &args.question.database.log,
            Some(Command::AcceptGap(args)) => &args.database.log,
            Some(Command::Retire(args)) => &args.database.log,
            Some(Command::Move(args)) => &args.database.log,
            Some(Command::Settings(SettingsCommand::Show(args))) => &args.database.log,
            Some(Command::Settings(SettingsCommand::Set(args))) => &args.question.database.log,
            Some(Command::Status(args)) => &args.log,
            Some(Command::Health(args)) => &args.log,
            Some(Command::DeadLetters(command)) => &command.database_args().log,
            Some(Command::Erase(args)) => &args.database.log,
            Some(Command::Late(args)) => &args.database.log,
            Some(Command::Detect(args)) => &args.log,
            Some(Command::Rules(command)) => command.log(),
            Some(Command::Fraud(command)) => &command.database_args().log,
        }
    }
}

/// What the streamer can do.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    /// Read the topic and keep the tables up to date (the default)
    Run(Box<RunArgs>),
    /// Bring the database schema up to date, then exit
    Migrate(MigrateArgs),
    /// Check that every record is accounted for; exit 1 and list the differences if not
    #[command(after_help = examples::VERIFY)]
    Verify(QuestionArgs),
    /// Compare a mirrored topic with what the site has counted that it comes from; exit 1 and list the differences
    #[command(after_help = examples::COMPARE)]
    Compare(Box<CompareArgs>),
    /// Say whether all is well, and where every partition stands; exit 1 if not, 3 if that can't be seen
    #[command(after_help = examples::STATUS)]
    Status(Box<StatusArgs>),
    /// Say whether this host's streamer has stored what it read lately; exit 1 if not
    Health(HealthArgs),
    /// List halted partitions, and losses that were accepted
    #[command(after_help = examples::GAPS)]
    Gaps(QuestionArgs),
    /// Permit a halted partition to go on without the records that were lost
    #[command(after_help = examples::ACCEPT_GAP)]
    AcceptGap(AcceptGapArgs),
    /// Take a topic, or one partition of it, out of service
    Retire(RetireArgs),
    /// Go on in a copy of the topic, on another cluster or under another name; docs/second-site.md
    #[command(after_help = examples::MOVE)]
    Move(Box<MoveArgs>),
    /// Show or change what decides whether an event is on time, late or dead
    #[command(subcommand, after_help = examples::SETTINGS)]
    Settings(SettingsCommand),
    /// Look at records that can't be used, and send them again
    #[command(subcommand, after_help = examples::DEAD_LETTERS)]
    DeadLetters(DeadLettersCommand),
    /// Remove a person from every table that names subscribers, and from dead letters
    #[command(after_help = examples::ERASE)]
    Erase(Box<EraseArgs>),
    /// Sum up events that came too late
    Late(LateArgs),
    /// Look for unusual traffic in what has become complete, until stopped; docs/anomalies.md
    Detect(Box<DetectArgs>),
    /// Look for patterns in what each subscriber does; docs/rules.md
    #[command(subcommand, after_help = examples::RULES)]
    Rules(RulesCommand),
    /// Cases that rules have found, and what became of them; docs/fraud.md
    #[command(subcommand, after_help = examples::FRAUD)]
    Fraud(FraudCommand),
}

/// Arguments of `run`.
#[derive(Args, Clone, Debug)]
pub struct RunArgs {
    #[command(flatten)]
    pub kafka: KafkaArgs,
    /// Consumer group; its members share the partitions
    #[arg(long, env = "KAFKA_GROUP_ID", default_value = "telecom-streamer")]
    pub kafka_group_id: String,
    /// Where PostgreSQL is.
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Where the schemas of records in Avro are.
    #[command(flatten)]
    pub registry: RegistryArgs,
    /// How often results are written (shortened at random by up to 20 %)
    #[arg(long, env = "FLUSH_INTERVAL", default_value = "30s", value_parser = parse_flush_interval)]
    pub flush_interval: Duration,
    /// What a flush waits for when it commits: the server's synchronous_commit; docs/high-availability.md
    #[arg(long, env = "FLUSH_SYNCHRONOUS_COMMIT", default_value = "off", value_parser = synchronous_commit())]
    pub flush_synchronous_commit: SynchronousCommit,
    /// How long a window waits for stragglers after its end [stored at first start: 2m]
    #[arg(long, env = "WATERMARK_DELAY", value_parser = parse_setting)]
    pub watermark_delay: Option<Duration>,
    /// How far an event may be ahead of its record [stored at first start: 5m]
    #[arg(long, env = "MAX_FUTURE_SKEW", value_parser = parse_setting)]
    pub max_future_skew: Option<Duration>,
    /// Time zone whose midnights bound a business day [stored at first start: UTC]
    #[arg(long, env = "BUSINESS_TIMEZONE")]
    pub business_timezone: Option<Tz>,
    /// Where to begin on a topic that this database has never met
    #[arg(long, env = "START", value_enum, default_value_t = StartArg::Earliest)]
    pub start: StartArg,
    /// This Kafka cluster is the right one: a topic new to the database is no copy of what it counts on another cluster, and one whose
    /// cluster it does not know was counted here
    ///
    /// With the cluster's id, as the refusal or the start's log names it: on another cluster the streamer does not start then.
    #[arg(long, value_name = "CLUSTER_ID")]
    pub not_a_copy: Option<String>,
    /// Members of the consumer group in this process, each with a thread of its own
    #[arg(long, env = "WORKERS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Mask numbers of 8 to 15 digits in records that can't be used, before they are stored; `false` keeps them whole
    #[arg(long, env = "MASK_DEAD_LETTERS", default_value_t = true, action = ArgAction::Set)]
    pub mask_dead_letters: bool,
    /// Look for unusual traffic too, beside counting, as `streamer detect` does
    #[arg(long, env = "DETECT")]
    pub detect: bool,
    /// How it is looked for.
    #[command(flatten)]
    pub detection: DetectionArgs,
    /// Read to the ends that the log has now, store, and exit (3 when a partition is halted)
    #[arg(long)]
    pub drain: bool,
    /// How long to wait for Kafka and PostgreSQL at start
    #[arg(long, env = "WAIT", default_value = "30s", value_parser = parse_duration)]
    pub wait: Duration,
    /// Where metrics and the page are served.
    #[command(flatten)]
    pub metrics: MetricsArgs,
    /// Where the page links to.
    #[command(flatten)]
    pub links: LinkArgs,
    #[command(flatten)]
    pub log: LogArgs,
}

impl RunArgs {
    /// What becomes of the numbers in records that can't be used.
    pub const fn numbers(&self) -> Numbers {
        if self.mask_dead_letters { Numbers::Masked } else { Numbers::Kept }
    }

    /// The settings that this start was given explicitly.
    pub fn explicit_settings(&self) -> ExplicitSettings {
        ExplicitSettings {
            watermark_delay: self.watermark_delay,
            max_future_skew: self.max_future_skew,
            business_timezone: self.business_timezone,
        }
    }
}

/// Reads the server's own names.
fn synchronous_commit() -> impl TypedValueParser<Value = SynchronousCommit> {
    let all = SynchronousCommit::ALL;
    PossibleValuesParser::new(all.map(|(name, _)| name)).map(move |given| {
        let found = all.into_iter().find(|(name, _)| *name == given);
        found.map_or_else(SynchronousCommit::default, |(_, value)| value)
    })
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StartArg {
    /// At the oldest record kept.
    Earliest,
    /// At the end.
    Latest,
}

impl From<StartArg> for FirstContact {
    fn from(start: StartArg) -> Self {
        match start {
            StartArg::Earliest => FirstContact::Earliest,
            StartArg::Latest => FirstContact::Latest,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_examples_of_the_help_can_be_typed() {
        assert_eq!(program::check_examples::<Cli>(), Ok(32));
    }

    #[test]
    fn run_is_the_default_and_takes_the_same_flags() {
        let bare = Cli::try_parse_from(["streamer", "--workers", "2", "--drain"]).unwrap();
        let named = Cli::try_parse_from(["streamer", "run", "--workers", "2", "--drain"]).unwrap();
        let Some(Command::Run(named)) = named.command else { panic!("not run") };
        assert_eq!((bare.run.workers, bare.run.drain), (named.workers, named.drain));
    }

    #[test]
    fn values_out_of_bounds_are_refused() {
        for flags in [
            ["--flush-interval", "1ms"],
            ["--flush-interval", "2h"],
            ["--watermark-delay", "1us"],
            ["--max-future-skew", "10000days"],
            ["--workers", "0"],
            ["--mask-dead-letters", "perhaps"],
            ["--business-timezone", "Mars/Olympus"],
            ["--detect-interval", "10ms"],
            ["--detect-holidays", "12-31,13-01"],
        ] {
            let parsed = Cli::try_parse_from(["streamer", flags[0], flags[1]]);
            assert!(parsed.is_err(), "{flags:?}");
        }
    }
}
