//! The day: is it complete, its rows of `daily_stats`, the report, and the recount that checks them.

pub(crate) mod batch_runs;
pub(crate) mod completeness;
pub(crate) mod computed;
pub(crate) mod daily;
pub(crate) mod difference;
pub(crate) mod lake;
pub(crate) mod recount;
pub(crate) mod report;
pub(crate) mod subscribers;
pub(crate) mod validate;
