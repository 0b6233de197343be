//! Behind a real PgBouncer: by session everything works without a setting of its own; by transaction
//! the refusal names the cure.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandbox::{free_port, wait_until};
use store::{Session, connect, ensure_schema, migrate};
use tempfile::TempDir;

use crate::text;

const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A pooler before the shared server; ends with its guard.
struct Pooler {
    child: Child,
    port: u16,
    _folder: TempDir,
}

impl Pooler {
    /// Lends connections to the server of this address by `pool_mode`.
    fn start(url: &str, pool_mode: &str) -> Pooler {
        let place = url.split('@').nth(1).unwrap().split('/').next().unwrap();
        let (host, server_port) = place.split_once(':').unwrap();
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let file = |name: &str| folder.path().join(name);
        fs::write(file("users"), "\"telecom_user\" \"telecom_pass\"\n").unwrap();
        let settings = format!(
            "[databases]\n* = host={host} port={server_port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {}\n\
             pool_mode = {pool_mode}\ndefault_pool_size = 1\n",
            file("users").display()
        );
        fs::write(file("settings"), settings).unwrap();
        let mut command = match is_root() {
            // It refuses to run as root; everybody may read what it needs.
            true => {
                let open = Command::new("chmod").args(["-R", "a+rX"]).arg(folder.path()).status();
                assert!(open.unwrap().success());
                let mut command = Command::new("setpriv");
                command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "pgbouncer"]);
                command
            }
            false => Command::new("pgbouncer"),
        };
        let child = command
            .arg("--quiet")
            .arg(file("settings"))
            .env("PATH", format!("{}:/usr/sbin", std::env::var("PATH").unwrap_or_default()))
            .stdin(Stdio::null())
            .spawn()
            .expect("PgBouncer is missing: install the package pgbouncer, or run .ci/setup tests");
        let pooler = Pooler { child, port, _folder: folder };
        wait_until("PgBouncer listens", START_TIMEOUT, || {
            std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
        })
        .expect("PgBouncer is missing or does not start: install the package pgbouncer, or run .ci/setup tests");
        pooler
    }

    /// The address of the server's database, through the pooler.
    fn url(&self, url: &str) -> String {
        let (login, place) = url.split_once('@').unwrap();
        let database = place.split_once('/').unwrap().1;
        format!("{login}@127.0.0.1:{}/{database}", self.port)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn is_root() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    uids.and_then(|uids| uids.split_whitespace().nth(1)) == Some("0")
}

#[tokio::test]
async fn by_session_a_pooler_is_as_good_as_the_server() {
    let direct = sandbox::fresh_database().unwrap();
    let pooler = Pooler::start(&direct, "session");
    let url = pooler.url(&direct);
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    migrate(&mut connection).await.unwrap();
    ensure_schema(&mut connection).await.unwrap();
    drop(connection);
    // The next one gets the same connection of the server, and settings of its own.
    let mut connection = connect(&url, Session::Flush).await.unwrap();
    for (name, expected) in [
        ("TimeZone", "UTC"),
        ("lock_timeout", "5s"),
        ("statement_timeout", "15s"),
        ("synchronous_commit", "off"),
        ("idle_in_transaction_session_timeout", "5s"),
    ] {
        let found: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(name)
            .fetch_one(&mut connection)
            .await
            .unwrap();
        assert_eq!(found, expected, "{name}");
    }
}

#[tokio::test]
async fn a_parameter_that_a_pooler_refuses_is_named_with_the_cure() {
    let direct = sandbox::fresh_database().unwrap();
    let pooler = Pooler::start(&direct, "session");
    let url = format!("{}?options=-cwork_mem%3D8MB", pooler.url(&direct));
    let error = text(&connect(&url, Session::Control).await.unwrap_err());
    assert!(error.contains("ignore_startup_parameters"), "{error}");
}

#[tokio::test]
async fn by_transaction_the_cure_is_named() {
    let direct = sandbox::fresh_database().unwrap();
    let pooler = Pooler::start(&direct, "transaction");
    let url = pooler.url(&direct);
    let _first = connect(&url, Session::Control).await.unwrap();
    let error = text(&connect(&url, Session::Control).await.unwrap_err());
    assert!(error.contains("pool_mode = session"), "{error}");
}
