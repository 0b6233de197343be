//! `ulimit -n`: with too few files a program says so, and never panics.

use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use e2e::{Pipeline, binary};

use crate::{DAY, with_a_computed_day};

/// From nothing to enough.
const FILES: [u32; 16] = [3, 5, 8, 10, 12, 14, 16, 20, 22, 24, 26, 28, 34, 48, 80, 128];

/// Runs a command that may open so many files at a time.
fn run(
    pipeline: &Pipeline,
    files: u32,
    program: &str,
    arguments: &[&str],
) -> Result<(i32, String)> {
    let ended = Command::new("sh")
        .args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"])
        .arg(binary(program)?)
        .args(arguments)
        .env_clear()
        .env("DATABASE_URL", pipeline.database.url())
        .env("KAFKA_BOOTSTRAP_SERVERS", pipeline.topic.bootstrap())
        .env("KAFKA_TOPIC", pipeline.topic.name())
        .env("KAFKA_GROUP_ID", pipeline.topic.name())
        .stdin(Stdio::null())
        .output()?;
    let code = ended.status.code().with_context(|| format!("{program}: a signal ended it"))?;
    Ok((code, String::from_utf8_lossy(&ended.stderr).into_owned()))
}

#[test]
fn too_few_files_end_a_program_with_a_sentence() -> Result<()> {
    let pipeline = with_a_computed_day()?;
    let commands: [(&str, &[&str]); 4] = [
        ("streamer", &["verify", "--wait", "10ms"]),
        ("streamer", &["--drain", "--workers", "2", "--wait", "10ms"]),
        ("batcher", &["validate", DAY, "--wait", "10ms"]),
        ("producer", &["--count", "1", "--rate", "max", "--wait", "10ms"]),
    ];
    for (program, arguments) in commands {
        let mut said = 0;
        for files in FILES {
            let (code, log) = run(&pipeline, files, program, arguments)?;
            let what = format!("{program} {arguments:?} with {files} files: {code}\n{log}");
            ensure!(!log.contains("panicked") && [0, 1, 127].contains(&code), "{what}");
            // 127: the loader could not open a library.
            said += u32::from(code == 1 && log.contains("too few files"));
        }
        ensure!(said > 0, "{program} was never short of files");
    }
    Ok(())
}
