//! MirrorMaker 2 as deploy/mirror/north.properties has it, between two clusters of one broker each.

use std::fs::{self, File, read_to_string};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};
use sandbox::free_port;

/// The jars that `make test-mirror` has fetched.
const HOME_VARIABLE: &str = "MIRROR_HOME";

/// What is another on clusters of one broker, and in a test that does not wait for a minute.
const OF_ONE_BROKER: &str = "
replication.factor = 1
offset-syncs.topic.replication.factor = 1
checkpoints.topic.replication.factor = 1
heartbeats.topic.replication.factor = 1
hub.config.storage.replication.factor = 1
hub.offset.storage.replication.factor = 1
hub.status.storage.replication.factor = 1
refresh.topics.interval.seconds = 2
";

/// A process; killed on drop.
#[derive(Debug)]
pub(crate) struct MirrorMaker {
    child: Child,
    log: PathBuf,
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

impl MirrorMaker {
    /// Starts one with more lines in its properties; what it says is added to the log in the folder.
    pub(crate) fn start(north: &str, hub: &str, folder: &Path, more: &str) -> Result<MirrorMaker> {
        let home = std::env::var_os(HOME_VARIABLE)
            .with_context(|| format!("{HOME_VARIABLE} is not set: run `make test-mirror`"))?;
        let ready = read_to_string(repository().join("deploy/mirror/north.properties"))?;
        // The last of two equal keys counts. A port of each life's own, so that nobody speaks to the next one by mistake.
        let listeners = format!("listeners = http://127.0.0.1:{}\n", free_port()?);
        let properties = folder.join("mirror.properties");
        fs::write(&properties, ready + OF_ONE_BROKER + &listeners + more)?;
        let log = folder.join("mirror.log");
        let output = File::options().create(true).append(true).open(&log)?;
        let kept = ["PATH", "JAVA_HOME", "HOME"];
        let kept = kept.iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        let jars = Path::new(&home).join("*");
        let logger = repository().join("connect/log4j.properties");
        let child = Command::new("java")
            // A short life on a busy machine: one compiler, little memory.
            .args(["-Xms96m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg(format!("-Dlog4j.configuration=file:{}", logger.display()))
            .arg("-cp")
            .arg(jars)
            .arg("org.apache.kafka.connect.mirror.MirrorMaker")
            .arg(&properties)
            .args(["--clusters", "hub"])
            .env_clear()
            .envs(kept)
            .env("NORTH_BOOTSTRAP_SERVERS", north)
            .env("HUB_BOOTSTRAP_SERVERS", hub)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("java can't be started")?;
        Ok(MirrorMaker { child, log })
    }

    /// SIGKILL, and waits for its end.
    pub(crate) fn kill(mut self) -> Result<()> {
        ensure!(self.child.try_wait()?.is_none(), "it had ended by itself:\n{}", self.tail());
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// The end of what it has said, of its former lives too.
    pub(crate) fn tail(&self) -> String {
        let log = read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(60)..].join("\n")
    }
}

impl Drop for MirrorMaker {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
