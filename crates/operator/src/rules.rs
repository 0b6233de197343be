//! `streamer rules`: look a file of rules through, try it on what was counted already, put it on, see what is on, put it off. Needs no running streamer; those that run
//! notice at their next flush.

mod backtest;
mod file;

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::{Args, Subcommand};
use patterns::RuleSet;
use program::{LogArgs, print, table};
use store::{NewRules, PgConnection, PutOff, StoredRules};

pub use self::backtest::BacktestArgs;
use self::file::{RulesFile, changed_without_a_new_version};
use crate::Exit;
use crate::args::DatabaseCommandArgs;
use crate::output::time_text;

/// What can be done about rules.
#[derive(Subcommand, Clone, Debug)]
pub enum RulesCommand {
    /// Say whether a file of rules can be put on, and what it holds; needs no server
    Check(CheckArgs),
    /// Put a file of rules on for all partitions, from their stored positions; it replaces the rules that are on
    Apply(ApplyArgs),
    /// Show the rules that are on, where they are off, and where they may have missed something
    List(DatabaseCommandArgs),
    /// Say what a file of rules would have found in what was counted already; stores nothing
    Backtest(Box<BacktestArgs>),
    /// Put all rules off, or those of one partition
    Off(OffArgs),
}

/// Arguments of `rules check`.
#[derive(Args, Clone, Debug)]
pub struct CheckArgs {
    /// The file; a table of towers is looked for from its folder on
    file: PathBuf,
    #[command(flatten)]
    log: LogArgs,
}

/// Arguments of `rules apply`.
#[derive(Args, Clone, Debug)]
pub struct ApplyArgs {
    /// The file; a table of towers is looked for from its folder on
    file: PathBuf,
    /// Who puts them on, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `rules off`.
#[derive(Args, Clone, Debug)]
pub struct OffArgs {
    /// The topic of the partition
    #[arg(long, requires = "partition")]
    topic: Option<String>,
    /// This partition alone, until rules are put on again: for one that halts because an alert can't be stored
    #[arg(long, requires = "topic", requires = "reason", value_parser = clap::value_parser!(i32).range(0..))]
    partition: Option<i32>,
    /// Why, for the record
    #[arg(long, requires = "partition")]
    reason: Option<String>,
    /// Who puts them off, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

impl RulesCommand {
    /// The form of the log lines, which every subcommand is given.
    pub fn log(&self) -> &LogArgs {
        match self {
            RulesCommand::Check(args) => &args.log,
            RulesCommand::Apply(args) => &args.database.log,
            RulesCommand::List(args) => &args.log,
            RulesCommand::Backtest(args) => &args.database.log,
            RulesCommand::Off(args) => &args.database.log,
        }
    }
}

/// Carries it out.
pub async fn run(command: &RulesCommand) -> anyhow::Result<Exit> {
    match command {
        RulesCommand::Check(args) => check(args),
        RulesCommand::Apply(args) => apply(args).await,
        RulesCommand::List(args) => list(args).await,
        RulesCommand::Backtest(args) => backtest::backtest(args).await,
        RulesCommand::Off(args) => off(args).await,
    }
}

fn check(args: &CheckArgs) -> anyhow::Result<Exit> {
    let file = RulesFile::read(&args.file)?;
    print(rules_table(&file.set))?;
    Ok(Exit::Done)
}

async fn apply(args: &ApplyArgs) -> anyhow::Result<Exit> {
    let file = RulesFile::read(&args.file)?;
    let mut connection = args.database.open().await?;
    for former in store::rule_sets(&mut connection).await? {
        let former_text = former.rules.as_deref().unwrap_or_default();
        if let Some((name, version)) = changed_without_a_new_version(former_text, &file.text) {
            bail!(
                "{}: rule {name}, version {version}, differs from what was put on under that number before (set {}): \
                 give it another version, so that alerts of the two are never mixed",
                args.file.display(),
                former.id
            );
        }
    }
    let new = NewRules { text: &file.text, towers: file.towers.as_deref(), set: &file.set };
    let id = store::change_rules(&mut connection, Some(new), &args.by).await?;
    print(format!(
        "{}\nset {id} is on: running streamers judge by it from their next flush on\n",
        rules_table(&file.set)
    ))?;
    Ok(Exit::Done)
}

async fn off(args: &OffArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let (Some(topic), Some(partition), Some(because)) = (&args.topic, args.partition, &args.reason)
    else {
        let is_on =
            store::rule_sets(&mut connection).await?.pop().is_some_and(|set| set.rules.is_some());
        anyhow::ensure!(is_on, "no rules are on");
        let id = store::change_rules(&mut connection, None, &args.by).await?;
        print(format!("all rules are off from each partition's position on (set {id})\n"))?;
        return Ok(Exit::Done);
    };
    let request = PutOff { topic, partition, because, by: &args.by };
    let from = store::put_rules_off(&mut connection, request).await?.with_context(|| {
        format!(
            "nothing to put off: {topic} [{partition}] is not in service, or no rules are on for it"
        )
    })?;
    print(format!(
        "rules are off for {topic} [{partition}] from offset {from} on; `streamer rules apply` puts them on again\n"
    ))?;
    Ok(Exit::Done)
}

async fn list(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = args.open().await?;
    let newest = store::rule_sets(&mut connection).await?.pop();
    let mut text = match &newest {
        None => "no rules were ever on\n".to_owned(),
        Some(newest) => described(newest)?,
    };
    let gaps = gaps_table(&mut connection).await?;
    if !gaps.is_empty() {
        text = format!("{text}\n{gaps}");
    }
    print(text)?;
    Ok(Exit::Done)
}

fn described(newest: &StoredRules) -> anyhow::Result<String> {
    let StoredRules { id, rules, towers, applied_by, applied_at } = newest;
    let when = format!("{} UTC by {applied_by}", time_text(*applied_at));
    let Some(rules) = rules else {
        return Ok(format!("rules are off since {when} (set {id})\n"));
    };
    let set = store::read_rules(rules, towers.as_deref())
        .map_err(anyhow::Error::msg)
        .with_context(|| format!("rule set {id} can't be read by this program"))?;
    Ok(format!("set {id}, put on {when}\n{}", rules_table(&set)))
}

fn rules_table(set: &RuleSet) -> String {
    let rows = set.rules().iter().map(|rule| {
        [
            rule.name.clone(),
            rule.version.to_string(),
            rule.mode.name().to_owned(),
            seconds(rule.within_micros),
            seconds(rule.bucket_micros),
        ]
    });
    table(["rule", "version", "mode", "within", "bucket"], rows)
}

fn seconds(micros: i64) -> String {
    format!("{} s", micros / event_model::MICROS_PER_UNIT)
}

/// Where rules are off, or may have missed something; empty: nowhere.
async fn gaps_table(connection: &mut PgConnection) -> anyhow::Result<String> {
    let rows: Vec<[String; 7]> = store::pattern_gaps(connection)
        .await?
        .into_iter()
        .map(|gap| {
            let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
            [
                gap.topic,
                gap.partition.to_string(),
                gap.from_offset.to_string(),
                or_dash(gap.to_offset.map(|offset| offset.to_string())),
                or_dash(gap.blind_until.map(time_text)),
                gap.reason,
                or_dash(gap.put_off_because),
            ]
        })
        .collect();
    if rows.is_empty() {
        return Ok(String::new());
    }
    let head = [
        "may have missed",
        "partition",
        "from offset",
        "to before",
        "blind until",
        "reason",
        "in words",
    ];
    Ok(table(head, rows))
}
