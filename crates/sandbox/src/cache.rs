//! Files that are fetched once, through Maven, and kept for all later runs.
//!
//! In: a name and a pom. Out: a complete folder. It is filled under another name and then renamed,
//! under a lock file: a reader never sees half of it, and parallel tests fetch it once.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use program::note;

use crate::server::tail;

const FOLDER_NAME: &str = "telecom-sandbox";
const DEPENDENCY_PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.0";
const INSTALL_HINT: &str = "install it, e.g. apt-get install default-jre-headless maven";

/// What Maven does with the artifacts of a pom.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Goal {
    /// The jars as they are.
    Copy,
    /// What is inside the jars.
    Unpack,
}

/// The folder with the artifacts of `pom`; `finish` completes it after they have been fetched.
///
/// # Errors
/// Maven is missing or failed, or the folder can't be written.
pub(crate) fn fetched(
    name: &str,
    pom: &str,
    goal: Goal,
    finish: impl FnOnce(&Path) -> Result<()>,
) -> Result<PathBuf> {
    let cache = folder()?;
    let target = cache.join(name);
    if target.is_dir() {
        return Ok(target);
    }
    fs::create_dir_all(&cache).with_context(|| format!("cannot create {}", cache.display()))?;
    let lock = File::create(cache.join(format!("{name}.lock")))?;
    lock.lock().context("cannot lock the cache")?;
    if target.is_dir() {
        return Ok(target); // somebody else fetched it while we waited
    }
    announce(&format!("fetching {name} with Maven, once, into {}", cache.display()));
    let unfinished = tempfile::Builder::new()
        .prefix(&format!("{name}-"))
        .tempdir_in(&cache)
        .with_context(|| format!("cannot write to {}", cache.display()))?;
    let content = unfinished.path().join("content");
    run_maven(unfinished.path(), pom, goal, &content)?;
    finish(&content)?;
    fs::rename(&content, &target).context("cannot move the fetched files into place")?;
    Ok(target)
}

/// A program on PATH, or in `$JAVA_HOME/bin`.
///
/// # Errors
/// It is nowhere; the message says what to install.
pub(crate) fn java_program(name: &str) -> Result<PathBuf> {
    let java_home = env::var_os("JAVA_HOME").map(|home| PathBuf::from(home).join("bin"));
    java_home
        .map(|bin| bin.join(name))
        .filter(|program| program.is_file())
        .or_else(|| on_path(name))
        .ok_or_else(|| anyhow!("the program `{name}` is missing: {INSTALL_HINT}"))
}

/// The full path of a program on PATH.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

/// Root's home is closed to the user that PostgreSQL runs as, hence a place of its own.
fn folder() -> Result<PathBuf> {
    if let Some(cache) = env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()) {
        return Ok(PathBuf::from(cache).join(FOLDER_NAME));
    }
    let home = env::var_os("HOME").context("neither XDG_CACHE_HOME nor HOME is set")?;
    if home == "/root" {
        return Ok(Path::new("/var/cache").join(FOLDER_NAME));
    }
    Ok(PathBuf::from(home).join(".cache").join(FOLDER_NAME))
}

fn run_maven(folder: &Path, pom: &str, goal: Goal, output: &Path) -> Result<()> {
    let maven = java_program("mvn")?;
    fs::write(folder.join("pom.xml"), pom)?;
    let goal = match goal {
        Goal::Copy => "copy-dependencies",
        Goal::Unpack => "unpack-dependencies",
    };
    let run = Command::new(&maven)
        .current_dir(folder)
        .args(["--batch-mode", "--quiet", "-Dstyle.color=never", "-DincludeScope=runtime"])
        .arg(format!("{DEPENDENCY_PLUGIN}:{goal}"))
        .arg(format!("-DoutputDirectory={}", output.display()))
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", maven.display()))?;
    if !run.status.success() {
        bail!("Maven could not fetch the files:\n{}", tail(&String::from_utf8_lossy(&run.stdout)));
    }
    Ok(())
}

/// A download can take a minute: silence would look dead.
fn announce(message: &str) {
    note(&format!("sandbox: {message}"));
}
