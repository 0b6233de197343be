//! One pass over a JSON object: which known fields it has, each once and of its own JSON type.
//!
//! In: the text of a payload. Out: [`Members`], whose strings are unescaped when asked for and whose numbers are
//! still text, or the first fault of the object's structure. Values are not judged here.

use crate::field::{Field, NumberField, TextField};
use crate::reader::{NumberToken, Reader};
use crate::span::Span;
use crate::text::{LazyText, is_text};
use crate::unit_mixup::UnitMixup;
use crate::{Dead, DeadReason};

/// The known fields of an object; absent and null are the same.
#[derive(Debug)]
pub(crate) struct Members<'a> {
    payload: &'a str,
    /// Without quotes, so that no string that is there begins at 0; nor does a number.
    texts: [Span; TextField::COUNT],
    numbers: [NumberToken; NumberField::COUNT],
    /// One bit for each field that stood in the object, be it as a null.
    seen: u32,
    /// One bit for each string with escapes.
    escaped: u32,
    /// Members that are no known fields stood in the object.
    has_others: bool,
}

/// Why an object is not taken in.
enum Fault {
    NotJson,
    /// Of the object's structure, at this field, whose value begins here.
    At(DeadReason, Field, usize),
}

impl<'a> Members<'a> {
    /// None, yet, of an object in this text.
    #[inline(always)]
    pub(crate) const fn of(payload: &'a str) -> Self {
        Members {
            payload,
            texts: [Span { start: 0, end: 0 }; TextField::COUNT],
            numbers: [NumberToken { span: Span { start: 0, end: 0 }, micros: None };
                NumberField::COUNT],
            seen: 0,
            escaped: 0,
            has_others: false,
        }
    }

    /// Reads the one JSON text, with nothing but whitespace around it.
    ///
    /// # Errors
    /// `NotJson`, `NotAnObject`; else the first in the text of `DuplicateField`, `WrongType` and
    /// `LoneSurrogate`. The whole text is read before any of these is reported.
    #[inline(always)]
    pub(crate) fn read(&mut self) -> Result<(), Dead> {
        let mut reader = Reader::at(self.payload, 0);
        self.read_object(&mut reader).map_err(|fault| dead(self.payload, &fault))
    }

