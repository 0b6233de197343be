//! `streamer compare`: does a mirrored topic hold here what the topic that it mirrors holds in another database?
//!
//! In: this database and the site's own. Out: the quarters of an hour in which a partition has more or fewer events here,
//! by the ledgers of both (I-1), which outlive the minutes. MirrorMaker keeps partition numbers and the order within a
//! partition, not offsets. Changes nothing on either side.

pub mod judge;
mod rows;
mod text;

use anyhow::{Context, ensure};
use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use clap::Args;
use program::{Secret, print};
use store::{PgConnection, SchemaState, Session};

use self::judge::{Comparison, next_pair};
pub use self::rows::Stretch;
use self::rows::{Ledger, known, letters, place};
use crate::Exit;
use crate::args::QuestionArgs;
use crate::moment::{Moment, parse_moment};

/// What was asked of it failed.
const OF_OTHER: &str = "the database of --with";

/// Arguments of `compare`.
#[derive(Args, Clone, Debug)]
pub struct CompareArgs {
    /// The other database, that of the site whose topic is mirrored: postgres://USER:PASSWORD@HOST:PORT/DATABASE
    #[arg(long, env = "COMPARE_WITH", hide_env_values = true)]
    pub with: Secret,
    /// The mirror: a topic in the database of DATABASE_URL
    #[arg(long)]
    pub topic: String,
    /// What it mirrors: a topic in the other database [default: the same name]
    #[arg(long)]
    pub with_topic: Option<String>,
    /// Quarters of an hour of this time or later: a UTC date, a time, or how long ago (2days)
    #[arg(long, value_parser = parse_moment)]
    since: Option<Moment>,
    /// Quarters before this time; all of them must be settled, or it fails
    #[arg(long, value_parser = parse_moment)]
    until: Option<Moment>,
    /// How it is answered, and where this database is.
    #[command(flatten)]
    pub question: QuestionArgs,
}

/// A topic in a database.
pub struct Side<'a> {
    /// Where it is counted.
    pub connection: &'a mut PgConnection,
    /// Its name there.
    pub topic: &'a str,
}

/// Compares both and prints what differs.
pub async fn compare(args: &CompareArgs) -> anyhow::Result<Exit> {
    let database = &args.question.database;
    let mut here = database.open().await?;
    let with = args.with.expose();
    let connecting = store::connect_within(with, Session::Batch, database.wait);
    let mut there = connecting.await.context(OF_OTHER)?;
    // It may be of another release: what is asked of it stands in every one.
    let schema = store::schema_state(&mut there).await.context(OF_OTHER)?;
    ensure!(schema != SchemaState::Absent, "{OF_OTHER} has no tables of the pipeline");
    let their_topic = args.with_topic.as_deref().unwrap_or(&args.topic);
    let is_same = place(&mut there).await.context(OF_OTHER)? == place(&mut here).await?;
    ensure!(
        !is_same || their_topic != args.topic,
        "--with names this database itself, and the same topic: there is nothing to compare"
    );
    let now = store::database_now(&mut here).await?;
    let stretch = Stretch::of(args.since, args.until, now);
    let theirs = Side { connection: &mut there, topic: their_topic };
    let ours = Side { connection: &mut here, topic: &args.topic };
    let compared = compare_sides(theirs, ours, stretch).await?;
    let names = text::Names { theirs: their_topic, ours: &args.topic };
    print(if args.question.json {
        text::as_json(&compared, names)
    } else {
        text::as_text(&compared, names)
    })?;
    Ok(if compared.is_equal() { Exit::Done } else { Exit::Failed })
}

impl Stretch {
    /// What is asked for; all that there is, where nothing is.
    fn of(since: Option<Moment>, until: Option<Moment>, now: NaiveDateTime) -> Self {
        // No event is outside of these.
        let [first, last] = [2000, 2100].map(|year| {
            NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or_default().and_time(NaiveTime::MIN)
        });
        let [since, until] = [since, until].map(|moment| moment.map(|moment| moment.resolve(now)));
        let is_bounded = until.is_some();
        Stretch { since: since.unwrap_or(first), until: until.unwrap_or(last), is_bounded }
    }
}

/// Compares what two databases have counted of a topic and its mirror.
///
/// # Errors
/// A failed statement, or that there was nothing to compare, and why.
pub async fn compare_sides(
    mut theirs: Side<'_>,
    mut ours: Side<'_>,
    stretch: Stretch,
) -> anyhow::Result<Comparison> {
    let their_partitions = known(theirs.connection, theirs.topic).await.context(OF_OTHER)?;
    let our_partitions = known(ours.connection, ours.topic).await?;
    for (partitions, topic, whose) in [
        (&our_partitions, ours.topic, "this database"),
        (&their_partitions, theirs.topic, OF_OTHER),
    ] {
        ensure!(
            !partitions.is_empty(),
            "nothing can be compared: {whose} knows no topic {topic}; `streamer status` lists those that it knows"
        );
    }
    let until = stretch.is_bounded.then_some(stretch.until);
    let mut comparison = Comparison::new(&their_partitions, &our_partitions, until);
    compare_letters(&mut comparison, &mut theirs, &mut ours, stretch).await?;
    compare_ledgers(&mut comparison, theirs, ours, stretch).await?;
    ensure!(!comparison.is_empty(), "nothing can be compared: {}", comparison.why_nothing());
    Ok(comparison)
}

async fn compare_letters(
    comparison: &mut Comparison,
    theirs: &mut Side<'_>,
    ours: &mut Side<'_>,
    stretch: Stretch,
) -> anyhow::Result<()> {
    let before = comparison.letters_before(stretch.until);
    let since = stretch.since;
    let there = letters(theirs.connection, theirs.topic, &before, since).await.context(OF_OTHER)?;
    let here = letters(ours.connection, ours.topic, &before, since).await?;
    // Both answer with the partitions that were asked for, in their order.
    for ((partition, theirs), (_, ours)) in there.into_iter().zip(here) {
        comparison.dead_letters(partition, theirs, ours);
    }
    Ok(())
}

async fn compare_ledgers(
    comparison: &mut Comparison,
    theirs: Side<'_>,
    ours: Side<'_>,
    stretch: Stretch,
) -> anyhow::Result<()> {
    let mut theirs = Ledger::new(theirs.connection, theirs.topic, stretch);
    let mut ours = Ledger::new(ours.connection, ours.topic, stretch);
    loop {
        theirs.fill().await.context(OF_OTHER)?;
        ours.fill().await?;
        let Some(pair) = next_pair(&mut theirs.rows, &mut ours.rows) else { return Ok(()) };
        comparison.quarter(pair);
    }
}
