//! How messages call a server.

use std::fmt;

use sqlx::postgres::PgConnectOptions;

/// User, host, port and database of a connection, for messages. Never the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    pub(crate) fn of(options: &PgConnectOptions) -> Self {
        let (host, port) = (options.get_host(), options.get_port());
        let folder = options.get_socket().map(|folder| folder.to_string_lossy());
        let place = match folder {
            Some(folder) => format!("{folder}/.s.PGSQL.{port}"),
            None if host.starts_with('/') => format!("{host}/.s.PGSQL.{port}"),
            None if host.contains(':') => format!("[{host}]:{port}"),
            None => format!("{host}:{port}"),
        };
        let database = options.get_database().unwrap_or("(default)");
        Target(format!("{}@{place}/{database}", options.get_username()))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
