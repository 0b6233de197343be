//! The descriptions in docs/ are those of the code, and events are as they say.

#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::path::Path;

use producer::config::SchemaForm;
use producer::schema::document;
use serde_json::Value;

#[test]
fn the_pages_are_what_the_code_says() {
    for (form, name, argument) in [
        (SchemaForm::JsonSchema, "event.schema.json", "json-schema"),
        (SchemaForm::Asyncapi, "asyncapi.json", "asyncapi"),
    ] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            page == document(form),
            "docs/{name} is old: cargo run -p producer -- schema --form {argument} > docs/{name}"
        );
    }
}

#[test]
fn every_field_of_an_event_is_described_and_required() {
    let schema: Value = serde_json::from_str(&document(SchemaForm::JsonSchema)).unwrap();
    let line = include_str!("../../crates/generator/tests/data/seed-1-from-2025-11-09.ndjson")
        .lines()
        .next()
        .unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    let required = schema["required"].as_array().unwrap();
    for (field, value) in event.as_object().unwrap() {
        let described = &schema["properties"][field];
        assert!(described["description"].is_string(), "{field}: {described}");
        assert!(required.iter().any(|name| name == field), "{field} is always written");
        // Where a type is named, the value has it.
        let kind = match value {
            Value::Null => "null",
            Value::String(_) => "string",
            Value::Number(number) if number.is_u64() => "integer",
            _ => "number",
        };
        let types = &described["type"];
        let fits = types.is_null()
            || types == kind
            || types.as_array().is_some_and(|types| types.iter().any(|of| of == kind));
        assert!(fits, "{field} is {value}: {described}");
    }
    assert_eq!(schema["properties"].as_object().unwrap().len(), event.as_object().unwrap().len());
}

#[test]
fn references_lead_to_what_is_there() {
    let document: Value = serde_json::from_str(&document(SchemaForm::Asyncapi)).unwrap();
    let text = document.to_string();
    let mut checked = 0;
    for part in text.split(r##""$ref":"#"##).skip(1) {
        let pointer = part.split('"').next().unwrap();
        assert!(document.pointer(pointer).is_some(), "{pointer} leads nowhere");
        checked += 1;
    }
    assert!(checked >= 4, "{checked}");
}
