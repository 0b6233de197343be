//! What is read of payloads, with a registry on loopback that answers what the test has put there.

mod registry;

use std::sync::Arc;
use std::time::{Duration, Instant};

use apache_avro::Schema as AvroSchema;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use event_model::decode;
use serde_json::json;
use windowing::Content;

use self::registry::FakeRegistry;
use super::{Awaited, Contents, Registry, Schemas};

/// An event with every type that a sender is likely to choose.
const EVENT: &str = r#"{
    "type": "record", "name": "Event", "namespace": "kz.operator", "fields": [
        {"name": "event_type", "type": {"type": "enum", "name": "Kind", "symbols": ["call", "sms"]}},
        {"name": "region", "type": "string"},
        {"name": "timestamp", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "duration_seconds", "type": ["null", "int"]},
        {"name": "data_mb", "type": ["null", "double"]},
        {"name": "amount", "type": ["null", {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}]},
        {"name": "cell_tower_id", "type": ["int", "null"]},
        {"name": "subscriber_id", "type": ["null", "string"]},
        {"name": "second_kind", "type": "Kind"},
        {"name": "tags", "type": {"type": "map", "values": {"type": "array", "items": "boolean"}}}
    ]}"#;
/// 2025-11-09T14:30:45.123Z.
const MOMENT_MILLIS: i64 = 1_762_698_645_123;

fn event() -> Value {
    let chosen = |index, value| Value::Union(index, Box::new(value));
    let member = |name: &str, value| (name.to_owned(), value);
    Value::Record(vec![
        member("event_type", Value::Enum(1, "sms".to_owned())),
        member("region", Value::String("Шымкент \"south\"".to_owned())),
        member("timestamp", Value::TimestampMillis(MOMENT_MILLIS)),
        member("duration_seconds", chosen(1, Value::Int(0))),
        member("data_mb", chosen(1, Value::Double(0.1))),
        // 1234.56
        member("amount", chosen(1, Value::Decimal([1, 226, 64].into()))),
        member("cell_tower_id", chosen(0, Value::Int(1_234))),
        member("subscriber_id", chosen(0, Value::Null)),
        member("second_kind", Value::Enum(0, "call".to_owned())),
        member(
            "tags",
            Value::Map([("a".to_owned(), Value::Array(vec![Value::Boolean(true)]))].into()),
        ),
    ])
}

fn body(schema: &str, value: Value) -> Vec<u8> {
    let schema = AvroSchema::parse_str(schema).unwrap();
    GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap()
}

fn framed(number: u32, body: &[u8]) -> Vec<u8> {
    [&[0], &number.to_be_bytes()[..], body].concat()
}

fn contents(registry: &FakeRegistry) -> Contents {
    let registry = Registry::new(&registry.address(), None).unwrap();
    Contents::new(Schemas::new(registry).unwrap())
}

/// The content, asked for until its schema is known: the first answer may come late on a busy machine.
fn known<'a>(contents: &'a mut Contents, payload: &[u8]) -> Content<'a> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(Awaited { reason, .. }) = contents.of(Some(payload)) {
        assert!(Instant::now() < deadline, "{reason}");
    }
    contents.of(Some(payload)).unwrap()
}

/// What is said once the registry has answered.
fn missing(contents: &mut Contents, payload: &[u8], said: &str) -> Awaited {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let awaited = contents.of(Some(payload)).unwrap_err();
        if awaited.reason.contains(said) {
            return awaited;
        }
        assert!(Instant::now() < deadline, "{} instead of {said}", awaited.reason);
    }
}

#[test]
fn an_avro_record_is_the_event_that_json_with_its_members_is() {
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": EVENT}));
    let mut contents = contents(&registry);
    let payload = framed(7, &body(EVENT, event()));
    let Content::Json(text) = known(&mut contents, &payload) else { panic!("no JSON") };
    let json = r#"{"event_type": "sms", "region": "Шымкент \"south\"", "timestamp": "2025-11-09T14:30:45.123Z",
        "duration_seconds": 0, "data_mb": 0.1, "amount": 1234.56, "cell_tower_id": 1234, "subscriber_id": null}"#;
    assert_eq!(decode(text), decode(json.as_bytes()), "{}", String::from_utf8_lossy(text));
    assert_eq!(decode(text).unwrap().amount_micro_tenge, 1_234_560_000);
    // It is asked for once.
    assert!(matches!(known(&mut contents, &payload), Content::Json(_)));
    assert_eq!(registry.asked("/schemas/ids/7"), 1);
}

