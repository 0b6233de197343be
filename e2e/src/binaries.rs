//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// The path of `producer`, `streamer` or `batcher`, built from the sources as they are now, with the
/// profile of the tests.
pub(crate) fn binary(name: &str) -> Result<PathBuf> {
    static FOLDER: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    Ok(folder.as_deref().map_err(|error| anyhow!("{error}"))?.join(name))
}

/// Builds all programs, so that none is older than the tests, and returns their folder. The whole
/// workspace is named because cargo would otherwise choose other features, and build twice.
fn build() -> Result<PathBuf> {
    let test = std::env::current_exe().context("where am I?")?;
    // TARGET/PROFILE/deps/TEST
    let profile_folder = test.ancestors().nth(2).context("not built by cargo")?;
    let name = profile_folder.file_name().and_then(|name| name.to_str());
    let profile = match name.context("no profile")? {
        "debug" => "dev",
        other => other,
    };
    let target = profile_folder.parent().context("no target folder")?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // What cargo tells the tests is not meant for another cargo: build scripts that watch these
    // would run again, and everything above them be built again, in both directions.
    for (name, _) in std::env::vars_os() {
        let is_of_the_test = |name: &str| {
            ["CARGO_MANIFEST_", "CARGO_PKG_", "CARGO_BIN_"].iter().any(|p| name.starts_with(p))
        };
        if name.to_str().is_some_and(is_of_the_test) {
            command.env_remove(name);
        }
    }
    let built = command
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile, "--target-dir"])
        .arg(target)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")))
        .output()
        .context("cannot run cargo")?;
    ensure!(
        built.status.success(),
        "the programs can't be built:\n{}",
        String::from_utf8_lossy(&built.stderr)
    );
    Ok(profile_folder.to_owned())
}
