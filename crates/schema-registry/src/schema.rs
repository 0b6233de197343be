//! A schema, ready to read bodies with.
//!
//! In: what the registry says. Out: JSON's members of a body, or why there are none. Keeps I-6: a schema that would let a small
//! body grow without bound is refused.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};

use apache_avro::Schema as AvroSchema;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{Name, RecordSchema, ResolvedSchema};

use crate::client::Fetched;
use crate::json::Names;

/// No value of a body takes more memory: several times what a broker lets pass.
const VALUE_BYTES_MAX: usize = 16 << 20;

/// Records stand in each other at most so deep: each level is a call of the library's.
const NESTED_MAX: usize = 64;

/// What can be done with bodies of a schema.
pub(crate) enum Schema {
    /// They are JSON.
    Json,
    /// They are Avro.
    Avro(Avro),
    /// They are no events, and why.
    Unfit(String),
}

impl Schema {
    /// What the registry calls AVRO or JSON can be read.
    ///
    /// # Errors
    /// Why the text can't be understood, although the registry did.
    pub(crate) fn of(fetched: &Fetched) -> Result<Self, String> {
        match fetched.kind.as_str() {
            "JSON" => Ok(Schema::Json),
            "AVRO" => Avro::of(fetched),
            kind => Ok(Schema::Unfit(format!("it is of the kind {kind}, expected AVRO or JSON"))),
        }
    }
}

/// A schema of Avro. It lives as long as the process, as all that is known of a registry does.
pub(crate) struct Avro {
    root: &'static AvroSchema,
    names: Names<'static>,
    reader: GenericDatumReader<'static>,
}

impl Avro {
    fn of(fetched: &Fetched) -> Result<Schema, String> {
        apache_avro::util::max_allocation_bytes(VALUE_BYTES_MAX);
        let parsed = AvroSchema::parse_str_with_list(&fetched.text, &fetched.references);
        let (root, others) = parsed.map_err(|error| error.to_string())?;
        // All that may fail comes before what is kept for good: a schema that can't be read is tried again and again.
        let (names, _) = ready(&root, &others)?;
        if let Err(fault) = Shapes::default().of(&root, &names) {
            return Ok(Schema::Unfit(fault));
        }
        drop(names);
        let (root, others) = (Box::leak(Box::new(root)), others.leak());
        let (names, reader) = ready(root, others)?;
        Ok(Schema::Avro(Avro { root, names, reader }))
    }

    /// Writes the members of a body as a JSON object in place of what `text` held.
    ///
    /// # Errors
    /// Why the body is not one of this schema.
    pub(crate) fn write_json(&self, body: &[u8], text: &mut Vec<u8>) -> Result<(), String> {
        let mut rest = Whole(body);
        let value = self
            .reader
            .read_value(&mut rest)
            .map_err(|error| format!("its body does not fit it: {error}"))?;
        if !rest.0.is_empty() {
            return Err(format!("its body does not fit it: {} bytes are left over", rest.0.len()));
        }
        text.clear();
        crate::json::write(&value, self.root, &self.names, text)
    }
}

/// The names that a schema uses, and the reader of its bodies.
fn ready<'a>(
    root: &'a AvroSchema,
    others: &'a [AvroSchema],
) -> Result<(Names<'a>, GenericDatumReader<'a>), String> {
    let said = |error: apache_avro::Error| error.to_string();
    let resolved = || {
        let all = others.iter().chain([root]).collect();
        ResolvedSchema::new_with_schemata(all).map_err(said)
    };
    let names = Names(resolved()?.get_names().clone());
    let reader = GenericDatumReader::builder(root).resolved_writer_schemata(resolved()?);
    Ok((names, reader.build().map_err(said)?))
}

/// A body of which nothing may be missing. The Avro library takes what ends too early for nulls: only where it is told of the
/// *end*, not of another failure.
struct Whole<'a>(&'a [u8]);

impl Read for Whole<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() && !buffer.is_empty() {
            return Err(io::Error::new(ErrorKind::InvalidData, "it ends too early"));
        }
        self.0.read(buffer)
    }
}

/// Looks through a schema for what a body could grow by.
#[derive(Default)]
struct Shapes {
    /// Records that are being looked through.
    open: Vec<Name>,
    /// Records that were.
    met: BTreeMap<String, Shape>,
}

#[derive(Clone, Copy, Default)]
struct Shape {
    /// A value may take no bytes.
    is_empty: bool,
    /// So many records stand in each other.
    depth: usize,
}

impl Shapes {
    /// What values of a schema are like.
    ///
    /// # Errors
    /// A schema that contains itself, nests too deep, or has lists of what takes no bytes: why no event has such a schema.
    fn of(&mut self, schema: &AvroSchema, names: &Names<'_>) -> Result<Shape, String> {
        match schema {
            AvroSchema::Null => Ok(Shape { is_empty: true, depth: 0 }),
            AvroSchema::Fixed(fixed) => Ok(Shape { is_empty: fixed.size == 0, depth: 0 }),
            AvroSchema::Array(array) => {
                let items = self.of(&array.items, names)?;
                if items.is_empty {
                    return Err("it has a list of what takes no bytes".to_owned());
                }
                Ok(items)
            }
            AvroSchema::Map(map) => Ok(Shape { is_empty: false, ..self.of(&map.types, names)? }),
            AvroSchema::Union(union) => {
                let mut depth = 0;
                for variant in union.variants() {
                    depth = depth.max(self.of(variant, names)?.depth);
                }
                Ok(Shape { is_empty: false, depth })
            }
            AvroSchema::Ref { name } => self.of(names.schema(name)?, names),
            AvroSchema::Record(record) => self.of_record(record, names),
            _ => Ok(Shape::default()),
        }
    }

    fn of_record(&mut self, record: &RecordSchema, names: &Names<'_>) -> Result<Shape, String> {
        let name = record.name.to_string();
        if let Some(shape) = self.met.get(&name) {
            return Ok(*shape);
        }
        if self.open.contains(&record.name) {
            return Err(format!("its record {name} contains itself"));
        }
        let too_deep = || Err(format!("its records nest more than {NESTED_MAX} deep"));
        if self.open.len() == NESTED_MAX {
            return too_deep();
        }
        self.open.push(record.name.clone());
        let mut shape = Shape { is_empty: true, depth: 0 };
        for field in &record.fields {
            let of_field = self.of(&field.schema, names)?;
            shape.is_empty &= of_field.is_empty;
            shape.depth = shape.depth.max(of_field.depth);
        }
        self.open.pop();
        shape.depth += 1;
        if shape.depth > NESTED_MAX {
            return too_deep();
        }
        self.met.insert(name, shape);
        Ok(shape)
    }
}

impl<'a> Names<'a> {
    /// The schema of this name.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn schema(&self, name: &Name) -> Result<&'a AvroSchema, String> {
        self.0.get(name).copied().ok_or_else(|| format!("its name {name} stands for nothing"))
    }
}
