//! `decode` always agrees with a naive second decoder, in its values and in its reasons.

mod answer;
mod generator;
mod naive;

use std::collections::BTreeMap;

use event_model::DeadReason;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use answer::answer_of_decode;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn both_decoders_give_the_same_answer(payload in generator::payload()) {
        let shown = String::from_utf8_lossy(&payload);
        prop_assert_eq!(answer_of_decode(&payload), naive::decode(&payload), "{}", shown);
    }

    #[test]
    fn both_give_the_same_answer_to_what_programs_write(
        payload in generator::payload_as_programs_write_it()
    ) {
        let shown = String::from_utf8_lossy(&payload);
        prop_assert_eq!(answer_of_decode(&payload), naive::decode(&payload), "{}", shown);
    }
}

/// Agreement means little if the inputs are all refused for the same reason.
#[test]
fn the_generator_reaches_every_reason_and_acceptance() {
    const PAYLOADS: u32 = 10_000;
    let mut runner = TestRunner::deterministic();
    let payloads = generator::payload();
    let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
    for _ in 0..PAYLOADS {
        let payload = payloads.new_tree(&mut runner).unwrap().current();
        let answer = naive::decode(&payload);
        *counts.entry(answer.err().map_or("accepted", DeadReason::code)).or_default() += 1;
    }

    let reasons_of_decode = [
        DeadReason::NotUtf8,
        DeadReason::NotJson,
        DeadReason::NotAnObject,
        DeadReason::DuplicateField,
        DeadReason::WrongType,
        DeadReason::LoneSurrogate,
        DeadReason::Missing,
        DeadReason::NotMapped,
        DeadReason::Empty,
        DeadReason::TooLong,
        DeadReason::ContainsNul,
        DeadReason::ReservedName,
        DeadReason::TimestampUnparsable,
        DeadReason::TimestampOutOfRange,
        DeadReason::TimestampUnit,
        DeadReason::NegativeNumber,
        DeadReason::NumberTooLarge,
        DeadReason::NotWhole,
    ];
    for reason in reasons_of_decode {
        let count = counts.get(reason.code()).copied().unwrap_or(0);
        assert!(count >= PAYLOADS / 500, "{reason}: {counts:?}");
    }
    assert!(counts["accepted"] >= PAYLOADS / 4, "{counts:?}");
}
