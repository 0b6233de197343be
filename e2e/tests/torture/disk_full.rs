//! A database whose disk is full: it is on a small file system, which only root can mount.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Database, Pipeline, Tally, WAIT_TIMEOUT};
use sandbox::{Postgres, wait_until};
use tempfile::TempDir;

use crate::{QUICK, RECOMPUTED, produce, send, settle, stop};

const PARTITIONS: i32 = 3;
const SIZE: &str = "size=48m,mode=0777";
/// The user that PostgreSQL runs as when we are root.
const NOBODY: u32 = 65_534;

/// A file system of its own; taken away on drop.
struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    fn mount() -> Result<Option<SmallDisk>> {
        let folder = tempfile::Builder::new().prefix("e2e-small-disk-").tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SIZE, "tmpfs"])
            .arg(folder.path())
            .output();
        let is_mounted = mounted.is_ok_and(|mounted| mounted.status.success());
        Ok(is_mounted.then_some(SmallDisk { folder }))
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Takes all the room that is left.
    fn fill(&self) -> Result<PathBuf> {
        let filler = self.path().join("filler");
        let mut file = fs::File::create(&filler)?;
        // Ends with the error that is wanted.
        std::io::copy(&mut std::io::repeat(0), &mut file).ok();
        Ok(filler)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still be on its way out.
        Command::new("umount").arg("--lazy").arg(self.path()).status().ok();
    }
}

#[test]
fn a_full_disk_of_the_database_is_waited_for_and_costs_nothing() -> Result<()> {
    let mut tally = Tally::of("bounds: the database's disk full");
    let Some(disk) = SmallDisk::mount()? else {
        return tally.skip("a small file system can't be mounted: that needs root");
    };
    let postgres = Postgres::start()?;
    let folder = disk.path().join("space");
    fs::create_dir(&folder)?;
    chown(&folder, Some(NOBODY), Some(NOBODY))?;
    let mut admin = Database::at(&postgres.url("postgres"))?;
    admin.execute(&format!("CREATE TABLESPACE small LOCATION '{}'", folder.display()))?;
    admin.execute("CREATE DATABASE full_disk TABLESPACE small")?;
    let url = postgres.url("full_disk");
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, PARTITIONS)?;
    send(&pipeline, PARTITIONS, 121, 2_000)?;
    pipeline.drain()?;

    let producer = produce(&pipeline, 1_000)?;
    let arguments = ["--flush-interval", "100ms"];
    let mut streamer = pipeline.start_with("streamer", &arguments, &[QUICK])?;
    let filler = disk.fill()?;
    tally.inject(1);
    wait_until("a flush finds no room", WAIT_TIMEOUT, || {
        // Dead letters need room at once.
        send(&pipeline, PARTITIONS, 122, 2_000).is_ok() && no_room(&streamer.log()) > 0
    })
    .with_context(|| streamer.log())?;
    let end = pipeline.topic.end()?;
    ensure!(streamer.is_alive(), "it waits");
    fs::remove_file(&filler)?;
    pipeline.wait_for_progress_from(end)?;
    stop(producer)?;
    pipeline.wait_until_caught_up()?;
    tally.observe(usize::from(no_room(&streamer.log()) > 0));
    ensure!(streamer.is_alive(), "nobody has restarted it");
    stop(streamer)?;
    settle(&mut pipeline)?;
    tally.end(RECOMPUTED)
}

/// How many flushes found the disk full.
fn no_room(log: &str) -> usize {
    log.lines()
        .filter(|line| line.contains("flush not stored") && line.contains("No space left"))
        .count()
}
