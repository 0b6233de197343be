//! What the three programs share: arguments, telemetry, shutdown and, with feature `kafka`, the
//! Kafka client's settings.
//!
//! Nothing here knows an event or a window.

mod args;
mod backoff;
mod host;
#[cfg(feature = "kafka")]
mod kafka;
mod shutdown;
mod table;
mod telemetry;

pub use args::{DatabaseArgs, LogArgs, LogFormat, Secret, parse_duration};
pub use backoff::Backoff;
pub use host::host_name;
#[cfg(feature = "kafka")]
pub use kafka::{KafkaArgs, KafkaPropertyError, TopicError, ensure_topic};
pub use shutdown::shutdown_requested;
pub use table::{Align, Table, table};
pub use telemetry::{chain, init_telemetry, report_failure};
