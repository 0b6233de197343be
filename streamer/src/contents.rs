//! What stands in records: JSON, which every build reads, and with the feature `avro` what a schema registry knows.
//!
//! In: a record as the client delivers it. Out: the same record to the core with its content, or what has to be known first.
//! Keeps I-14: the core is told only what is known; nobody is asked by it.

#[cfg(feature = "avro")]
mod avro;
#[cfg(not(feature = "avro"))]
mod json_alone;

use std::path::PathBuf;

use clap::Args;
use program::Secret;

#[cfg(feature = "avro")]
pub(crate) use self::avro::{Contents, Formats};
#[cfg(not(feature = "avro"))]
pub(crate) use self::json_alone::{Contents, Formats};

/// Where the schemas of records in Avro are.
#[derive(Args, Clone, Debug)]
pub struct RegistryArgs {
    /// Schema registry of records in Avro, as https://HOST:PORT/PATH, USER:PASSWORD@ before HOST if it wants them; without one, JSON alone is read
    #[arg(long, env = "SCHEMA_REGISTRY_URL", hide_env_values = true)]
    pub schema_registry_url: Option<Secret>,
    /// Authorities that vouch for the registry (PEM), in place of the usual ones
    #[arg(long, env = "SCHEMA_REGISTRY_CA")]
    pub schema_registry_ca: Option<PathBuf>,
}
