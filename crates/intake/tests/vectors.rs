//! The file of numbers, masks and pseudonyms that the transform of `connect/` is held to as well: a subscriber has one
//! name, whichever of the two made it.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use intake::{Counts, Mapper, Outcome, Progress, RowReader, places_of_topic};
use pseudonym::SubscriberKey;

const MAPPING: &str = r#"
name = "vectors"
[input]
format = "ndjson"
[event]
type = "call"
[time]
formats = ["unix"]
end = "end"
[subscriber]
column = "number"
"#;

#[test]
fn every_vector_is_given_exactly() {
    let mapping = support::mapping(MAPPING);
    let mut seen = 0;
    for line in include_str!("../../../connect/vectors.tsv").lines() {
        if line.starts_with('#') {
            continue;
        }
        let [key, epoch, number, mask, pseudonym] =
            line.split('\t').collect::<Vec<_>>().try_into().unwrap();
        let key = SubscriberKey::from_hex(key, epoch.parse().unwrap()).unwrap();
        let mapper = Mapper::new(&mapping, key);
        let row = serde_json::json!({ "end": 1_762_698_645, "number": number }).to_string();
        let places = places_of_topic(&mapping).unwrap();
        let raw = RowReader::new(row.as_bytes(), &mapping, places);
        let (mut raw, mut progress) = (raw, Progress::new(1));
        let read = raw.next_row().unwrap().unwrap();
        let outcome =
            mapper.map(&read.row.unwrap(), &mut progress.sessions, &mut Counts::default());
        let Outcome::Event(event) = outcome else { panic!("{line}: {outcome:?}") };
        let told = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let found = event.subscriber.map(|pseudonym| format!("{pseudonym:016x}"));
        assert_eq!(
            (told(event.msisdn).as_str(), told(found).as_str()),
            (mask, pseudonym),
            "{line}"
        );
        seen += 1;
    }
    assert!(seen > 40, "only {seen} vectors");
}
