//! A case for every line of the list of what is a dead letter, and the order of the reasons.

use event_model::DeadReason::*;
use event_model::decode;

use crate::*;

#[test]
fn an_event_type_or_region_that_cannot_be_a_key_is_dead() {
    let (fifty_one, hundred_one) = ("x".repeat(51), "🚀".repeat(101));
    let table = [
        ("event_type", "", Empty),
        ("event_type", &fifty_one, TooLong),
        ("event_type", &"ж".repeat(51), TooLong),
        ("event_type", r"ca\u0000ll", ContainsNul),
        ("event_type", "most_active", ReservedName),
        ("event_type", r"most\u005factive", ReservedName),
        ("region", "", Empty),
        ("region", &hundred_one, TooLong),
        ("region", &r"\u0000".repeat(101), TooLong),
        ("region", r"\u0000", ContainsNul),
        ("region", "ALL", ReservedName),
        ("region", r"\u0041LL", ReservedName),
    ];
    for (field, text, expected) in table {
        check_dead(with(field, &quoted(text)).as_bytes(), expected);
    }
}

#[test]
fn any_other_timestamp_is_dead() {
    let table = [
        ("", TimestampUnparsable),
        ("yesterday", TimestampUnparsable),
        ("2025-11-09T14:30:45", TimestampUnparsable),
        ("2025-11-09t14:30:45Z", TimestampUnparsable),
        ("2025-11-09T14:30:45z", TimestampUnparsable),
        ("2025-11-09T14:30:60Z", TimestampUnparsable),
        ("2025-11-09T24:00:00Z", TimestampUnparsable),
        ("2025-02-29T14:30:45Z", TimestampUnparsable),
        ("2025-11-09T14:30:45.1234567890Z", TimestampUnparsable),
        ("2025-11-09T14:30:45.Z", TimestampUnparsable),
        ("2025-11-09T14:30:45+24:00", TimestampUnparsable),
        ("2025-11-09T14:30:45+23:60", TimestampUnparsable),
        ("2025-11-09T14:30:45+0500", TimestampUnparsable),
        (r"2025-11-09T14:30:45Z\u0000", TimestampUnparsable),
        ("٢٠٢٥-11-09T14:30:45Z", TimestampUnparsable),
        ("1999-12-31T23:59:59.999999999Z", TimestampOutOfRange),
        ("2000-01-01T00:00:00+00:01", TimestampOutOfRange),
        ("2100-01-01T00:00:00Z", TimestampOutOfRange),
        ("2099-12-31T23:59:59-00:01", TimestampOutOfRange),
        ("0000-01-01T00:00:00Z", TimestampOutOfRange),
    ];
    for (text, expected) in table {
        check_dead(with("timestamp", &quoted(text)).as_bytes(), expected);
    }
}

