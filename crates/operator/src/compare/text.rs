//! What `compare` answers, for people and for programs.

use std::fmt::Write as _;

use program::{Align, Table};
use serde_json::{Value, json};

use super::judge::{Comparison, Difference, What};
use crate::output::{time_json, time_text};

/// What the topics are called there and here.
#[derive(Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) theirs: &'a str,
    pub(super) ours: &'a str,
}

pub(super) fn as_text(comparison: &Comparison, names: Names<'_>) -> String {
    let mut text = String::new();
    if comparison.total > 0 {
        write!(text, "{}", differences(comparison)).expect("writing to a String can't fail");
    }
    let Names { theirs, ours } = names;
    let shown = |name: &str| event_model::visible(name, usize::MAX);
    let verdict = match comparison.total {
        0 if !comparison.is_equal() => "equal so far".to_owned(),
        0 => "equal".to_owned(),
        1 => "1 difference".to_owned(),
        total => format!("{total} differences"),
    };
    let (there, here) = comparison.events;
    let (letters_there, letters_here) = comparison.letters;
    let scope = format!(
        "{} quarters of an hour, partitions {}; events {there} there, {here} here; dead letters {letters_there} \
         there, {letters_here} here",
        comparison.quarters,
        list(&comparison.compared),
    );
    writeln!(text, "{verdict}: {} there and {} here, {scope}", shown(theirs), shown(ours))
        .expect("writing to a String can't fail");
    for line in remarks(comparison) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// What has to be known beside the verdict.
fn remarks(comparison: &Comparison) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some((partition, through)) = comparison.through() {
        lines.push(format!(
            "compared up to {} UTC at least: partition {partition} is the furthest behind",
            time_text(through)
        ));
    }
    if !comparison.not_yet.is_empty() {
        lines.push(format!(
            "not compared: partitions {}, which are not settled on both sides yet",
            list(&comparison.not_yet)
        ));
    }
    if !comparison.open.is_empty() {
        lines.push(format!(
            "not settled up to the time that was asked for: partitions {}",
            list(&comparison.open)
        ));
    }
    if comparison.skipped + comparison.doubled > 0 {
        let Comparison { skipped, doubled, .. } = comparison;
        lines.push(format!("together {skipped} too few here, {doubled} too many"));
    }
    if comparison.late_alone > 0 {
        lines.push(format!(
            "{} of the differences are in late events alone, which may still be on their way: ask again in a while",
            comparison.late_alone
        ));
    }
    lines
}

fn differences(comparison: &Comparison) -> String {
    let mut table = Table::new([
        ("partition", Align::Right),
        ("what", Align::Left),
        ("there", Align::Right),
        ("here", Align::Right),
        ("", Align::Left),
    ]);
    for difference in &comparison.listed {
        let Difference { partition, what, theirs, ours } = difference;
        let what = match what {
            What::Quarter { start, .. } => format!("quarter {} UTC", time_text(*start)),
            What::DeadLetters => "dead letters".to_owned(),
            What::Partition => "all events".to_owned(),
        };
        table.push([
            partition.to_string(),
            what,
            theirs.to_string(),
            ours.to_string(),
            verdict(difference),
        ]);
    }
    match comparison.total - comparison.listed.len() as u64 {
        0 => table.to_string(),
        unlisted => format!("{table}… and {unlisted} more\n"),
    }
}

/// What the mirror has done, as far as the numbers tell.
fn verdict(difference: &Difference) -> String {
    let Difference { theirs, ours, what, .. } = difference;
    let late = match what {
        What::Quarter { is_late_alone: true, .. } => " (late)",
        _ => "",
    };
    match ours - theirs {
        more if more < 0 => format!("{} skipped{late}", -more),
        more if *theirs == 0 => format!("{more} unknown there{late}"),
        more => format!("{more} doubled{late}"),
    }
}

fn list(partitions: &[i32]) -> String {
    if partitions.is_empty() {
        return "none".to_owned();
    }
    partitions.iter().map(i32::to_string).collect::<Vec<_>>().join(", ")
}

/// For programs: fields are only ever added.
pub(super) fn as_json(comparison: &Comparison, names: Names<'_>) -> String {
    let listed: Vec<Value> = comparison.listed.iter().map(difference_json).collect();
    let (there, here) = comparison.events;
    let (letters_there, letters_here) = comparison.letters;
    let through = comparison.through();
    let document = json!({
        "version": 1,
        "equal": comparison.is_equal(),
        "topic": names.ours,
        "with_topic": names.theirs,
        "quarters": comparison.quarters,
        "partitions": comparison.compared,
        "partitions_not_compared": comparison.not_yet,
        "partitions_not_settled": comparison.open,
        "compared_through": time_json(through.map(|(_, through)| through)),
        "held_back_by": through.map(|(partition, _)| partition),
        "events": {"theirs": there, "ours": here},
        "dead_letters": {"theirs": letters_there, "ours": letters_here},
        "skipped": comparison.skipped,
        "doubled": comparison.doubled,
        "differences_total": comparison.total,
        "differences_late_alone": comparison.late_alone,
        "differences": listed,
    });
    format!("{document}\n")
}

