//! From the form to the mapping: what fits together and what does not.

use std::collections::BTreeMap;

use event_model::visible;
use towers::TowerRegions;

use super::{
    AmountRule, Column, DataRule, DispositionRule, DurationRule, InputRules, LegsRule, Mapping,
    PartyRule, Prefixes, RegionRule, RoamingRule, SessionRule, SideRule, SubtypeRule, TimeRule,
    TowerRule, TypeRule, ValuesRule,
};
use crate::decimal::Notation;
use crate::form::{self, DataUnit, Form, Format};
use crate::moment::{Clock, TimeFormat};
use crate::number::NumberPlan;

/// Most characters of the contract's names.
const TYPE_CHARS_MAX: usize = 50;
const REGION_CHARS_MAX: usize = 100;
/// Most characters of a mapping's own name: it is part of a transactional id.
const NAME_CHARS_MAX: usize = 60;

/// Numbers columns as they are met.
struct Columns(Vec<String>);

impl Columns {
    fn number(&mut self, name: &str) -> Column {
        self.0.iter().position(|known| known == name).unwrap_or_else(|| {
            self.0.push(name.to_owned());
            self.0.len() - 1
        })
    }

    fn optional(&mut self, name: Option<&String>) -> Option<Column> {
        name.map(|name| self.number(name))
    }

    fn all(&mut self, names: &[String]) -> Vec<Column> {
        names.iter().map(|name| self.number(name)).collect()
    }

    fn values(&mut self, rule: &form::Values) -> ValuesRule {
        ValuesRule { column: self.number(&rule.column), values: rule.values.clone() }
    }
}

/// What a form means.
pub(super) fn mapping(
    form: Form,
    table: &dyn Fn(&str) -> std::io::Result<String>,
) -> Result<Mapping, String> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if form.name.is_empty() || form.name.len() > NAME_CHARS_MAX || !form.name.bytes().all(is_name) {
        return Err(format!(
            "name: \"{}\" can't be used; write 1 to {NAME_CHARS_MAX} letters, digits, dots, hyphens or underscores",
            visible(&form.name, NAME_CHARS_MAX)
        ));
    }
    let columns = &mut Columns(Vec::new());
    let input = input(&form.input)?;
    let event_type = event_type(&form.event, columns)?;
    let subtype = subtype(&form.event, columns)?;
    let id_columns = columns.all(&form.event.id_columns);
    let time = time(&form.time, columns)?;
    let duration = form.duration.as_ref().map(|rule| DurationRule {
        column: columns.number(&rule.column),
        unit: rule.unit,
        minus_one: rule.minus_one,
    });
    let data = form.data.as_ref().map(|rule| data(rule, columns)).transpose()?;
    let amount = form.amount.as_ref().map(|rule| amount(rule, columns)).transpose()?;
    let subscriber =
        form.subscriber.as_ref().map(|rule| party("subscriber", rule, columns)).transpose()?;
    let counterparty =
        form.counterparty.as_ref().map(|rule| party("counterparty", rule, columns)).transpose()?;
    let number_columns = [&subscriber, &counterparty]
        .into_iter()
        .flatten()
        .flat_map(|party| [Some(party.side), party.incoming])
        .flatten()
        .map(|side| side.number)
        .collect();
    let tower = form.tower.as_ref().map(|rule| TowerRule {
        column: columns.number(&rule.column),
        hexadecimal: rule.hexadecimal,
    });
    let region = region(&form, columns, table)?;
    let disposition = form.disposition.as_ref().map(|rule| DispositionRule {
        column: columns.number(&rule.column),
        answered: rule.answered.clone(),
        unanswered: rule.unanswered,
    });
    let roaming = form.roaming.as_ref().map(|rule| RoamingRule {
        column: columns.number(&rule.column),
        home: rule.home.clone(),
        then: rule.then,
    });
    let legs = form.legs.as_ref().map(|rule| legs(rule, columns)).transpose()?;
    let leave_out = form.leave_out.iter().map(|rule| columns.values(rule)).collect();
    let sessions =
        sessions(&form, columns, time.seconds.is_some() || duration.is_some() || data.is_some())?;
    known_columns(&input, &columns.0)?;
    Ok(Mapping {
        name: form.name,
        input,
        columns: std::mem::take(&mut columns.0),
        number_columns,
        event_type,
        subtype,
        id_columns,
        time,
        duration,
        data,
        amount,
        subscriber,
        counterparty,
        numbers: number_plan(form.numbers)?,
        region,
        tower,
        disposition,
        roaming,
        legs,
        leave_out,
        sessions,
    })
}

