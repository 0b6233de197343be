//! One Kafka and one PostgreSQL for all tests of a run, and for each test names of its own in them.
//!
//! `sandbox run` starts the pair and names it in the environment, so that many test programs share
//! it. Without it the first test that asks starts a server for its own process; nobody drops that
//! one: the watchdog ends it with the process.

use std::env;
use std::sync::OnceLock;

use anyhow::{Context, Result, anyhow};

use crate::kafka::Kafka;
use crate::postgres::Postgres;
use crate::{random, sql};

/// The variable with the broker's address.
pub const KAFKA_VARIABLE: &str = "SANDBOX_KAFKA";
/// The variable with the address of a database whose user may create databases.
pub const POSTGRES_VARIABLE: &str = "SANDBOX_POSTGRES";

/// `bootstrap.servers` of the shared broker. Never stop it: other tests use it.
///
/// # Errors
/// It can't be started; every later call says the same.
pub fn kafka_bootstrap() -> Result<&'static str> {
    static BOOTSTRAP: OnceLock<Result<String, String>> = OnceLock::new();
    static OWN: OnceLock<Kafka> = OnceLock::new();
    once(&BOOTSTRAP, KAFKA_VARIABLE, || {
        let kafka = Kafka::start()?;
        Ok(OWN.get_or_init(|| kafka).bootstrap().to_owned())
    })
}

/// Address of a database of the shared server whose user may create databases and roles.
///
/// # Errors
/// It can't be started; every later call says the same.
pub fn postgres_url() -> Result<&'static str> {
    static URL: OnceLock<Result<String, String>> = OnceLock::new();
    static OWN: OnceLock<Postgres> = OnceLock::new();
    once(&URL, POSTGRES_VARIABLE, || {
        let postgres = Postgres::start()?;
        Ok(OWN.get_or_init(|| postgres).url("postgres"))
    })
}

/// Creates an empty database with a random name on the shared server and returns its address.
///
/// # Errors
/// The server can't be started or refuses.
pub fn fresh_database() -> Result<String> {
    let admin_url = postgres_url()?;
    let name = random::name("test");
    sql::create_database(admin_url, &name)?;
    with_database(admin_url, &name)
}

/// A topic name that no other test uses; the topic does not exist yet.
pub fn fresh_topic_name() -> String {
    random::name("test")
}

fn once(
    cell: &'static OnceLock<Result<String, String>>,
    variable: &str,
    start: impl FnOnce() -> Result<String>,
) -> Result<&'static str> {
    let outcome = cell.get_or_init(|| match env::var(variable) {
        Ok(address) if !address.is_empty() => Ok(address),
        _ => start().map_err(|error| format!("{error:#}")),
    });
    outcome.as_deref().map_err(|error| anyhow!("{error}"))
}

/// The same address with another database.
fn with_database(url: &str, database: &str) -> Result<String> {
    let (address, options) = match url.split_once('?') {
        Some((address, options)) => (address, format!("?{options}")),
        None => (url, String::new()),
    };
    let (server, _) = address
        .rsplit_once('/')
        .filter(|(server, _)| server.contains("://") && !server.ends_with('/'))
        .with_context(|| format!("{POSTGRES_VARIABLE} names no database"))?;
    Ok(format!("{server}/{database}{options}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_database_of_an_address_changes() {
        for (url, expected) in [
            ("postgres://u:p@h:1/postgres", Some("postgres://u:p@h:1/new")),
            (
                "postgres://u:p@h:1/a?sslmode=disable",
                Some("postgres://u:p@h:1/new?sslmode=disable"),
            ),
            ("postgres://u:p@h:1", None),
            ("nonsense", None),
        ] {
            assert_eq!(with_database(url, "new").ok().as_deref(), expected, "{url}");
        }
    }
}
