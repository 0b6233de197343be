//! `streamer verify`: is every record accounted for (I-1)?

pub mod accounting;

use program::print;
use serde_json::{Value, json};
use store::Difference;

use self::accounting::VerifyReport;
use crate::Exit;
use crate::args::QuestionArgs;

/// Checks the accounting and prints what differs.
pub async fn verify(args: &QuestionArgs) -> anyhow::Result<Exit> {
    let mut connection = args.database.open().await?;
    let report = accounting::verify(&mut connection).await?;
    print(if args.json { as_json(&report) } else { as_text(&report) })?;
    Ok(if report.differences.is_empty() { Exit::Done } else { Exit::Failed })
}

fn as_text(VerifyReport { partitions, days, differences }: &VerifyReport) -> String {
    let scope = format!("{partitions} partitions, {days} days");
    if differences.is_empty() {
        return format!("accounting holds: {scope}\n");
    }
    let total = differences.total();
    format!("{differences}accounting is broken: {total} differences in {scope}\n")
}

/// For programs: fields are only ever added.
fn as_json(report: &VerifyReport) -> String {
    let listed: Vec<Value> = report
        .differences
        .listed()
        .iter()
        .map(|Difference { what, place, expected, found }| {
            json!({"what": what, "place": place, "expected": expected, "found": found})
        })
        .collect();
    let document = json!({
        "version": 1,
        "holds": report.differences.is_empty(),
        "partitions": report.partitions,
        "days": report.days,
        "differences_total": report.differences.total(),
        "differences": listed,
    });
    format!("{document}\n")
}

#[cfg(test)]
mod tests {
    use store::Differences;

    use super::*;

    #[test]
    fn programs_are_told_the_same_as_people() {
        let mut differences = Differences::default();
        differences.push(Difference {
            what: "late".to_owned(),
            place: "t [0]".to_owned(),
            expected: "7".to_owned(),
            found: "8".to_owned(),
        });
        differences.count_unlisted(2);
        for (differences, holds, total, listed) in
            [(Differences::default(), true, 0, 0), (differences, false, 3, 1)]
        {
            let text = as_json(&VerifyReport { partitions: 4, days: 2, differences });
            assert!(text.ends_with("}\n") && text.lines().count() == 1, "{text}");
            let value: Value = serde_json::from_str(&text).unwrap();
            assert_eq!(value["holds"], holds, "{value}");
            assert_eq!((&value["partitions"], &value["days"]), (&4.into(), &2.into()), "{value}");
            assert_eq!(value["differences_total"], total, "{value}");
            assert_eq!(value["differences"].as_array().map(Vec::len), Some(listed), "{value}");
        }
    }
}
