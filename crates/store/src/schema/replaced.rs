//! The replaced system's tables, and how they are told from ours.

use sqlx::postgres::PgConnection;

use crate::StoreError;

/// A table that the replaced system has.
#[derive(Debug)]
pub(super) struct ReplacedTable {
    pub(super) name: &'static str,
    /// What it is called after the adoption.
    pub(super) legacy_name: &'static str,
    /// The contract's columns, and the types by which they are recognised.
    pub(super) columns: &'static [(&'static str, &'static [&'static str])],
    /// The statement that copies its rows into ours.
    pub(super) copy: &'static str,
}

const MOMENT: &[&str] = &["timestamp without time zone"];
const WHOLE: &[&str] = &["integer", "bigint"];
const REAL: &[&str] = &["double precision"];
const TEXT: &[&str] = &["character varying", "text"];

/// The replaced system's tables, in the order in which they are locked.
static REPLACED_TABLES: [ReplacedTable; 2] = [
    ReplacedTable {
        name: "real_time_metrics",
        legacy_name: "real_time_metrics_legacy",
        columns: &[
            ("window_start", MOMENT),
            ("window_end", MOMENT),
            ("event_type", TEXT),
            ("event_count", WHOLE),
            ("total_duration", WHOLE),
            ("total_data_mb", REAL),
            ("total_amount", REAL),
            ("region", TEXT),
            ("processed_at", MOMENT),
        ],
        copy: include_str!("queries/adopt_real_time_metrics.sql"),
    },
    ReplacedTable {
        name: "daily_stats",
        legacy_name: "daily_stats_legacy",
        columns: &[
            ("date", &["date"]),
            ("event_type", TEXT),
            ("region", TEXT),
            ("total_events", WHOLE),
            ("total_duration_hours", REAL),
            ("total_data_tb", REAL),
            ("total_amount", REAL),
            ("avg_duration_seconds", REAL),
            ("avg_data_per_user_mb", REAL),
        ],
        copy: include_str!("queries/adopt_daily_stats.sql"),
    },
];

/// Columns that only our own tables have: a table with one of these is ours, without its history.
const OUR_COLUMNS: [&str; 3] = ["own", "exact_data_mb", "exact_amount"];

/// Those tables that are the replaced system's by the names and types of their columns. Further
/// columns don't matter: `id`, or what somebody has added.
pub(super) async fn replaced_tables(
    connection: &mut PgConnection,
) -> Result<Vec<&'static ReplacedTable>, StoreError> {
    let mut found = Vec::new();
    for table in &REPLACED_TABLES {
        if table.is_recognised(&columns_of(connection, table.name).await?) {
            found.push(table);
        }
    }
    Ok(found)
}

impl ReplacedTable {
    fn is_recognised(&self, columns: &[(String, String)]) -> bool {
        let has = |name: &str, types: &[&str]| {
            columns.iter().any(|(n, kind)| n == name && types.contains(&kind.as_str()))
        };
        self.columns.iter().all(|(name, types)| has(name, types))
            && !columns.iter().any(|(name, _)| OUR_COLUMNS.contains(&name.as_str()))
    }
}

/// Names and types of a table's columns, in their order; empty: there is no such table.
pub(super) async fn columns_of(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Vec<(String, String)>, StoreError> {
    sqlx::query_as(include_str!("queries/adopt_columns.sql"))
        .bind(table)
        .fetch_all(connection)
        .await
        .map_err(StoreError::sql("reading the columns of the tables"))
}
