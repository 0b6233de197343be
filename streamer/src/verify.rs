//! `streamer verify`: is every record accounted for (I-1)?

use program::print;

use crate::config::DatabaseCommandArgs;
use crate::{Exit, start};

/// Checks the accounting and prints what differs.
pub(crate) async fn verify(args: &DatabaseCommandArgs) -> anyhow::Result<Exit> {
    let mut connection = start::connect_within(&args.database, args.wait).await?;
    store::ensure_schema(&mut connection).await?;
    let report = store::verify(&mut connection).await?;
    let scope = format!("{} partitions, {} days", report.partitions, report.days);
    if report.differences.is_empty() {
        print(format!("accounting holds: {scope}\n"))?;
        return Ok(Exit::Done);
    }
    let total = report.differences.total();
    print(format!("{}accounting is broken: {total} differences in {scope}\n", report.differences))?;
    Ok(Exit::Failed)
}
