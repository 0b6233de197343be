//! A PostgreSQL with TLS, whose certificate an authority of our own has signed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, Scatter, WAIT_TIMEOUT};
use sandbox::{Postgres, PostgresOptions, wait_until};
use tempfile::TempDir;

/// The user that PostgreSQL runs as when we are root.
const NOBODY: u32 = 65_534;

/// An authority, and a certificate of it for this host.
struct Certificates {
    folder: TempDir,
}

const AUTHORITY: &str = "basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n";
const SERVER: &str = "basicConstraints=critical,CA:FALSE\nsubjectAltName=IP:127.0.0.1\n";

impl Certificates {
    fn make() -> Result<Certificates> {
        let folder = tempfile::Builder::new().prefix("e2e-tls-").tempdir()?;
        // PostgreSQL runs as another user when we are root.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
        let made = Certificates { folder };
        for (name, extensions) in [("authority", AUTHORITY), ("server", SERVER)] {
            fs::write(made.path(&format!("{name}.ext")), extensions)?;
            made.openssl("ecparam -name prime256v1 -genkey -noout -out NAME.key", name)?;
            made.openssl("req -new -subj /CN=NAME -key NAME.key -out NAME.csr", name)?;
        }
        let signed = "x509 -req -days 2 -in NAME.csr -extfile NAME.ext -out NAME.pem";
        made.openssl(&format!("{signed} -signkey NAME.key"), "authority")?;
        let by_authority = "-CA authority.pem -CAkey authority.key -CAcreateserial";
        made.openssl(&format!("{signed} {by_authority}"), "server")?;
        made.give_key_to_the_server()?;
        Ok(made)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn openssl(&self, arguments: &str, name: &str) -> Result<()> {
        let arguments = arguments.replace("NAME", name);
        let done = Command::new("openssl")
            .args(arguments.split(' '))
            .current_dir(self.folder.path())
            .output()
            .context("cannot run openssl")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "openssl {arguments}: {said}");
        Ok(())
    }

    fn give_key_to_the_server(&self) -> Result<()> {
        let key = self.path("server.key");
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
        if fs::metadata(&key)?.uid() == 0 {
            chown(&key, Some(NOBODY), Some(NOBODY))?;
        }
        Ok(())
    }
}

fn encrypted_postgres(certificates: &Certificates) -> Result<Postgres> {
    let path = |name: &str| certificates.path(name).display().to_string();
    let settings = vec![
        ("ssl".to_owned(), "on".to_owned()),
        ("ssl_cert_file".to_owned(), path("server.pem")),
        ("ssl_key_file".to_owned(), path("server.key")),
    ];
    Postgres::start_with(&PostgresOptions { settings, ..PostgresOptions::default() })
}

fn verified(url: &str, authority: &Path) -> String {
    format!("{url}?sslmode=verify-full&sslrootcert={}", authority.display())
}

/// How many sessions of ours there are, and how many of them are encrypted.
const SESSIONS: &str = "SELECT COUNT(*) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
    WHERE application_name = 'telecom-pipeline' AND datname = current_database()";

#[test]
fn connections_to_postgresql_are_encrypted_and_the_server_has_to_prove_who_it_is() -> Result<()> {
    let certificates = Certificates::make()?;
    let postgres = encrypted_postgres(&certificates)?;
    let url = postgres.create_database("encrypted")?;
    let mut pipeline = Pipeline::on(sandbox::kafka_bootstrap()?, &url, 3)?;
    let from = "2025-11-09T12:00:00Z".parse()?;
    pipeline.topic.sender(&[])?.send(&Scatter::new(5, 3, from).take(2_000))?;

    let trusted = verified(&url, &certificates.path("authority.pem"));
    let variables = [("DATABASE_URL", trusted.as_str())];
    let streamer = pipeline.start_with("streamer", &["--flush-interval", "50ms"], &variables)?;
    pipeline.wait_until_caught_up()?;
    wait_until("all sessions of the streamer are encrypted", WAIT_TIMEOUT, || {
        let all = pipeline.database.number(SESSIONS).unwrap_or_default();
        let encrypted = pipeline.database.number(&format!("{SESSIONS} AND ssl"));
        all > 0 && encrypted.is_ok_and(|encrypted| encrypted == all)
    })?;
    streamer.terminate()?;
    streamer.end()?.expect(0)?;
    pipeline.start_with("batcher", &["2025-11-09"], &variables)?.end()?.expect(0)?;
    pipeline.expect_recomputed()?;

    // The same key pair, but signed by somebody else.
    let stranger = Certificates::make()?;
    let distrusted = verified(&url, &stranger.path("authority.pem"));
    for (program, arguments) in [
        ("streamer", &["--drain", "--wait", "1s"][..]),
        ("batcher", &["2025-11-09", "--wait", "1s"][..]),
    ] {
        let variables = [("DATABASE_URL", distrusted.as_str())];
        let ended = pipeline.start_with(program, arguments, &variables)?.end()?;
        assert_eq!(ended.code, Some(1), "{program}: {}", ended.log);
        assert!(ended.log.contains("cannot connect to PostgreSQL"), "{program}: {}", ended.log);
    }
    Ok(())
}
