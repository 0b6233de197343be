//! `streamer gaps`, `accept-gap` and `retire`: see what halts, accept a loss, take a partition out of service.
//! Needs the database alone; running streamers notice by themselves.

pub mod rows;

use clap::Args;
use program::{print, table};
use serde_json::{Value, json};

use self::rows::{AcceptedGap, GapRequest, HaltedPartition};
use crate::Exit;
use crate::args::{DatabaseCommandArgs, QuestionArgs};
use crate::output::time_json;

/// Arguments of `accept-gap`.
#[derive(Args, Clone, Debug)]
pub struct AcceptGapArgs {
    /// The topic
    #[arg(long)]
    pub topic: String,
    /// The halted partition
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: i32,
    /// Where to go on: earliest, latest or an offset; needed only when the reason says so
    #[arg(long, value_parser = parse_from)]
    pub from: Option<String>,
    /// Go on even though records may be counted a second time
    #[arg(long)]
    pub count_again: bool,
    /// Why the loss is accepted, for the record
    #[arg(long, default_value = "")]
    pub reason: String,
    /// Who accepts it, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    pub by: String,
    /// PostgreSQL's address, for how long it is waited for, and the form of the log lines.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

/// Arguments of `retire`.
#[derive(Args, Clone, Debug)]
pub struct RetireArgs {
    /// The topic
    #[arg(long)]
    pub topic: String,
    /// One partition; without it, all of them
    #[arg(long, value_parser = clap::value_parser!(i32).range(0..))]
    pub partition: Option<i32>,
    /// PostgreSQL's address, for how long it is waited for, and the form of the log lines.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

fn parse_from(text: &str) -> Result<String, String> {
    match store::parse_resume_at(text) {
        Some(_) => Ok(text.to_owned()),
        None => Err("write earliest, latest or an offset".to_owned()),
    }
}

/// `streamer gaps`
pub async fn gaps(args: &QuestionArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let halted = rows::halted_partitions(&mut connection).await?;
    if args.json {
        let gaps = rows::list_gaps(&mut connection).await?;
        print(as_json(&halted, &gaps))?;
        return Ok(Exit::Done);
    }
    let mut text = if halted.is_empty() {
        "no partition is halted\n".to_owned()
    } else {
        let rows = halted
            .into_iter()
            .map(|row| [row.topic, row.partition.to_string(), row.next.to_string(), row.reason]);
        table(["halted topic", "partition", "position", "reason"], rows)
    };
    let gaps = rows::list_gaps(&mut connection).await?;
    if !gaps.is_empty() {
        text = format!("{text}\n{}", gaps_table(gaps));
    }
    print(text)?;
    Ok(Exit::Done)
}

/// For programs: fields are only ever added.
fn as_json(halted: &[HaltedPartition], accepted: &[AcceptedGap]) -> String {
    let halted: Vec<Value> = halted
        .iter()
        .map(|row| json!({"topic": row.topic, "partition": row.partition, "position": row.next, "reason": row.reason}))
        .collect();
    let accepted: Vec<Value> = accepted
        .iter()
        .map(|gap| {
            json!({
                "topic": gap.topic,
                "partition": gap.partition,
                "generation": gap.generation,
                "cause": gap.cause,
                "lost_from": gap.from_offset,
                "lost_to_before": gap.to_offset,
                "went_on_at": gap.next_offset,
                "accepted_by": gap.accepted_by,
                "accepted_at": time_json(Some(gap.accepted_at)),
                "reason": gap.reason,
            })
        })
        .collect();
    format!("{}\n", json!({"version": 1, "halted": halted, "accepted": accepted}))
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
pub async fn accept_gap(args: &AcceptGapArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let request = GapRequest {
        topic: args.topic.clone(),
        partition: args.partition,
        start_from: args.from.clone(),
        reason: args.reason.clone(),
        accepted_by: args.by.clone(),
        count_again: args.count_again,
    };
    rows::accept_gap(&mut connection, &request).await?;
    print(format!(
        "accepted: the worker of {} [{}] goes on within seconds, or when it starts; \
         `streamer gaps` then shows what was lost\n",
        args.topic, args.partition
    ))?;
    Ok(Exit::Done)
}

/// `streamer retire`
pub async fn retire(args: &RetireArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let retired = rows::retire(&mut connection, &args.topic, args.partition).await?;
    anyhow::ensure!(
        retired > 0,
        "nothing to retire: the database has no such partition of {} in service",
        args.topic
    );
    print(format!("retired: {retired} rows of {} do not count any more\n", args.topic))?;
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_told_what_is_halted_and_what_was_accepted() {
        let halted = HaltedPartition {
            topic: "t".to_owned(),
            partition: 2,
            next: 17,
            reason: "lost".to_owned(),
        };
        let accepted = AcceptedGap {
            id: 1,
            topic: "t".to_owned(),
            generation: 0,
            partition: 1,
            position: 5,
            cause: None,
            from_offset: Some(5),
            to_offset: Some(9),
            next_offset: None,
            accepted_by: "alice".to_owned(),
            accepted_at: "2025-11-09T10:00:00".parse().unwrap(),
            reason: String::new(),
            carried_out_at: None,
        };
        let text = as_json(&[halted], &[accepted]);
        let value: Value = serde_json::from_str(&text).unwrap();
        let halted = json!([{"topic": "t", "partition": 2, "position": 17, "reason": "lost"}]);
        assert_eq!(value["halted"], halted);
        let gap = &value["accepted"][0];
        assert_eq!((&gap["lost_from"], &gap["lost_to_before"]), (&json!(5), &json!(9)));
        assert_eq!((&gap["cause"], &gap["went_on_at"]), (&Value::Null, &Value::Null));
        assert_eq!(gap["accepted_at"], "2025-11-09T10:00:00.000000Z");
    }
}
