//! What the three programs share: arguments, telemetry, shutdown and, with feature `kafka`, the
//! Kafka client's settings.
//!
//! Nothing here knows an event or a window.

mod args;
mod backoff;
#[cfg(feature = "kafka")]
mod kafka;
mod shutdown;
mod telemetry;

pub use args::{DatabaseArgs, LogArgs, LogFormat, Secret, parse_duration};
pub use backoff::Backoff;
#[cfg(feature = "kafka")]
pub use kafka::{KafkaArgs, KafkaPropertyError, TopicError, ensure_topic};
pub use shutdown::shutdown_requested;
pub use telemetry::{chain, init_telemetry, report_failure};
