//! Faults don't take repeatability away: ranges, shards and order hold with all of them switched on.

use std::ops::Range;

use super::*;
use crate::Shard;
use crate::testing::{self, NOON, after_noon};

const FAULTY: &str = r#"
extends = "kazakhstan"
subscribers = 2_000
base_rate = 5
[faults]
late = { share = 0.05, seconds = [130, 1_800] }
out_of_order = { share = 0.1, seconds = [1, 100] }
duplicate = { share = 0.05, seconds = [0, 600] }
malformed = { share = 0.05 }
skewed_clocks = { share = 0.1, seconds = [-600, 200] }
silent_partitions = [{ partition = 0, from = "2025-11-09T12:05:00Z", to = "2025-11-09T12:10:00Z" }]
"#;

fn draft(seconds: Range<i64>, shard: Shard) -> Draft {
    testing::draft(FAULTY, seconds, shard)
}

type Sent = (EventTime, Option<Vec<u8>>);

fn sent(draft: &Draft) -> Vec<Sent> {
    let mut schedule = Schedule::new(draft, 3);
    let mut payload = Vec::new();
    let next = || {
        let record = schedule.next(&mut payload)?;
        Some((record.due, record.has_payload.then(|| payload.clone())))
    };
    std::iter::from_fn(next).collect()
}

#[test]
fn ranges_that_meet_send_together_what_the_whole_sends() {
    let whole = sent(&draft(0..1_200, Shard::WHOLE));
    assert!(whole.len() > 5_000, "{}", whole.len());
    for middle in [1, 599, 600, 1_111] {
        let mut parts = sent(&draft(0..middle, Shard::WHOLE));
        parts.extend(sent(&draft(middle..1_200, Shard::WHOLE)));
        assert!(parts == whole, "cut at {middle} s: {} of {}", parts.len(), whole.len());
    }
}

#[test]
fn shards_send_together_what_one_sends_alone() {
    let mut whole = sent(&draft(0..600, Shard::WHOLE));
    let shards = (0..3).map(|index| Shard { index, of: 3 });
    let mut union: Vec<Sent> = shards.flat_map(|shard| sent(&draft(0..600, shard))).collect();
    union.sort();
    whole.sort();
    assert!(union == whole, "{} of {}", union.len(), whole.len());
}

#[test]
fn letters_come_in_the_order_in_which_they_are_due() {
    let whole = sent(&draft(0..1_200, Shard::WHOLE));
    let span = NOON..after_noon(1_200);
    assert!(whole.is_sorted_by_key(|(due, _)| *due));
    assert!(whole.iter().all(|(due, _)| span.contains(due)));
}

#[test]
fn a_silent_partition_gets_nothing_and_the_others_everything() {
    let mut schedule = Schedule::new(&draft(0..1_200, Shard::WHOLE), 3);
    let mut payload = Vec::new();
    let mut counts = [[0; 2]; 3];
    while let Some(record) = schedule.next(&mut payload) {
        let is_in_span = (300..600).contains(&((record.due.micros() - NOON.micros()) / 1_000_000));
        counts[record.partition as usize][usize::from(is_in_span)] += 1;
    }
    assert_eq!(counts[0][1], 0);
    assert!(counts.iter().all(|count| count[0] > 500), "{counts:?}");
    assert!(counts[1][1] > 100 && counts[2][1] > 100 && schedule.withheld()[0] > 100, "{counts:?}");
}

#[test]
fn faults_hit_the_share_that_they_are_given() {
    let mut schedule = Schedule::new(&draft(0..3_600, Shard::WHOLE), 3);
    let mut payload = Vec::new();
    let (mut total, mut late, mut displaced, mut copied, mut malformed) = (0.0, 0.0, 0.0, 0.0, 0.0);
    while let Some(record) = schedule.next(&mut payload) {
        if record.is_copy {
            continue;
        }
        let one_if = |hit: bool| f64::from(u8::from(hit));
        total += 1.0;
        late += one_if(record.fate.late_seconds.is_some());
        displaced += one_if(record.fate.out_of_order_seconds.is_some());
        copied += one_if(record.fate.copied_after_seconds.is_some());
        malformed += one_if(record.fate.malformed.is_some());
    }
    for (name, hits, share) in [
        ("late", late, 0.05),
        ("out of order", displaced, 0.1),
        ("duplicate", copied, 0.05),
        ("malformed", malformed, 0.05),
    ] {
        // Five standard deviations.
        let tolerance = 5.0 * f64::sqrt(share / total);
        assert!((hits / total - share).abs() < tolerance, "{name}: {hits} of {total}");
    }
}

#[test]
fn what_waits_takes_72_bytes_as_the_documentation_says() {
    assert_eq!(size_of::<Waiting>(), 72);
}
