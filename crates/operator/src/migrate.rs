//! `streamer migrate`: brings the schema up to date, and with `--adopt` takes over the replaced
//! system's tables and says what was found in them.

use std::fmt::Write as _;

use clap::Args;
use program::{print, table};
use store::Adoption;

use crate::Exit;
use crate::args::DatabaseCommandArgs;

/// Arguments of `migrate`.
#[derive(Args, Clone, Debug)]
pub struct MigrateArgs {
    /// Take over the tables of the replaced system: rename them to …_legacy, copy their rows
    #[arg(long)]
    pub adopt: bool,
    /// PostgreSQL's address, for how long it is waited for, and the form of the log lines.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

/// `streamer migrate`
pub async fn migrate(args: &MigrateArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.connect().await?;
    if args.adopt {
        print(adoption_text(&store::adopt(&mut connection).await?))?;
    } else {
        store::migrate(&mut connection).await?;
    }
    tracing::info!("the database is ready");
    Ok(Exit::Done)
}

/// Writing to a String can't fail.
const WRITTEN: &str = "a String takes any text";

fn adoption_text(adoption: &Adoption) -> String {
    if adoption.tables.is_empty() {
        return "there are no tables of the replaced system to adopt\n".to_owned();
    }
    let rows = adoption.tables.iter().map(|table| {
        [
            table.name.to_owned(),
            table.rows.to_string(),
            table.copied.to_string(),
            table.legacy_name.to_owned(),
            table.columns_left.join(", "),
        ]
    });
    let mut text = table(["adopted", "rows", "copied", "kept as", "columns only there"], rows);
    text.push_str(&doubled_keys_text(adoption));
    if let Some(row) = &adoption.unusable_row {
        writeln!(text, "\nthe batcher will refuse the day of this row, and perhaps others: {row}")
            .expect(WRITTEN);
    }
    for view in &adoption.views {
        writeln!(text, "\nthe view {view} reads a …_legacy table from now on: create it again")
            .expect(WRITTEN);
    }
    text + "\nwhat comes next: docs/operations.md, \"Moving from the replaced system\"\n"
}

fn doubled_keys_text(adoption: &Adoption) -> String {
    if adoption.doubled_keys_total == 0 {
        return "\nno key of real_time_metrics has more than one row\n".to_owned();
    }
    let or_null = |text: &Option<String>| text.clone().unwrap_or_else(|| "NULL".to_owned());
    let rows = adoption.doubled_keys.iter().map(|key| {
        [
            or_null(&key.window_start.map(|start| start.to_string())),
            or_null(&key.event_type),
            or_null(&key.region),
            key.rows.to_string(),
            if key.agree { "agree" } else { "differ" }.to_owned(),
        ]
    });
    let rows = table(["window_start (UTC)", "event_type", "region", "rows", "their figures"], rows);
    let mut text = format!(
        "\n{} keys of real_time_metrics have more than one row, {} rows too many in all:\n{rows}",
        adoption.doubled_keys_total, adoption.surplus_rows
    );
    let unlisted = adoption.doubled_keys_total - adoption.doubled_keys.len() as i64;
    if unlisted > 0 {
        writeln!(text, "… and {unlisted} more").expect(WRITTEN);
    }
    text
}
