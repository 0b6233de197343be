//! Pairs of ledgers, as two sides may have them, and what is said of each.

use super::*;

fn at(time: &str) -> NaiveDateTime {
    format!("2025-11-09T{time}:00").parse().unwrap()
}

/// A partition of 100 events whose watermark and completeness are these.
fn known(partition: i32, watermark: &str, complete_through: &str) -> Known {
    Known {
        partition,
        watermark: Some(at(watermark)),
        complete_through: Some(at(complete_through)),
        last_record_at: Some(at(complete_through)),
        events: 100,
    }
}

fn quarter(start: &str, partition: i32, on_time: i64, late: i64) -> Quarter {
    Quarter { quarter_start: at(start), partition, on_time, late }
}

/// Compares two ledgers of partitions that are settled up to 12:00.
fn compare(theirs: &[Quarter], ours: &[Quarter]) -> Comparison {
    let known = [0, 1, 2].map(|partition| known(partition, "12:00", "12:00"));
    let mut comparison = Comparison::new(&known, &known, None);
    let (mut theirs, mut ours) = (theirs.to_vec().into(), ours.to_vec().into());
    while let Some(pair) = next_pair(&mut theirs, &mut ours) {
        comparison.quarter(pair);
    }
    comparison
}

fn of_quarter(start: &str, partition: i32, theirs: i64, ours: i64) -> Difference {
    let what = What::Quarter { start: at(start), is_late_alone: false };
    Difference { partition, what, theirs, ours }
}

#[test]
fn equal_ledgers_have_no_difference_and_say_how_much_that_was() {
    // Of which some were late on one side and in time on the other: their settings may differ.
    let theirs = [quarter("10:00", 0, 7, 0), quarter("10:00", 1, 5, 1), quarter("10:15", 0, 3, 0)];
    let ours = [quarter("10:00", 0, 6, 1), quarter("10:00", 1, 5, 1), quarter("10:15", 0, 3, 0)];
    let comparison = compare(&theirs, &ours);
    assert_eq!((comparison.total, comparison.listed.len()), (0, 0));
    assert_eq!((comparison.quarters, comparison.events), (2, (16, 16)));
    assert_eq!(comparison.compared, [0, 1]);
    assert_eq!(comparison.through(), Some((0, at("12:00"))));
    assert!(!comparison.is_empty());
}

#[test]
fn what_was_skipped_or_doubled_is_named_by_quarter_and_partition() {
    let theirs = [
        quarter("10:00", 0, 7, 0),
        quarter("10:00", 2, 4, 0),
        quarter("10:15", 1, 9, 0),
        quarter("10:30", 0, 1, 2),
    ];
    let ours = [
        quarter("10:00", 0, 5, 0),
        quarter("10:00", 2, 4, 0),
        quarter("10:15", 0, 2, 0),
        quarter("10:15", 1, 12, 0),
    ];
    let comparison = compare(&theirs, &ours);
    let expected = [
        of_quarter("10:00", 0, 7, 5),
        of_quarter("10:15", 0, 0, 2),
        of_quarter("10:15", 1, 9, 12),
        of_quarter("10:30", 0, 3, 0),
    ];
    assert_eq!(comparison.listed, expected);
    assert_eq!((comparison.total, comparison.late_alone), (4, 0));
    assert_eq!((comparison.skipped, comparison.doubled), (5, 5));
}

#[test]
fn a_difference_in_late_events_alone_is_marked() {
    let comparison = compare(&[quarter("10:00", 0, 7, 2)], &[quarter("10:00", 0, 7, 1)]);
    let what = What::Quarter { start: at("10:00"), is_late_alone: true };
    assert_eq!(comparison.listed, [Difference { partition: 0, what, theirs: 9, ours: 8 }]);
    assert_eq!(comparison.late_alone, 1);
}

#[test]
fn a_quarter_counts_once_it_is_settled_on_both_sides() {
    // (theirs, ours: watermark and completeness; up to when both are settled)
    for (theirs, ours, expected) in [
        // The mirror is behind, or the site's own streamer is.
        (("11:20", "11:20"), ("10:40", "10:40"), "10:40"),
        (("10:40", "10:40"), ("11:20", "11:20"), "10:40"),
        // The mirror is behind and its streamer has read all that there is: it is complete by what it knows alone.
        (("11:20", "11:20"), ("10:40", "13:00"), "10:40"),
        // Nothing comes any more, and both have met the same.
        (("11:20", "13:00"), ("11:20", "12:50"), "12:50"),
    ] {
        let [theirs, ours] =
            [theirs, ours].map(|(watermark, through)| [known(0, watermark, through)]);
        let mut comparison = Comparison::new(&theirs, &ours, None);
        // A quarter that ends by then differs, one that ends a minute later is not looked at.
        for minutes in [0, 1] {
            let quarter_start = at(expected) - QUARTER + TimeDelta::minutes(minutes);
            let [theirs, ours] =
                [1, 2].map(|on_time| Quarter { quarter_start, partition: 0, on_time, late: 0 });
            comparison.quarter(Pair { theirs, ours });
        }
        assert_eq!((comparison.total, comparison.quarters), (1, 1), "{theirs:?} {ours:?}");
        assert_eq!(comparison.through(), Some((0, at(expected))), "{theirs:?} {ours:?}");
    }
}

