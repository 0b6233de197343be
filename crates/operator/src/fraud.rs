//! `streamer fraud`: the cases that rules have found, and what the fraud desk decides about them.
//!
//! A case is what one rule has found about one subscriber, up to a verdict; what comes later is a new case. Alerts themselves are
//! never changed: they are a function of the log (I-9).

mod rows;
mod text;

use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Args, Subcommand, ValueEnum};
use program::{parse_duration, print};

pub use self::rows::Verdict;
use self::rows::{Case, CaseFilter, State};
use crate::Exit;
use crate::args::DatabaseCommandArgs;

/// What can be done about cases.
#[derive(Subcommand, Clone, Debug)]
pub enum FraudCommand {
    /// List cases, those with the newest alerts first
    List(ListArgs),
    /// Show one case with its alerts: what was measured, and the records by which
    Show(ShowArgs),
    /// It was fraud
    Confirm(VerdictArgs),
    /// It was none
    Dismiss(VerdictArgs),
    /// Want to hear nothing about a subscriber for a while, a call centre for example
    Allow(AllowArgs),
    /// Count cases by rule and state, with the share of those decided that were confirmed
    Stats(StatsArgs),
}

/// Arguments of `fraud list`.
#[derive(Args, Clone, Debug)]
pub struct ListArgs {
    /// In which state
    #[arg(long, value_enum, default_value_t = StateArg::Open)]
    state: StateArg,
    /// Of this rule alone
    #[arg(long)]
    rule: Option<String>,
    /// Those of rules in shadow mode too
    #[arg(long)]
    shadow: bool,
    /// How many at most
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    limit: u32,
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// In which state a case is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StateArg {
    Open,
    Confirmed,
    Dismissed,
    Expired,
    Allowed,
    All,
}

/// Arguments of `fraud show`.
#[derive(Args, Clone, Debug)]
pub struct ShowArgs {
    /// The case's number
    case: i64,
    /// Write one JSON object
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `fraud confirm` and `fraud dismiss`.
#[derive(Args, Clone, Debug)]
pub struct VerdictArgs {
    /// The case's number
    case: i64,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    /// Who decides, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `fraud allow`.
#[derive(Args, Clone, Debug)]
pub struct AllowArgs {
    /// The subscriber, as events name it
    subscriber: String,
    /// For how long: 90days
    #[arg(long = "for", value_name = "DURATION", value_parser = parse_duration)]
    duration: Duration,
    /// About this rule alone
    #[arg(long)]
    rule: Option<String>,
    /// Why, for the record
    #[arg(long)]
    reason: String,
    /// Who allows it, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    by: String,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

/// Arguments of `fraud stats`.
#[derive(Args, Clone, Debug)]
pub struct StatsArgs {
    /// Write one JSON object a line
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    database: DatabaseCommandArgs,
}

impl FraudCommand {
    /// The flags that every subcommand has: the database, and how to log.
    pub fn database_args(&self) -> &DatabaseCommandArgs {
        match self {
            FraudCommand::List(args) => &args.database,
            FraudCommand::Show(args) => &args.database,
            FraudCommand::Confirm(args) | FraudCommand::Dismiss(args) => &args.database,
            FraudCommand::Allow(args) => &args.database,
            FraudCommand::Stats(args) => &args.database,
        }
    }
}

/// Carries it out.
pub async fn run(command: &FraudCommand) -> anyhow::Result<Exit> {
    match command {
        FraudCommand::List(args) => list(args).await,
        FraudCommand::Show(args) => show(args).await,
        FraudCommand::Confirm(args) => decide(args, Verdict::Confirmed).await,
        FraudCommand::Dismiss(args) => decide(args, Verdict::Dismissed).await,
        FraudCommand::Allow(args) => allow(args).await,
        FraudCommand::Stats(args) => stats(args).await,
    }
}

async fn list(args: &ListArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let state = match args.state {
        StateArg::All => None,
        StateArg::Open => Some(State::Open),
        StateArg::Confirmed => Some(State::Confirmed),
        StateArg::Dismissed => Some(State::Dismissed),
        StateArg::Expired => Some(State::Expired),
        StateArg::Allowed => Some(State::Allowed),
    };
    let filter = CaseFilter { state, rule: args.rule.clone(), with_shadow: args.shadow };
    // One more than asked for tells whether there are more.
    let mut cases = rows::list_cases(&mut connection, &filter, args.limit + 1).await?;
    let has_more = cases.len() > args.limit as usize;
    cases.truncate(args.limit as usize);
    print(if args.json { text::cases_json(&cases) } else { text::cases_table(&cases, has_more) })?;
    if args.json && has_more {
        tracing::warn!("there are more than were written: raise --limit");
    }
    Ok(Exit::Done)
}

async fn show(args: &ShowArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let case = find(rows::load_case(&mut connection, args.case).await?, args.case)?;
    let alerts = rows::alerts_of(&mut connection, &case).await?;
    print(if args.json {
        text::case_json(&case, &alerts)
    } else {
        text::case_text(&case, &alerts)
    })?;
    Ok(Exit::Done)
}

async fn decide(args: &VerdictArgs, verdict: Verdict) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let case = find(rows::load_case(&mut connection, args.case).await?, args.case)?;
    if let Some(decided_by) = &case.decided_by {
        bail!("case {} was {} by {decided_by} already", case.id, case.state);
    }
    let is_stored = rows::decide(&mut connection, &case, verdict, &args.reason, &args.by).await?;
    anyhow::ensure!(is_stored, "case {} was decided by somebody else meanwhile", case.id);
    print(format!(
        "case {} is {}: its {} alerts; what comes later is a new case\n",
        case.id,
        verdict.code(),
        case.alerts
    ))?;
    Ok(Exit::Done)
}

async fn allow(args: &AllowArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    anyhow::ensure!(!args.subscriber.is_empty(), "the subscriber has no name");
    let seconds = i64::try_from(args.duration.as_secs())
        .ok()
        .filter(|seconds| (1..=SECONDS_MAX).contains(seconds));
    let seconds = seconds.context("--for: write a duration from 1s to 3660days")?;
    let rule = args.rule.as_deref();
    let until =
        rows::allow(&mut connection, (&args.subscriber, rule), seconds, &args.reason, &args.by)
            .await?;
    let about = rule.map_or_else(|| "all rules".to_owned(), |rule| format!("rule {rule}"));
    print(format!(
        "allowed until {} UTC: no open case of {about} for this subscriber until then\n",
        crate::output::time_text(until)
    ))?;
    Ok(Exit::Done)
}

/// Ten years.
const SECONDS_MAX: i64 = 3_660 * 86_400;

async fn stats(args: &StatsArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let counts = rows::count_cases(&mut connection).await?;
    print(if args.json { text::counts_json(&counts) } else { text::counts_table(&counts) })?;
    Ok(Exit::Done)
}

fn find(case: Option<Case>, number: i64) -> anyhow::Result<Case> {
    case.with_context(|| {
        format!("there is no case {number}; `streamer fraud list --state all --shadow` lists them")
    })
}
