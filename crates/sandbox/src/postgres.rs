//! A throw-away PostgreSQL, 15 or newer, set up as in Compose.
//!
//! In: options. Out: a server on loopback, on a port that it keeps over restarts, with the
//! database `telecom_db` and its user. As in the official image, `telecom_user` is the superuser,
//! and connections need the password.

mod binaries;

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::net::Ipv4Addr;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::host::host;
use crate::random;
use crate::server::{Server, Signal, start_on_free_ports, tail};
use crate::sql;
use binaries::Binaries;

const USER: &str = "telecom_user";
const PASSWORD: &str = "telecom_pass";
/// The database that the programs use when they are told nothing.
pub(crate) const DATABASE: &str = "telecom_db";
/// Well below the time that a stop may take, and enough for a busy machine.
const AUTHENTICATION_TIMEOUT: &str = "20s";
/// PostgreSQL refuses to run as root: then it runs as nobody.
const NOBODY: u32 = 65_534;

/// Settings of a [`Postgres`].
#[derive(Clone, Debug, Default)]
pub struct PostgresOptions {
    /// Write through to the disk. Not needed to survive a crash of the server, only one of the
    /// machine.
    pub fsync: bool,
    /// Extra server settings, e.g. `("max_connections", "20")`; they win over the sandbox's own.
    pub settings: Vec<(String, String)>,
}

/// A PostgreSQL server; it ends, and its folder goes, when this is dropped.
#[derive(Debug)]
pub struct Postgres {
    server: Server,
    command: Vec<OsString>,
    address: (Ipv4Addr, u16),
}

impl Postgres {
    /// Starts a server with the sandbox's settings.
    ///
    /// # Errors
    /// No PostgreSQL is found or can be fetched, or it does not start: the message says what to
    /// install, or holds the end of the log.
    pub fn start() -> Result<Postgres> {
        Postgres::start_with(&PostgresOptions::default())
    }

    /// Starts a server with settings of one's own.
    ///
    /// # Errors
    /// As [`Postgres::start`].
    pub fn start_with(options: &PostgresOptions) -> Result<Postgres> {
        let binaries = Binaries::find()?;
        start_on_free_ports(|| start_once(&binaries, options))
    }

    /// The address of a database, for `DATABASE_URL`.
    pub fn url(&self, database: &str) -> String {
        url(self.address, database)
    }

    /// Creates an empty database and returns its address.
    ///
    /// # Errors
    /// The server is down, or has a database of this name.
    pub fn create_database(&self, name: &str) -> Result<String> {
        sql::create_database(&self.url("postgres"), name)?;
        Ok(self.url(name))
    }

    /// The folder with the server's data.
    pub fn data_dir(&self) -> PathBuf {
        self.server.folder().join("data")
    }

    /// The server's log.
    pub fn log_path(&self) -> PathBuf {
        self.server.log_path()
    }

    /// The process id of the postmaster; `None` while it is down.
    pub fn pid(&self) -> Option<u32> {
        self.server.pid().filter(|_| self.server.is_running())
    }

    /// Stops the server and waits for its end: `immediate` as in a crash, with recovery at the next
    /// start; otherwise open transactions are rolled back and everything is written.
    ///
    /// # Errors
    /// It did not end within a minute; then it has been killed.
    pub fn stop(&mut self, immediate: bool) -> Result<()> {
        self.server.stop(if immediate { Signal::Quit } else { Signal::Interrupt })
    }

    /// Starts the server again, on the same port and data, after stopping it if it runs.
    ///
    /// # Errors
    /// The server does not start; the message holds the end of its log.
    pub fn restart(&mut self) -> Result<()> {
        self.stop(false)?;
        self.start_server()
    }

    /// A second server that follows this one by streaming replication. This one is stopped for the time of
    /// copying its data, and runs again afterwards.
    ///
    /// # Errors
    /// The data can't be copied, or one of the two does not start.
    pub fn standby(&mut self) -> Result<Postgres> {
        self.stop(false)?;
        let standby = start_on_free_ports(|| self.copy_that_follows());
        self.start_server()?;
        standby
    }

    fn copy_that_follows(&self) -> Result<Postgres> {
        let server = Server::new("PostgreSQL", Signal::Quit)?;
        let prefix = command_prefix(&server)?;
        let data = server.folder().join("data");
        run(&prefix, ["cp".into(), "-a".into(), self.data_dir().into(), data.clone().into()])?;
        run(&prefix, ["touch".into(), data.join("standby.signal").into()])?;
        let port = random::free_port()?;
        let (host, primary_port) = self.address;
        let primary = format!(
            "host={host} port={primary_port} user={USER} password={PASSWORD} application_name=standby"
        );
        // Of two equal settings the last one counts, so those of the primary may stay.
        let mut command = prefix;
        command.extend(self.command.iter().skip(command.len()).cloned());
        let data_at = command.iter().position(|part| part == "-D").context("no -D")? + 1;
        command[data_at] = data.into();
        for setting in [
            format!("port={port}"),
            format!("primary_conninfo={primary}"),
            "synchronous_standby_names=".to_owned(),
            "wal_retrieve_retry_interval=100ms".to_owned(),
        ] {
            command.extend(["-c".into(), setting.into()]);
        }
        let mut standby = Postgres { server, command, address: (host, port) };
        standby.start_server()?;
        Ok(standby)
    }

