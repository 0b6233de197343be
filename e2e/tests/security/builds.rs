//! What is, and is not, in the programs and in their sources.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use e2e::{WITH_FAIL_POINTS, run};

/// What crate fail-point looks for, and a point of the streamer.
const OF_THE_TESTS: [&[u8]; 2] = [b"FAIL_POINT", b"flush_before_commit"];

#[test]
fn a_program_has_fail_points_only_if_it_was_built_for_the_tests() -> Result<()> {
    // Built, if they were not.
    for name in ["streamer", WITH_FAIL_POINTS] {
        run(name, &["--version"], &[])?;
    }
    for (name, expected) in
        [("streamer", false), ("batcher", false), ("producer", false), (WITH_FAIL_POINTS, true)]
    {
        let program = fs::read(programs()?.join(name)).context(name)?;
        for text in OF_THE_TESTS {
            let is_there = program.windows(text.len()).any(|part| part == text);
            assert_eq!(is_there, expected, "{name}: {}", String::from_utf8_lossy(text));
        }
    }
    Ok(())
}

/// TARGET/PROFILE, from TARGET/PROFILE/deps/TEST.
fn programs() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    Ok(test.ancestors().nth(2).context("not built by cargo")?.to_owned())
}

/// The driver takes only constants as SQL, unless this is written around it.
const NOT_A_CONSTANT: &str = "AssertSqlSafe(";
/// Renames tables whose names are constants or were quoted by the server; erases from tables that the server finds in its
/// catalogue and quotes.
const REVIEWED: [&str; 2] =
    ["crates/operator/src/erase/rows.rs", "crates/store/src/schema/adopt.rs"];

#[test]
fn no_program_builds_sql_from_data() -> Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut found = Vec::new();
    for folder in ["crates", "streamer", "batcher", "producer"] {
        sources(&root.join(folder), &mut |path, text| {
            let path = path.strip_prefix(&root).unwrap_or(path).display().to_string();
            // The sandbox and the tests write SQL of their own.
            let is_program = !path.contains("sandbox") && !path.contains("/tests/");
            let without_tests = text.split("#[cfg(test)]").next().unwrap_or_default();
            if is_program && without_tests.contains(NOT_A_CONSTANT) {
                found.push(path);
            }
        })?;
    }
    found.sort();
    assert_eq!(found, REVIEWED);
    Ok(())
}

fn sources(folder: &Path, look: &mut impl FnMut(&Path, &str)) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            sources(&path, look)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            look(&path, &fs::read_to_string(&path)?);
        }
    }
    Ok(())
}
