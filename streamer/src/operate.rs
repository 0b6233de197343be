//! What an operator does from the command line: see what halts, accept a loss, take a partition
//! out, change the settings. Needs the database alone; running streamers notice by themselves.

use anyhow::Context;
use program::{print, table};
use store::{AcceptedGap, ExplicitSettings, GapRequest, PgConnection, Settings};

use crate::config::{AcceptGapArgs, DatabaseCommandArgs, RetireArgs, SetSettingsArgs};
use crate::{Exit, start};

async fn open(args: &DatabaseCommandArgs) -> anyhow::Result<PgConnection> {
    let mut connection = start::connect_within(&args.database, args.wait).await?;
    store::ensure_schema(&mut connection).await?;
    Ok(connection)
}

/// `streamer gaps`
pub(crate) async fn gaps(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = open(args).await?;
    let halted = store::halted_partitions(&mut connection).await?;
    let mut text = if halted.is_empty() {
        "no partition is halted\n".to_owned()
    } else {
        let rows = halted
            .into_iter()
            .map(|row| [row.topic, row.partition.to_string(), row.next.to_string(), row.reason]);
        table(["halted topic", "partition", "position", "reason"], rows)
    };
    let gaps = store::list_gaps(&mut connection).await?;
    if !gaps.is_empty() {
        text = format!("{text}\n{}", gaps_table(gaps));
    }
    print(text)?;
    Ok(Exit::Done)
}

fn gaps_table(gaps: Vec<AcceptedGap>) -> String {
    let or_dash = |value: Option<i64>| value.map_or_else(|| "-".to_owned(), |v| v.to_string());
    let rows = gaps.into_iter().map(|gap| {
        [
            gap.topic,
            gap.partition.to_string(),
            gap.generation.to_string(),
            gap.cause.unwrap_or_else(|| "waits for its worker".to_owned()),
            or_dash(gap.from_offset),
            or_dash(gap.to_offset),
            or_dash(gap.next_offset),
            gap.accepted_by,
            gap.accepted_at.format("%Y-%m-%d %H:%M:%S").to_string(),
            gap.reason,
        ]
    });
    let head = [
        "accepted for",
        "partition",
        "generation",
        "cause",
        "lost from",
        "to before",
        "went on at",
        "by",
        "at (UTC)",
        "reason",
    ];
    table(head, rows)
}

/// `streamer accept-gap`
pub(crate) async fn accept_gap(args: &AcceptGapArgs) -> anyhow::Result<Exit> {
    let mut connection = open(&args.database).await?;
    let request = GapRequest {
        topic: args.topic.clone(),
        partition: args.partition,
        start_from: args.from.clone(),
        reason: args.reason.clone(),
        accepted_by: args.by.clone(),
    };
    store::accept_gap(&mut connection, &request).await?;
    print(format!(
        "accepted: the worker of {} [{}] goes on within seconds, or when it starts; \
         `streamer gaps` then shows what was lost\n",
        args.topic, args.partition
    ))?;
    Ok(Exit::Done)
}

/// `streamer retire`
pub(crate) async fn retire(args: &RetireArgs) -> anyhow::Result<Exit> {
    let mut connection = open(&args.database).await?;
    let retired = store::retire(&mut connection, &args.topic, args.partition).await?;
    anyhow::ensure!(
        retired > 0,
        "nothing to retire: the database has no such partition of {} in service",
        args.topic
    );
    print(format!("retired: {retired} rows of {} do not count any more\n", args.topic))?;
    Ok(Exit::Done)
}

/// `streamer settings show`
pub(crate) async fn show_settings(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = open(args).await?;
    let settings = store::load_settings(&mut connection)
        .await?
        .context("no settings are stored yet: the first start of the streamer stores them")?;
    print(settings_table(&settings))?;
    Ok(Exit::Done)
}

/// `streamer settings set`
pub(crate) async fn set_settings(args: &SetSettingsArgs) -> anyhow::Result<Exit> {
    let mut connection = open(&args.database).await?;
    let given = ExplicitSettings {
        watermark_delay: args.watermark_delay,
        max_future_skew: args.max_future_skew,
        business_timezone: args.business_timezone,
    };
    print(settings_table(&store::change_settings(&mut connection, given).await?))?;
    Ok(Exit::Done)
}

fn settings_table(settings: &Settings) -> String {
    let rows = [
        ["WATERMARK_DELAY", &format!("{:?}", settings.watermark_delay)],
        ["MAX_FUTURE_SKEW", &format!("{:?}", settings.max_future_skew)],
        ["BUSINESS_TIMEZONE", settings.business_timezone.name()],
    ];
    table(["setting", "value"], rows.map(|row| row.map(str::to_owned)))
}
