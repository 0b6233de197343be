//! Where the lake's tables stand: the folders of LAKE_URL, on a disk or in S3.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, bail};
use deltalake_core::logstore::{
    LogStore, LogStoreFactory, ObjectStoreFactory, ObjectStoreRef, StorageConfig, default_logstore,
    logstore_factories, object_store_factories,
};
use deltalake_core::{DeltaResult, DeltaTableError};
use object_store::aws::AmazonS3Builder;
use object_store::path::Path;
use url::Url;

/// One of the lake's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    Events,
    /// Losses that an operator has accepted.
    Gaps,
    /// What was erased, by minute, event type and region.
    Erasures,
    /// One row per subscriber and day.
    Subscribers,
}

impl Name {
    /// Its folder under LAKE_URL.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Name::Events => "events",
            Name::Gaps => "gaps",
            Name::Erasures => "erasures",
            Name::Subscribers => "subscribers",
        }
    }
}

/// The address of a table.
///
/// # Errors
/// LAKE_URL is none that can be used.
pub(crate) fn address(lake_url: &str, name: Name) -> anyhow::Result<Url> {
    let text = format!("{}/{}/", lake_url.trim_end_matches('/'), name.folder());
    let url = Url::parse(&text).with_context(|| {
        format!("LAKE_URL is {lake_url}, which is no address: write file:///FOLDER or s3://BUCKET/PREFIX")
    })?;
    match url.scheme() {
        "file" if url.host().is_none() && url.to_file_path().is_ok() => Ok(url),
        "s3" if url.host().is_some() => Ok(url),
        _ => bail!("LAKE_URL is {lake_url}: write file:///FOLDER or s3://BUCKET/PREFIX"),
    }
}

/// The folder of a table that stands on a disk.
pub(crate) fn folder(url: &Url) -> Option<PathBuf> {
    (url.scheme() == "file").then(|| url.to_file_path().ok()).flatten()
}

/// Makes S3 known to the Delta crate, which knows only disks by itself.
pub(crate) fn register() {
    let Ok(scheme) = Url::parse("s3://") else { return };
    object_store_factories().insert(scheme.clone(), Arc::new(S3));
    logstore_factories().insert(scheme, Arc::new(S3));
}

/// S3 and what speaks its protocol. A commit is a PUT on the condition that nothing stands there.
struct S3;

impl ObjectStoreFactory for S3 {
    fn parse_url_opts(
        &self,
        url: &Url,
        config: &StorageConfig,
    ) -> DeltaResult<(ObjectStoreRef, Path)> {
        let store = AmazonS3Builder::from_env()
            .with_url(url.as_str())
            .with_retry(config.retry.clone())
            .build()
            .map_err(DeltaTableError::from)?;
        let prefix = Path::from_url_path(url.path())
            .map_err(|_| DeltaTableError::InvalidTableLocation(url.to_string()))?;
        Ok((Arc::new(store), prefix))
    }
}

impl LogStoreFactory for S3 {
    fn with_options(
        &self,
        prefixed_store: ObjectStoreRef,
        root_store: ObjectStoreRef,
        location: &Url,
        options: &StorageConfig,
    ) -> DeltaResult<Arc<dyn LogStore>> {
        Ok(default_logstore(prefixed_store, root_store, location, options))
    }
}

/// Opens the store of a table.
pub(crate) fn log_store(url: &Url) -> anyhow::Result<Arc<dyn LogStore>> {
    if let Some(folder) = folder(url) {
        std::fs::create_dir_all(&folder)
            .with_context(|| format!("the lake's folder {} can't be made", folder.display()))?;
    }
    let options: HashMap<String, String> = HashMap::new();
    let config = StorageConfig::parse_options(options)?;
    deltalake_core::logstore::logstore_for(url, config)
        .with_context(|| format!("the lake at {url} can't be reached"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lake_is_a_folder_or_a_bucket() {
        for (text, expected) in [
            ("file:///data/lake", Some("file:///data/lake/events/")),
            ("file:///data/lake/", Some("file:///data/lake/events/")),
            ("s3://bucket", Some("s3://bucket/events/")),
            ("s3://bucket/a/b", Some("s3://bucket/a/b/events/")),
            ("/data/lake", None),
            ("file://host/lake", None),
            ("s3:///lake", None),
            ("https://host/lake", None),
        ] {
            let found = address(text, Name::Events).ok();
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{text}");
        }
    }
}
