//! The clock, as metrics tell it.

use std::time::{SystemTime, UNIX_EPOCH};

/// The clock, in seconds since 1970.
pub fn seconds_since_1970() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