fn difference_json(difference: &Difference) -> Value {
    let Difference { partition, what, theirs, ours } = *difference;
    let (name, start, is_late_alone) = match what {
        What::Quarter { start, is_late_alone } => ("quarter", Some(start), is_late_alone),
        What::DeadLetters => ("dead_letters", None, false),
        What::Partition => ("partition", None, false),
    };
    json!({
        "what": name,
        "quarter_start": time_json(start),
        "partition": partition,
        "theirs": theirs,
        "ours": ours,
        "late_alone": is_late_alone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAMES: Names<'_> = Names { theirs: "telecom_events", ours: "north.telecom_events" };

    fn comparison() -> Comparison {
        let start = "2025-11-09T10:00:00".parse().unwrap();
        let quarter = |is_late_alone| What::Quarter { start, is_late_alone };
        let difference =
            |partition, what, theirs, ours| Difference { partition, what, theirs, ours };
        Comparison {
            quarters: 96,
            compared: vec![0, 2],
            not_yet: vec![3],
            events: (1_204, 1_205),
            letters: (3, 2),
            listed: vec![
                difference(0, quarter(false), 7, 5),
                difference(2, quarter(false), 9, 12),
                difference(2, quarter(true), 9, 8),
                difference(0, quarter(false), 0, 1),
                difference(2, What::DeadLetters, 3, 2),
                difference(4, What::Partition, 10, 0),
            ],
            total: 7,
            skipped: 14,
            doubled: 5,
            late_alone: 1,
            ..Comparison::default()
        }
    }

    #[test]
    fn people_are_told_what_was_skipped_and_what_doubled() {
        let expected = "\
partition  what                             there  here
        0  quarter 2025-11-09 10:00:00 UTC      7     5  2 skipped
        2  quarter 2025-11-09 10:00:00 UTC      9    12  3 doubled
        2  quarter 2025-11-09 10:00:00 UTC      9     8  1 skipped (late)
        0  quarter 2025-11-09 10:00:00 UTC      0     1  1 unknown there
        2  dead letters                         3     2  1 skipped
        4  all events                          10     0  10 skipped
… and 1 more
7 differences: telecom_events there and north.telecom_events here, 96 quarters of an hour, partitions 0, 2; \
events 1204 there, 1205 here; dead letters 3 there, 2 here
not compared: partitions 3, which are not settled on both sides yet
together 14 too few here, 5 too many
1 of the differences are in late events alone, which may still be on their way: ask again in a while
";
        assert_eq!(as_text(&comparison(), NAMES), expected);
        let equal = Comparison { quarters: 1, compared: vec![0], ..Comparison::default() };
        let text = as_text(&equal, NAMES);
        assert!(text.starts_with("equal: ") && text.lines().count() == 1, "{text}");
        let text = as_text(&Comparison { open: vec![2], ..equal }, NAMES);
        assert!(text.starts_with("equal so far: "), "{text}");
        assert!(
            text.ends_with("not settled up to the time that was asked for: partitions 2\n"),
            "{text}"
        );
    }

    #[test]
    fn programs_are_told_the_same() {
        let text = as_json(&comparison(), NAMES);
        assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
        let value: Value = serde_json::from_str(&text).unwrap();
        assert_eq!((&value["equal"], &value["differences_total"]), (&json!(false), &json!(7)));
        assert_eq!((&value["skipped"], &value["doubled"]), (&json!(14), &json!(5)));
        let first = json!({"what": "quarter", "quarter_start": "2025-11-09T10:00:00.000000Z", "partition": 0,
                           "theirs": 7, "ours": 5, "late_alone": false});
        assert_eq!(value["differences"][0], first);
        assert_eq!(value["differences"][4]["what"], "dead_letters");
        assert_eq!(value["partitions_not_compared"], json!([3]));
        assert_eq!(value["compared_through"], Value::Null);
        let equal: Value = serde_json::from_str(&as_json(&Comparison::default(), NAMES)).unwrap();
        assert_eq!(equal["equal"], true);
        let open = Comparison { open: vec![2], ..Comparison::default() };
        let open: Value = serde_json::from_str(&as_json(&open, NAMES)).unwrap();
        assert_eq!((&open["equal"], &open["partitions_not_settled"]), (&json!(false), &json!([2])));
    }
}
