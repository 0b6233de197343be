//! A case for every line of the list of what readers accept.

use event_model::DeadReason::{DuplicateField, Missing};
use event_model::{EventTime, EventView};

use crate::*;

#[test]
fn the_usual_event_is_accepted() {
    check_accepted(&object(MEMBERS), &usual_view());
}

#[test]
fn only_event_type_region_and_timestamp_are_needed() {
    let bare = EventView::new("call", "Almaty", usual_view().event_time);
    let needed = |name: &str| matches!(name, "event_type" | "region" | "timestamp");
    check_accepted(&object(MEMBERS.into_iter().filter(|(name, _)| needed(name))), &bare);
    let nulls = MEMBERS.map(|(name, value)| (name, if needed(name) { value } else { "null" }));
    check_accepted(&object(nulls), &bare);

    for field in ["event_type", "region", "timestamp"] {
        check_dead(without(field).as_bytes(), Missing);
        check_dead(with(field, "null").as_bytes(), Missing);
    }
    check_dead(b"{}", Missing);
}

#[test]
fn any_order_whitespace_and_unknown_field_is_accepted() {
    let usual = object(MEMBERS);
    let table = [
        object(MEMBERS.into_iter().rev()),
        format!(" \t\r\n{usual} \t\r\n"),
        usual.replace(':', " :\n").replace(",\"", "\t,\r\"").replace("14 :\n30 :\n45", "14:30:45"),
        and_then(r#""new":1"#),
        and_then(r#""new":1,"new":2"#),
        and_then(r#""new":{"region":7,"region":null,"a":[1,[],{},true,false,null]}"#),
        and_then(r#""new":"\ud800""#),
        and_then(r#""\ud800":1"#),
        and_then(r#""\ud800egion":1"#),
        and_then(r#""":1e999999999999999999999"#),
        and_then(r#""Region":1,"regio":1,"region ":1,"region\u0000":1"#),
    ];
    for payload in table {
        check_accepted(&payload, &usual_view());
    }
}

#[test]
fn a_key_with_escapes_is_the_field_that_it_names() {
    let escaped = object(MEMBERS).replace("\"event_type\"", r#""\u0065vent\u005ftype""#);
    check_accepted(&escaped, &usual_view());
    check_dead(and_then(r#""\u0072egion":"Astana""#).as_bytes(), DuplicateField);
    check_dead(
        with("region", "null").replace("\"region\"", r#""regio\u006E""#).as_bytes(),
        Missing,
    );
}

#[test]
fn the_content_of_other_strings_is_not_judged() {
    let long = quoted(&"x".repeat(10_000));
    for field in ["event_id", "event_subtype", "counterparty_id"] {
        for (value, expected) in [
            (r#""""#, ""),
            (r#""\u0000""#, "\0"),
            (r#""ALL""#, "ALL"),
            (r#""not a uuid""#, "not a uuid"),
            (&long, &long[1..long.len() - 1]),
        ] {
            let mut view = usual_view();
            *match field {
                "event_id" => &mut view.event_id,
                "event_subtype" => &mut view.event_subtype,
                _ => &mut view.counterparty_id,
            } = Some(expected.into());
            check_accepted(&with(field, value), &view);
        }
    }
    let odd =
        EventView { msisdn: Some("\0".into()), subscriber_id: Some("".into()), ..usual_view() };
    let payload = object(MEMBERS)
        .replace(r#""7701234****""#, r#""\u0000""#)
        .replace(r#""00c0ffee00c0ffee""#, r#""""#);
    check_accepted(&payload, &odd);
}

#[test]
fn any_event_type_and_region_is_accepted_under_its_own_name() {
    let (fifty, hundred) = ("ж".repeat(50), "🚀".repeat(100));
    let table = [
        ("event_type", quoted("video_call"), "video_call"),
        ("event_type", quoted("ALL"), "ALL"),
        ("event_type", quoted("Most_Active"), "Most_Active"),
        ("event_type", quoted(" "), " "),
        ("event_type", quoted(&fifty), &fifty),
        ("region", quoted("Алматы"), "Алматы"),
        ("region", quoted("all"), "all"),
        ("region", quoted("ALL "), "ALL "),
        ("region", quoted("most_active"), "most_active"),
        ("region", quoted(&hundred), &hundred),
        ("region", quoted(&r"\ud83d\ude80".repeat(100)), &hundred),
        ("region", quoted(r#"\"\\\/\b\f\n\r\t\u0001"#), "\"\\/\u{8}\u{c}\n\r\t\u{1}"),
        ("region", quoted(r"\uD83D\uDE80"), "🚀"),
        ("region", quoted("\u{7f}\u{feff}\u{ffff}"), "\u{7f}\u{feff}\u{ffff}"),
    ];
    for (field, value, expected) in table {
        let mut view = usual_view();
        match field {
            "event_type" => view.event_type = expected.into(),
            _ => view.region = expected.into(),
        }
        check_accepted(&with(field, &value), &view);
    }
}

#[test]
fn timestamps_are_accepted_in_the_one_form_and_in_range() {
    let micros = usual_view().event_time.micros();
    let table = [
        ("2025-11-09T14:30:45.123456789Z", micros),
        ("2025-11-09T14:30:45.1234569Z", micros),
        ("2025-11-09T14:30:45Z", micros - 123_456),
        ("2025-11-09T19:30:45.123456+05:00", micros),
        ("2025-11-09T14:30:45.123456-00:00", micros),
        ("2025-11-10T14:29:45.123456+23:59", micros),
        (r"2025-11-09T14:30:45.123456\u005a", micros),
        ("2000-01-01T00:00:00Z", EventTime::MIN_ACCEPTED.micros()),
        ("1999-12-31T19:00:00-05:00", EventTime::MIN_ACCEPTED.micros()),
        ("2099-12-31T23:59:59.999999999Z", EventTime::END_ACCEPTED.micros() - 1),
        ("2100-01-01T04:59:59.999999+05:00", EventTime::END_ACCEPTED.micros() - 1),
    ];
    for (text, expected) in table {
        let view = EventView { event_time: EventTime::from_micros(expected), ..usual_view() };
        check_accepted(&with("timestamp", &quoted(text)), &view);
    }
}

#[test]
fn numbers_are_accepted_in_any_notation_up_to_their_bounds() {
    let table = [
        ("duration_seconds", "0", 0),
        ("duration_seconds", "-0", 0),
        ("duration_seconds", "-0.0e5", 0),
        ("duration_seconds", "600.0", 600),
        ("duration_seconds", "6e2", 600),
        ("duration_seconds", "6E+2", 600),
        ("duration_seconds", "60000e-2", 600),
        ("duration_seconds", "31622400", 31_622_400),
        ("duration_seconds", "31622400.000", 31_622_400),
        ("duration_seconds", "0e99999999999999999999", 0),
        ("data_mb", "0.01", 10_000),
        ("data_mb", "0.0000005", 1),
        ("data_mb", "0.0000004999999999999999999999999", 0),
        ("data_mb", "1e-400", 0),
        ("data_mb", "347.2", 347_200_000),
        ("data_mb", "9007199254.740993e-3", 9_007_199_254_741),
        ("data_mb", "99999999.9999995", 100_000_000_000_000),
        ("data_mb", "1e8", 100_000_000_000_000),
        ("amount", "1000000000", 1_000_000_000_000_000),
        ("amount", "999999999.999999", 999_999_999_999_999),
        ("amount", "1.0E9", 1_000_000_000_000_000),
    ];
    for (field, value, expected) in table {
        let mut view = usual_view();
        match field {
            "duration_seconds" => view.duration_seconds = expected,
            "data_mb" => view.data_micro_mb = expected,
            _ => view.amount_micro_tenge = expected,
        }
        check_accepted(&with(field, value), &view);
    }
    for (tower, expected) in [
        ("0", 0),
        ("-0.0", 0),
        ("2147483647", 2_147_483_647),
        ("2147483647.0", 2_147_483_647),
        ("214748364.7e1", 2_147_483_647),
        ("1e9", 1_000_000_000),
    ] {
        let view = EventView { cell_tower_id: Some(expected), ..usual_view() };
        check_accepted(&with("cell_tower_id", tower), &view);
    }
}

#[test]
fn json_in_confluents_frame_is_accepted_whatever_the_schemas_number() {
    let usual = object(MEMBERS);
    for number in [[0; 4], [0, 0, 0, 7], [0xff; 4], *b"{}{}"] {
        let framed = [&[0], &number[..], usual.as_bytes()].concat();
        assert_eq!(decode(&framed), Ok(usual_view()), "{number:?}");
    }
}
