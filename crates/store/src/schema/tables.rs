//! The names of all our tables.

use crate::RESULT_TABLES;

/// Names that a first migration would create; each must not exist before it.
const OTHER_TABLES: [&str; 21] = [
    "gaps",
    "settings",
    "stream_progress",
    "dead_letter_replays",
    "replay_identity",
    "daily_stats",
    "batch_runs",
    "anomalies",
    "detector_progress",
    "detector_notes",
    "schema_compatibility",
    "erasures",
    "rule_sets",
    "rule_spans",
    "persons.verdicts",
    "persons.allowlist",
    "churn_models",
    "persons.churn_scores",
    "expired_quarters",
    "ledger_days",
    "day_versions",
];

/// The same, with those of the kinds of results.
pub(super) fn our_tables() -> Vec<&'static str> {
    let results = RESULT_TABLES.iter().map(|(table, _)| *table);
    OTHER_TABLES.into_iter().chain(results).collect()
}
