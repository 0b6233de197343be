//! What is counted, how exactly, and that nothing but the subscribers decides the estimate.

use std::borrow::Cow;

use event_model::EventTime;
use proptest::prelude::*;

use super::*;

/// 2025-11-09T18:59:00Z: the last minute of that day in Almaty.
const LAST_MINUTE: EventTime = EventTime::from_micros(1_762_714_740_000_000);
const ALMATY: Tz = chrono_tz::Asia::Almaty;

fn event<'a>(subscriber_id: Option<&'a str>, msisdn: Option<&'a str>) -> EventView<'a> {
    EventView {
        subscriber_id: subscriber_id.map(Cow::Borrowed),
        msisdn: msisdn.map(Cow::Borrowed),
        ..EventView::new("call", "Almaty", LAST_MINUTE)
    }
}

/// A pseudonym as the producer makes them.
fn pseudonym(number: u64) -> String {
    // SplitMix64: every number gives another one.
    let mixed = number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    format!("{:016x}", mixed ^ (mixed >> 31))
}

fn sketch_of(numbers: impl IntoIterator<Item = u64>) -> SubscriberSketch {
    let mut sketch = SubscriberSketch::default();
    for number in numbers {
        sketch.add_event(&event(Some(&pseudonym(number)), None));
    }
    sketch
}

fn union_of<'a>(sketches: impl IntoIterator<Item = &'a SubscriberSketch>) -> SubscriberUnion {
    let mut union = SubscriberUnion::default();
    sketches.into_iter().for_each(|sketch| union.add(sketch));
    union
}

/// As if a flush had stored it and the next one had read it.
fn stored(union: &SubscriberUnion) -> SubscriberSketch {
    SubscriberSketch::from_stored(&union.to_stored()).unwrap()
}

/// The registers, or the subscribers themselves while they are few, without any trace of the order.
fn registers(sketch: &SubscriberSketch) -> HllSketch {
    let mut union = HllUnion::new(LG_REGISTERS).unwrap();
    // The first union may keep the order's trace, a second one drops it.
    union.update(&sketch.registers);
    union.update(&sketch.registers);
    union.to_sketch(HllType::Hll8)
}

#[test]
fn an_event_is_covered_by_subscriber_id_else_by_msisdn_else_not_at_all() {
    // (subscriber_id, msisdn, covered by subscriber_id, covered by msisdn)
    for (subscriber_id, msisdn, by_subscriber_id, by_msisdn) in [
        (Some("a"), Some("b"), 1, 0),
        (Some("a"), None, 1, 0),
        (None, Some("b"), 0, 1),
        (None, None, 0, 0),
        // An empty name names nobody.
        (Some(""), Some("b"), 0, 1),
        (Some("a"), Some(""), 1, 0),
        (Some(""), Some(""), 0, 0),
    ] {
        let mut sketch = SubscriberSketch::default();
        sketch.add_event(&event(subscriber_id, msisdn));
        let covered = (sketch.events_by_subscriber_id, sketch.events_by_msisdn);
        assert_eq!(covered, (by_subscriber_id, by_msisdn), "{subscriber_id:?}, {msisdn:?}");
        assert_eq!(sketch.estimate(), sketch.events(), "{subscriber_id:?}, {msisdn:?}");
    }
}

#[test]
fn a_window_is_counted_with_the_business_day_of_its_start() {
    let mut subscribers = Subscribers::default();
    for (minutes, zone) in [(0, ALMATY), (1, ALMATY), (1, Tz::UTC), (0, ALMATY), (0, ALMATY)] {
        let event_time = LAST_MINUTE.plus_micros(minutes * 60_000_000);
        let event = EventView { event_time, ..event(Some("a"), None) };
        let place = subscribers.place_of(Window::containing(event_time), &event, zone);
        subscribers.add_event(place, &event);
    }
    let mut days: Vec<(String, &str, i64)> = subscribers
        .iter()
        .map(|(group, sketch)| (group.date.to_string(), group.zone.name(), sketch.events()))
        .collect();
    days.sort_unstable();
    let expected = [
        ("2025-11-09".to_owned(), "Asia/Almaty", 3),
        ("2025-11-09".to_owned(), "UTC", 1),
        ("2025-11-10".to_owned(), "Asia/Almaty", 1),
    ];
    assert_eq!(days, expected);
}