fn input(form: &form::Input) -> Result<InputRules, String> {
    let [delimiter] = form.delimiter.as_bytes() else {
        return Err(format!("input.delimiter: \"{}\" must be one ASCII character", form.delimiter));
    };
    if form.format == Format::Csv && !form.header && form.columns.is_empty() {
        return Err("input.columns: name them, because input.header is false".to_owned());
    }
    if form.optional_columns > form.columns.len() {
        return Err(format!(
            "input.optional_columns: {} is more than the {} of input.columns",
            form.optional_columns,
            form.columns.len()
        ));
    }
    let mut thousands = form.thousands.chars();
    let notation = Notation {
        decimal: match form.decimal.as_str() {
            "." => '.',
            "," => ',',
            other => return Err(format!("input.decimal: \"{other}\" must be \".\" or \",\"")),
        },
        thousands: thousands.next(),
    };
    if thousands.next().is_some() || notation.thousands == Some(notation.decimal) {
        return Err("input.thousands: write one character, other than input.decimal".to_owned());
    }
    let root =
        form.root.split('.').filter(|member| !member.is_empty()).map(str::to_owned).collect();
    Ok(InputRules {
        format: form.format,
        delimiter: *delimiter,
        header: form.header,
        names: form.columns.clone(),
        optional: form.optional_columns,
        notation,
        empty: form.empty.clone(),
        percent_encoded: form.percent_encoded,
        root,
    })
}

/// Every column that is spoken of is there, as far as is known before a file is opened.
fn known_columns(input: &InputRules, columns: &[String]) -> Result<(), String> {
    if input.format != Format::Csv || input.names.is_empty() {
        return Ok(());
    }
    match columns.iter().find(|column| !input.names.contains(column)) {
        None => Ok(()),
        Some(column) => Err(format!(
            "column \"{column}\" is not among input.columns; these are: {}",
            input.names.join(", ")
        )),
    }
}

fn event_type(form: &form::Event, columns: &mut Columns) -> Result<TypeRule, String> {
    match (&form.fixed_type, &form.type_column) {
        (Some(name), None) => Ok(TypeRule::Fixed(usable("event.type", name, TYPE_CHARS_MAX)?)),
        (None, Some(column)) if !form.types.is_empty() => {
            for name in form.types.values() {
                usable("event.types", name, TYPE_CHARS_MAX)?;
            }
            let (column, types) = (columns.number(column), form.types.clone());
            Ok(TypeRule::ByValue { column, types, otherwise: form.other_types })
        }
        _ => Err("event: give either type, or type_column and types".to_owned()),
    }
}

fn subtype(form: &form::Event, columns: &mut Columns) -> Result<SubtypeRule, String> {
    match (&form.subtype, &form.subtype_column) {
        (None, None) => Ok(SubtypeRule::None),
        (Some(name), None) => Ok(SubtypeRule::Fixed(name.clone())),
        (None, Some(column)) if !form.subtypes.is_empty() => Ok(SubtypeRule::ByValue {
            column: columns.number(column),
            subtypes: form.subtypes.clone(),
        }),
        _ => Err("event: give either subtype, or subtype_column and subtypes".to_owned()),
    }
}

