//! Everything that knows PostgreSQL: connections, migrations, settings, positions, the flush
//! transaction, the day's rows, and the check of the accounting.
//!
//! In: values of `windowing`. Out: committed rows, or a [`StoreError`] that says whether trying
//! again can help. Keeps I-1 and I-2 (a flush is one transaction) and I-5 (NUMERIC sums).

mod anomalies;
mod dead_letters;
mod error;
mod day;
mod flush;
mod session;
mod late;
mod live;
mod liveness;
mod replay;
mod server_error;
mod status;
mod verify;
mod watch;

pub use anomalies::{
    DetectorProgress, PASS_WINDOWS_MAX, Pass, PassReport, SERIES_MAX, detect_pass,
    detector_progress, open_anomalies,
};
pub use day::batch_runs::{Dates, DayRecord, RecordState, day_record, day_records};
pub use day::completeness::{DayState, PartitionCompleteness, day_state, is_empty};
pub use day::daily::{
    ComputedDay, Condition, DailyError, DayRun, RunOptions, UnusableRow, compute_day,
};
pub use day::difference::{DIFFERENCES_LISTED_MAX, Difference, Differences};
pub use day::report::{BusyHour, DayReport, DayTotals, FigureSums, REPORT_REGIONS_MAX, day_report};
pub use day::validate::{Validation, validate_day};
pub use dead_letters::{
    DeadLetterCount, DeadLetterFilter, DeadLetterHeader, DeadLetterId, DeadLetterLine,
    DeadLetterReplay, ReplayState, StoredDeadLetter, count_dead_letters, count_replayed,
    list_dead_letters, load_dead_letter, select_dead_letters,
};
pub use error::StoreError;
pub use flush::gaps::{
    AcceptedGap, GapRequest, HaltedPartition, accept_gap, carry_out_gap, halted_partitions,
    list_gaps, retire,
};
pub use flush::progress::{
    FirstContact, StoredPartition, StoredPosition, database_now, ensure_partitions,
    halt_missing_partitions, load_progress, parse_resume_at, stored_positions,
};
pub use flush::results::RESULT_TABLES;
pub use flush::{Flusher, WriterIdentity};
pub use late::{LateSummary, LateSums, late_summary};
pub use live::{
    BatchState, CELL_MINUTES, CELLS_MAX, DaySums, LiveCell, LiveDay, LiveFigures, LiveMinute,
    TREND_MINUTES, Yesterday, batch_state, live_figures,
};
pub use liveness::{LastWrite, last_writes};
pub use replay::{
    ReplayLock, Sending, delete_replaying, finish_replaying, interrupted_replays, lock_replays,
    mark_replaying, replay_transactional_id,
};
pub use server_error::ServerError;
pub use session::adopt::{AdoptedTable, Adoption, DOUBLED_KEYS_LISTED_MAX, DoubledKey, adopt};
pub use session::connect::{Session, Target, connect, connect_within};
pub use session::migrate::{SchemaState, ensure_schema, migrate, schema_state};
pub use session::settings::{
    ExplicitSettings, Settings, agree_settings, change_settings, load_settings,
};
pub use status::{
    PartitionStatus, PipelineStatus, RECENT_OFFSETS, RecentEvents, TopicCompleteness,
    pipeline_status,
};
pub use verify::{VerifyReport, verify};
pub use watch::{SessionId, session_id, watched};
/// A day is a matter of event time, so it is defined there.
pub use windowing::BusinessDay;

/// What [`connect`] gives and the functions here take.
pub use sqlx::postgres::PgConnection;
