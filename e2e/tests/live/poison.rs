//! Records that can't be used, among good ones: each is kept, with its numbers masked, and stops nothing.

use std::collections::BTreeMap;

use anyhow::Result;
use chrono::{TimeDelta, Utc};
use e2e::{Pipeline, RawRecord, event, send_with_raw_header};
use serde_json::{Value, json};
use sqlx::Row;

use crate::instant;

/// Too large, without a long run of digits.
const TOO_LARGE: &str =
    r#"{"event_type":"call","region":"Osh","timestamp":"2025-11-09T10:00:00Z","data_mb":1e9}"#;
/// A subscriber's number, and what is kept of it.
const WITH_NUMBER: &str = r#"{"src":"+77010000001","dst":77010000002}"#;
const WITH_NUMBER_MASKED: &str = r#"{"src":"+7701000****","dst":"7701000****"}"#;

/// A payload for each reason. The decoder's own tests hold every line of the contract's list; these
/// show that each kind gets through the whole pipeline.
fn unusable() -> Vec<(&'static str, Option<Vec<u8>>)> {
    let with = |more: Value| Some(event("call", "Almaty", instant("2025-11-09T10:00:00Z"), more));
    let text = |text: &str| Some(text.as_bytes().to_vec());
    let names = |kind: &str, region: &str| {
        Some(event(kind, region, instant("2025-11-09T10:00:00Z"), json!({})))
    };
    let ahead = |ahead: TimeDelta| Some(event("call", "Almaty", Utc::now() + ahead, json!({})));
    vec![
        ("null_payload", None),
        ("not_utf8", Some(vec![b'{', 0xff, 0xfe, b'}'])),
        ("not_utf8", Some(vec![0; 3].into_iter().chain([0xc3]).collect())),
        ("not_json", text("")),
        ("not_json", text("{\"region\":")),
        ("not_json", text("nul\0")),
        ("not_json", Some(vec![b'x'; 900_000])),
        ("not_an_object", text("[1, 2]")),
        ("not_an_object", text("null")),
        ("duplicate_field", text(r#"{"region": "a", "region": "b"}"#)),
        ("wrong_type", with(json!({"duration_seconds": "600"}))),
        ("lone_surrogate", text(r#"{"msisdn": "\ud800"}"#)),
        ("missing", text("{}")),
        ("missing", with(json!({"timestamp": null}))),
        ("empty", names("", "Almaty")),
        ("too_long", names("call", &"Ж".repeat(101))),
        ("contains_nul", names("call", "Al\0maty")),
        ("reserved_name", names("call", "ALL")),
        ("reserved_name", names("most_active", "Almaty")),
        ("timestamp_unparsable", with(json!({"timestamp": "2025-11-09 10:00:00"}))),
        ("timestamp_out_of_range", with(json!({"timestamp": "1999-12-31T23:59:59.999999Z"}))),
        ("timestamp_in_future", ahead(TimeDelta::minutes(10))),
        ("timestamp_in_future", with(json!({"timestamp": "2099-12-31T23:59:59Z"}))),
        ("negative_number", with(json!({"amount": -0.01}))),
        ("number_too_large", text(TOO_LARGE)),
        ("not_whole", with(json!({"cell_tower_id": 1000.5}))),
        ("not_mapped", text(r#"{"not_mapped":"time_missing","row":"1,2"}"#)),
        ("missing", text(WITH_NUMBER)),
    ]
}

/// Keys and headers of every kind, one after another.
fn dressed(number: usize, record: RawRecord) -> RawRecord {
    let header = |name: &str, value: Option<&[u8]>| (name.to_owned(), value.map(<[u8]>::to_vec));
    let keys: [Option<&[u8]>; 5] =
        [None, Some(b""), Some(b"0123456789abcdef"), Some(&[0xff, 0, 0xfe]), Some(&[b'k'; 2_000])];
    let headers = [
        vec![],
        vec![header("trace", Some(b"abc"))],
        vec![header("twice", Some(b"1")), header("twice", None), header("", Some(b""))],
        vec![
            header("raw", Some(&[0, 0xff, b'"', b'\\'])),
            header("ключ\n\"", Some("ж".as_bytes())),
        ],
    ];
    let key = keys[number % keys.len()].map(<[u8]>::to_vec);
    RawRecord { key, headers: headers[number % headers.len()].clone(), ..record }
}

/// What a dead letter keeps of its record: reason, key, payload, headers in hex.
type Letter = (String, Option<Vec<u8>>, Option<Vec<u8>>, Option<Value>);

fn letter_of(reason: &str, record: &RawRecord) -> Letter {
    let hex = |bytes: &Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let pairs = record.headers.iter().map(|(name, value)| json!([name, value.as_ref().map(hex)]));
    let headers = (!record.headers.is_empty()).then(|| pairs.collect());
    let is_numbered = record.payload.as_deref() == Some(WITH_NUMBER.as_bytes());
    let masked = is_numbered.then(|| WITH_NUMBER_MASKED.as_bytes().to_vec());
    (reason.to_owned(), record.key.clone(), masked.or_else(|| record.payload.clone()), headers)
}

#[test]
fn unusable_records_of_every_kind_are_kept_whole_and_stop_nothing() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let mut records = Vec::new();
    let mut letters: BTreeMap<i64, Letter> = BTreeMap::new();
    for (number, (reason, payload)) in unusable().into_iter().enumerate() {
        let bad = dressed(number, RawRecord { payload, ..RawRecord::default() });
        letters.insert(records.len() as i64, letter_of(reason, &bad));
        let minute = TimeDelta::minutes(number as i64);
        let good = event("call", "Almaty", instant("2025-11-09T10:00:00Z") + minute, json!({}));
        records.extend([bad, dressed(number, RawRecord::of(0, good))]);
    }
    pipeline.topic.sender(&[])?.send(&records)?;
    pipeline.drain()?;

    let rows = pipeline.database.rows(
        "SELECT \"offset\", reason, key, payload, headers::text, detail <> '' FROM dead_letters",
    )?;
    let mut found: BTreeMap<i64, Letter> = BTreeMap::new();
    for row in &rows {
        let headers: Option<&str> = row.get(4);
        let headers = headers.map(serde_json::from_str).transpose()?;
        assert!(row.get::<bool, _>(5), "a detail for the operator");
        found.insert(row.get(0), (row.get(1), row.get(2), row.get(3), headers));
    }
    assert_eq!(found.keys().collect::<Vec<_>>(), letters.keys().collect::<Vec<_>>());
    for (offset, letter) in &letters {
        assert_eq!(&found[offset], letter, "offset {offset}");
    }
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.accounts[&0].on_time, letters.len() as i64, "the good ones");
    Ok(())
}

#[test]
fn more_dead_bytes_than_fit_in_memory_at_once_are_all_kept() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    // 36 MB, of which the streamer holds 8 MiB and then 8 MiB more.
    let records: Vec<RawRecord> =
        (0..40).map(|number| RawRecord::of(0, vec![b'a' + number % 26; 900_000])).collect();
    pipeline.topic.sender(&[])?.send(&records)?;
    pipeline.run("streamer", &["--drain", "--flush-interval", "1h"])?.expect(0)?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.dead.len(), records.len());
    assert_eq!(
        pipeline.database.number("SELECT SUM(length(payload))::bigint FROM dead_letters")?,
        40 * 900_000
    );
    Ok(())
}

#[test]
fn unusual_but_good_events_are_counted() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let at = instant("2025-11-09T10:00:00Z");
    let with = |more: Value| event("call", "Almaty", at, more);
    let spaced =
        b" {\n\"timestamp\" :\t\"2025-11-09T15:00:59.9999999+05:00\", \"region\": \"Almaty\",
        \"event_type\": \"call\", \"unknown\": [{}, {\"region\": 1}], \"data_mb\": 1.5e2} ";
    let good = [
        with(json!({"duration_seconds": 600.0, "amount": 0.5, "data_mb": 99.999999})),
        with(json!({"unknown": "x".repeat(900_000)})),
        with(json!({"event_id": null, "msisdn": "", "subscriber_id": "?", "cell_tower_id": 1e3})),
        event("видео звонок", &"Ж".repeat(100), at, json!({"data_mb": 100_000_000})),
        event("a\"\\\n", "'; DROP TABLE settings; --", at, json!({"amount": 1_000_000_000})),
        spaced.to_vec(),
    ];
    let records: Vec<RawRecord> =
        good.into_iter().enumerate().map(|(n, one)| dressed(n, RawRecord::of(0, one))).collect();
    pipeline.topic.sender(&[])?.send(&records)?;
    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.accounts[&0].on_time, records.len() as i64);
    assert_eq!(expected.on_time.len(), 3, "rows");
    Ok(())
}

#[test]
fn a_header_whose_name_is_no_text_stops_nothing() -> Result<()> {
    let mut pipeline = Pipeline::new(1)?;
    let good = event("call", "Almaty", instant("2025-11-09T10:00:00Z"), json!({}));
    for payload in [b"x".as_slice(), &good, b"y"] {
        let header = ([0xff, 0xfe].as_slice(), [0, 1].as_slice());
        send_with_raw_header(pipeline.topic.bootstrap(), pipeline.topic.name(), payload, header)?;
    }
    pipeline.drain()?;
    let expected = pipeline.expect_recomputed()?;
    assert_eq!((expected.dead.len(), expected.accounts[&0].on_time), (2, 1));
    Ok(())
}