/// A name that the contract accepts.
fn usable(key: &str, name: &str, chars_max: usize) -> Result<String, String> {
    let is_reserved = matches!(name, "ALL" | "most_active");
    let is_usable = !name.is_empty()
        && name.chars().count() <= chars_max
        && !name.contains('\0')
        && !is_reserved;
    if is_usable {
        return Ok(name.to_owned());
    }
    Err(format!(
        "{key}: \"{}\" can't be used; write 1 to {chars_max} characters, and neither ALL nor most_active",
        visible(name, chars_max)
    ))
}

fn time(form: &form::Time, columns: &mut Columns) -> Result<TimeRule, String> {
    if form.start.is_none() && form.end.is_none() {
        return Err("time: name the column start, end, or both".to_owned());
    }
    let formats: Vec<TimeFormat> =
        form.formats.iter().map(|format| TimeFormat::read(format)).collect::<Result<_, _>>()?;
    if formats.is_empty() {
        return Err("time.formats: write at least one, such as \"%Y-%m-%d %H:%M:%S\"".to_owned());
    }
    let zone = match &form.zone {
        None if formats.iter().all(TimeFormat::names_its_offset) => None,
        None => {
            return Err(
                "time.zone: name it, such as Asia/Almaty: the formats say no offset".to_owned()
            );
        }
        Some(name) => Some(name.parse().map_err(|_| {
            format!("time.zone: \"{name}\" is no time zone; write a name such as Asia/Almaty")
        })?),
    };
    Ok(TimeRule {
        clock: Clock { formats, zone, twice: form.twice },
        moment: form.moment,
        start: columns.optional(form.start.as_ref()),
        end: columns.optional(form.end.as_ref()),
        seconds: form.seconds.as_ref().map(|name| (columns.number(name), form.seconds_unit)),
    })
}

fn data(form: &form::Data, columns: &mut Columns) -> Result<DataRule, String> {
    if form.columns.is_empty() {
        return Err("data.columns: name at least one; several are added up".to_owned());
    }
    if !matches!(form.kilo, 1_000 | 1_024) {
        return Err(format!("data.kilo: {} must be 1024 or 1000", form.kilo));
    }
    let power = match form.unit {
        DataUnit::B => 0,
        DataUnit::KB => 1,
        DataUnit::MB => 2,
        DataUnit::GB => 3,
    };
    let times = u64::from(form.kilo).pow(power);
    Ok(DataRule { columns: columns.all(&form.columns), times, by: 1 << 20 })
}

fn amount(form: &form::Amount, columns: &mut Columns) -> Result<AmountRule, String> {
    if form.per_unit == 0 {
        return Err(
            "amount.per_unit: write how many of the column's units make one tenge, such as 100"
                .to_owned(),
        );
    }
    let currency = match (&form.currency_column, form.currency.is_empty()) {
        (None, true) => None,
        (Some(column), false) => Some((columns.number(column), form.currency.clone())),
        _ => return Err("amount: give currency_column and currency together".to_owned()),
    };
    Ok(AmountRule { column: columns.number(&form.column), per_unit: form.per_unit, currency })
}

fn party(key: &str, form: &form::Party, columns: &mut Columns) -> Result<PartyRule, String> {
    // With one pseudonym, the other one would be made of a mask: a name that says nothing.
    let incoming_fits = form.pseudonym_incoming.is_some()
        == (form.pseudonym.is_some() && form.column_incoming.is_some());
    if !incoming_fits {
        return Err(format!(
            "{key}: with column_incoming give pseudonym and pseudonym_incoming together, without it pseudonym alone"
        ));
    }
    let incoming = form.column_incoming.as_ref().map(|number| SideRule {
        number: columns.number(number),
        pseudonym: columns.optional(form.pseudonym_incoming.as_ref()),
    });
    let side = SideRule {
        number: columns.number(&form.column),
        pseudonym: columns.optional(form.pseudonym.as_ref()),
    };
    Ok(PartyRule { side, incoming })
}

