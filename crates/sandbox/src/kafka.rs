//! A throw-away Apache Kafka, the same version as in Compose, with ZooKeeper or as its own controller.
//!
//! In: options. Out: a broker on loopback, on a port that it keeps over restarts. The jars come
//! through Maven (`cache`), the processes live in `server`, their settings are in `settings`;
//! "ready" is what the broker itself answers to a client's first question (`probe`).

mod cluster;
mod probe;
mod settings;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::cache::{self, Goal};
use crate::host::host;
use crate::random;
use crate::server::{Server, Signal, start_on_free_ports, tail, wait_until};
pub use cluster::KafkaCluster;
use settings::{CLUSTER_ID, LOG4J_PROPERTIES, Metadata, SESSION_TIMEOUT_MS};

/// The variable that chooses the [`KafkaMode`] where the code does not: `zookeeper` or `kraft`.
pub const KAFKA_MODE_VARIABLE: &str = "SANDBOX_KAFKA_MODE";

/// Who keeps the cluster's metadata.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KafkaMode {
    /// A ZooKeeper beside the broker, as in docker-compose.yml.
    ZooKeeper,
    /// The broker itself, as in docker-compose.kraft.yml.
    KRaft,
}

impl KafkaMode {
    /// What [`KAFKA_MODE_VARIABLE`] says; ZooKeeper when it says nothing.
    fn from_environment() -> Result<KafkaMode> {
        let value = env::var(KAFKA_MODE_VARIABLE).unwrap_or_default();
        KafkaMode::named(&value)
            .with_context(|| format!("{KAFKA_MODE_VARIABLE} is {value:?}: zookeeper or kraft?"))
    }

    fn named(name: &str) -> Option<KafkaMode> {
        match name {
            "" | "zookeeper" => Some(KafkaMode::ZooKeeper),
            "kraft" => Some(KafkaMode::KRaft),
            _ => None,
        }
    }
}

/// Settings of a [`Kafka`].
#[derive(Clone, Debug, Default)]
pub struct KafkaOptions {
    /// Who keeps the metadata; `None`: what [`KAFKA_MODE_VARIABLE`] says.
    pub mode: Option<KafkaMode>,
    /// Extra broker properties; they win over the sandbox's own.
    pub properties: Vec<(String, String)>,
    /// Further doors to the broker.
    pub listeners: Vec<KafkaListener>,
}

/// A door to the broker besides the plain one that [`Kafka::bootstrap`] names: behind a proxy, or
/// with authentication.
#[derive(Clone, Debug)]
pub struct KafkaListener {
    /// Its name in the broker's properties, in capitals.
    pub name: String,
    /// `PLAINTEXT`, `SASL_PLAINTEXT`, …
    pub protocol: String,
    /// HOST:PORT where it listens; [`free_address`](crate::free_address) gives one.
    pub address: String,
    /// HOST:PORT that clients are told to connect to.
    pub advertised: String,
}

impl KafkaOptions {
    /// Without ZooKeeper.
    #[must_use]
    pub fn kraft(mut self) -> Self {
        self.mode = Some(KafkaMode::KRaft);
        self
    }

    /// Adds a broker property, e.g. `("log.message.timestamp.type", "CreateTime")`.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Self {
        self.properties.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Adds a door.
    #[must_use]
    pub fn listener(mut self, listener: KafkaListener) -> Self {
        self.listeners.push(listener);
        self
    }
}

/// A broker and, in that mode, its ZooKeeper; they end, and their folders go, when this is dropped.
#[derive(Debug)]
pub struct Kafka {
    // The broker is dropped first, so that it does not complain about a missing ZooKeeper.
    broker: Server,
    broker_command: Vec<OsString>,
    bootstrap: String,
    zookeeper: Option<ZooKeeper>,
}

#[derive(Debug)]
struct ZooKeeper {
    server: Server,
    address: String,
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
        let java = java_with_kafka()?;
        let mode = options.mode.map_or_else(KafkaMode::from_environment, Ok)?;
        start_on_free_ports(|| match mode {
            KafkaMode::ZooKeeper => start_with_zookeeper(&java, options),
            KafkaMode::KRaft => start_with_own_controller(&java, options),
        })
    }

    /// HOST:PORT for `bootstrap.servers`.
    pub fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// The broker's log.
    pub fn log_path(&self) -> PathBuf {
        self.broker.log_path()
    }

    /// ZooKeeper's log, where there is one.
    pub fn zookeeper_log_path(&self) -> Option<PathBuf> {
        self.zookeeper.as_ref().map(|zookeeper| zookeeper.server.log_path())
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
    /// [`Kafka::kill`] this takes up to 6 s more, as it would in production: until ZooKeeper, or the
    /// controller, has given up the dead broker's session, a new one is refused.
    ///
    /// # Errors
    /// The broker does not start; the message holds the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop()?;
        // With ZooKeeper a refused broker ends (`NodeExistsException`); a controller lets it wait.
        if let Some(zookeeper) = &self.zookeeper {
            wait_until(
                "ZooKeeper forgets the broker that was killed",
                Duration::from_millis(10 * u64::from(SESSION_TIMEOUT_MS)),
                || probe::no_broker_is_registered(&zookeeper.address),
            )?;
        }
        self.start_broker()
    }

    /// Lets a user in by SCRAM, with SHA-256 and SHA-512.
    ///
    /// # Errors
    /// Kafka's own tool can't do it: the message has what it said. A password with a comma, quotes or brackets
    /// is none that it could read.
    pub fn add_scram_user(&self, name: &str, password: &str) -> Result<()> {
        let (program, class_path) = self.broker_command.split_first().context("no java")?;
        // Kafka takes one of a user's credentials at a time.
        for mechanism in ["SCRAM-SHA-256", "SCRAM-SHA-512"] {
            let told = Command::new(program)
                // `-cp` and the jars.
                .args(class_path.get(..2).unwrap_or_default())
                .args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
                .args(["kafka.admin.ConfigCommand", "--bootstrap-server", &self.bootstrap])
                .args(["--alter", "--add-config", &format!("{mechanism}=[password={password}]")])
                .args(["--entity-type", "users", "--entity-name", name])
                .stdin(Stdio::null())
                .output()
                .context("cannot run Kafka's configuration tool")?;
            ensure!(
                told.status.success(),
                "Kafka's configuration tool could not add a user:\n{}{}",
                tail(&String::from_utf8_lossy(&told.stdout)),
                tail(&String::from_utf8_lossy(&told.stderr))
            );
        }
        Ok(())
    }

    fn start_broker(&mut self) -> Result<()> {
        let bootstrap = &self.bootstrap;
        self.broker.start(&self.broker_command, || probe::broker_answers(bootstrap))
    }
}

