//! Who compares two things must not compute them by the same code: the truth knows nothing of the
//! crates that it is compared with.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;

/// What the generator and the producer, and what they depend on, must not have.
const STREAMER_S_CRATES: [&str; 3] = ["windowing", "store", "streamer"];

fn dependencies(crate_folder: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(crate_folder).join("Cargo.toml");
    let manifest: toml::Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    let tables = ["dependencies", "dev-dependencies", "build-dependencies"];
    let names = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
    names.flat_map(|table| table.keys().cloned()).collect()
}

#[test]
fn generator_and_producer_depend_on_none_of_the_streamer_s_crates() {
    for folder in [".", "../event-model", "../pseudonym", "../program", "../../producer"] {
        let names = dependencies(folder);
        assert!(!names.is_empty(), "{folder}: {names:?}");
        for name in STREAMER_S_CRATES {
            assert!(!names.iter().any(|found| found == name), "{folder} depends on {name}");
        }
    }
}