#[test]
fn a_timestamp_in_another_unit_is_dead_and_named_so() {
    let table = [
        ("1762698645", "if these are seconds since 1970, it is 2025-11-09T14:30:45.000000Z"),
        ("1.762698645e9", "if these are seconds since 1970, it is 2025-11-09T14:30:45.000000Z"),
        (
            "1762698645123",
            "if these are milliseconds since 1970, it is 2025-11-09T14:30:45.123000Z",
        ),
        (
            r#""1762698645123456""#,
            "if these are microseconds since 1970, it is 2025-11-09T14:30:45.123456Z",
        ),
        (
            r#""1970-01-21T09:38:18.645Z""#,
            "if seconds were taken for milliseconds, it is 2025-11-09T14:30:45.000000Z",
        ),
        (
            r#""1970-01-01T00:29:22.698645Z""#,
            "if seconds were taken for microseconds, it is 2025-11-09T14:30:45.000000Z",
        ),
        (
            r#""+57827-09-12T16:32:03Z""#,
            "if milliseconds were taken for seconds, it is 2025-11-09T14:30:45.123000Z",
        ),
    ];
    for (value, hint) in table {
        let payload = with("timestamp", value);
        check_dead(payload.as_bytes(), TimestampUnit);
        let detail = decode(payload.as_bytes()).unwrap_err().detail;
        assert!(detail.starts_with(&format!("timestamp is {value}, expected ")), "{detail}");
        assert!(detail.ends_with(hint), "{detail}");
    }
    // No other field is a time, and a count that is no time of the century is only a number.
    check_dead(with("region", "1762698645").as_bytes(), WrongType);
    check_dead(with("timestamp", "-1762698645").as_bytes(), WrongType);
    check_dead(with("timestamp", "946684799").as_bytes(), WrongType);
    check_dead(with("timestamp", r#""946684799""#).as_bytes(), TimestampUnparsable);
}

#[test]
fn numbers_outside_their_bounds_are_dead() {
    let table = [
        ("duration_seconds", "31622401", NumberTooLarge),
        ("duration_seconds", "31622400.0000001", NumberTooLarge),
        ("duration_seconds", "1e400", NumberTooLarge),
        ("duration_seconds", "1e99999999999999999999", NumberTooLarge),
        ("duration_seconds", "0.5", NotWhole),
        ("duration_seconds", "31622399.9999999", NotWhole),
        ("duration_seconds", "1e-400", NotWhole),
        ("data_mb", "100000000.0000001", NumberTooLarge),
        ("data_mb", "100000001", NumberTooLarge),
        ("amount", "1000000000.0000000000000000000001", NumberTooLarge),
        ("amount", "18446744073709551616", NumberTooLarge),
        ("cell_tower_id", "2147483648", NumberTooLarge),
        ("cell_tower_id", "2147483647.5", NumberTooLarge),
        ("cell_tower_id", "1234.5", NotWhole),
    ];
    for (field, value, expected) in table {
        check_dead(with(field, value).as_bytes(), expected);
    }
    for field in NUMBER_FIELDS {
        for value in ["-1", "-0.0000001", "-1e-400", "-1e400", "-1.5"] {
            check_dead(with(field, value).as_bytes(), NegativeNumber);
        }
        for value in ["NaN", "Infinity", "-Infinity", "+1", "01", "1.", ".5", "1e", "0x1", "-"] {
            check_dead(with(field, value).as_bytes(), NotJson);
        }
    }
}

#[test]
fn a_known_field_of_the_wrong_type_is_dead() {
    for field in TEXT_FIELDS {
        for value in ["0", "-1.5e3", "true", "false", "[]", "{}", r#"["x"]"#, r#"{"a":"\ud800"}"#] {
            check_dead(with(field, value).as_bytes(), WrongType);
        }
    }
    for field in NUMBER_FIELDS {
        for value in [r#""600""#, r#""""#, "true", "false", "[]", "{}", "[1]", r#""\ud800""#] {
            check_dead(with(field, value).as_bytes(), WrongType);
        }
    }
}

#[test]
fn a_known_field_twice_is_dead_null_or_not() {
    for (field, usual) in MEMBERS {
        for second in [usual, "null", "[]"] {
            let member = format!("\"{field}\":{second}");
            check_dead(and_then(&member).as_bytes(), DuplicateField);
        }
        let first_is_null = format!("{{\"{field}\":null,{}", &object(MEMBERS)[1..]);
        check_dead(first_is_null.as_bytes(), DuplicateField);
    }
}

#[test]
fn a_lone_surrogate_in_a_known_string_is_dead() {
    for field in TEXT_FIELDS {
        let lone = [r"\ud800", r"\udfff", r"a\uDBFFb", r"\ud800\u0041", r"\udc00\ud800"];
        for text in lone.into_iter().chain([r"\ud800\ud800\udc00", r"\ud83d\ude80\ud83d"]) {
            check_dead(with(field, &quoted(text)).as_bytes(), LoneSurrogate);
        }
    }
}

#[test]
fn what_is_not_utf8_is_dead_wherever_it_stands() {
    let usual = object(MEMBERS).into_bytes();
    let bad_sequences: [&[u8]; 5] =
        [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"];
    for bad in bad_sequences {
        check_dead(bad, NotUtf8);
        check_dead(&[bad, &usual].concat(), NotUtf8);
        check_dead(&[&usual, bad].concat(), NotUtf8);
        // In the middle of an unknown string, of a known one, and after broken JSON.
        let unknown = [&usual[..usual.len() - 1], b",\"new\":\"", bad, b"\"}"].concat();
        check_dead(&unknown, NotUtf8);
        check_dead(&[b"{\"region\":\"", bad, b"\"}"].concat(), NotUtf8);
        check_dead(&[b"nonsense ", bad].concat(), NotUtf8);
    }
}

#[test]
fn what_is_not_one_json_text_is_dead() {
    let usual = object(MEMBERS);
    let table = [
        String::new(),
        " \n".into(),
        "nonsense".into(),
        "{".into(),
        "nul".into(),
        r#"{"a":1"#.into(),
        r#"{"a":1,}"#.into(),
        r#"{"a" 1}"#.into(),
        r#"{a:1}"#.into(),
        r#"{'a':1}"#.into(),
        r#"{1:1}"#.into(),
        r#"{"a":[1,]}"#.into(),
        r#"{"a":[1}"#.into(),
        r#"{"a":"\x41"}"#.into(),
        r#"{"a":"\u00g0"}"#.into(),
        r#"{"a":"\u00"}"#.into(),
        "{\"a\":\"\n\"}".into(),
        "{\"a\":\"\0\"}".into(),
        "{\"a\n\":1}".into(),
        "{\"a\":\u{a0}1}".into(),
        "{\"a\":1}\0".into(),
        "{/* */}".into(),
        "[1,2".into(),
        "[1]]".into(),
        format!("{usual}{usual}"),
        format!("{usual},"),
        format!("{usual} x"),
        format!("\u{feff}{usual}"),
        usual[..usual.len() - 1].to_owned(),
    ];
    for payload in table {
        check_dead(payload.as_bytes(), NotJson);
    }
}

#[test]
fn what_is_json_but_no_object_is_dead() {
    let usual = object(MEMBERS);
    let array = format!("[{usual}]");
    let table = ["null", " true\n", "false", "0", "-1.5e400", r#""""#, r#""\ud800""#, "[]", &array];
    for payload in table {
        check_dead(payload.as_bytes(), NotAnObject);
    }
}

#[test]
fn the_reason_is_the_first_of_the_documented_order() {
    let nothing_right = r#""event_type":"","region":"ALL","timestamp":"","amount":-1"#;
    let table = [
        // Not being JSON comes before every fault of the object.
        (r#"{"region":1,"region":2,"event_id":"\ud800""#, NotJson),
        (r#"{"region":1} {}"#, NotJson),
        // The object's faults come in the order of the text, a duplicate before its type.
        (r#"{"region":1,"amount":1,"amount":2}"#, WrongType),
        (r#"{"amount":1,"amount":"2","region":1}"#, DuplicateField),
        (r#"{"event_id":"\ud800","region":1}"#, LoneSurrogate),
        (r#"{"amount":"\ud800"}"#, WrongType),
        // They come before every fault of a value.
        (&format!("{{{nothing_right},\"msisdn\":7}}"), WrongType),
        // Values come in the order event_type, region, timestamp, numbers.
        (&format!("{{{nothing_right}}}"), Empty),
        (r#"{"timestamp":"","region":"ALL","event_type":"x"}"#, ReservedName),
        (r#"{"amount":-1,"timestamp":"","region":"x","event_type":"x"}"#, TimestampUnparsable),
        // Of one number: sign, bound, wholeness.
        (&with("duration_seconds", "-99999999.5"), NegativeNumber),
        (&with("duration_seconds", "99999999.5"), NumberTooLarge),
    ];
    for (payload, expected) in table {
        check_dead(payload.as_bytes(), expected);
    }

    // Of several numbers: the first in the order duration, volume, amount, tower.
    let bad = [
        ("-1", NegativeNumber),
        ("1e99", NumberTooLarge),
        ("-1", NegativeNumber),
        ("0.5", NotWhole),
    ];
    for (first_bad, (_, expected)) in bad.iter().enumerate() {
        let members = MEMBERS.map(|(name, usual)| {
            let index = NUMBER_FIELDS.iter().position(|field| *field == name);
            (name, index.filter(|index| *index >= first_bad).map_or(usual, |index| bad[index].0))
        });
        check_dead(object(members).as_bytes(), *expected);
    }
}

#[test]
fn a_row_that_could_not_be_mapped_has_a_reason_of_its_own_and_no_event_has() {
    let row = r#"{"not_mapped":"time_missing","detail":"the row names no time","row":"1,2"}"#;
    for (payload, expected) in [
        (row.to_owned(), NotMapped),
        (r#"{"\u006eot_mapped":"x","event_type":null}"#.to_owned(), NotMapped),
        // Only a string says why, and only in place of an event type.
        (r#"{"not_mapped":null}"#.to_owned(), Missing),
        (r#"{"not_mapped":1}"#.to_owned(), Missing),
        (r#"{"not_mapped":"x","event_type":""}"#.to_owned(), Empty),
        (r#"{"not_mapped":"x","event_type":"call"}"#.to_owned(), Missing),
        (r#"{"not_mapped":"x","amount":"1"}"#.to_owned(), WrongType),
    ] {
        check_dead(payload.as_bytes(), expected);
    }
    // An event may have such a member, as it may have any other.
    check_accepted(&and_then(r#""not_mapped":"x","not_mapped":"y""#), &usual_view());
    let detail = decode(row.as_bytes()).unwrap_err().detail;
    assert!(detail.starts_with(r#"not_mapped is "time_missing", expected an event"#), "{detail}");
}

#[test]
fn a_detail_names_the_field_the_value_and_what_was_expected() {
    let table = [
        (with("duration_seconds", "-5"), "duration_seconds is -5, expected a whole number from 0"),
        (with("region", "12"), "region is 12, expected a string or null"),
        (with("region", r#""ALL""#), r#"region is "ALL", expected 1 to 100 characters"#),
        (with("event_type", r#""a\u0000""#), r#"event_type is "a\0", expected 1 to 50 characters"#),
        (with("timestamp", r#""now""#), r#"timestamp is "now", expected YYYY-MM-DDTHH:MM:SS"#),
        (without("timestamp"), "timestamp is absent or null, expected YYYY"),
        (and_then(r#""amount":7"#), "amount is 7, expected the field only once"),
        ("[1]".into(), "payload is [1], expected a JSON object"),
        ("{1}".into(), "payload is {1}, expected one JSON text: key must be a string"),
    ];
    for (payload, expected) in table {
        let detail = decode(payload.as_bytes()).unwrap_err().detail;
        assert!(detail.starts_with(expected), "{detail:?} instead of {expected:?}");
    }
}

#[test]
fn an_object_without_our_fields_is_described_with_the_way_out() {
    let debezium = r#"{"before":null,"after":{"region":"Osh"},"source":{},"op":"c"}"#;
    let both = format!(r#"{{"schema":{{"type":"struct"}},"payload":{debezium}}}"#);
    let many: Vec<String> = (0..500).map(|index| format!(r#""member_{index}":1"#)).collect();
    let many = format!("{{{}}}", many.join(","));
    for (payload, expected) in [
        (
            r#"{"schema":{},"payload":{"region":"Osh"}}"#,
            &["schema, payload", "schemas.enable=false"][..],
        ),
        (debezium, &["before, after, source, op", "ExtractNewRecordState"]),
        (&both, &["schema, payload", "schemas.enable=false", "ExtractNewRecordState"]),
        (
            r#"{"specversion":"1.0","id":"1","type":"t","data":{}}"#,
            &["specversion, id", "binary mode"],
        ),
        (
            r#"{"eventType":"call","Region":"Osh"}"#,
            &["members found: eventType, Region", "eventType is not event_type"],
        ),
        (r#"{"event-type":"call"}"#, &["event-type is not event_type"]),
        ("{}", &["the object is empty"]),
        (&many, &["member_0, member_1, ", "member_9, …"]),
    ] {
        let dead = decode(payload.as_bytes()).unwrap_err();
        assert_eq!(dead.reason, Missing, "{payload}");
        assert!(dead.detail.starts_with("event_type is absent or null, expected 1"), "{dead:?}");
        for part in expected {
            assert!(dead.detail.contains(part), "{part:?} is not in {dead:?}");
        }
        assert!(dead.detail.chars().count() < 800, "{dead:?}");
    }
}

#[test]
fn a_frame_with_something_else_in_it_is_dead() {
    let usual = object(MEMBERS);
    let table: [(&[u8], DeadReason); 7] = [
        (b"\0", NotJson),
        (b"\0\0\0\0", NotJson),
        (b"\0\0\0\0\x07", NotJson),
        (b"\0\0\0\0\x07[]", NotAnObject),
        (b"\0\0\0\0\x07\x08call\xff", NotUtf8),
        (b"\0\0\0\0\x07\0\0\0\0\x07{}", NotJson),
        (b"\x01\0\0\0\x07{}", NotJson),
    ];
    for (payload, expected) in table {
        check_dead(payload, expected);
    }
    for too_few in 1..5 {
        check_dead(&[&[0; 4][..too_few], usual.as_bytes()].concat(), NotJson);
    }
}
