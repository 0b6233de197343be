//! A throw-away Apache Kafka with ZooKeeper, the same version as in Compose.
//!
//! In: options. Out: a broker on loopback, on a port that it keeps over restarts. The jars come
//! through Maven (`cache`), the two processes live in `server`; "ready" is what the broker itself
//! answers to a client's first question (`probe`).

mod probe;

use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::{self, Goal};
use crate::random;
use crate::server::{Server, Signal, start_on_free_ports, wait_until};

/// How long ZooKeeper keeps the node of a broker that was killed. Longer than any pause of a busy
/// test machine, short enough to wait for after a kill.
const SESSION_TIMEOUT_MS: u32 = 6_000;

/// Settings of a [`Kafka`].
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// Extra broker properties; they win over the sandbox's own.
    pub properties: Vec<(String, String)>,
}

impl KafkaOptions {
    /// Adds a broker property, e.g. `("log.message.timestamp.type", "CreateTime")`.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }
}

/// A broker and its ZooKeeper; both end, and their folders go, when this is dropped.
#[derive(Debug)]
pub struct Kafka {
    // The broker is dropped first, so that it does not complain about a missing ZooKeeper.
    broker: Server,
    broker_command: Vec<OsString>,
    bootstrap: String,
    zookeeper: Server,
    zookeeper_address: String,
}

impl Kafka {
    /// Starts a broker with the sandbox's settings.
    ///
    /// # Errors
    /// Java or Maven is missing, the jars can't be fetched, or a process does not start: the
    /// message says what to install, or holds the end of the log.
    pub fn start() -> Result<Kafka> {
        Kafka::start_with(&KafkaOptions::default())
    }

    /// Starts a broker with settings of one's own.
    ///
    /// # Errors
    /// As [`Kafka::start`].
    pub fn start_with(options: &KafkaOptions) -> Result<Kafka> {
        let java = cache::java_program("java")?;
        let pom = include_str!("../maven/kafka.xml");
        let jars = cache::fetched("kafka-3.5.1", pom, Goal::Copy, |_| Ok(()))?;
        let (java, class_path) = (java.into(), jars.join("*").into());
        start_on_free_ports(|| start_pair(&java, &class_path, options))
    }

    /// HOST:PORT for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The broker's log.
    pub fn log_path(&self) -> PathBuf {
        self.broker.log_path()
    }

    /// ZooKeeper's log.
    pub fn zookeeper_log_path(&self) -> PathBuf {
        self.zookeeper.log_path()
    }

    /// The broker's process id; `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.broker.pid().filter(|_| self.broker.is_running())
    }

    /// Kills the broker: SIGKILL, nothing is flushed. Returns when it is gone.
    ///
    /// # Errors
    /// The process can't be signalled.
    pub fn kill(&mut self) -> Result<()> {
        self.broker.stop(Signal::Kill)
    }

    /// Stops the broker in an orderly way and waits for its end.
    ///
    /// # Errors
    /// It did not end within a minute; then it has been killed.
    pub fn stop(&mut self) -> Result<()> {
        self.broker.stop(Signal::Terminate)
    }

    /// Starts the broker again, on the same port and data, after stopping it if it runs. After a
    /// [`Kafka::kill`] this takes up to 6 s more, as it would in production: until ZooKeeper has
    /// given up the dead broker's session, a new one is refused (`NodeExistsException`).
    ///
    /// # Errors
    /// The broker does not start; the message holds the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        wait_until(
            "ZooKeeper forgets the broker that was killed",
            Duration::from_millis(10 * u64::from(SESSION_TIMEOUT_MS)),
            || probe::no_broker_is_registered(&self.zookeeper_address),
        )?;
        self.start_broker()
    }

    fn start_broker(&mut self) -> Result<()> {
        let bootstrap = &self.bootstrap;
        self.broker.start(&self.broker_command, || probe::broker_answers(bootstrap))
    }
}

fn start_pair(java: &OsString, class_path: &OsString, options: &KafkaOptions) -> Result<Kafka> {
    let zookeeper_address = format!("127.0.0.1:{}", random::free_port()?);
    let bootstrap = format!("127.0.0.1:{}", random::free_port()?);
    let mut zookeeper = Server::new("ZooKeeper", Signal::Kill)?;
    let zookeeper_command = prepare(
        &zookeeper,
        &[java.clone(), "-cp".into(), class_path.clone()],
        // A short life: what the second compiler gains it would never earn back.
        &["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no"],
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        &zookeeper_properties(&zookeeper, &zookeeper_address),
    )?;
    zookeeper.start(&zookeeper_command, || probe::zookeeper_answers(&zookeeper_address))?;

    let broker = Server::new("Kafka", Signal::Kill)?;
    let broker_command = prepare(
        &broker,
        &[java.clone(), "-cp".into(), class_path.clone()],
        &["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC"],
        "kafka.Kafka",
        &broker_properties(&broker, &bootstrap, &zookeeper_address, options),
    )?;
    let mut kafka = Kafka { broker, broker_command, bootstrap, zookeeper, zookeeper_address };
    kafka.start_broker()?;
    Ok(kafka)
}

/// Writes the configuration into the server's folder and returns the command that uses it.
fn prepare(
    server: &Server,
    java: &[OsString],
    java_options: &[&str],
    main_class: &str,
    properties: &str,
) -> Result<Vec<OsString>> {
    let properties_path = server.folder().join("server.properties");
    let log_path = server.folder().join("log4j.properties");
    fs::write(&properties_path, properties).context("cannot write server.properties")?;
    fs::write(&log_path, LOG4J_PROPERTIES).context("cannot write log4j.properties")?;
    let mut command = java.to_vec();
    command.extend(java_options.iter().map(OsString::from));
    command.push(format!("-Dlog4j.configuration=file:{}", log_path.display()).into());
    command.push(main_class.into());
    command.push(properties_path.into());
    Ok(command)
}

const LOG4J_PROPERTIES: &str = "\
log4j.rootLogger=INFO, console
log4j.appender.console=org.apache.log4j.ConsoleAppender
log4j.appender.console.layout=org.apache.log4j.PatternLayout
log4j.appender.console.layout.ConversionPattern=[%d] %p %m (%c)%n
";

fn zookeeper_properties(zookeeper: &Server, address: &str) -> String {
    let (host, port) = address.split_once(':').unwrap_or(("127.0.0.1", address));
    let data = zookeeper.folder().join("data");
    format!(
        "dataDir={}\nclientPortAddress={host}\nclientPort={port}\ntickTime=1000\n\
         maxClientCnxns=0\nadmin.enableServer=false\n4lw.commands.whitelist=ruok,dump\n",
        data.display()
    )
}

/// Compose's settings where they can be seen from outside, and little memory everywhere else.
fn broker_properties(
    broker: &Server,
    bootstrap: &str,
    zookeeper_address: &str,
    options: &KafkaOptions,
) -> String {
    let mut text = format!(
        "broker.id=0\nlisteners=PLAINTEXT://{bootstrap}\nlog.dirs={}\n\
         zookeeper.connect={zookeeper_address}\n\
         zookeeper.session.timeout.ms={SESSION_TIMEOUT_MS}\n",
        broker.folder().join("data").display()
    );
    text.push_str(BROKER_PROPERTIES);
    // The last of two equal keys counts in a properties file.
    for (name, value) in &options.properties {
        text.push_str(&format!("{name}={value}\n"));
    }
    text
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