    /// The string that the object has for this field.
    #[inline(always)]
    pub(crate) fn text(&self, field: TextField) -> Option<LazyText<'a>> {
        let span = self.texts[field as usize];
        let has_escapes = self.escaped & Field::Text(field).bit() != 0;
        (span.start > 0).then_some(LazyText::of_valid_json(self.payload, span, has_escapes))
    }

    /// The number that the object has for this field.
    #[inline(always)]
    pub(crate) fn number(&self, field: NumberField) -> Option<NumberToken> {
        let number = self.numbers[field as usize];
        (number.span.start > 0).then_some(number)
    }

    /// The members that are no known fields, in their order and as they are written, as an object of their
    /// own; `None`: there are none. For an object that has been read without a fault.
    pub(crate) fn others(&self) -> Option<String> {
        self.has_others.then(|| self.read_others().unwrap_or_default())
    }

    #[cold]
    fn read_others(&self) -> Option<String> {
        let mut reader = Reader::at(self.payload, 0);
        reader.take(b'{')?;
        reader.take(b'"')?;
        let mut others = String::from("{");
        loop {
            let key = reader.place();
            let (field, _) = reader.rest_of_key()?;
            let value = reader.place();
            reader.skip_value()?;
            if field.is_none() {
                // From the key's opening quote on; what stands between key and value is whitespace and a colon.
                others.push_str(if others.len() > 1 { ",\"" } else { "\"" });
                others.push_str(self.payload.get(key..value)?);
                others.push_str(self.payload.get(value..reader.place())?);
            }
            if !reader.next_member()? {
                others.push('}');
                return Some(others);
            }
        }
    }

    /// What stands there in the text.
    pub(crate) fn text_at(&self, span: Span) -> &'a str {
        self.payload.get(span.start..span.end).unwrap_or_default()
    }

    #[inline(always)]
    fn read_object(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        reader.take(b'{').ok_or(Fault::NotJson)?;
        if reader.take(b'}').is_none() {
            reader.take(b'"').ok_or(Fault::NotJson)?;
            loop {
                self.read_member(reader)?;
                if !reader.next_member().ok_or(Fault::NotJson)? {
                    break;
                }
            }
        }
        if reader.is_at_end() { Ok(()) } else { Err(Fault::NotJson) }
    }

    /// Takes in a member, behind the opening quote of its key.
    ///
    /// The processor foresees which field comes next, and each has code of its own, so that it need not wait
    /// for the length of a name to go on.
    #[inline(always)]
    fn read_member(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        use NumberField::{Amount, CellTowerId, DataMb, DurationSeconds};
        use TextField::{
            CounterpartyId, EventId, EventSubtype, EventType, Msisdn, Region, SubscriberId,
            Timestamp,
        };
        match Field::hinted_at(reader.word()) {
            Field::Text(EventId) => self.read_usual(Field::Text(EventId), reader),
            Field::Text(Msisdn) => self.read_usual(Field::Text(Msisdn), reader),
            Field::Text(EventType) => self.read_usual(Field::Text(EventType), reader),
            Field::Text(EventSubtype) => self.read_usual(Field::Text(EventSubtype), reader),
            Field::Text(Region) => self.read_usual(Field::Text(Region), reader),
            Field::Text(Timestamp) => self.read_usual(Field::Text(Timestamp), reader),
            Field::Text(SubscriberId) => self.read_usual(Field::Text(SubscriberId), reader),
            Field::Text(CounterpartyId) => self.read_usual(Field::Text(CounterpartyId), reader),
            Field::Number(DurationSeconds) => {
                self.read_usual(Field::Number(DurationSeconds), reader)
            }
            Field::Number(DataMb) => self.read_usual(Field::Number(DataMb), reader),
            Field::Number(Amount) => self.read_usual(Field::Number(Amount), reader),
            Field::Number(CellTowerId) => self.read_usual(Field::Number(CellTowerId), reader),
        }
    }

    /// Takes in a member that is most likely this field.
    #[inline(always)]
    fn read_usual(&mut self, field: Field, reader: &mut Reader<'a>) -> Result<(), Fault> {
        match reader.key_at_a_glance(field.name()) {
            Some(first_byte) => self.insert(field, first_byte, reader),
            None => self.read_any(reader),
        }
    }

    /// Takes in whatever member this is.
    #[inline(never)]
    fn read_any(&mut self, reader: &mut Reader<'a>) -> Result<(), Fault> {
        let (field, first_byte) = reader.rest_of_key().ok_or(Fault::NotJson)?;
        match field {
            None => {
                self.has_others = true;
                reader.skip_value().ok_or(Fault::NotJson)
            }
            Some(field) => self.insert(field, first_byte, reader),
        }
    }

    /// Takes in the value of a known field, which has this first byte: that tells its type.
    #[inline(always)]
    fn insert(
        &mut self,
        field: Field,
        first_byte: u8,
        reader: &mut Reader<'a>,
    ) -> Result<(), Fault> {
        let start = reader.place();
        let bit = field.bit();
        if self.seen & bit != 0 {
            return Err(Fault::At(DeadReason::DuplicateField, field, start));
        }
        self.seen |= bit;
        match (field, first_byte) {
            (Field::Text(text_field), b'"') => {
                reader.skip_byte();
                let (span, has_escapes) = reader.rest_of_string().ok_or(Fault::NotJson)?;
                self.texts[text_field as usize] = span;
                if has_escapes {
                    self.escaped |= bit;
                    if !is_text(self.text_at(span)) {
                        return Err(Fault::At(DeadReason::LoneSurrogate, field, start));
                    }
                }
            }
            (Field::Number(number_field), b'-' | b'0'..=b'9') => {
                self.numbers[number_field as usize] = reader.number().ok_or(Fault::NotJson)?;
            }
            (_, b'n') => reader.literal(b"null").ok_or(Fault::NotJson)?,
            _ => return Err(Fault::At(DeadReason::WrongType, field, start)),
        }
        Ok(())
    }
}

/// What to say of a payload that is no object of ours.
#[cold]
fn dead(payload: &str, fault: &Fault) -> Dead {
    // Not being JSON comes before every other fault, be it after the place of that fault.
    let is_json = Reader::is_json(payload);
    match *fault {
        Fault::At(reason, field, start) if is_json => {
            let mut reader = Reader::at(payload, start);
            reader.skip_value();
            field_fault(field, reason, payload.get(start..reader.place()).unwrap_or_default())
        }
        Fault::NotJson if is_json => {
            Dead::unexpected(DeadReason::NotAnObject, "payload", payload, "a JSON object")
        }
        _ => Dead::not_json(payload),
    }
}

/// A fault of the object's structure at this field.
fn field_fault(field: Field, reason: DeadReason, value: &str) -> Dead {
    let type_expected = match field {
        Field::Text(_) => "a string or null",
        Field::Number(_) => "a number or null",
    };
    // The value is JSON, so that a first digit makes it a number, and not a negative one.
    let is_count = value.as_bytes().first().is_some_and(u8::is_ascii_digit);
    let expected = match reason {
        DeadReason::DuplicateField => "the field only once",
        DeadReason::LoneSurrogate => "no lone surrogate",
        _ => type_expected,
    };
    if reason == DeadReason::WrongType
        && field == Field::Text(TextField::Timestamp)
        && is_count
        && let Some(mixup) = UnitMixup::of_count(value)
    {
        return Dead::unit_mixup(field.name(), value, expected, mixup);
    }
    Dead::unexpected(reason, field.name(), value, expected)
}
