//! A throw-away cluster of brokers that replicate to each other, with one ZooKeeper.
//!
//! ZooKeeper and not a quorum of the brokers' own: who keeps the metadata must outlive brokers that are killed, down
//! to the last one.

use std::time::Duration;

use anyhow::{Context, Result};

use super::settings::Metadata;
use super::{
    Kafka, KafkaOptions, ZooKeeper, java_with_kafka, prepared_broker, probe, started_zookeeper,
};
use crate::server::{start_on_free_ports, wait_until};

/// How long ZooKeeper believes in a broker that was killed: so long its partitions have no leader.
const SESSION_TIMEOUT: &str = "3000";
/// It notices a little later.
const FORGOTTEN_WITHIN: Duration = Duration::from_secs(60);

/// Brokers 0, 1, …; they end, and their folders go, when this is dropped.
#[derive(Debug)]
pub struct KafkaCluster {
    // The brokers are dropped first, so that they do not complain about a missing ZooKeeper.
    brokers: Vec<Kafka>,
    zookeeper: ZooKeeper,
}

impl KafkaCluster {
    /// Starts so many brokers; what the cluster itself keeps is replicated to all of them.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start(brokers: usize) -> Result<KafkaCluster> {
        let java = java_with_kafka()?;
        let zookeeper = start_on_free_ports(|| started_zookeeper(&java))?;
        let mut cluster = KafkaCluster { brokers: Vec::new(), zookeeper };
        for id in 0..brokers {
            let replicas = brokers.to_string();
            let options = KafkaOptions::default()
                .property("broker.id", &id.to_string())
                .property("zookeeper.session.timeout.ms", SESSION_TIMEOUT)
                .property("default.replication.factor", &replicas)
                .property("offsets.topic.replication.factor", &replicas)
                .property("transaction.state.log.replication.factor", &replicas);
            let metadata = Metadata::ZooKeeper { address: &cluster.zookeeper.address };
            let broker = start_on_free_ports(|| {
                let mut broker = prepared_broker(&java, &metadata, &options)?;
                broker.start_broker()?;
                Ok(broker)
            })?;
            cluster.brokers.push(broker);
        }
        Ok(cluster)
    }

    /// All brokers, for `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        self.brokers.iter().map(Kafka::bootstrap).collect::<Vec<_>>().join(",")
    }

    /// Kills a broker: SIGKILL. Returns when it is gone; the others notice later.
    ///
    /// # Errors
    /// There is no such broker, or it can't be signalled.
    pub fn kill(&mut self, id: usize) -> Result<()> {
        self.broker(id)?.kill()
    }

    /// Stops a broker in an orderly way: it hands its partitions over first.
    ///
    /// # Errors
    /// There is no such broker, or it did not end within a minute.
    pub fn stop(&mut self, id: usize) -> Result<()> {
        self.broker(id)?.stop()
    }

    /// Starts a broker again that was killed or stopped, once the cluster has noticed that.
    ///
    /// # Errors
    /// There is no such broker, or it does not start.
    pub fn start_again(&mut self, id: usize) -> Result<()> {
        let zookeeper = self.zookeeper.address.clone();
        wait_until("ZooKeeper forgets the broker", FORGOTTEN_WITHIN, || {
            probe::broker_is_forgotten(&zookeeper, id)
        })?;
        self.broker(id)?.start_broker()
    }

    fn broker(&mut self, id: usize) -> Result<&mut Kafka> {
        self.brokers.get_mut(id).with_context(|| format!("there is no broker {id}"))
    }
}
