//! The arguments of `streamer move`.

use clap::Args;
use program::{KafkaArgs, Secret};

use crate::args::DatabaseCommandArgs;

/// Arguments of `move`.
#[derive(Args, Clone, Debug)]
pub struct MoveArgs {
    /// The topic that is counted
    #[arg(long)]
    pub topic: String,
    /// Brokers of the cluster on which it goes on, as HOST:PORT[,HOST:PORT…]
    #[arg(long)]
    pub to: String,
    /// The name of the topic there [the same]
    #[arg(long)]
    pub to_topic: Option<String>,
    /// Extra librdkafka settings for the new cluster, in the forms of KAFKA_PROPERTIES, which are not used there
    #[arg(long, env = "TO_KAFKA_PROPERTIES", hide_env_values = true, default_value = "")]
    pub to_kafka_properties: Secret,
    /// The old log is lost: go on with what the copy has. Whoever copies into it must have been stopped
    #[arg(long, requires = "reason")]
    pub source_is_gone: bool,
    /// Why, for the record
    #[arg(long, default_value = "", hide_default_value = true)]
    pub reason: String,
    /// Who moves it, for the record
    #[arg(long, env = "USER", default_value = "unknown")]
    pub by: String,
    /// Where a partition goes on whose place is not found, as PARTITION=OFFSET; may be given several times
    #[arg(long, value_name = "PARTITION=OFFSET", value_parser = parse_place)]
    pub place: Vec<(i32, i64)>,
    /// Begin at the copy's first record where nothing tells what of it was counted, and count that again
    #[arg(long)]
    pub count_again: bool,
    /// No streamer of a release from before migration 22 runs any more
    #[arg(long)]
    pub older_stopped: bool,
    /// Say where each partition would go on, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Brokers of the cluster on which it is counted now
    #[arg(long, env = "KAFKA_BOOTSTRAP_SERVERS", default_value = "localhost:9092")]
    pub kafka_bootstrap_servers: String,
    /// Extra librdkafka settings for these, as KEY=VALUE[,KEY=VALUE…], as a JSON object, or @FILE
    #[arg(long, env = "KAFKA_PROPERTIES", hide_env_values = true, default_value = "")]
    pub kafka_properties: Secret,
    /// PostgreSQL's address, for how long it and Kafka are waited for, and the form of the log lines.
    #[command(flatten)]
    pub database: DatabaseCommandArgs,
}

fn parse_place(text: &str) -> Result<(i32, i64), String> {
    let parsed = text.split_once('=').and_then(|(partition, offset)| {
        let place: (i32, i64) = (partition.parse().ok()?, offset.parse().ok()?);
        Some(place).filter(|(partition, offset)| *partition >= 0 && *offset >= 0)
    });
    parsed.ok_or_else(|| "write PARTITION=OFFSET, as in 2=1234".to_owned())
}

impl MoveArgs {
    /// The topic's name from now on.
    pub(super) fn to_topic(&self) -> &str {
        self.to_topic.as_deref().unwrap_or(&self.topic)
    }

    /// The cluster on which it is counted now.
    pub(super) fn old_cluster(&self) -> KafkaArgs {
        kafka(&self.kafka_bootstrap_servers, &self.topic, &self.kafka_properties)
    }

    /// The cluster on which it goes on.
    pub(super) fn new_cluster(&self) -> KafkaArgs {
        kafka(&self.to, self.to_topic(), &self.to_kafka_properties)
    }
}

fn kafka(servers: &str, topic: &str, properties: &Secret) -> KafkaArgs {
    KafkaArgs {
        kafka_bootstrap_servers: servers.to_owned(),
        kafka_topic: topic.to_owned(),
        kafka_properties: properties.clone(),
        // Nothing is created here.
        topic_partitions: 1,
        topic_replication: 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_partition_and_an_offset() {
        assert_eq!(parse_place("2=1234"), Ok((2, 1234)));
        for wrong in ["2", "=4", "-1=4", "1=-4", "a=b", "1=2=3"] {
            assert!(parse_place(wrong).is_err(), "{wrong}");
        }
    }
}
