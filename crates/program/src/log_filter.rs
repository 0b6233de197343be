//! What `RUST_LOG` says: which lines are logged.
//!
//! In: its text. Out: a filter, or a sentence about what can't be understood. A word that is neither
//! a level nor a part of the programs would choose nothing at all, and be taken for a silence in
//! which all is well; it is refused.

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// librdkafka's own client lines are worth a line only when something is wrong.
const DEFAULT_FILTER: &str = "info,librdkafka=warn,rdkafka=warn,sqlx=warn";

/// The target of the line that says why a program ends. No filter leaves it out.
pub(crate) const FAILURE: &str = "failure";

/// What users may write as a level.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Parts of the programs that log: our crates, and the libraries that speak to Kafka and PostgreSQL
/// and serve the metrics.
const PARTS: [&str; 12] = [
    "batcher",
    "hyper",
    "intake_cli",
    "librdkafka",
    "log_reader",
    "operator",
    "producer",
    "program",
    "rdkafka",
    "sqlx",
    "store",
    "streamer",
];

/// The filter that `RUST_LOG` asks for; without anything in it, the usual one.
pub(crate) fn log_filter(rust_log: &str) -> Result<EnvFilter, String> {
    // A filter by fields may hold commas and blanks of its own.
    let has_fields = rust_log.contains('[');
    let mut directives: Vec<&str> = match has_fields {
        true => vec![rust_log.trim()],
        false => rust_log.split(',').map(str::trim).filter(|part| !part.is_empty()).collect(),
    };
    if directives.is_empty() {
        directives.push(DEFAULT_FILTER);
    } else if !has_fields {
        directives.iter().try_for_each(|directive| check(directive))?;
    }
    let directives = directives.join(",");
    let filter = EnvFilter::builder()
        .parse(&directives)
        .map_err(|error| format!("RUST_LOG can't be read: {directives:?}: {error}"))?;
    let failure = format!("{FAILURE}=error");
    Ok(filter.add_directive(failure.parse().expect("a target and a level are a directive")))
}

/// Refuses what is neither LEVEL, PART, nor NAME=LEVEL.
fn check(directive: &str) -> Result<(), String> {
    let is_level = |text: &str| text.parse::<LevelFilter>().is_ok();
    let levels = LEVELS.join(", ");
    match directive.rsplit_once('=') {
        Some((_, level)) if is_level(level) => Ok(()),
        Some((_, level)) => Err(format!(
            "RUST_LOG: there is no level {level:?} in {directive:?}; levels are {levels}"
        )),
        None if is_level(directive) => Ok(()),
        None if PARTS.contains(&directive.split("::").next().unwrap_or_default()) => Ok(()),
        None => Err(format!(
            "RUST_LOG: {directive:?} is neither a level ({levels}) nor a part of these programs ({}); \
             for anything else write NAME=LEVEL",
            PARTS.join(", ")
        )),
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_would_choose_nothing_is_refused_by_name() {
        for (given, named) in [
            ("inof", "\"inof\""),
            ("warning", "\"warning\""),
            ("verbose", "\"verbose\""),
            ("info,stroe", "\"stroe\""),
            ("store=verbose", "\"verbose\""),
            ("stroe::flush", "\"stroe::flush\""),
        ] {
            let refusal = log_filter(given).expect_err(given);
            assert!(refusal.contains(named), "{given}: {refusal}");
            assert!(refusal.contains("off, error, warn, info, debug, trace"), "{given}: {refusal}");
        }
    }

    #[test]
    fn levels_parts_and_pairs_are_understood_with_blanks_around_them() {
        for given in [
            "info",
            "INFO",
            "info ",
            " warn, store=debug ,",
            "off",
            "store",
            "store=",
            "store::flush",
            "other_library=trace",
            "store[flush{partition=3}]=debug",
        ] {
            assert!(log_filter(given).is_ok(), "{given:?}");
        }
    }

    #[test]
    fn nothing_counts_as_unset_and_no_filter_leaves_the_last_word_out() {
        let shown = |given: &str| log_filter(given).unwrap().to_string();
        for unset in ["", " ", ",", " , "] {
            assert_eq!(shown(unset), shown(DEFAULT_FILTER), "{unset:?}");
        }
        for given in ["", "off", "store", "warn"] {
            assert!(shown(given).contains("failure=error"), "{given:?}: {}", shown(given));
        }
    }

    /// A crate that begins to log becomes a part that can be named.
    #[test]
    fn the_parts_are_the_crates_that_log() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let manifests = ["batcher", "producer", "streamer"].map(|name| root.join(name));
        let crates = std::fs::read_dir(root.join("crates")).unwrap().map(|e| e.unwrap().path());
        for folder in manifests.into_iter().chain(crates) {
            let manifest = std::fs::read_to_string(folder.join("Cargo.toml")).unwrap();
            if manifest.contains("\ntracing.workspace") {
                let name = folder.file_name().unwrap().to_string_lossy().replace('-', "_");
                assert!(PARTS.contains(&name.as_str()), "{name} logs and is missing");
            }
        }
    }
}
