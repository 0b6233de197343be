//! A Delta table of the lake: its snapshot, its versions, and commits that are refused from a stale snapshot.
//!
//! What the Delta crate does not refuse is fenced by applications of our own, because a commit that names one is
//! refused when another one has named it since the snapshot:
//!
//! | application | named by | so that |
//! |---|---|---|
//! | `TOPIC/…` | whoever moves that position | an offset is archived once |
//! | `rewrite` | whoever replaces or removes files | two of them never take the same file: the crate compares removed files only where rows change |
//! | `append` | whoever adds events | a vacuum that deletes files of failed commits never deletes one that is committed afterwards |
//!
//! A vacuum names both.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use anyhow::Context;
use deltalake_core::kernel::transaction::{CommitBuilder, CommitProperties, TransactionError};
use deltalake_core::kernel::{Action, Remove, StructField, Transaction};
use deltalake_core::operations::create::CreateBuilder;
use deltalake_core::protocol::{DeltaOperation, SaveMode};
use deltalake_core::table::state::DeltaTableState;
use deltalake_core::{DeltaTable, DeltaTableError};
use follower::Versions;
use futures_util::StreamExt;
use object_store::ObjectStore;
use url::Url;

use crate::dates::{day_of_path, days_since_1970};
use crate::store;

/// Named by whoever adds events.
pub(crate) const APPEND: &str = "append";

/// Named by whoever replaces or removes files.
pub(crate) const REWRITE: &str = "rewrite";

/// Its version is a day since 1970: days before it were removed.
pub(crate) const RETAINED: &str = "retained";

/// One file of a snapshot.
pub(crate) struct FileOf {
    pub(crate) path: String,
    pub(crate) size: i64,
}

/// How a table is laid out.
pub(crate) struct Layout {
    pub(crate) columns: Vec<StructField>,
    pub(crate) partitioned_by: &'static [&'static str],
}

pub(crate) struct Table {
    url: Url,
    inner: DeltaTable,
    known: Known,
}

/// The versions of a snapshot, as far as somebody has asked for them. They follow from the log alone; remembering
/// saves reading it from the beginning each time.
#[derive(Default)]
struct Known {
    at: Option<u64>,
    versions: Versions,
    asked: BTreeSet<String>,
}

/// What became of a commit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Committed {
    /// It is there, as this version.
    As(u64),
    /// Another one came first. Nothing of it is there.
    Refused,
}

