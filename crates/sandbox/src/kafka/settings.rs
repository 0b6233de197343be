//! What the broker and ZooKeeper are told: Compose's settings where they can be seen from outside, and
//! little memory everywhere else.

use std::path::Path;

use super::KafkaOptions;

/// How long the node of a broker that was killed is kept. Longer than any pause of a busy test
/// machine, short enough to wait for after a kill.
pub(super) const SESSION_TIMEOUT_MS: u32 = 6_000;

/// 16 bytes in URL-safe base64; any will do, because each sandbox is a cluster of its own.
pub(super) const CLUSTER_ID: &str = "dGVsZWNvbS1zYW5kYm94MQ";

/// Who keeps the cluster's metadata, and where.
pub(super) enum Metadata<'a> {
    /// HOST:PORT of ZooKeeper.
    ZooKeeper { address: &'a str },
    /// The port on which the broker speaks to itself as a controller.
    OwnController { port: u16 },
}

/// ZooKeeper's properties.
pub(super) fn zookeeper(folder: &Path, address: &str) -> String {
    let (host, port) = address.split_once(':').unwrap_or(("127.0.0.1", address));
    format!(
        "dataDir={}\nclientPortAddress={host}\nclientPort={port}\ntickTime=1000\n\
         maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=ruok,dump\n",
        folder.join("data").display()
    )
}

/// The broker's properties.
pub(super) fn broker(
    folder: &Path,
    bootstrap: &str,
    metadata: &Metadata<'_>,
    options: &KafkaOptions,
) -> String {
    let mut text = format!("log.dirs={}\n", folder.join("data").display());
    text.push_str(&match metadata {
        Metadata::ZooKeeper { address } => format!(
            "broker.id=0\nzookeeper.connect={address}\n\
             zookeeper.session.timeout.ms={SESSION_TIMEOUT_MS}\n"
        ),
        Metadata::OwnController { port } => format!(
            "node.id=0\nprocess.roles=broker,controller\n\
             controller.listener.names=CONTROLLER\n\
             controller.quorum.voters=0@127.0.0.1:{port}\n\
             broker.session.timeout.ms={SESSION_TIMEOUT_MS}\n"
        ),
    });
    text.push_str(&listeners(bootstrap, metadata, options));
    text.push_str(BROKER_PROPERTIES);
    // The last of two equal keys counts in a properties file.
    for (name, value) in &options.properties {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
}

/// Where the broker listens, what it tells its clients, and what is spoken there.
fn listeners(bootstrap: &str, metadata: &Metadata<'_>, options: &KafkaOptions) -> String {
    let mut listeners = format!("listeners=PLAINTEXT://{bootstrap}");
    let mut advertised = format!("advertised.listeners=PLAINTEXT://{bootstrap}");
    let mut protocols = "listener.security.protocol.map=PLAINTEXT:PLAINTEXT".to_owned();
    if let Metadata::OwnController { port } = metadata {
        listeners.push_str(&format!(",CONTROLLER://127.0.0.1:{port}"));
        protocols.push_str(",CONTROLLER:PLAINTEXT");
    }
    for more in &options.listeners {
        listeners.push_str(&format!(",{}://{}", more.name, more.address));
        advertised.push_str(&format!(",{}://{}", more.name, more.advertised));
        protocols.push_str(&format!(",{}:{}", more.name, more.protocol));
    }
    format!("{listeners}\n{advertised}\n{protocols}\n")
}

const BROKER_PROPERTIES: &str = "\
auto.create.topics.enable=true
num.partitions=3
default.replication.factor=1
log.message.timestamp.type=LogAppendTime
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=4194304
";

pub(super) const LOG4J_PROPERTIES: &str = "\
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=[%d] %p %m (%c)%n
";
