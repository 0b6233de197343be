//! Until when a topic holds what was written to it: events of a person, after the database holds none.

use std::fmt;
use std::time::Duration;

use log_reader::{Retention, retention};
use rdkafka::ClientConfig;

/// One topic, and what the broker says of it; `Err`: why it says nothing.
#[derive(Debug)]
pub(super) struct Kept {
    topic: String,
    retention: Result<Retention, String>,
}

impl Kept {
    /// Asks the broker. That it does not answer keeps nobody from being erased.
    pub(super) async fn ask(kafka: &ClientConfig, topic: String) -> Kept {
        let retention = retention(kafka, &topic).await.map_err(|error| format!("{error:#}"));
        Kept { topic, retention }
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let topic = &self.topic;
        match &self.retention {
            Err(reason) => {
                write!(f, "Kafka: how long {topic} keeps records is NOT KNOWN ({reason})")
            }
            Ok(Retention { keeps: None, .. }) => {
                write!(f, "Kafka: {topic} keeps records FOR EVER, those of this person included")
            }
            Ok(Retention { keeps: Some(keeps), segment }) => write!(
                f,
                "Kafka: {topic} keeps a record for {}, and a file of records for up to {} more: what it holds of this \
                 person is gone {} from now at the latest. Until then programs may read it: erase once more after that",
                hours(*keeps),
                hours(*segment),
                hours(keeps.saturating_add(*segment)),
            ),
        }
    }
}

/// In hours, rounded up.
fn hours(duration: Duration) -> String {
    format!("{} h", duration.as_millis().div_ceil(3_600_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kafka_still_holds_is_stated_or_said_to_be_unknown() {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        let kept = |retention| Kept { topic: "t".to_owned(), retention }.to_string();
        let usual = kept(Ok(Retention { keeps: Some(hours(168)), segment: hours(24) }));
        assert!(usual.contains("for 168 h") && usual.contains("gone 192 h from now"), "{usual}");
        let odd =
            kept(Ok(Retention { keeps: Some(Duration::from_secs(1)), segment: Duration::ZERO }));
        assert!(odd.contains("gone 1 h from now"), "{odd}");
        assert!(kept(Ok(Retention { keeps: None, segment: hours(1) })).contains("FOR EVER"));
        assert!(kept(Err("no answer".to_owned())).contains("NOT KNOWN (no answer)"));
    }
}