#[test]
fn events_without_a_subscriber_make_no_row() {
    let mut subscribers = Subscribers::default();
    let nobody = event(None, None);
    let place = subscribers.place_of(Window::containing(LAST_MINUTE), &nobody, ALMATY);
    subscribers.add_event(place, &nobody);
    assert_eq!(subscribers.iter().count(), 0);
    assert!(subscribers.bytes() > 0, "but they do take memory");
}

#[test]
fn memory_is_counted_as_a_sketch_grows() {
    let mut subscribers = Subscribers::default();
    let somebody = event(None, None);
    let place = subscribers.place_of(Window::containing(LAST_MINUTE), &somebody, ALMATY);
    let mut before = subscribers.bytes();
    for number in 0..10_000 {
        subscribers.add_event(place, &event(Some(&pseudonym(number)), None));
        assert!(subscribers.bytes() >= before, "{number}");
        before = subscribers.bytes();
    }
    // One register of a byte each, and what a sketch takes beside them.
    let expected = BYTES_OF_AN_ENTRY + "call".len() + "Almaty".len() - 32 + (1 << LG_REGISTERS);
    assert_eq!(subscribers.bytes(), expected);
}

/// From 10 to 1,000,000 subscribers, several populations of each size.
///
/// The bound is the theory's: a standard error of 1.04 / √4096, times 5. A right sketch exceeds it
/// once in 1.7 million estimates, and these populations are always the same ones.
#[test]
fn estimates_are_within_five_standard_errors_of_the_exact_number() {
    const STANDARD_ERROR: f64 = 1.04 / 64.0;
    const POPULATIONS: u64 = 8;
    for size in [10, 100, 384, 385, 1_000, 3_000, 10_000, 20_000, 100_000, 1_000_000] {
        let mut sum_of_errors = 0.0;
        for population in 0..POPULATIONS {
            let first = population * 10_000_000;
            let sketch = sketch_of(first..first + size);
            let estimate = stored(&union_of([&sketch])).estimate();
            let error = estimate as f64 / size as f64 - 1.0;
            if size <= 384 {
                assert_eq!(estimate, size as i64, "few are remembered one by one");
            }
            assert!(error.abs() <= 5.0 * STANDARD_ERROR, "{size}: {estimate}");
            sum_of_errors += error;
        }
        // No bias either: the mean of n estimates errs √n times less.
        let mean = sum_of_errors / POPULATIONS as f64;
        let bound = 5.0 * STANDARD_ERROR / (POPULATIONS as f64).sqrt();
        assert!(mean.abs() <= bound, "{size}: biased by {mean}");
    }
}

/// What a case does with one population.
#[derive(Clone, Debug)]
struct Split {
    /// Numbers of subscribers, with repetitions, in the order of their events.
    events: Vec<u64>,
    /// By event: which partition it comes from, and whether a flush follows it.
    course: Vec<(usize, bool)>,
}

fn split() -> impl Strategy<Value = Split> {
    let sizes = prop_oneof![1..30_u64, 300..500_u64, 1_000..40_000_u64];
    let events = sizes.prop_flat_map(|size| prop::collection::vec(0..size, 0..3_000));
    events.prop_flat_map(|events| {
        let flush = prop::bool::weighted(0.01);
        let course = prop::collection::vec((0..4_usize, flush), events.len());
        (Just(events), course).prop_map(|(events, course)| Split { events, course })
    })
}

