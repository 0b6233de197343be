//! How an instant is written, in scenario files and in arguments.
//!
//! In: a text. Out: an event time that readers accept, or a sentence that shows how to write it.

use chrono::{DateTime, NaiveDate};
use event_model::EventTime;

/// Reads a date, or an instant with an offset.
///
/// # Errors
/// A sentence that shows how to write it.
pub fn parse_time(text: &str) -> Result<EventTime, String> {
    let time = match text.parse::<NaiveDate>() {
        Ok(date) => EventTime::from(date.and_time(chrono::NaiveTime::MIN)),
        Err(_) => DateTime::parse_from_rfc3339(text)
            .map(|instant| EventTime::from(instant.to_utc()))
            .map_err(|_| {
                "write a date like 2025-11-09 (midnight UTC) or an instant like \
                 2025-11-09T12:00:00Z or 2025-11-09T12:00:00+05:00"
                    .to_owned()
            })?,
    };
    if !(EventTime::MIN_ACCEPTED..=EventTime::END_ACCEPTED).contains(&time) {
        return Err("event times lie between 2000-01-01 and 2100-01-01".to_owned());
    }
    Ok(time)
}
