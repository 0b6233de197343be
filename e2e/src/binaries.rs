//! Where the programs under test are.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow, ensure};

/// The streamer that a test can end at a named point.
pub const WITH_FAIL_POINTS: &str = "streamer-with-fail-points";

/// The path of `producer`, `streamer`, `batcher`, `sandbox` or [`WITH_FAIL_POINTS`], built from the
/// sources as they are now, with the profile of the tests; with the feature `avro` of these tests the streamer reads Avro.
///
/// # Errors
/// They can't be built.
pub fn binary(name: &str) -> Result<PathBuf> {
    static PROGRAMS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static FAIL_POINTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    static AVRO: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let (folder, what): (_, &[&str]) = match name {
        "streamer" if cfg!(feature = "avro") => {
            (&AVRO, &["--bin", "streamer", "--features", "streamer/avro"])
        }
        WITH_FAIL_POINTS => {
            (&FAIL_POINTS, &["--bin", WITH_FAIL_POINTS, "--features", "streamer/fail-points"])
        }
        _ => (&PROGRAMS, &["--bins"]),
    };
    let folder = folder.get_or_init(|| build(what).map_err(|error| format!("{error:#}")));
    Ok(folder.as_deref().map_err(|error| anyhow!("{error}"))?.join(name))
}

/// Builds programs, so that none is older than the tests, and returns their folder. The whole
/// workspace is named because cargo would otherwise choose other features, and build twice.
fn build(what: &[&str]) -> Result<PathBuf> {
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
        .args(["build", "--quiet", "--workspace", "--profile", profile])
        .args(what)
        .arg("--target-dir")
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
