//! Rules that are refused, each with the line, the key, what was found and what was expected.

use super::super::{Form, Mode, RuleSet, Value};
use ::towers::TowerTable;

use crate::Towers;

fn towers() -> Towers {
    let table = "tower,region,latitude,longitude\n1,Almaty,43,77";
    Towers::from(&TowerTable::parse(table).unwrap())
}

fn rule(conditions: &str) -> String {
    format!(
        "[[rules]]\nname = \"r\"\nversion = 1\nmode = \"shadow\"\nwithin = \"1h\"\n{conditions}"
    )
}

fn parsed(conditions: &str) -> RuleSet {
    let conditions = format!("conditions = [{conditions}]");
    RuleSet::parse(&rule(&conditions), towers()).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn a_rule_says_what_it_is_and_a_bucket_is_as_long_as_the_window_unless_it_says_so() {
    let set = parsed(r#"{ kind = "count", at_least = 3 }"#);
    let rule = &set.rules()[0];
    assert_eq!((rule.name.as_str(), rule.version, rule.mode), ("r", 1, Mode::Shadow));
    assert_eq!((rule.within_micros, rule.bucket_micros), (3_600_000_000, 3_600_000_000));
    assert_eq!(set.lookback_micros(), 3_600_000_000);

    let text = rule_with_bucket();
    let set = RuleSet::parse(&text, Towers::default()).unwrap();
    assert_eq!(set.rules()[0].bucket_micros, 86_400_000_000);
    assert_eq!(set.rules()[0].mode, Mode::Live);
    assert_eq!(RuleSet::towers_file(&text).unwrap().as_deref(), Some("t.csv"));
}

fn rule_with_bucket() -> String {
    let conditions = "conditions = [{ kind = \"count\", at_least = 3 }]";
    let text =
        rule(conditions).replace("shadow", "live").replace("\"1h\"", "\"1h\"\nbucket = \"1d\"");
    format!("towers = \"t.csv\"\n{text}")
}

/// The gate of a rule is its own: fewer events can't fulfil it, so many can.
#[test]
fn a_rule_needs_as_many_events_as_its_most_demanding_condition() {
    for (conditions, minimum) in [
        (r#"{ kind = "count", at_least = 30 }"#, 30),
        (r#"{ kind = "distinct", of = "counterparty_id", at_least = 7 }"#, 7),
        (r#"{ kind = "sum", of = "amount", at_least = 5000 }"#, 1),
        (r#"{ kind = "ratio", part = {}, min_events = 12, at_most = 0.5 }"#, 12),
        (r#"{ kind = "dispersion", of = "counterparty_id", min_events = 9, at_most = 0.5 }"#, 9),
        (r#"{ kind = "peak", span = "5m", at_least = 6 }"#, 6),
        (r#"{ kind = "count", at_least = 2 }, { kind = "peak", span = "5m", at_most = 6 }"#, 2),
        (r#"{ kind = "speed_kmh", at_least = 300 }"#, 2),
        (r#"{ kind = "overlap", at_least = 3 }"#, 3),
        (r#"{ kind = "sequence", first = {}, then = {} }"#, 2),
        (r#"{ kind = "sequence", first = {}, then = {}, at_least = 4 }"#, 5),
        (r#"{ kind = "absent", first = {}, then = {} }"#, 1),
        (r#"{ kind = "count", at_least = 3 }, { kind = "count", at_most = 90 }"#, 3),
        (r#"{ kind = "count", at_least = 3 }, { kind = "overlap", at_least = 5 }"#, 5),
    ] {
        assert_eq!(parsed(conditions).rules()[0].minimum, minimum, "{conditions}");
    }
}

#[test]
fn equal_filters_share_a_bit_and_what_no_rule_asks_for_is_not_kept() {
    let calls = r#"{ event_type = "call" }"#;
    let set = parsed(&format!(
        r#"{{ kind = "count", where = {calls}, at_least = 3 }}, {{ kind = "sum", of = "amount", where = {calls}, at_most = 0 }}"#
    ));
    let Form::Window(conditions) = &set.rules()[0].form else { panic!("a window") };
    let [Value::Count(one), Value::Sum(other, _)] = [conditions[0].value, conditions[1].value]
    else {
        panic!("as they were written")
    };
    assert_eq!((one, other), (1, 1));
    assert!(set.needs.amount && !set.needs.counterparty && !set.needs.tower && !set.needs.data);
}

#[test]
fn absent_looks_back_for_duplicates_too() {
    let set = parsed(r#"{ kind = "absent", first = {}, then = {} }"#);
    assert_eq!(set.lookback_micros(), 2 * 3_600_000_000);
}

#[test]
fn what_is_wrong_is_named_with_its_line_what_was_found_and_what_is_expected() {
    for (conditions, expected) in [
        (
            r#"[{ kind = "cuont", at_least = 1 }]"#,
            "line 6: kind `cuont`: expected count, sum, distinct, ratio, dispersion, peak, speed_kmh, overlap, sequence or absent",
        ),
        (
            r#"[{ kind = "count", at_leats = 1 }]"#,
            "line 6: unknown field `at_leats`, expected one of `kind`, `of`, `where`, `part`, `first`, `then`, `at_least`, `at_most`, `min_events`, `min_km`, `same_counterparty`, `span`",
        ),
        (
            r#"[{ kind = "count", of = "amount", at_least = 1 }]"#,
            "line 6: `count` has no key `of`; it has where, at_least, at_most",
        ),
        (
            r#"[{ kind = "count", at_least = 2.5 }]"#,
            "line 6: 2.5: expected a whole number from 1 on",
        ),
        (
            r#"[{ kind = "count", at_least = nan }]"#,
            "line 6: NaN: expected a whole number from 1 on",
        ),
        (
            r#"[{ kind = "count", at_least = "5" }]"#,
            "line 6: invalid type: string \"5\", expected f64",
        ),
        (r#"[{ kind = "count" }]"#, "line 6: `count`: expected one of at_least and at_most"),
        (
            r#"[{ kind = "count", at_least = 1, at_most = 2 }]"#,
            "line 6: `count`: expected one of at_least and at_most",
        ),
        (
            r#"[{ kind = "sum", at_least = 1 }]"#,
            "line 6: `sum`: expected the key `of`: amount, data_mb or duration_seconds",
        ),
        (
            r#"[{ kind = "sum", of = "region", at_least = 1 }]"#,
            "line 6: `sum` of `region`: expected amount, data_mb or duration_seconds",
        ),
        (
            r#"[{ kind = "sum", of = "amount", at_least = 0 }]"#,
            "line 6: 0: expected a number from 0 on, above 0 for at_least",
        ),
        (
            r#"[{ kind = "distinct", of = "msisdn", at_least = 1 }]"#,
            "line 6: `distinct` of `msisdn`: expected counterparty_id or cell_tower_id",
        ),
        (
            r#"[{ kind = "ratio", at_least = 0.5, min_events = 3 }]"#,
            "line 6: `ratio`: expected the filter `part`, whose share is measured",
        ),
        (
            r#"[{ kind = "ratio", part = {}, at_least = 0.5 }]"#,
            "line 6: `ratio`: expected `min_events`, the number of events from which on a share says something",
        ),
        (
            r#"[{ kind = "ratio", part = {}, min_events = 0, at_least = 0.5 }]"#,
            "line 6: min_events 0: expected a whole number from 1 on",
        ),
        (
            r#"[{ kind = "ratio", part = {}, min_events = 3, at_least = 50 }]"#,
            "line 6: 50: expected a share from 0 to 1",
        ),
        (
            r#"[{ kind = "dispersion", of = "counterparty_id", at_least = 0.9 }]"#,
            "line 6: `dispersion`: expected `min_events`, the number of events from which on a share says something",
        ),
        (
            r#"[{ kind = "dispersion", of = "counterparty_id", min_events = 9, at_least = 9 }]"#,
            "line 6: 9: expected a share from 0 to 1",
        ),
        (
            r#"[{ kind = "peak", at_least = 5 }]"#,
            "line 6: `peak`: expected `span`, the length of the stretch, like 10m",
        ),
        (
            r#"[{ kind = "peak", span = "0s", at_least = 5 }]"#,
            "line 6: span `0s`: expected a duration like 30m, 1h or 1d, from 1s to 7days",
        ),
        (
            r#"[{ kind = "peak", span = "5m", at_most = 5 }]"#,
            "line 1: rule `r` holds for somebody who did nothing: at least one condition must be a count, sum, distinct or peak with at_least, or of another kind",
        ),
        (r#"[{ kind = "overlap", at_least = 1 }]"#, "line 6: 1: expected a whole number from 2 on"),
        (
            r#"[{ kind = "speed_kmh", at_least = 300, min_km = -1 }]"#,
            "line 6: min_km -1: expected kilometres, 0 to 20000",
        ),
        (
            r#"[{ kind = "sequence", first = {} }]"#,
            "line 6: `sequence`: expected the filters `first` and `then`",
        ),
        (
            r#"[{ kind = "count", at_most = 0 }]"#,
            "line 1: rule `r` holds for somebody who did nothing: at least one condition must be a count, sum, distinct or peak with at_least, or of another kind",
        ),
        (
            "[\n{ kind = \"count\", at_least = 1 },\n{ kind = \"absent\", first = {}, then = {} }]",
            "line 8: `absent` is judged when time has passed, so it is the only condition of its rule",
        ),
        ("[]", "line 6: 0 conditions; expected 1 to 8"),
        (
            r#"[{ kind = "count", where = { event_typ = "call" }, at_least = 1 }]"#,
            "line 6: unknown field `event_typ`, expected one of `event_type`, `event_subtype`, `duration_at_least`, `duration_at_most`, `amount_at_least`, `amount_at_most`, `during`, `outside`",
        ),
        (
            r#"[{ kind = "count", where = { event_type = 5 }, at_least = 1 }]"#,
            "line 6: a text, or a list of texts",
        ),
        (
            r#"[{ kind = "count", where = { event_type = [] }, at_least = 1 }]"#,
            "line 6: an empty list matches nothing: leave the key out",
        ),
        (
            r#"[{ kind = "count", where = { duration_at_least = 9, duration_at_most = 3 }, at_least = 1 }]"#,
            "line 6: duration_at_least and duration_at_most: expected numbers from 0 on, the first not above the second",
        ),
        (
            r#"[{ kind = "count", where = { during = { days = ["monday"] } }, at_least = 1 }]"#,
            "line 6: day `monday`: expected mon, tue, wed, thu, fri, sat, sun",
        ),
        (
            r#"[{ kind = "count", where = { outside = { hours = [9, 25] } }, at_least = 1 }]"#,
            "line 6: hours [9, 25]: expected two different whole hours, the first from 0 to 23, the second from 1 to 24",
        ),
        (
            r#"[{ kind = "count", where = { outside = {} }, at_least = 1 }]"#,
            "line 6: expected days, hours or both",
        ),
        (
            r#"[{ kind = "count", where = { during = { days = [] } }, at_least = 1 }]"#,
            "line 6: an empty list of days: leave the key out",
        ),
    ] {
        let text = rule(&format!("conditions = {conditions}"));
        assert_eq!(RuleSet::parse(&text, towers()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn a_rule_that_can_not_be_is_named_too() {
    let good = rule(r#"conditions = [{ kind = "count", at_least = 1 }]"#);
    for (from, to, expected) in [
        ("\"r\"", "\"R 2\"", "line 2: name `R 2`: expected a–z, 0–9 and _, 1 to 50 characters"),
        ("version = 1", "version = 0", "line 3: version: expected a whole number from 1 on"),
        ("shadow", "test", "line 4: mode `test`: expected `shadow` or `live`"),
        (
            "\"1h\"",
            "\"8d\"",
            "line 5: within `8d`: expected a duration like 30m, 1h or 1d, from 1s to 7days",
        ),
        (
            "\"1h\"",
            "\"1\"",
            "line 5: within `1`: expected a duration like 30m, 1h or 1d, from 1s to 7days",
        ),
        ("mode = \"shadow\"\n", "", "line 1: missing field `mode`"),
        (
            "[[rules]]",
            "[[rule]]",
            "line 1: unknown field `rule`, expected one of `towers`, `utc_offset`, `rules`",
        ),
        (
            "[[rules]]",
            "utc_offset = \"5\"\n[[rules]]",
            "line 1: utc_offset `5`: expected how far clocks are ahead of UTC, like +05:00",
        ),
    ] {
        let text = good.replacen(from, to, 1);
        assert_eq!(RuleSet::parse(&text, towers()).unwrap_err().to_string(), expected);
    }
    let twice = format!("{good}\n{good}");
    let error = RuleSet::parse(&twice, towers()).unwrap_err().to_string();
    assert_eq!(error, "line 8: name `r`: another rule has it already");
    let error = RuleSet::parse("rules = []", towers()).unwrap_err().to_string();
    assert_eq!(error, "line 1: 0 rules; expected 1 to 64");
}

#[test]
fn speed_needs_a_table_of_towers_and_there_are_so_many_filters() {
    let speed = rule(r#"conditions = [{ kind = "speed_kmh", at_least = 300 }]"#);
    let error = RuleSet::parse(&speed, Towers::default()).unwrap_err().to_string();
    assert_eq!(
        error,
        "line 6: `speed_kmh` needs a table of towers: name its file with `towers` at the beginning of this one"
    );

    let rule_number = |number: usize| {
        let condition = format!(
            "conditions = [{{ kind = \"count\", where = {{ event_type = \"t{number}\" }}, at_least = 1 }}]\n"
        );
        rule(&condition).replace("\"r\"", &format!("\"r{number}\""))
    };
    let many = |count: usize| (0..count).map(rule_number).collect::<String>();
    assert!(RuleSet::parse(&many(31), towers()).is_ok());
    let error = RuleSet::parse(&many(32), towers()).unwrap_err().to_string();
    assert_eq!(error, "line 192: more than 31 different filters in one file");
}

#[test]
fn the_example_is_a_file_of_ten_rules() {
    let text = include_str!("../../../rules/example.toml");
    let set = RuleSet::parse(text, towers()).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(set.rules().len(), 10);
    assert!(set.rules().iter().all(|rule| rule.mode == Mode::Shadow));
}
