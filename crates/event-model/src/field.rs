//! The fields that the contract knows, and the one that a key names.

/// A known field that holds a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TextField {
    EventId,
    Msisdn,
    EventType,
    EventSubtype,
    Region,
    Timestamp,
    SubscriberId,
    CounterpartyId,
}

/// A known field that holds a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NumberField {
    DurationSeconds,
    DataMb,
    Amount,
    CellTowerId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Text(TextField),
    Number(NumberField),
}

impl TextField {
    pub(crate) const COUNT: usize = 8;

    /// The field's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            TextField::EventId => "event_id",
            TextField::Msisdn => "msisdn",
            TextField::EventType => "event_type",
            TextField::EventSubtype => "event_subtype",
            TextField::Region => "region",
            TextField::Timestamp => "timestamp",
            TextField::SubscriberId => "subscriber_id",
            TextField::CounterpartyId => "counterparty_id",
        }
    }
}

impl NumberField {
    pub(crate) const COUNT: usize = 4;

    /// The field's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            NumberField::DurationSeconds => "duration_seconds",
            NumberField::DataMb => "data_mb",
            NumberField::Amount => "amount",
            NumberField::CellTowerId => "cell_tower_id",
        }
    }
}

const FIELDS: [Field; TextField::COUNT + NumberField::COUNT] = [
    Field::Text(TextField::EventId),
    Field::Text(TextField::Msisdn),
    Field::Text(TextField::EventType),
    Field::Text(TextField::EventSubtype),
    Field::Text(TextField::Region),
    Field::Text(TextField::Timestamp),
    Field::Text(TextField::SubscriberId),
    Field::Text(TextField::CounterpartyId),
    Field::Number(NumberField::DurationSeconds),
    Field::Number(NumberField::DataMb),
    Field::Number(NumberField::Amount),
    Field::Number(NumberField::CellTowerId),
];

impl Field {
    /// The field's name in JSON.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Field::Text(field) => field.name(),
            Field::Number(field) => field.name(),
        }
    }

    /// A bit of its own for each field.
    #[inline(always)]
    pub(crate) const fn bit(self) -> u32 {
        match self {
            Field::Text(field) => 1 << field as u32,
            Field::Number(field) => 1 << (TextField::COUNT as u32 + field as u32),
        }
    }

    pub(crate) fn named(name: &str) -> Option<Field> {
        FIELDS.into_iter().find(|field| field.name() == name)
    }

    /// The one field that a key may name, told by its first bytes. In: the eight bytes after the key's
    /// opening quote, the first one lowest.
    #[inline(always)]
    pub(crate) fn hinted_at(first_bytes: u64) -> Field {
        FIELD_AT[place_of(first_bytes)]
    }
}

/// A table by which a key's field is found without a search.
const FIELD_AT: [Field; PLACES] = fields_by_place();
const PLACES: usize = 16;

/// The place in the table: the first seven bytes, which all names of ours differ in, the quote after a
/// name of six included, are mixed by multiplication. A number that gives each name a place of its own
/// was found by trying; `fields_by_place` refuses to compile with another.
#[inline(always)]
const fn place_of(first_bytes: u64) -> usize {
    const SEVEN_BYTES: u64 = u64::MAX >> 8;
    const MIXER: u64 = 0x48be_ab13_4da9_8f1d;
    ((first_bytes & SEVEN_BYTES).wrapping_mul(MIXER) >> 60) as usize
}

const fn fields_by_place() -> [Field; PLACES] {
    let mut fields = [FIELDS[0]; PLACES];
    let mut taken = [false; PLACES];
    let mut index = 0;
    while index < FIELDS.len() {
        let name = FIELDS[index].name().as_bytes();
        let (mut first_bytes, mut at) = (0, 0);
        while at < 7 {
            let byte = if at < name.len() { name[at] } else { b'"' };
            first_bytes |= (byte as u64) << (8 * at);
            at += 1;
        }
        let place = place_of(first_bytes);
        assert!(name.len() >= 6 && !taken[place], "another MIXER is needed");
        taken[place] = true;
        fields[place] = FIELDS[index];
        index += 1;
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::{FIELDS, Field};
    use crate::chunk::word_at;

    #[test]
    fn a_field_is_found_by_its_name_and_by_the_first_bytes_of_its_key() {
        for field in FIELDS {
            let name = field.name();
            assert_eq!(Field::named(name), Some(field));
            let key = format!("{name}\":null,\"");
            assert_eq!(Field::hinted_at(word_at(key.as_bytes(), 0)), field, "{name}");
        }
        for other in ["", "a", "even", "Region", "regions", "event_id "] {
            assert_eq!(Field::named(other), None, "{other}");
        }
    }
}
