//! `streamer verify`: is every record accounted for (I-1)?

#![allow(clippy::print_stdout, reason = "the table is this command's output")]

use crate::config::DatabaseCommandArgs;
use crate::{Exit, start};

/// Checks the accounting and prints what differs.
pub(crate) async fn verify(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = start::connect_within(&args.database, args.wait).await?;
    store::ensure_schema(&mut connection).await?;
    let report = store::verify(&mut connection).await?;
    let scope = format!("{} partitions, {} days", report.partitions, report.days);
    if report.differences.is_empty() {
        println!("accounting holds: {scope}");
        return Ok(Exit::Done);
    }
    print!("{}", report.differences);
    println!("accounting is broken: {} differences in {scope}", report.differences.total());
    Ok(Exit::Failed)
}
