//! Any bytes: `decode` gives the answer of the naive second decoder, which shares no code with it.

#![no_main]

#[path = "../../crates/event-model/tests/agreement/answer.rs"]
mod answer;
#[path = "../../crates/event-model/tests/agreement/naive/mod.rs"]
mod naive;

use libfuzzer_sys::fuzz_target;

/// The naive decoder recurses as deep as its input; `decode` refuses at 128.
const BRACKETS_MAX: usize = 100;

fuzz_target!(|payload: &[u8]| {
    let brackets = payload.iter().filter(|byte| matches!(byte, b'[' | b'{')).count();
    if brackets > BRACKETS_MAX {
        let _: Result<_, _> = event_model::decode(payload);
        return;
    }
    assert_eq!(answer::answer_of_decode(payload), naive::decode(payload));
});