#[test]
fn what_was_asked_for_and_is_not_settled_is_not_equal() {
    let theirs = [known(0, "11:00", "11:00"), known(1, "11:00", "11:00")];
    let ours = [known(0, "11:00", "11:00"), known(1, "10:30", "10:30")];
    // (up to when, the partitions that are not settled up to there)
    for (until, open) in [("10:30", &[][..]), ("10:45", &[1]), ("11:00", &[1]), ("11:15", &[0, 1])]
    {
        let comparison = Comparison::new(&theirs, &ours, Some(at(until)));
        assert_eq!(comparison.open, open, "{until}");
        assert_eq!(comparison.is_equal(), open.is_empty(), "{until}");
    }
    assert!(Comparison::new(&theirs, &ours, None).is_equal());
}

#[test]
fn the_partition_that_is_behind_is_named() {
    let theirs = [known(0, "11:00", "11:00"), known(1, "11:00", "11:00")];
    let ours = [known(0, "11:00", "11:00"), known(1, "10:30", "10:30")];
    let mut comparison = Comparison::new(&theirs, &ours, None);
    for partition in [0, 1] {
        let row = quarter("10:00", partition, 1, 0);
        comparison.quarter(Pair { theirs: row, ours: row });
    }
    assert_eq!(comparison.through(), Some((1, at("10:30"))));
}

#[test]
fn a_partition_of_which_one_side_has_nothing_is_a_difference() {
    let nothing = Known { partition: 1, complete_through: Some(at("12:00")), ..Known::default() };
    let full = |partition| known(partition, "12:00", "12:00");
    // (theirs, ours, theirs and ours of the difference); there may be no row at all
    for (theirs, ours, expected) in [
        (vec![full(0), full(1)], vec![full(0)], Some((100, 0))),
        (vec![full(0), full(1)], vec![full(0), nothing.clone()], Some((100, 0))),
        (vec![full(0)], vec![full(0), full(1)], Some((0, 100))),
        // A new partition that nobody has written to, and that one side has not met yet.
        (vec![full(0), nothing.clone()], vec![full(0)], None),
        (vec![full(0), nothing.clone()], vec![full(0), nothing.clone()], None),
    ] {
        let comparison = Comparison::new(&theirs, &ours, None);
        let of_partition =
            |(theirs, ours)| Difference { partition: 1, what: What::Partition, theirs, ours };
        let expected: Vec<Difference> = expected.map(of_partition).into_iter().collect();
        assert_eq!(comparison.listed, expected, "{theirs:?} {ours:?}");
        assert_eq!(comparison.not_yet, [] as [i32; 0]);
    }
}

#[test]
fn nothing_that_is_not_settled_is_taken_for_equal() {
    let open = Known { watermark: None, complete_through: None, ..known(0, "12:00", "12:00") };
    let mut comparison = Comparison::new(&[known(0, "12:00", "12:00")], &[open], None);
    let row = quarter("10:00", 0, 1, 0);
    comparison.quarter(Pair { theirs: row, ours: row });
    assert_eq!(comparison.not_yet, [0]);
    assert!(comparison.is_empty());
    assert!(Comparison::new(&[], &[], None).is_empty());
}

#[test]
fn dead_letters_are_compared_up_to_what_both_sides_have_read() {
    let mut theirs = [known(0, "12:00", "12:00"), known(1, "12:00", "12:00")];
    let mut ours = theirs.clone();
    ours[0].last_record_at = Some(at("11:00"));
    theirs[1].last_record_at = None;
    let mut comparison = Comparison::new(&theirs, &ours, None);
    assert_eq!(comparison.letters_before(at("13:00")), [(0, at("11:00"))]);
    assert_eq!(comparison.letters_before(at("10:00")), [(0, at("10:00"))]);
    comparison.dead_letters(0, 3, 3);
    assert_eq!((comparison.total, comparison.is_empty()), (0, false));
    comparison.dead_letters(1, 3, 1);
    let expected = Difference { partition: 1, what: What::DeadLetters, theirs: 3, ours: 1 };
    assert_eq!((comparison.listed.as_slice(), comparison.letters), (&[expected][..], (6, 4)));
}

#[test]
fn differences_beyond_the_bound_are_counted_and_not_listed() {
    let rows: Vec<Quarter> = (0..DIFFERENCES_LISTED_MAX as i32 + 2)
        .map(|partition| quarter("10:00", partition, 1, 0))
        .collect();
    let known: Vec<Known> = rows.iter().map(|row| known(row.partition, "12:00", "12:00")).collect();
    let mut comparison = Comparison::new(&known, &known, None);
    let (mut theirs, mut ours) = (rows.into(), VecDeque::new());
    while let Some(pair) = next_pair(&mut theirs, &mut ours) {
        comparison.quarter(pair);
    }
    assert_eq!(comparison.listed.len(), DIFFERENCES_LISTED_MAX);
    assert_eq!((comparison.total, comparison.skipped), (102, 102));
}
