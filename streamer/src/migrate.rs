//! `streamer migrate`: brings the schema up to date, and with `--adopt` takes over the replaced
//! system's tables and says what was found in them.

#![allow(clippy::print_stdout, reason = "the report is this command's output")]

use store::Adoption;

use crate::config::MigrateArgs;
use crate::table::print_table;
use crate::{Exit, start};

/// `streamer migrate`
pub(crate) async fn migrate(args: &MigrateArgs) -> anyhow::Result<Exit> {
    let mut connection = start::connect_within(&args.database.database, args.database.wait).await?;
    if args.adopt {
        print_adoption(&store::adopt(&mut connection).await?);
    } else {
        store::migrate(&mut connection).await?;
    }
    tracing::info!("the database is ready");
    Ok(Exit::Done)
}

fn print_adoption(adoption: &Adoption) {
    if adoption.tables.is_empty() {
        println!("there are no tables of the replaced system to adopt");
        return;
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
    print_table(["adopted", "rows", "copied", "kept as", "columns only there"], rows);
    print_doubled_keys(adoption);
    if let Some(row) = &adoption.unusable_row {
        println!("\nthe batcher will refuse the day of this row, and perhaps others: {row}");
    }
    for view in &adoption.views {
        println!("\nthe view {view} reads a …_legacy table from now on: create it again");
    }
    println!("\nwhat comes next: docs/operations.md, \"Moving from the replaced system\"");
}

fn print_doubled_keys(adoption: &Adoption) {
    if adoption.doubled_keys_total == 0 {
        println!("\nno key of real_time_metrics has more than one row");
        return;
    }
    println!(
        "\n{} keys of real_time_metrics have more than one row, {} rows too many in all:",
        adoption.doubled_keys_total, adoption.surplus_rows
    );
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
    print_table(["window_start (UTC)", "event_type", "region", "rows", "their figures"], rows);
    let unlisted = adoption.doubled_keys_total - adoption.doubled_keys.len() as i64;
    if unlisted > 0 {
        println!("… and {unlisted} more");
    }
}
