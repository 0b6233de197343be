//! `RUST_LOG`: whatever it says, a program that fails says why; what it can't mean is refused.

use anyhow::{Result, ensure};
use e2e::run;

/// Each program, asked for what can't be done: nothing listens there.
const FAILING: [(&str, &[&str]); 3] = [
    ("streamer", &["verify", "--wait", "10ms"]),
    ("batcher", &["2025-11-09", "--wait", "10ms"]),
    ("producer", &["--count", "1", "--wait", "10ms"]),
];

const NOWHERE: [(&str, &str); 2] =
    [("DATABASE_URL", "postgres://me@127.0.0.1:1/x"), ("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:1")];

#[test]
fn why_a_program_ends_is_said_whatever_the_filter() -> Result<()> {
    for filter in ["", " ", "off", "error", "store", "sqlx=trace", "other=info", "info "] {
        for format in ["text", "json"] {
            for (program, arguments) in FAILING {
                let variables =
                    [NOWHERE[0], NOWHERE[1], ("RUST_LOG", filter), ("LOG_FORMAT", format)];
                let ended = run(program, arguments, &variables)?.expect(1)?;
                ensure!(ended.log.contains("127.0.0.1:1"), "{program}, {filter:?}: {}", ended.log);
            }
        }
    }
    Ok(())
}

#[test]
fn a_mistyped_filter_is_refused_by_name_with_what_is_accepted() -> Result<()> {
    for filter in ["inof", "warning", "verbose", "info,stroe", "store=loud"] {
        for (program, arguments) in FAILING {
            let ended = run(program, arguments, &[("RUST_LOG", filter)])?.expect(2)?;
            let mistyped = filter.rsplit([',', '=']).next().unwrap_or_default();
            for named in ["RUST_LOG", mistyped, "off, error, warn, info, debug, trace"] {
                ensure!(ended.log.contains(named), "{program}, {filter:?}: {}", ended.log);
            }
        }
    }
    Ok(())
}

/// As Compose passes on what nobody has set.
#[test]
fn an_empty_filter_counts_as_unset() -> Result<()> {
    let arguments = ["--stdout", "--count", "1", "--rate", "max"];
    let ended = run("producer", &arguments, &[("RUST_LOG", "")])?.expect(0)?;
    ensure!(ended.log.contains("INFO") && ended.log.contains("sent=1 "), "{}", ended.log);
    Ok(())
}
