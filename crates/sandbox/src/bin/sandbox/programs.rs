//! The three programs, beside this one's executable.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::pair::Pair;

/// Settings of the pipeline that a user may have in the environment: what is shown are the defaults.
const PIPELINE_VARIABLES: [&str; 8] = [
    "KAFKA_TOPIC",
    "KAFKA_GROUP_ID",
    "KAFKA_PROPERTIES",
    "FLUSH_INTERVAL",
    "WATERMARK_DELAY",
    "MAX_FUTURE_SKEW",
    "BUSINESS_TIMEZONE",
    "SUBSCRIBER_KEY",
];

/// The folder of the three programs.
pub(crate) struct Programs(PathBuf);

impl Programs {
    pub(crate) fn beside_this_one() -> Result<Programs> {
        let this = std::env::current_exe().context("cannot find this program's own folder")?;
        let folder = this.parent().unwrap_or(Path::new(".")).to_owned();
        for name in ["producer", "streamer", "batcher"] {
            if !folder.join(name).is_file() {
                bail!("{name} is not in {}: build it first, with make demo", folder.display());
            }
        }
        Ok(Programs(folder))
    }

    /// One of them, told where the servers are.
    pub(crate) fn command(&self, pair: &Pair, name: &str) -> Command {
        let mut command = Command::new(self.0.join(name));
        command.envs(pair.program_variables());
        for variable in PIPELINE_VARIABLES {
            command.env_remove(variable);
        }
        command
    }
}
