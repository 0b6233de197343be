//! What is kept of a record that can't be used has no number in it, is JSON if it was, and its ids and times are as they were.

use event_model::mask_payload;
use proptest::prelude::*;

const LEFT_ALONE: [&str; 4] = ["timestamp", "event_id", "subscriber_id", "counterparty_id"];

/// Digits of a number, of eleven digits.
fn number() -> impl Strategy<Value = String> {
    "7701[0-9]{7}"
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_number_is_left_and_json_stays_json(
        number in number(),
        name in "[a-z_]{1,12}",
        id in "[0-9a-f]{8}-[0-9]{4}-4[0-9]{3}-8[0-9]{3}-[0-9]{12}",
        pseudonym in "[0-9]{16}|[0-9a-f]{16}",
        depth in 0_usize..4,
        is_quoted in any::<bool>(),
    ) {
        prop_assume!(!LEFT_ALONE.contains(&name.as_str()));
        prop_assume!(!["ts_ms", "ts_us", "ts_ns", "lsn", "xmin"].contains(&name.as_str()));
        let value = if is_quoted { format!("\"{number}\"") } else { number.clone() };
        let mut payload = format!(
            r#"{{"event_id":"{id}","timestamp":"1762698645123","subscriber_id":"{pseudonym}","{name}":{value}}}"#
        );
        for _ in 0..depth {
            payload = format!(r#"{{"payload": [{payload}, "{number}"]}}"#);
        }
        let masked = String::from_utf8(mask_payload(payload.as_bytes()).into_owned()).unwrap();
        prop_assert!(!masked.contains(&number), "{masked}");
        prop_assert!(serde_json::from_str::<serde_json::Value>(&masked).is_ok(), "{masked}");
        for kept in [id.as_str(), "\"1762698645123\"", &format!("\"{pseudonym}\"")] {
            prop_assert!(masked.contains(kept), "{masked} without {kept}");
        }
        // Masking what is masked changes nothing.
        prop_assert_eq!(mask_payload(masked.as_bytes()).into_owned(), masked.as_bytes());
    }

    #[test]
    fn no_number_is_left_of_a_text_of_avro_and_no_length_changes(
        number in number(),
        // Odd: none is the length of a text that reaches into the number.
        before in prop::collection::vec(any::<u8>().prop_map(|byte| byte | 1), 0..40),
        after in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let framed = [&[0, 0, 0, 0, 7][..], &before, &[22], number.as_bytes(), &after].concat();
        let masked = mask_payload(&framed);
        let is_left = masked.windows(number.len()).any(|window| window == number.as_bytes());
        prop_assert!(!is_left || after.windows(number.len()).any(|window| window == number.as_bytes()));
        prop_assert_eq!(masked.len(), framed.len());
    }

    #[test]
    fn any_bytes_can_be_masked_and_only_digits_change(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let masked = mask_payload(&bytes);
        let letters = |bytes: &[u8]| -> Vec<u8> {
            bytes.iter().copied().filter(|byte| !byte.is_ascii_digit() && !matches!(byte, b'*' | b'"')).collect()
        };
        prop_assert_eq!(letters(&masked), letters(&bytes));
    }
}