    /// Lets a standby take over, and returns when it can be written to.
    ///
    /// # Errors
    /// It is no standby, or does not take over within a minute.
    pub fn promote(&self) -> Result<()> {
        sql::execute(&self.url("postgres"), "SELECT pg_promote(true, 60)")
    }

    fn start_server(&mut self) -> Result<()> {
        let url = url(self.address, "postgres");
        self.server.start(&self.command, || sql::execute(&url, "SELECT 1").is_ok())
    }
}

fn url((host, port): (Ipv4Addr, u16), database: &str) -> String {
    format!("postgres://{USER}:{PASSWORD}@{host}:{port}/{database}")
}

fn start_once(binaries: &Binaries, options: &PostgresOptions) -> Result<Postgres> {
    let server = Server::new("PostgreSQL", Signal::Quit)?;
    let prefix = command_prefix(&server)?;
    initialise(&server, &prefix, binaries)?;

    let address = (host()?, random::free_port()?);
    admit_clients(&server, address.0)?;
    let mut command = prefix;
    command.push(binaries.postgres().into());
    command.push("-D".into());
    command.push(server.folder().join("data").into());
    for (name, value) in settings(address, options) {
        command.push("-c".into());
        command.push(format!("{name}={value}").into());
    }
    let mut postgres = Postgres { server, command, address };
    postgres.start_server()?;
    postgres.create_database(DATABASE)?;
    Ok(postgres)
}

/// What has to stand before a PostgreSQL command: for root, a change to another user, who then
/// also owns the folder.
fn command_prefix(server: &Server) -> Result<Vec<OsString>> {
    let we_are_root = fs::metadata(server.folder())?.uid() == 0;
    if !we_are_root {
        return Ok(Vec::new());
    }
    chown(server.folder(), Some(NOBODY), Some(NOBODY))
        .context("cannot give the folder to the user that PostgreSQL runs as")?;
    Ok(vec![
        "setpriv".into(),
        format!("--reuid={NOBODY}").into(),
        format!("--regid={NOBODY}").into(),
        "--clear-groups".into(),
    ])
}

/// Runs a short command as PostgreSQL's user.
fn run<const N: usize>(prefix: &[OsString], command: [OsString; N]) -> Result<()> {
    let whole: Vec<&OsString> = prefix.iter().chain(&command).collect();
    let status = Command::new(whole[0]).args(&whole[1..]).stdin(Stdio::null()).status();
    match status.with_context(|| format!("cannot run {whole:?}"))? {
        status if status.success() => Ok(()),
        status => bail!("{whole:?} failed: {status}"),
    }
}

/// Clients on loopback are admitted as initdb leaves it; of another address, all that have the password.
fn admit_clients(server: &Server, host: Ipv4Addr) -> Result<()> {
    if host.is_loopback() {
        return Ok(());
    }
    let path = server.folder().join("data/pg_hba.conf");
    let mut rules = fs::OpenOptions::new().append(true).open(path).context("no pg_hba.conf")?;
    writeln!(rules, "host all all all scram-sha-256").context("cannot write pg_hba.conf")
}

/// Creates the data folder.
fn initialise(server: &Server, prefix: &[OsString], binaries: &Binaries) -> Result<()> {
    let password_path = server.folder().join("password");
    fs::write(&password_path, PASSWORD)?;
    let mut command = prefix.to_vec();
    command.push(binaries.initdb().into());
    let run = Command::new(&command[0])
        .args(&command[1..])
        .arg("-D")
        .arg(server.folder().join("data"))
        .args(["-U", USER, "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"])
        .arg(format!("--pwfile={}", password_path.display()))
        .env("TZ", "UTC")
        .current_dir(server.folder())
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", command[0].display()))?;
    if !run.status.success() {
        bail!("initdb failed:\n{}", tail(&String::from_utf8_lossy(&run.stderr)));
    }
    Ok(())
}

fn settings((host, port): (Ipv4Addr, u16), options: &PostgresOptions) -> Vec<(String, String)> {
    let on_or_off = if options.fsync { "on" } else { "off" };
    let own = [
        ("listen_addresses", host.to_string().as_str()),
        ("port", port.to_string().as_str()),
        ("unix_socket_directories", ""),
        ("max_connections", "200"),
        // A stop waits for a client that has connected and not yet said who it is.
        ("authentication_timeout", AUTHENTICATION_TIMEOUT),
        ("fsync", on_or_off),
        ("full_page_writes", on_or_off),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()));
    // The last of two equal settings counts on PostgreSQL's command line.
    own.into_iter().chain(options.settings.iter().cloned()).collect()
}