impl Table {
    /// Opens the table, and makes it where there is none.
    pub(crate) async fn open_or_create(url: &Url, layout: Layout) -> anyhow::Result<Self> {
        if let Some(table) = Table::open(url).await? {
            return Ok(table);
        }
        let created = CreateBuilder::new()
            .with_log_store(store::log_store(url)?)
            .with_columns(layout.columns)
            .with_partition_columns(layout.partitioned_by.iter().copied())
            .with_configuration([("delta.checkpointInterval", Some("50"))])
            .with_save_mode(SaveMode::Ignore)
            .await;
        match created {
            Ok(_) => {}
            // Another process makes it at this moment.
            Err(error) if is_refusal(&error) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("the table {url} can't be made"));
            }
        }
        Table::open(url).await?.with_context(|| format!("the table {url} is not there"))
    }

    /// Opens the table; `None`: there is none.
    pub(crate) async fn open(url: &Url) -> anyhow::Result<Option<Self>> {
        let mut inner = DeltaTable::new(store::log_store(url)?);
        match inner.load().await {
            Ok(()) => Ok(Some(Table { url: url.clone(), inner, known: Known::default() })),
            Err(DeltaTableError::NotATable(_) | DeltaTableError::InvalidVersion(_)) => Ok(None),
            Err(error) => Err(error).with_context(|| format!("the table {url} can't be read")),
        }
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn store(&self) -> Arc<dyn ObjectStore> {
        self.inner.object_store()
    }

    /// Takes a new snapshot.
    pub(crate) async fn refresh(&mut self) -> anyhow::Result<()> {
        let updated = self.inner.update_state().await;
        updated.with_context(|| format!("the table {} can't be read", self.url))
    }

    pub(crate) fn version(&self) -> u64 {
        self.inner.version().unwrap_or_default()
    }

    pub(crate) fn state(&self) -> anyhow::Result<&DeltaTableState> {
        Ok(self.inner.snapshot()?)
    }

    /// The paths of the snapshot's files.
    pub(crate) fn paths(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.state()?.log_data().iter().map(|file| file.path().into_owned()).collect())
    }

    /// The snapshot's files.
    pub(crate) fn files(&self) -> anyhow::Result<Vec<FileOf>> {
        let files = self.state()?.log_data();
        Ok(files
            .iter()
            .map(|file| FileOf { path: file.path().into_owned(), size: file.size() })
            .collect())
    }

    /// When a commit has removed each file that is not in the snapshot any more, as far as the log still says.
    pub(crate) async fn removed(&self) -> anyhow::Result<HashMap<String, i64>> {
        let log_store = self.inner.log_store();
        let mut tombstones = self.state()?.all_tombstones(log_store.as_ref());
        let mut removed = HashMap::new();
        while let Some(tombstone) = tombstones.next().await {
            let tombstone = tombstone?;
            let at = tombstone.deletion_timestamp().unwrap_or_default();
            removed.insert(tombstone.path().into_owned(), at);
        }
        Ok(removed)
    }

    /// The paths of a half-open range of days; `None`: of all.
    pub(crate) fn paths_of_days(
        &self,
        days: Option<(chrono::NaiveDate, chrono::NaiveDate)>,
    ) -> anyhow::Result<Vec<String>> {
        let Some((from, to)) = days else { return self.paths() };
        let is_within = |path: &String| {
            let day = day_of_path(path);
            day.is_some_and(|day| from <= day && day < to)
        };
        Ok(self.paths()?.into_iter().filter(is_within).collect())
    }

    /// Removal of the snapshot's files whose path is chosen. `changes_rows`: rows go with them.
    pub(crate) fn removes(
        &self,
        is_chosen: impl Fn(&str) -> bool,
        changes_rows: bool,
    ) -> anyhow::Result<Vec<Remove>> {
        let files = self.state()?.log_data();
        let chosen = files.iter().filter(|file| is_chosen(&file.path()));
        Ok(chosen.map(|file| file.remove_action(changes_rows)).collect())
    }

    /// How many files the snapshot has, and their bytes.
    pub(crate) fn size(&self) -> anyhow::Result<(usize, i64)> {
        let files = self.state()?.log_data();
        Ok((files.num_files(), files.iter().map(|file| file.size()).sum()))
    }

    /// What the snapshot knows of these applications, among others.
    pub(crate) async fn versions(
        &mut self,
        applications: impl IntoIterator<Item = String>,
    ) -> anyhow::Result<&Versions> {
        self.follow_commits().await?;
        for application in applications {
            if !self.known.asked.insert(application.clone()) {
                continue;
            }
            let log_store = self.inner.log_store();
            let version =
                self.state()?.transaction_version(log_store.as_ref(), &application).await?;
            if let Some(version) = version {
                self.known.versions.insert(application, version);
            }
        }
        Ok(&self.known.versions)
    }

    /// The first day, since 1970, that was never removed for its age; `None`: none was.
    pub(crate) async fn retained_from(&mut self) -> anyhow::Result<Option<i64>> {
        Ok(self.versions([RETAINED.to_owned()]).await?.get(RETAINED).copied())
    }

    /// Refuses a day that was removed for its age, or may have been in part.
    pub(crate) async fn ensure_kept(&mut self, day: chrono::NaiveDate) -> anyhow::Result<()> {
        let kept = self.retained_from().await?.unwrap_or(i64::MIN);
        let is_kept = i64::from(days_since_1970(day)) >= kept;
        anyhow::ensure!(
            is_kept,
            "events of {day} (UTC) were removed from the lake for their age: RETAIN_EVENTS"
        );
        Ok(())
    }

    /// Takes in what commits have named since the last time.
    async fn follow_commits(&mut self) -> anyhow::Result<()> {
        let now = self.version();
        let log_store = self.inner.log_store();
        if let Some(at) = self.known.at {
            for version in at + 1..=now {
                let Some(bytes) = log_store.read_commit_entry(version).await? else {
                    // Cleaned up already: the log is asked anew.
                    self.known = Known::default();
                    break;
                };
                self.known.take_in(&bytes)?;
            }
        }
        self.known.at = Some(now);
        Ok(())
    }

    /// Commits against the snapshot: all of it, or nothing.
    pub(crate) async fn commit(
        &self,
        actions: Vec<Action>,
        versions: Vec<(String, i64)>,
        operation: DeltaOperation,
    ) -> anyhow::Result<Committed> {
        let now = chrono::Utc::now().timestamp_millis();
        let transactions = versions
            .into_iter()
            .map(|(name, version)| Transaction::new_with_last_update(name, version, Some(now)));
        let properties =
            CommitProperties::default().with_application_transactions(transactions.collect());
        let commit = CommitBuilder::from(properties).with_actions(actions).build(
            Some(self.state()?),
            self.inner.log_store(),
            operation,
        );
        match commit.await {
            Ok(committed) => Ok(Committed::As(committed.version)),
            Err(error) if is_refusal(&error) => Ok(Committed::Refused),
            Err(error) => Err(error).with_context(|| format!("committing to {}", self.url)),
        }
    }
}

impl Known {
    fn take_in(&mut self, commit: &[u8]) -> anyhow::Result<()> {
        for line in commit.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let action: serde_json::Value = serde_json::from_slice(line)?;
            let Some(named) = action.get("txn") else { continue };
            let name = named.get("appId").and_then(serde_json::Value::as_str);
            let version = named.get("version").and_then(serde_json::Value::as_i64);
            let (name, version) = name.zip(version).context("a txn without appId or version")?;
            self.asked.insert(name.to_owned());
            self.versions.insert(name.to_owned(), version);
        }
        Ok(())
    }
}

/// Whether somebody else came first.
fn is_refusal(error: &DeltaTableError) -> bool {
    match error {
        DeltaTableError::VersionAlreadyExists(_) => true,
        DeltaTableError::Transaction { source } => matches!(
            source,
            TransactionError::CommitConflict(_)
                | TransactionError::MaxCommitAttempts(_)
                | TransactionError::VersionAlreadyExists(_)
        ),
        _ => false,
    }
}