fn region(
    form: &Form,
    columns: &mut Columns,
    table: &dyn Fn(&str) -> std::io::Result<String>,
) -> Result<RegionRule, String> {
    let rule = &form.region;
    let read =
        |file: &str| table(file).map_err(|error| format!("region: {file} can't be read: {error}"));
    let check = |values: &BTreeMap<String, String>| {
        values
            .values()
            .try_for_each(|name| usable("region.values", name, REGION_CHARS_MAX).map(drop))
    };
    match (&rule.fixed, &rule.column, &rule.towers, &rule.prefixes) {
        (None, None, None, None) => Ok(RegionRule::Unknown),
        (Some(name), None, None, None) => {
            Ok(RegionRule::Fixed(usable("region.fixed", name, REGION_CHARS_MAX)?))
        }
        (None, Some(column), None, None) => {
            check(&rule.values)?;
            Ok(RegionRule::ByValue { column: columns.number(column), values: rule.values.clone() })
        }
        (None, None, Some(_), None) if form.tower.is_none() => {
            Err("region.towers: name the tower's column in [tower] too".to_owned())
        }
        (None, None, Some(file), None) => {
            let towers = TowerRegions::parse(&read(file)?);
            Ok(RegionRule::ByTower(towers.map_err(|problem| format!("{file}: {problem}"))?))
        }
        (None, None, None, Some(_)) if form.subscriber.is_none() => {
            Err("region.prefixes: name the number's column in [subscriber] too".to_owned())
        }
        (None, None, None, Some(file)) => {
            Ok(RegionRule::ByPrefix(Prefixes::read(file, &read(file)?)?))
        }
        _ => Err("region: give one of fixed, column, towers and prefixes".to_owned()),
    }
}

fn legs(form: &form::Legs, columns: &mut Columns) -> Result<LegsRule, String> {
    match (&form.same, &form.column, form.values.is_empty()) {
        (Some([a, b]), None, true) => Ok(LegsRule::Same(columns.number(a), columns.number(b))),
        (None, Some(column), false) => Ok(LegsRule::Kept(ValuesRule {
            column: columns.number(column),
            values: form.values.clone(),
        })),
        _ => Err("legs: give either same = [\"uniqueid\", \"linkedid\"], or column and values"
            .to_owned()),
    }
}

fn sessions(form: &Form, columns: &mut Columns, has_sums: bool) -> Result<SessionRule, String> {
    match (&form.differences, &form.pairs) {
        (None, None) => Ok(SessionRule::None),
        (Some(_), Some(_)) => Err("give [differences] or [pairs], not both".to_owned()),
        (Some(rule), None) => {
            if rule.session.is_empty() || !has_sums {
                return Err(
                    "differences: name the columns of the session, and [duration] or [data]"
                        .to_owned(),
                );
            }
            let ends = rule.ends.as_ref().map(|ends| columns.values(ends));
            Ok(SessionRule::Differences { session: columns.all(&rule.session), ends })
        }
        (None, Some(rule)) => {
            if rule.session.is_empty() {
                return Err("pairs.session: name the columns that both rows share".to_owned());
            }
            let (begins, ends) = (columns.values(&rule.begins), columns.values(&rule.ends));
            Ok(SessionRule::Pairs { session: columns.all(&rule.session), begins, ends })
        }
    }
}

fn number_plan(form: form::Numbers) -> Result<NumberPlan, String> {
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let all = [&form.country, &form.trunk].into_iter().chain(&form.international);
    if let Some(text) = all.into_iter().find(|text| !is_number(text)) {
        return Err(format!(
            "numbers: \"{text}\" must be digits alone; a plus is understood without being named"
        ));
    }
    let mut international = form.international;
    // 810 must be seen before a shorter prefix that it may begin with.
    international.sort_by_key(|prefix| std::cmp::Reverse(prefix.len()));
    Ok(NumberPlan {
        country: form.country,
        trunk: form.trunk,
        international,
        national_digits: form.national_digits,
        short_digits_max: form.short_digits_max,
    })
}
