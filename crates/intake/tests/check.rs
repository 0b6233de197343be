//! `check`: what is shown, and which share would be late, against a plain recount.
#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use std::fmt::Write as _;

use intake::{Check, DELAYS, MappedEvent, Mapper};
use pseudonym::SubscriberKey;
use support::{Answer, map_file, mapping};

const MAPPING: &str = r#"
name = "switch"
[event]
type = "call"
[time]
zone = "UTC"
formats = ["%Y-%m-%d %H:%M:%S"]
end = "end"
[duration]
column = "secs"
[subscriber]
column = "src"
[region]
fixed = "Almaty"
"#;

/// What a switch writes in an hour: a call each ten seconds, in the order of their ends.
fn hour_of(switch: u32, hour: u32) -> String {
    let mut text = "end,secs,src\n".to_owned();
    for second in (switch..3_600).step_by(10) {
        let (minute, rest) = (second / 60, second % 60);
        let subscriber = (second * 7 + switch) % 1_000;
        writeln!(text, "2025-11-09 {hour:02}:{minute:02}:{rest:02},60,+7701{subscriber:07}")
            .unwrap();
    }
    text
}

/// Files of three switches, hour by hour, one switch after the other.
fn hourly_files() -> Vec<String> {
    (0..6).flat_map(|hour| (0..3).map(move |switch| hour_of(switch, hour))).collect()
}

/// How many are late at a delay, by the contract's words, in three partitions.
fn late(events: &[MappedEvent], delay_seconds: i64) -> usize {
    let is_late = |(index, event): (usize, &MappedEvent)| {
        let same_partition =
            |other: &&MappedEvent| other.subscriber.unwrap() % 3 == event.subscriber.unwrap() % 3;
        let before = events[..index].iter().filter(same_partition).map(|other| other.micros).max();
        let window_end = (event.micros / 60_000_000 + 1) * 60_000_000;
        before.is_some_and(|highest| window_end <= highest - delay_seconds * 1_000_000)
    };
    events.iter().enumerate().filter(|pair| is_late(*pair)).count()
}

#[test]
fn the_shares_of_three_switches_hourly_files_are_those_of_a_recount() {
    let mapping = mapping(MAPPING);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let mut check = Check::new(&mapper, 0);
    let mut events = Vec::new();
    for (index, file) in hourly_files().iter().enumerate() {
        check.file(&format!("{index}.csv"), || Ok(file.as_bytes())).unwrap().unwrap();
        events.extend(
            map_file(&mapping, file.as_bytes()).iter().map(|answer| answer.event().clone()),
        );
    }
    assert_eq!((check.counts().events, events.len()), (6 * 3 * 360, 6 * 3 * 360));
    for (shares, (delay, name)) in check.lateness().shares().into_iter().zip(DELAYS) {
        let expected = late(&events, delay) as f64 / events.len() as f64;
        assert!((shares.0 - expected).abs() < 1e-9, "{name}: {shares:?}, recounted {expected}");
        // What the files of an hour can do at worst is no less than what these did.
        assert!(shares.1 >= shares.0, "{name}: {shares:?}");
    }
    // Most of it is late at the usual delay, and nothing at an hour's.
    let shares = check.lateness().shares();
    assert!(shares[0].0 > 0.5 && shares[2] == (0.0, 0.0), "{shares:?}");
    assert_eq!(check.lateness().recommended(), Some("1h"));
    assert!(check.to_string().contains("streamer settings set --watermark-delay 1h"));
}

#[test]
fn a_switch_whose_file_is_read_as_it_grows_has_nothing_late_and_start_times_have() {
    let rows: String = (0..3_600_u32)
        .step_by(10)
        .map(|second| {
            let (minute, rest) = (second / 60, second % 60);
            format!(
                "2025-11-09 12:{minute:02}:{rest:02},{},+77010000001\n",
                if second % 50 == 0 { 1_800 } else { 30 }
            )
        })
        .collect();
    let file = format!("end,secs,src\n{rows}");
    let by_start =
        MAPPING.replace("end = \"end\"", "end = \"end\"\nseconds = \"secs\"\nmoment = \"start\"");
    for (text, expected) in [(MAPPING.to_owned(), 0.0), (by_start, 0.2)] {
        let mapping = mapping(&text);
        let mapper = Mapper::new(&mapping, SubscriberKey::demo());
        let mut check = Check::new(&mapper, 0);
        check.file("cdr.csv", || Ok(file.as_bytes())).unwrap().unwrap();
        let share = check.lateness().shares()[0].0;
        assert!((share - expected).abs() < 0.01, "{share}, expected {expected}");
    }
}

#[test]
fn the_first_rows_stand_beside_their_events_and_each_reason_has_an_example() {
    let mapping = mapping(MAPPING);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let mut check = Check::new(&mapper, 2);
    let file = "end,secs,src\n2025-11-09 12:00:00,60,+77010000001\nnever,60,+77010000002\nnever,60,+77010000003\n\
                2025-11-09 12:00:00,x,+77010000004\n";
    check.file("cdr.csv", || Ok(file.as_bytes())).unwrap().unwrap();
    let text = check.to_string();
    assert_eq!(text.matches("\nevent  ").count(), 2, "{text}");
    for part in [
        "event  {\"event_id\":",
        "event  none: not mapped, time_unparsable",
        "4 rows: 1 events, 3 not mapped, 0 left out",
        "not mapped, time_unparsable: 2",
        "time_unparsable first at cdr.csv byte 49: end is \"never\"",
        "number_unreadable first at",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    assert!(!support::has_number(&text), "{text}");
}

#[test]
fn a_file_of_other_columns_is_said_and_the_next_one_is_looked_at() {
    let mapping = mapping(MAPPING);
    let mapper = Mapper::new(&mapping, SubscriberKey::demo());
    let mut check = Check::new(&mapper, 0);
    assert!(check.file("a.csv", || Ok(b"start,secs\n".as_slice())).unwrap().is_err());
    assert!(check.file("b.csv", || Ok(b"".as_slice())).unwrap().is_ok());
    let file = hour_of(0, 1);
    let answers: Vec<Answer> = map_file(&mapping, file.as_bytes());
    check.file("c.csv", || Ok(file.as_bytes())).unwrap().unwrap();
    assert_eq!(check.counts().rows(), answers.len() as u64);
}