/// Merges as the pipeline does: a sketch for each partition and flush, then into the stored one.
fn merged_by_flushes(split: &Split) -> SubscriberUnion {
    let mut row = union_of([]);
    let mut deltas = vec![SubscriberSketch::default(); 4];
    for (number, (partition, flush)) in split.events.iter().zip(&split.course) {
        deltas[*partition].add_event(&event(Some(&pseudonym(*number)), None));
        if *flush {
            let taken = std::mem::replace(&mut deltas, vec![SubscriberSketch::default(); 4]);
            row = union_of([&stored(&row)].into_iter().chain(&taken));
        }
    }
    union_of([&stored(&row)].into_iter().chain(&deltas))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    /// The estimate is a function of the registers, and these of the set of subscribers: neither
    /// their order nor their way through partitions and flushes has a part in it.
    #[test]
    fn any_split_and_any_order_gives_the_same_registers_and_the_same_estimate(split in split()) {
        let mut sorted = split.events.clone();
        sorted.sort_unstable();
        let at_once = union_of([&sketch_of(sorted)]);
        let by_flushes = merged_by_flushes(&split);
        prop_assert_eq!(by_flushes.events(), split.events.len() as i64);
        prop_assert_eq!(by_flushes.estimate(), at_once.estimate());
        let composite = |union: &SubscriberUnion| union.registers.composite_estimate().to_bits();
        prop_assert_eq!(composite(&by_flushes), composite(&at_once));
        prop_assert!(registers(&stored(&by_flushes)) == registers(&stored(&at_once)));
        // The form in which it is stored loses nothing.
        prop_assert_eq!(stored(&by_flushes).estimate(), by_flushes.estimate());
    }
}

#[test]
fn damage_to_any_byte_is_found() {
    for size in [1, 5, 100, 384, 5_000] {
        let good = union_of([&sketch_of(0..size)]).to_stored();
        for index in 0..good.bytes.len() {
            let mut damaged = good.clone();
            damaged.bytes[index] ^= 1 << (index % 8);
            let error = SubscriberSketch::from_stored(&damaged).unwrap_err();
            assert!(matches!(error, SketchError::ChecksumDiffers { .. }), "{size}, byte {index}");
        }
        let mut shorter = good.clone();
        shorter.bytes.pop();
        assert!(SubscriberSketch::from_stored(&shorter).is_err(), "{size}");
    }
}

#[test]
fn a_sketch_that_was_never_ours_is_refused_even_with_a_right_checksum() {
    let with_right_checksum = |bytes: Vec<u8>| {
        let crc = crc32fast::hash(&bytes);
        StoredSketch { bytes, crc, events_by_subscriber_id: 1, events_by_msisdn: 0 }
    };
    let coarse = HllSketch::new(11, HllType::Hll8).unwrap().serialize();
    for (bytes, expected) in [
        (b"no sketch".to_vec(), "can't be read"),
        (Vec::new(), "can't be read"),
        (coarse, "2^11 registers instead of 2^12"),
    ] {
        let error = SubscriberSketch::from_stored(&with_right_checksum(bytes)).unwrap_err();
        assert!(error.to_string().contains(expected), "{error}");
    }
}

/// Stored sketches outlive the versions of the crate that made them: the hash of a name and the form
/// in which a sketch is stored must never change.
#[test]
fn the_stored_form_is_what_it_was() {
    let few = union_of([&sketch_of(0..3)]).to_stored();
    let hex: String = few.bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "0201070c03080300dde718058c78371143f5f007");
    // (subscribers, bytes, CRC-32)
    for (size, bytes, crc) in
        [(100, 412, 0x9bd29435), (384, 1_548, 0xf83819bf), (100_000, 2_092, 0xf663f3ef)]
    {
        let stored = union_of([&sketch_of(0..size)]).to_stored();
        assert_eq!((stored.bytes.len(), stored.crc), (bytes, crc), "{size}");
    }
}
