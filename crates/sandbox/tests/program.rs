//! The program `sandbox`, run as its users run it.

use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandbox::wait_until;

const END_TIMEOUT: Duration = Duration::from_secs(90);

fn sandbox() -> Command {
    Command::new(env!("CARGO_BIN_EXE_sandbox"))
}

/// The value of `export NAME='value'`.
fn exported(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("export ")?.strip_suffix('\'')?.split_once("='")
}

#[test]
fn a_killed_owner_leaves_no_process_and_no_folder_behind() -> Result<()> {
    let mut owner = sandbox().arg("up").stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let stdout = BufReader::new(owner.stdout.take().context("stdout")?);
    let mut stderr = BufReader::new(owner.stderr.take().context("stderr")?);
    let lines: Vec<String> = stdout.lines().take(2).collect::<std::io::Result<_>>()?;
    let variables: Vec<(&str, &str)> = lines.iter().filter_map(|line| exported(line)).collect();
    let [("KAFKA_BOOTSTRAP_SERVERS", kafka), ("DATABASE_URL", database)] = variables[..] else {
        let mut said = String::new();
        stderr.read_to_string(&mut said)?;
        anyhow::bail!("unexpected lines {lines:?}; it said:\n{said}");
    };
    let database_address = database.split(['@', '/']).nth(3).context("HOST:PORT")?;
    let connections =
        [kafka, database_address].map(|address| (address, TcpStream::connect(address)));
    let mut folders = Vec::new();
    while folders.len() < 2 {
        let mut line = String::new();
        ensure!(stderr.read_line(&mut line)? > 0, "stderr ended before both logs were named");
        if let Some((_, log)) = line.split_once("log:") {
            folders.push(Path::new(log.trim()).parent().context("a folder")?.to_owned());
        }
    }
    assert!(folders.iter().all(|folder| folder.is_dir()), "{folders:?}");

    owner.kill()?;
    owner.wait()?;

    for (address, connection) in connections {
        let mut connection = connection?;
        connection.set_read_timeout(Some(END_TIMEOUT))?;
        // Ends, or is reset, when the server's process is gone; times out while it lives.
        let ending = connection.read(&mut [0; 1]).map_err(|error| error.kind());
        assert!(
            !matches!(ending, Err(std::io::ErrorKind::WouldBlock) | Ok(1..)),
            "{address}: {ending:?}"
        );
    }
    wait_until("the folders are removed", END_TIMEOUT, || {
        folders.iter().all(|folder| !folder.exists())
    })
}

#[test]
fn run_gives_the_command_its_servers_and_takes_its_exit_code() -> Result<()> {
    let script = "echo $SANDBOX_KAFKA $SANDBOX_POSTGRES; echo $KAFKA_BOOTSTRAP_SERVERS $DATABASE_URL; exit 7";
    let Output { status, stdout, stderr } =
        sandbox().args(["run", "--", "sh", "-c", script]).output()?;
    assert_eq!(status.code(), Some(7), "it said:\n{}", String::from_utf8_lossy(&stderr));
    let words: Vec<String> =
        String::from_utf8(stdout)?.split_whitespace().map(str::to_owned).collect();
    let [test_kafka, test_database, kafka, database] = &words[..] else {
        anyhow::bail!("not four addresses: {words:?}");
    };
    assert_eq!(test_kafka, kafka);
    assert_eq!(test_database.replace("/postgres", "/telecom_db"), *database);
    assert!(TcpStream::connect(kafka).is_err(), "Kafka must end with the command");
    Ok(())
}

#[test]
fn without_java_the_error_says_what_to_install() -> Result<()> {
    let run = sandbox().arg("up").env("PATH", "").env_remove("JAVA_HOME").output()?;
    assert_eq!(run.status.code(), Some(1));
    let error = String::from_utf8(run.stderr)?;
    assert!(error.contains("apt-get install default-jre-headless maven"), "{error}");
    Ok(())
}
