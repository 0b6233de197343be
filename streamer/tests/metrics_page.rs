//! docs/metrics.md has this program's metrics as the code describes them; with `UPDATE_DOCS=1` it is
//! written instead.
#![allow(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::collections::BTreeSet;
use std::fs;

use streamer::METRICS;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");

#[test]
fn the_page_lists_what_the_code_describes() {
    let page = fs::read_to_string(PAGE).unwrap();
    let section = runtime::metrics_section("streamer", METRICS);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(PAGE, runtime::with_metrics_section(&page, &section)).unwrap();
        return;
    }
    assert!(page.contains(&section), "docs/metrics.md must have:\n{section}");
}

#[test]
fn names_differ_belong_to_the_program_and_end_in_their_unit() {
    let names: BTreeSet<&str> = METRICS.iter().map(|metric| metric.name).collect();
    assert_eq!(names.len(), METRICS.len());
    for name in names {
        let is_ours = ["streamer_", "pipeline_"].iter().any(|prefix| name.starts_with(prefix));
        let units =
            ["_total", "_seconds", "_info", "_events", "_records", "_held", "_read", "_halted"];
        let others = [
            "pipeline_verdict",
            "pipeline_yesterday_computed",
            "pipeline_stale_dates",
            "pipeline_open_anomalies",
            "pipeline_detection_series",
        ];
        let has_unit = units.iter().any(|unit| name.ends_with(unit)) || others.contains(&name);
        assert!(is_ours && has_unit, "{name}");
    }
}