#[test]
fn each_type_is_the_json_that_its_table_says() {
    let logical = |of: &str, name: &str| format!(r#"{{"type": "{of}", "logicalType": "{name}"}}"#);
    let decimal = r#"{"type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 9, "scale": 3}"#;
    let table: [(&str, Value, &str); 15] = [
        (r#""null""#, Value::Null, "null"),
        (r#""long""#, Value::Long(i64::MIN), "-9223372036854775808"),
        (r#""float""#, Value::Float(1.1), "1.1"),
        (r#""double""#, Value::Double(1e-7), "0.0000001"),
        (r#""double""#, Value::Double(f64::NAN), r#""NaN""#),
        (r#""bytes""#, Value::Bytes(vec![b'a', 0xff]), r#""aÿ""#),
        (decimal, Value::Decimal([0xff, 0xff, 0xff, 0xfe].into()), "-2e-3"),
        (&logical("int", "date"), Value::Date(1), "1"),
        (
            &logical("long", "timestamp-micros"),
            Value::TimestampMicros(1),
            r#""1970-01-01T00:00:00.000001Z""#,
        ),
        (
            &logical("long", "timestamp-nanos"),
            Value::TimestampNanos(-1),
            r#""1969-12-31T23:59:59.999999Z""#,
        ),
        (
            &logical("long", "timestamp-millis"),
            Value::TimestampMillis(i64::MAX),
            r#""9223372036854775807 µs since 1970""#,
        ),
        (
            &logical("long", "local-timestamp-millis"),
            Value::LocalTimestampMillis(0),
            r#""1970-01-01T00:00:00.000000""#,
        ),
        (
            r#"["null", "string"]"#,
            Value::Union(1, Box::new(Value::String("\u{1}".into()))),
            r#""\u0001""#,
        ),
        (
            r#"{"type": "array", "items": "int"}"#,
            Value::Array(vec![Value::Int(1), Value::Int(2)]),
            "[1,2]",
        ),
        (
            r#"{"type": "map", "values": "int"}"#,
            Value::Map([("b".to_owned(), Value::Int(1)), ("a".to_owned(), Value::Int(2))].into()),
            r#"{"a":2,"b":1}"#,
        ),
    ];
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    for ((schema, value, expected), number) in table.into_iter().zip(1..) {
        registry.put(&format!("/schemas/ids/{number}"), 200, json!({"schema": schema}));
        let payload = framed(number, &body(schema, value));
        let Content::Json(text) = known(&mut contents, &payload) else { panic!("{schema}") };
        assert_eq!(str::from_utf8(text).unwrap(), expected, "{schema}");
    }
}

#[test]
fn json_needs_no_registry_with_or_without_the_frame() {
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    for payload in [&b"{\"a\": 1}"[..], b"\0\0\0\0\x07 {\"a\": 1}\n", b"", b"\0\0\0\0", b"nonsense"]
    {
        assert_eq!(contents.of(Some(payload)), Ok(Content::Payload));
    }
    assert_eq!(contents.of(None), Ok(Content::Payload));
    assert_eq!(registry.asked("/schemas/ids/7"), 0);
    // What a schema says is JSON is left to the decoder as well.
    registry.put("/schemas/ids/7", 200, json!({"schema": "{}", "schemaType": "JSON"}));
    assert_eq!(known(&mut contents, b"\0\0\0\0\x07[1]"), Content::Payload);
}

#[test]
fn a_newer_schema_with_more_fields_in_another_order_is_read_beside_the_older_one() {
    let older = r#"{"type": "record", "name": "E", "fields": [
        {"name": "event_type", "type": "string"}, {"name": "region", "type": "string"}, {"name": "timestamp", "type": "string"}]}"#;
    let newer = r#"{"type": "record", "name": "E", "fields": [
        {"name": "roaming", "type": {"type": "record", "name": "Roaming", "fields": [{"name": "country", "type": "string"}]}},
        {"name": "timestamp", "type": "string"}, {"name": "region", "type": "string"},
        {"name": "event_type", "type": ["null", "string"], "default": null}, {"name": "score", "type": "double", "default": 0}]}"#;
    let text = |text: &str| Value::String(text.to_owned());
    let member = |name: &str, value| (name.to_owned(), value);
    let (kind, region, time) = ("call", "Алматы", "2025-11-09T14:30:45Z");
    let of_older = Value::Record(vec![
        member("event_type", text(kind)),
        member("region", text(region)),
        member("timestamp", text(time)),
    ]);
    let of_newer = Value::Record(vec![
        member("roaming", Value::Record(vec![member("country", text("KG"))])),
        member("timestamp", text(time)),
        member("region", text(region)),
        member("event_type", Value::Union(1, Box::new(text(kind)))),
        member("score", Value::Double(0.5)),
    ]);
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": older}));
    registry.put("/schemas/ids/8", 200, json!({"schema": newer}));
    let mut contents = contents(&registry);
    let payloads = [framed(7, &body(older, of_older)), framed(8, &body(newer, of_newer))];
    for payload in [&payloads[0], &payloads[1], &payloads[0]] {
        let Content::Json(json) = known(&mut contents, payload) else { panic!("no JSON") };
        let event = decode(json).unwrap();
        assert_eq!((&*event.event_type, &*event.region), (kind, region));
    }
}

#[test]
fn a_long_whose_unit_or_zone_nobody_knows_is_no_timestamp() {
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    for (number, timestamp, value, reason) in [
        (1, r#""long""#, Value::Long(MOMENT_MILLIS), "timestamp_unit"),
        (
            2,
            r#"{"type": "long", "logicalType": "local-timestamp-millis"}"#,
            Value::LocalTimestampMillis(MOMENT_MILLIS),
            "timestamp_unparsable",
        ),
    ] {
        let schema = format!(
            r#"{{"type": "record", "name": "E", "fields": [{{"name": "event_type", "type": "string"}},
                {{"name": "region", "type": "string"}}, {{"name": "timestamp", "type": {timestamp}}}]}}"#
        );
        registry.put(&format!("/schemas/ids/{number}"), 200, json!({"schema": schema}));
        let text = |text: &str| Value::String(text.to_owned());
        let event = Value::Record(vec![
            ("event_type".to_owned(), text("call")),
            ("region".to_owned(), text("Almaty")),
            ("timestamp".to_owned(), value),
        ]);
        let payload = framed(number, &body(&schema, event));
        let Content::Json(json) = known(&mut contents, &payload) else { panic!("no JSON") };
        assert_eq!(decode(json).unwrap_err().reason.code(), reason);
    }
}

#[test]
fn a_body_that_begins_and_ends_like_json_is_read_by_its_schema() {
    let schema = r#"{"type": "record", "name": "E", "fields": [
        {"name": "id", "type": {"type": "fixed", "name": "Id", "size": 4}}, {"name": "region", "type": "string"}]}"#;
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": schema}));
    let content = b"\0\0\0\0\x07{abc\x04a}";
    let mut contents = contents(&registry);
    assert_eq!(known(&mut contents, content), Content::Json(br#"{"id":"{abc","region":"a}"}"#));
}

#[test]
fn a_body_that_does_not_fit_its_schema_is_dead_wherever_it_is_cut() {
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": EVENT}));
    let mut contents = contents(&registry);
    let whole = body(EVENT, event());
    assert!(matches!(known(&mut contents, &framed(7, &whole)), Content::Json(_)));
    for length in 0..whole.len() {
        let content = contents.of(Some(&framed(7, &whole[..length])));
        let Ok(Content::Unusable(dead)) = content else { panic!("{length} bytes: {content:?}") };
        assert!(dead.detail.contains("schema 7: its body does not fit it"), "{}", dead.detail);
    }
    let content = contents.of(Some(&framed(7, &[&whole[..], b"x"].concat())));
    let Ok(Content::Unusable(dead)) = content else { panic!("{content:?}") };
    assert!(dead.detail.contains("1 bytes are left over"), "{}", dead.detail);
}

#[test]
fn a_text_that_is_cut_short_at_the_end_is_dead_and_not_null() {
    let schema = r#"{"type": "record", "name": "E", "fields": [{"name": "msisdn", "type": ["null", "string"]}]}"#;
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": schema}));
    let mut contents = contents(&registry);
    let whole = b"\x02\x08abcd";
    assert!(matches!(known(&mut contents, &framed(7, whole)), Content::Json(_)));
    for length in 0..whole.len() {
        let content = contents.of(Some(&framed(7, &whole[..length])));
        assert!(matches!(content, Ok(Content::Unusable(_))), "{length} bytes: {content:?}");
    }
}

/// Records in each other, each by its name: their text is flat.
fn nested(depth: usize) -> String {
    let record = |at: usize| {
        let inner = if at == 0 { "null".to_owned() } else { format!("R{}", at - 1) };
        format!(
            r#"{{"type": "record", "name": "R{at}", "fields": [{{"name": "f", "type": "{inner}"}}]}}"#
        )
    };
    format!("[{}]", (0..depth).map(record).collect::<Vec<_>>().join(","))
}

#[test]
fn what_no_event_can_be_is_dead_with_the_reason() {
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    let endless =
        r#"{"type": "record", "name": "N", "fields": [{"name": "next", "type": ["null", "N"]}]}"#;
    let swelling = r#"{"type": "array", "items": {"type": "record", "name": "E", "fields": []}}"#;
    for (number, answer, said) in [
        (1, json!({"schema": "syntax", "schemaType": "PROTOBUF"}), "of the kind PROTOBUF"),
        (2, json!({"schema": endless}), "its record N contains itself"),
        (3, json!({"schema": swelling}), "a list of what takes no bytes"),
        (5, json!({"schema": nested(70)}), "nest more than 64 deep"),
    ] {
        registry.put(&format!("/schemas/ids/{number}"), 200, answer);
        let content = known(&mut contents, &framed(number, &[0]));
        let Content::Unusable(dead) = content else { panic!("{number}: {content:?}") };
        assert!(dead.detail.contains(said), "{}", dead.detail);
    }
    // It says that it has more integers than memory.
    registry.put("/schemas/ids/4", 200, json!({"schema": r#"{"type": "array", "items": "int"}"#}));
    let content = known(&mut contents, &framed(4, b"\xfe\xff\xff\xff\xff\xff\xff\x7f\x02"));
    assert!(matches!(content, Content::Unusable(_)), "{content:?}");
}

#[test]
fn a_schema_may_refer_to_others() {
    let registry = FakeRegistry::start();
    let place = r#"{"type": "record", "name": "Place", "namespace": "a.b", "fields": [{"name": "region", "type": "string"}]}"#;
    let event = r#"{"type": "record", "name": "Event", "namespace": "a.b", "fields": [{"name": "place", "type": "Place"}]}"#;
    let reference = json!([{"name": "a.b.Place", "subject": "the/place", "version": 3}]);
    registry.put("/schemas/ids/9", 200, json!({"schema": event, "references": reference}));
    registry.put("/subjects/the%2Fplace/versions/3", 200, json!({"schema": place}));
    let mut contents = contents(&registry);
    let content = known(&mut contents, &framed(9, b"\x04ab"));
    assert_eq!(content, Content::Json(br#"{"place":{"region":"ab"}}"#));
}

#[test]
fn an_unknown_number_is_awaited_until_the_registry_has_it() {
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    let payload = framed(7, &body(EVENT, event()));
    let awaited = missing(&mut contents, &payload, "knows no schema 7");
    assert_eq!(awaited.schema, 7);
    assert!(contents.awaited(7).unwrap().contains("knows no schema 7"));
    registry.put("/schemas/ids/7", 200, json!({"schema": EVENT}));
    assert!(matches!(known(&mut contents, &payload), Content::Json(_)));
    assert_eq!(contents.awaited(7), None);
}

#[test]
fn a_registry_that_is_away_is_awaited_and_comes_back() {
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": EVENT}));
    registry.go_away();
    let mut contents = contents(&registry);
    let payload = framed(7, &body(EVENT, event()));
    missing(&mut contents, &payload, "does not give it");
    // Others who ask do not wait for it.
    let schemas = Arc::clone(&contents.schemas);
    assert!(Contents::new(schemas).of(Some(&payload)).is_err());
    registry.come_back();
    assert!(matches!(known(&mut contents, &payload), Content::Json(_)));
    // What is known needs no registry any more.
    registry.go_away();
    assert!(matches!(known(&mut contents, &payload), Content::Json(_)));
}

#[test]
fn an_answer_that_is_none_is_told_and_never_an_unknown_number() {
    let registry = FakeRegistry::start();
    let mut contents = contents(&registry);
    for (number, status, answer, said) in [
        (1, 404, json!({"detail": "no such page"}), "404"),
        (2, 401, json!({"error_code": 401, "message": "who are you?"}), "who are you?"),
        (3, 200, json!({"no": "schema"}), "its answer can't be read"),
        (4, 200, json!({"schema": "{"}), "can't be read by this program"),
    ] {
        registry.put(&format!("/schemas/ids/{number}"), status, answer);
        let reason = missing(&mut contents, &framed(number, &[0]), said).reason;
        assert!(!reason.contains("knows no schema"), "{reason}");
    }
}

#[test]
fn a_login_is_shown_to_the_registry_and_to_nobody_else() {
    let registry = FakeRegistry::start();
    registry.put("/schemas/ids/7", 200, json!({"schema": EVENT}));
    let address = registry.address().replace("http://", "http://me:p%40ss%2Fword@");
    let known_as = Registry::new(&format!("{address}/"), None).unwrap();
    assert_eq!(known_as.address(), registry.address());
    let mut contents = Contents::new(Schemas::new(known_as).unwrap());
    known(&mut contents, &framed(7, &body(EVENT, event())));
    // me:p@ss/word
    assert_eq!(registry.authorization().as_deref(), Some("Basic bWU6cEBzcy93b3Jk"));
}

#[test]
fn an_address_that_is_none_is_refused_without_being_shown() {
    for wrong in
        ["", "localhost:8081", "ftp://hunter2@a", "http://", "http:///x", "http://hunter2@a"]
    {
        let error = Registry::new(wrong, None).err().expect(wrong).to_string();
        assert!(error.contains("SCHEMA_REGISTRY_URL") && !error.contains("hunter2"), "{error}");
    }
    let error =
        Registry::new("https://a", Some("/nowhere.pem".as_ref())).err().unwrap().to_string();
    assert!(error.contains("/nowhere.pem"), "{error}");
}