/// Java, and Kafka's jars as its class path.
fn java_with_kafka() -> Result<[OsString; 3]> {
    let java = cache::java_program("java")?;
    let pom = include_str!("../maven/kafka.xml");
    let jars = cache::fetched("kafka-3.5.1", pom, Goal::Copy, |_| Ok(()))?;
    Ok([java.into(), "-cp".into(), jars.join("*").into()])
}

fn start_with_zookeeper(java: &[OsString], options: &KafkaOptions) -> Result<Kafka> {
    let zookeeper = started_zookeeper(java)?;
    let metadata = Metadata::ZooKeeper { address: &zookeeper.address };
    let mut kafka = prepared_broker(java, &metadata, options)?;
    kafka.zookeeper = Some(zookeeper);
    kafka.start_broker()?;
    Ok(kafka)
}

fn started_zookeeper(java: &[OsString]) -> Result<ZooKeeper> {
    let address = format!("127.0.0.1:{}", random::free_port()?);
    let mut server = Server::new("ZooKeeper", Signal::Kill)?;
    let command = prepare(
        &server,
        java,
        // A short life: what the second compiler gains it would never earn back.
        &["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dzookeeper.forceSync=no"],
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        &settings::zookeeper(server.folder(), &address),
    )?;
    server.start(&command, || probe::zookeeper_answers(&address))?;
    Ok(ZooKeeper { server, address })
}

fn start_with_own_controller(java: &[OsString], options: &KafkaOptions) -> Result<Kafka> {
    let metadata = Metadata::OwnController { port: random::free_port()? };
    let mut kafka = prepared_broker(java, &metadata, options)?;
    format_storage(java, &kafka.broker)?;
    kafka.start_broker()?;
    Ok(kafka)
}

/// A broker that has its configuration and does not run yet.
fn prepared_broker(
    java: &[OsString],
    metadata: &Metadata<'_>,
    options: &KafkaOptions,
) -> Result<Kafka> {
    let bootstrap = format!("{}:{}", host()?, random::free_port()?);
    let broker = Server::new("Kafka", Signal::Kill)?;
    let properties = settings::broker(broker.folder(), &bootstrap, metadata, options);
    let broker_command = prepare(
        &broker,
        java,
        &["-Xms256m", "-Xmx256m", "-XX:+UseSerialGC"],
        "kafka.Kafka",
        &properties,
    )?;
    Ok(Kafka { broker, broker_command, bootstrap, zookeeper: None })
}

/// Writes the cluster's id into the log folder: a broker without ZooKeeper does not start on a
/// folder that nobody formatted.
fn format_storage(java: &[OsString], broker: &Server) -> Result<()> {
    let (program, class_path) = java.split_first().context("no java")?;
    let formatted = Command::new(program)
        .args(class_path)
        .args(["-Xmx96m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
        .args(["kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config"])
        .arg(properties_path(broker))
        .stdin(Stdio::null())
        .output()
        .context("cannot run Kafka's storage tool")?;
    ensure!(
        formatted.status.success(),
        "Kafka's storage tool could not format the log folder:\n{}",
        tail(&String::from_utf8_lossy(&formatted.stderr))
    );
    Ok(())
}

fn properties_path(server: &Server) -> PathBuf {
    server.folder().join("server.properties")
}

/// Writes the configuration into the server's folder and returns the command that uses it.
fn prepare(
    server: &Server,
    java: &[OsString],
    java_options: &[&str],
    main_class: &str,
    properties: &str,
) -> Result<Vec<OsString>> {
    let log_path = server.folder().join("log4j.properties");
    fs::write(properties_path(server), properties).context("cannot write server.properties")?;
    fs::write(&log_path, LOG4J_PROPERTIES).context("cannot write log4j.properties")?;
    let mut command = java.to_vec();
    command.extend(java_options.iter().map(OsString::from));
    command.push(format!("-Dlog4j.configuration=file:{}", log_path.display()).into());
    command.push(main_class.into());
    command.push(properties_path(server).into());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_has_two_names_and_none_means_zookeeper() {
        for (name, expected) in [
            ("", Some(KafkaMode::ZooKeeper)),
            ("zookeeper", Some(KafkaMode::ZooKeeper)),
            ("kraft", Some(KafkaMode::KRaft)),
            ("KRaft", None),
            ("raft", None),
        ] {
            assert_eq!(KafkaMode::named(name), expected, "{name:?}");
        }
    }
}
