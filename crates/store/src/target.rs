//! How messages call a server.

use std::fmt;

use sqlx::postgres::PgConnectOptions;

/// User, host, port and database of a connection, for messages. Never the password.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target(String);

impl Target {
    pub(crate) fn of(options: &PgConnectOptions) -> Self {
        Target::of_all(std::slice::from_ref(options))
    }

    /// Several servers of one address, which differ in host and port alone.
    pub(crate) fn of_all(servers: &[PgConnectOptions]) -> Self {
        let places: Vec<String> = servers.iter().map(place).collect();
        let database = servers[0].get_database().unwrap_or("(default)");
        Target(format!("{}@{}/{database}", servers[0].get_username(), places.join(",")))
    }
}

/// Host and port, or the socket.
fn place(options: &PgConnectOptions) -> String {
    let (host, port) = (options.get_host(), options.get_port());
    let folder = options.get_socket().map(|folder| folder.to_string_lossy());
    match folder {
        Some(folder) => format!("{folder}/.s.PGSQL.{port}"),
        None if host.starts_with('/') => format!("{host}/.s.PGSQL.{port}"),
        None if host.contains(':') => format!("[{host}]:{port}"),
        None => format!("{host}:{port}"),
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
