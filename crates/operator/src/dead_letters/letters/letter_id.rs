//! The name of a dead letter, as users write it.

use std::fmt;
use std::str::FromStr;

use sqlx::FromRow;

/// Which record became a letter. Written `topic/generation/partition/offset`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, FromRow)]
pub struct DeadLetterId {
    /// Kafka's name of the topic.
    pub topic: String,
    /// Generation of the topic.
    pub generation: i32,
    /// Kafka's number of the partition, from 0.
    pub partition: i32,
    /// Kafka's offset of the record.
    pub offset: i64,
}

impl fmt::Display for DeadLetterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let DeadLetterId { topic, generation, partition, offset } = self;
        write!(f, "{topic}/{generation}/{partition}/{offset}")
    }
}

impl FromStr for DeadLetterId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<&str> = text.split('/').collect();
        let id = |topic: &str, generation: &str, partition: &str, offset: &str| {
            Some(DeadLetterId {
                topic: Some(topic).filter(|topic| !topic.is_empty())?.to_owned(),
                generation: generation.parse().ok().filter(|number| *number >= 0)?,
                partition: partition.parse().ok().filter(|number| *number >= 0)?,
                offset: offset.parse().ok().filter(|number| *number >= 0)?,
            })
        };
        // No topic's name has a slash.
        let [topic, generation, partition, offset] = parts[..] else { return Err(form()) };
        id(topic, generation, partition, offset).ok_or_else(form)
    }
}

fn form() -> String {
    "write a letter as TOPIC/GENERATION/PARTITION/OFFSET, the way `dead-letters list` does"
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_letter_is_written_as_it_is_read() {
        let id: DeadLetterId = "telecom_events/1/2/345".parse().unwrap();
        let expected = DeadLetterId {
            topic: "telecom_events".to_owned(),
            generation: 1,
            partition: 2,
            offset: 345,
        };
        assert_eq!(id, expected);
        assert_eq!(id.to_string(), "telecom_events/1/2/345");
    }

    #[test]
    fn anything_else_is_no_letter_and_the_form_is_named() {
        for text in ["", "t", "t/0/1", "t/0/1/2/3", "/0/1/2", "t/x/1/2", "t/0/-1/2", "t/0/1/-2"] {
            let error = text.parse::<DeadLetterId>().unwrap_err();
            assert!(error.contains("TOPIC/GENERATION/PARTITION/OFFSET"), "{text}: {error}");
        }
    }
}
