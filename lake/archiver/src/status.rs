//! `archiver status`: how far the lake has come, beside how far the warehouse has.

use std::collections::BTreeMap;
use std::process::ExitCode;

use follower::{Halt, Key, Plan, Reached, Row, Versions};
use program::{chain, table};

use crate::archive::HALTED;
use crate::config::{BothArgs, StatusArgs};
use crate::source::Source;
use crate::store::{Name, address};
use crate::table::Table;
use crate::warehouse::{applications, connect, plain_plan, rows_of};

pub(crate) async fn run(args: StatusArgs) -> anyhow::Result<ExitCode> {
    let url = address(&args.both.lake.lake_url, Name::Events)?;
    // The lake first: what it has come to meanwhile would look as if it were ahead.
    let Some(mut lake) = Table::open(&url).await? else {
        anyhow::bail!("there is no lake at {url} yet: `archiver run` makes it");
    };
    let mut connection = connect(&args.both).await?;
    let topic = &args.both.kafka.kafka_topic;
    let rows = rows_of(&mut connection, topic).await?;
    let versions = lake.versions(applications(topic, &rows)).await?.clone();
    let plan = plain_plan(topic, &rows, &versions);
    let (files, bytes) = lake.size()?;
    let halts: BTreeMap<Key, Halt> = plan.halts().chain(overtaken(&args.both, &plan)?).collect();
    let states: Vec<State> =
        rows.iter().map(|row| State::of(row, topic, &versions, &halts)).collect();
    let text = if args.json {
        let partitions: Vec<_> = states.iter().map(State::json).collect();
        let document = serde_json::json!({
            "lake": url.as_str(),
            "version": lake.version(),
            "files": files,
            "bytes": bytes,
            "partitions": partitions,
        });
        format!("{document}\n")
    } else {
        let head = ["partition", "generation", "lake", "warehouse", "behind", "state"];
        let lines = table(head, states.iter().map(State::cells));
        format!("{url}: version {}, {files} files, {bytes} bytes\n\n{lines}", lake.version())
    };
    program::print(text)?;
    Ok(if halts.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(HALTED) })
}

/// What is to be read and does not stand in the log any more.
fn overtaken(both: &BothArgs, plan: &Plan) -> anyhow::Result<Vec<(Key, Halt)>> {
    let partitions: Vec<i32> = plan.tasks.iter().map(|task| task.key.partition).collect();
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let source = Source::new(both.kafka.client_config()?, both.kafka.kafka_topic.clone())?;
    let ends = match source.ends(&partitions) {
        Ok(ends) => ends,
        Err(error) => {
            tracing::warn!(error = %chain(&error), "whether records were deleted is not known");
            return Ok(Vec::new());
        }
    };
    let overtaken = plan.tasks.iter().filter_map(|task| {
        let low = ends.get(&task.key.partition)?.low;
        let from = task.from.position;
        (low > from).then_some((task.key, Halt::Overtaken { from, to: low.min(task.to) }))
    });
    Ok(overtaken.collect())
}

struct State {
    partition: i32,
    generation: i32,
    lake: i64,
    warehouse: i64,
    state: String,
}

impl State {
    fn of(row: &Row, topic: &str, versions: &Versions, halts: &BTreeMap<Key, Halt>) -> Self {
        let reached = Reached::read(versions, topic, row.key);
        let lake = reached.map_or(row.first, |reached| reached.position);
        let state = match halts.get(&row.key) {
            Some(halt) => format!("halted: {halt}"),
            None if lake > row.next => {
                "ahead: the database was restored, and comes to where it was".to_owned()
            }
            None if lake == row.next => "level".to_owned(),
            None => "behind".to_owned(),
        };
        State {
            partition: row.key.partition,
            generation: row.key.generation,
            lake: lake.offset(),
            warehouse: row.next.offset(),
            state,
        }
    }

    fn behind(&self) -> i64 {
        (self.warehouse - self.lake).max(0)
    }

    fn cells(&self) -> [String; 6] {
        [
            self.partition.to_string(),
            self.generation.to_string(),
            self.lake.to_string(),
            self.warehouse.to_string(),
            self.behind().to_string(),
            self.state.clone(),
        ]
    }

    fn json(&self) -> serde_json::Value {
        serde_json::json!({
            "partition": self.partition,
            "generation": self.generation,
            "lake": self.lake,
            "warehouse": self.warehouse,
            "behind": self.behind(),
            "state": self.state,
        })
    }
}
