//! The servers of `sandbox run`, found by its variables, and what else a test needs of its own.
//!
//! Not the crate `sandbox`: its own dependencies would have cargo build Arrow and Delta a second time, with other
//! features, for the tests alone.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use program::ThreadExecutor;
use sqlx::Connection;
use uuid::Uuid;

/// How long anything may take. Generous, for a busy machine: nothing is proved by it.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(180);

fn variable(name: &str) -> String {
    std::env::var(name)
        .unwrap_or_else(|_| panic!("{name} is not set: run this by `sandbox run -- …`"))
}

pub(crate) fn kafka() -> String {
    variable("SANDBOX_KAFKA")
}

/// A database whose user may create others.
pub(crate) fn postgres() -> String {
    variable("SANDBOX_POSTGRES")
}

/// A name that no other test uses.
pub(crate) fn fresh_name() -> String {
    format!("lake_{}", Uuid::new_v4().simple())
}

/// The address of another database of the server.
pub(crate) fn address_of(database: &str) -> String {
    let admin = postgres();
    let (server, _) = admin.rsplit_once('/').unwrap();
    format!("{server}/{database}")
}

pub(crate) fn create_database(name: &str, template: Option<&str>) {
    let from = template.map_or(String::new(), |template| format!(" TEMPLATE {template}"));
    let statement = format!("CREATE DATABASE {name}{from}");
    ThreadExecutor::new().unwrap().block_on(async {
        let mut connection = sqlx::PgConnection::connect(&postgres()).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
    });
}

/// Looks again and again until something has come about.
pub(crate) fn wait_until(what: &str, mut has_come: impl FnMut() -> bool) {
    let deadline = Instant::now() + TIMEOUT;
    while !has_come() {
        assert!(Instant::now() < deadline, "waited {TIMEOUT:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that is removed with its owner.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        let path = std::env::temp_dir().join(fresh_name());
        std::fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}
