//! The mapping file as it is written: TOML into plain structures. What fits together is judged in `mapping`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A whole mapping file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Form {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) input: Input,
    pub(crate) event: Event,
    pub(crate) time: Time,
    pub(crate) duration: Option<Duration>,
    pub(crate) data: Option<Data>,
    pub(crate) amount: Option<Amount>,
    pub(crate) subscriber: Option<Party>,
    pub(crate) counterparty: Option<Party>,
    #[serde(default)]
    pub(crate) numbers: Numbers,
    #[serde(default)]
    pub(crate) region: Region,
    pub(crate) tower: Option<Tower>,
    pub(crate) disposition: Option<Disposition>,
    pub(crate) roaming: Option<Roaming>,
    pub(crate) legs: Option<Legs>,
    #[serde(default)]
    pub(crate) leave_out: Vec<Values>,
    pub(crate) differences: Option<Differences>,
    pub(crate) pairs: Option<Pairs>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    #[default]
    Csv,
    Ndjson,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Input {
    pub(crate) format: Format,
    pub(crate) delimiter: String,
    pub(crate) header: bool,
    pub(crate) columns: Vec<String>,
    pub(crate) optional_columns: usize,
    pub(crate) decimal: String,
    pub(crate) thousands: String,
    pub(crate) empty: Vec<String>,
    pub(crate) percent_encoded: bool,
    pub(crate) root: String,
}

impl Default for Input {
    fn default() -> Self {
        Input {
            format: Format::Csv,
            delimiter: ",".to_owned(),
            header: true,
            columns: Vec::new(),
            optional_columns: 0,
            decimal: ".".to_owned(),
            thousands: String::new(),
            empty: ["", "NULL", "\\N"].map(str::to_owned).to_vec(),
            percent_encoded: false,
            root: String::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Otherwise {
    #[default]
    NotMapped,
    LeftOut,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Event {
    #[serde(rename = "type")]
    pub(crate) fixed_type: Option<String>,
    pub(crate) type_column: Option<String>,
    #[serde(default)]
    pub(crate) types: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) other_types: Otherwise,
    pub(crate) subtype: Option<String>,
    pub(crate) subtype_column: Option<String>,
    #[serde(default)]
    pub(crate) subtypes: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) id_columns: Vec<String>,
}

/// Which moment of an event its timestamp is.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Moment {
    #[default]
    End,
    Start,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Twice {
    #[default]
    Earlier,
    Later,
    NotMapped,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Time {
    pub(crate) zone: Option<String>,
    pub(crate) formats: Vec<String>,
    #[serde(default)]
    pub(crate) moment: Moment,
    pub(crate) start: Option<String>,
    pub(crate) end: Option<String>,
    pub(crate) seconds: Option<String>,
    #[serde(default)]
    pub(crate) seconds_unit: DurationUnit,
    #[serde(default)]
    pub(crate) twice: Twice,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub(crate) enum DurationUnit {
    #[default]
    #[serde(rename = "s")]
    Seconds,
    #[serde(rename = "ms")]
    Millis,
    #[serde(rename = "us")]
    Micros,
    #[serde(rename = "min")]
    Minutes,
    #[serde(rename = "h:m:s")]
    Clock,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum MinusOne {
    #[default]
    Absent,
    Zero,
    NotMapped,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Duration {
    pub(crate) column: String,
    #[serde(default)]
    pub(crate) unit: DurationUnit,
    #[serde(default)]
    pub(crate) minus_one: MinusOne,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(crate) enum DataUnit {
    B,
    KB,
    MB,
    GB,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Data {
    pub(crate) columns: Vec<String>,
    pub(crate) unit: DataUnit,
    #[serde(default = "binary_kilo")]
    pub(crate) kilo: u32,
}

fn binary_kilo() -> u32 {
    1024
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Amount {
    pub(crate) column: String,
    #[serde(default = "one")]
    pub(crate) per_unit: u32,
    pub(crate) currency_column: Option<String>,
    #[serde(default)]
    pub(crate) currency: Vec<String>,
}

fn one() -> u32 {
    1
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Party {
    pub(crate) column: String,
    pub(crate) column_incoming: Option<String>,
    pub(crate) pseudonym: Option<String>,
    pub(crate) pseudonym_incoming: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Numbers {
    pub(crate) country: String,
    pub(crate) trunk: String,
    pub(crate) international: Vec<String>,
    pub(crate) national_digits: usize,
    pub(crate) short_digits_max: usize,
}

impl Default for Numbers {
    fn default() -> Self {
        Numbers {
            country: "7".to_owned(),
            trunk: "8".to_owned(),
            international: vec!["810".to_owned(), "00".to_owned()],
            national_digits: 10,
            short_digits_max: 6,
        }
    }
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Region {
    pub(crate) fixed: Option<String>,
    pub(crate) column: Option<String>,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) towers: Option<String>,
    pub(crate) prefixes: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Tower {
    pub(crate) column: String,
    #[serde(default)]
    pub(crate) hexadecimal: bool,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Unanswered {
    #[default]
    Zero,
    LeftOut,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Disposition {
    pub(crate) column: String,
    pub(crate) answered: Vec<String>,
    #[serde(default)]
    pub(crate) unanswered: Unanswered,
}

#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoamingThen {
    #[default]
    Abroad,
    LeftOut,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Roaming {
    pub(crate) column: String,
    pub(crate) home: Vec<String>,
    #[serde(default)]
    pub(crate) then: RoamingThen,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Legs {
    pub(crate) same: Option<[String; 2]>,
    pub(crate) column: Option<String>,
    #[serde(default)]
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Values {
    pub(crate) column: String,
    pub(crate) values: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Differences {
    pub(crate) session: Vec<String>,
    pub(crate) ends: Option<Values>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Pairs {
    pub(crate) session: Vec<String>,
    pub(crate) begins: Values,
    pub(crate) ends: Values,
}
