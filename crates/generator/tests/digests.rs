//! The events of the built-in scenarios, byte for byte: what is switched off changes nothing.
//!
//! Each digest is the SHA-256 of the first 100,000 records, each ended by a newline. Whoever changes the figures of
//! a scenario on purpose takes the new digest from the failing test.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::fmt::Write;
use std::sync::Arc;

use generator::curve::RateCurve;
use generator::instant::parse_time;
use generator::scenario::Scenario;
use generator::schedule::Schedule;
use generator::{Draft, Shard};
use pseudonym::SubscriberKey;
use sha2::{Digest, Sha256};

const RECORDS: usize = 100_000;

/// Everything that can go wrong, and a spike.
const FAULTY: &str = r#"
extends = "kazakhstan"
[faults]
late = { share = 0.02, seconds = [150, 3_600] }
duplicate = { share = 0.01, seconds = [0, 300] }
malformed = { share = 0.02 }
skewed_clocks = { share = 0.02, seconds = [-600, 200] }
[[anomalies]]
name = "match"
region = "Astana"
from = "2025-11-09T12:10:00Z"
to = "2025-11-09T12:20:00Z"
magnitude = 8
"#;

fn digest(scenario: Scenario, from: &str) -> String {
    let curve = RateCurve::Calendar { base_per_second: scenario.base_rate };
    let draft = Draft {
        scenario: Arc::new(scenario),
        seed: 1,
        from: parse_time(from).unwrap(),
        to: parse_time("2025-11-12").unwrap(),
        curve,
        shard: Shard::WHOLE,
        key: SubscriberKey::demo(),
    };
    let mut schedule = Schedule::new(&draft, 3);
    let mut hasher = Sha256::new();
    let mut payload = Vec::new();
    for _ in 0..RECORDS {
        schedule.next(&mut payload).unwrap();
        payload.push(b'\n');
        hasher.update(&payload);
    }
    hasher.finalize().iter().fold(String::new(), |mut hex, byte| {
        write!(hex, "{byte:02x}").unwrap();
        hex
    })
}

#[test]
fn the_built_in_scenarios_keep_their_bytes() {
    let faulty = Scenario::parse("faulty", FAULTY).unwrap();
    for (scenario, from, expected) in [
        (
            Scenario::built_in("default"),
            "2025-11-09",
            "44fd19071ce622115f2f47b989c3d2e35617c4fef634cf9a30339d951a6fc032",
        ),
        (
            Scenario::built_in("kazakhstan"),
            "2025-11-09T12:00:00Z",
            "bc378417ecfcf5b47faa1ddc20027e7e0c46145c0674cd4c188c1e4c867c05b2",
        ),
        (
            Scenario::built_in("lifelike"),
            "2025-11-09T12:00:00Z",
            "82c2ecf887791976bf273ef417c82feecc9b508eecc5a3a6b7e241a950187bd6",
        ),
        (
            faulty,
            "2025-11-09T12:00:00Z",
            "8a721eee11a0552cd275ddf133dbb0ee554a197110cb51e93bc1ca89c9ba709b",
        ),
    ] {
        let name = scenario.name.clone();
        assert_eq!(digest(scenario, from), expected, "{name}");
    }
}
