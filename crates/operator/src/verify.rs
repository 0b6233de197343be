//! `streamer verify`: is every record accounted for (I-1)?

pub mod accounting;

use program::print;

use crate::Exit;
use crate::args::DatabaseCommandArgs;

/// Checks the accounting and prints what differs.
pub async fn verify(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = args.open().await?;
    let report = accounting::verify(&mut connection).await?;
    let scope = format!("{} partitions, {} days", report.partitions, report.days);
    if report.differences.is_empty() {
        print(format!("accounting holds: {scope}\n"))?;
        return Ok(Exit::Done);
    }
    let total = report.differences.total();
    print(format!("{}accounting is broken: {total} differences in {scope}\n", report.differences))?;
    Ok(Exit::Failed)
}
