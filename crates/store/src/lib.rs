//! Everything that knows PostgreSQL: connections, migrations, settings, positions, the flush
//! transaction, the day's rows, and the check of the accounting.
//!
//! In: values of `windowing`. Out: committed rows, or a [`StoreError`] that says whether trying
//! again can help. Keeps I-1 and I-2 (a flush is one transaction) and I-5 (NUMERIC sums).

mod day;
mod error;
mod figures;
mod flush;
mod lifecycle;
mod rules;
mod schema;
mod server_error;
mod session;
mod target;
mod watch;

pub use day::batch_runs::{
    Dates, DayRecord, RecordState, day_record, day_records, remember_versions,
};
pub use day::completeness::{DayState, PartitionCompleteness, day_state, is_empty};
pub use day::computed::ComputedDay;
pub use day::daily::{
    Condition, DailyError, DayRun, RunOptions, UnusableRow, compute_day, compute_day_from_lake,
    ensure_expired,
};
pub use day::difference::{DIFFERENCES_LISTED_MAX, Difference, Differences};
pub use day::lake::{LakeDay, LakePair, LakeSums};
pub use day::report::{BusyHour, DayReport, DayTotals, FigureSums, REPORT_REGIONS_MAX, day_report};
pub use day::validate::{Validation, validate_day};
pub use error::StoreError;
pub use figures::{FigureSql, read_figures};
pub use flush::gaps::carry_out_gap;
pub use flush::history::{read_rules, replay_history};
pub use flush::moving::{
    LAST_LOOK_MAX, MovableRow, Move, Moved, MovedPartition, movable_rows, move_topic,
};
pub use flush::progress::{
    CountedRecords, FirstContact, StoredPartition, StoredPosition, counted_records, database_now,
    ensure_partitions, halt_missing_partitions, load_progress, parse_resume_at, stored_positions,
};
pub use flush::results::RESULT_TABLES;
pub use flush::synchronous_commit::SynchronousCommit;
pub use flush::{Flusher, Haste, WriterIdentity};
pub use lifecycle::expired::{ExpiredMinutes, expired_minutes};
pub use lifecycle::rows::REPLAY_LOCK;
pub use lifecycle::{Expired, Expiring, KEPT_LISTED_MAX, Retention, expire, lock_lifecycle};
pub use rules::{
    NewRules, PutOff, StoredPatternGap, StoredRules, change_rules, count_pattern_gaps,
    pattern_gaps, put_rules_off, rule_sets,
};
pub use schema::adopt::{AdoptedTable, Adoption, DOUBLED_KEYS_LISTED_MAX, DoubledKey, adopt};
pub use schema::migrate::{SchemaState, ensure_schema, migrate, schema_state};
pub use server_error::ServerError;
pub use session::connect::{Session, connect, connect_within};
pub use session::settings::{
    ExplicitSettings, Settings, agree_settings, change_settings, load_settings,
};
pub use target::Target;
pub use watch::{SessionId, session_id, watched};
/// A day is a matter of event time, so it is defined there.
pub use windowing::BusinessDay;
/// What is summed of events beside their number.
pub use windowing::{FIGURES, Figure, PerFigure};

/// What [`connect`] gives and the functions here take.
pub use sqlx::postgres::PgConnection;
