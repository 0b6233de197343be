//! What is kept of an event beside what is counted: numbers that were absent, and unknown members.

use event_model::{decode, decode_whole};

use crate::{MEMBERS, object, usual_view};

#[test]
fn unknown_members_are_kept_as_they_are_written_and_in_their_order() {
    let usual = || MEMBERS.into_iter();
    for (before, after, expected) in [
        (vec![], vec![], None),
        (vec![], vec![("imei", "\"35\"")], Some(r#"{"imei":"35"}"#)),
        (
            vec![("a", "1")],
            vec![("b", "[{\"c\": 2}, null]")],
            Some(r#"{"a":1,"b":[{"c": 2}, null]}"#),
        ),
        // Names that need escapes, that stand twice, and one that only looks like a known one.
        (vec![("\\u0061", "1"), ("a", "2")], vec![("Region", "true")], {
            Some(r#"{"\u0061":1,"a":2,"Region":true}"#)
        }),
        (vec![("", "\"\"")], vec![], Some(r#"{"":""}"#)),
    ] {
        let json = object(before.iter().copied().chain(usual()).chain(after.iter().copied()));
        let whole = decode_whole(json.as_bytes()).unwrap();
        assert_eq!(whole.others.as_deref(), expected, "{json}");
        assert_eq!(whole.view, usual_view(), "{json}");
        assert_eq!(Ok(whole.view), decode(json.as_bytes()));
    }
}

#[test]
fn whitespace_around_unknown_members_changes_nothing_but_itself() {
    let json = r#" { "event_type" : "sms" , "x" : 1 , "region":"Osh", "timestamp":"2025-11-09T00:00:00Z" } "#;
    let whole = decode_whole(json.as_bytes()).unwrap();
    assert_eq!(whole.others.as_deref(), Some(r#"{"x" : 1}"#));
}

#[test]
fn a_number_that_is_absent_or_null_is_told_from_a_zero() {
    let head = r#""event_type":"sms","region":"Osh","timestamp":"2025-11-09T00:00:00Z""#;
    for (rest, expected) in [
        ("", [false; 3]),
        (r#","duration_seconds":null,"data_mb":null,"amount":null"#, [false; 3]),
        (r#","duration_seconds":0,"data_mb":0,"amount":0"#, [true; 3]),
        (r#","data_mb":0.5"#, [false, true, false]),
    ] {
        let json = format!("{{{head}{rest}}}");
        let whole = decode_whole(json.as_bytes()).unwrap();
        assert_eq!([whole.has_duration, whole.has_data, whole.has_amount], expected, "{rest}");
    }
}

#[test]
fn what_cannot_be_used_is_refused_for_the_same_reason() {
    for payload in [&b"\xff"[..], b"{", b"[]", b"{}", br#"{"event_type":""}"#] {
        assert_eq!(decode_whole(payload).unwrap_err(), decode(payload).unwrap_err());
    }
    let framed = [&[0, 0, 0, 0, 9][..], object(MEMBERS).as_bytes()].concat();
    assert_eq!(decode_whole(&framed).unwrap().view, usual_view());
}
