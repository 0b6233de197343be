//! `producer schema`: what an event looks like, for programs that are written in another language.
//!
//! In: nothing but the code: [`Event`], the names of types, the topic. Out: a JSON Schema and an AsyncAPI
//! document. docs/event.schema.json and docs/asyncapi.json are this output; a test compares them.

use event_model::Event;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::config::SchemaForm;

pub fn document(form: SchemaForm) -> String {
    let value = match form {
        SchemaForm::JsonSchema => json_schema(),
        SchemaForm::Asyncapi => asyncapi(),
    };
    format!("{value:#}\n")
}

fn json_schema() -> Value {
    // As events are written: all fields are there.
    let settings = SchemaSettings::draft2020_12().for_serialize();
    settings.into_generator().into_root_schema_for::<Event>().to_value()
}

fn asyncapi() -> Value {
    let mut schema = json_schema();
    // What it refers to has to be found inside the document.
    let definitions = schema.as_object_mut().and_then(|schema| {
        schema.remove("$schema");
        schema.remove("$defs")
    });
    let mut schemas = serde_json::Map::new();
    if let Some(Value::Object(definitions)) = definitions {
        schemas.extend(definitions);
    }
    schemas.insert("Event".to_owned(), schema);
    let text = serde_json::to_string(&schemas).expect("a value has a JSON form");
    let text = text.replace("#/$defs/", "#/components/schemas/");
    let schemas: Value = serde_json::from_str(&text).expect("only references were changed");
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "Telecom events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Events of a mobile network, one JSON object per message. Readers need event_type, region and timestamp alone: see docs/contract.md.",
        },
        "defaultContentType": "application/json",
        "servers": {
            "local": { "host": "localhost:9092", "protocol": "kafka" },
        },
        "channels": {
            "telecomEvents": {
                "address": "telecom_events",
                "messages": { "event": { "$ref": "#/components/messages/Event" } },
                "bindings": { "kafka": { "partitions": 3, "replicas": 1 } },
            },
        },
        "operations": {
            "sendEvent": {
                "action": "send",
                "channel": { "$ref": "#/channels/telecomEvents" },
                "messages": [{ "$ref": "#/channels/telecomEvents/messages/event" }],
            },
        },
        "components": {
            "messages": {
                "Event": {
                    "payload": { "$ref": "#/components/schemas/Event" },
                    "bindings": {
                        "kafka": {
                            "key": {
                                "type": "string",
                                "description": "The event's subscriber_id",
                            },
                        },
                    },
                },
            },
            "schemas": schemas,
        },
    })
}
