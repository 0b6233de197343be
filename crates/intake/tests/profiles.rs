//! Each profile on a small made-up sample: what becomes of every row, and that each event is one of the contract.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use support::{Answer, map_file, mapping_of_profile};

/// What is expected of a sample: events, not mapped by code, left out.
fn check(profile: &str, sample: &str, expected: &[&str]) {
    let mapping = mapping_of_profile(profile);
    let answers = map_file(&mapping, sample.as_bytes());
    let told: Vec<String> = answers.iter().map(Answer::told).collect();
    assert_eq!(told, expected, "{profile}: {told:#?}");
    for answer in &answers {
        let text = answer.payload();
        assert!(!support::has_number(&text), "{profile}: a full number in {text}");
    }
}

#[test]
fn asterisk_csv() {
    check(
        "asterisk-csv",
        include_str!("../profiles/samples/asterisk-csv.csv"),
        &[
            "call outgoing 2025-11-09T07:03:08.000000Z 180 s, 7701000****, Almaty",
            "call outgoing 2025-11-09T07:04:30.000000Z 0 s, Almaty",
            "call outgoing 2025-11-09T07:05:41.000000Z 41 s, 7701000****, Almaty",
            "call outgoing 2025-11-09T07:06:10.000000Z 0 s, Almaty",
            "not mapped: time_unparsable",
        ],
    );
}

#[test]
fn asterisk_cdr_pgsql() {
    check(
        "asterisk-cdr-pgsql",
        include_str!("../profiles/samples/asterisk-cdr-pgsql.csv"),
        &[
            "call outgoing 2025-11-09T07:03:08.000000Z 180 s, 7701000****, Almaty",
            "call outgoing 2025-11-09T07:04:30.500000Z 0 s, Almaty",
        ],
    );
}

#[test]
fn asterisk_connect_has_its_pseudonyms_already() {
    let sample = include_str!("../profiles/samples/asterisk-connect.ndjson");
    check(
        "asterisk-connect",
        sample,
        &[
            "call outgoing 2025-11-09T07:03:08.000000Z 180 s, 7701000****, Almaty",
            "call outgoing 2025-11-09T07:04:30.500000Z 0 s, Almaty",
            "not mapped: number_not_masked",
            "not mapped: pseudonym_unreadable",
            "call outgoing 2025-11-09T07:05:11.000000Z 3 s, Almaty",
        ],
    );
    let mapping = mapping_of_profile("asterisk-connect");
    assert!(!mapping.makes_pseudonyms(), "it needs no key");
    // As they came, not made anew of a mask.
    let answers = map_file(&mapping, sample.as_bytes());
    let known = answers[0].event();
    let row: serde_json::Value = serde_json::from_str(sample.lines().next().unwrap()).unwrap();
    let text = |pseudonym: Option<u64>| format!("{:016x}", pseudonym.unwrap());
    assert_eq!(row["src_pseudonym"], text(known.subscriber));
    assert_eq!(row["dst_pseudonym"], text(known.counterparty));
    let (nobody, other) = (answers[4].event(), answers[1].event());
    assert_eq!((nobody.subscriber, nobody.counterparty), (None, None));
    assert_eq!(other.counterparty, known.subscriber);
}

#[test]
fn freeswitch_csv() {
    check(
        "freeswitch-csv",
        include_str!("../profiles/samples/freeswitch-csv.csv"),
        &[
            "call outgoing 2025-11-09T07:03:08.000000Z 180 s, 7701000****, Almaty",
            "call outgoing 2025-11-09T07:04:30.000000Z 0 s, Almaty",
        ],
    );
}

#[test]
fn freeswitch_json() {
    check(
        "freeswitch-json",
        include_str!("../profiles/samples/freeswitch-json.ndjson"),
        &[
            "call outgoing 2025-11-09T07:03:08.500000Z 180 s, 7701000****, Almaty",
            "left out: another leg of a call",
            "not mapped: time_out_of_range",
        ],
    );
}

#[test]
fn kamailio_acc_a_call_is_counted_when_it_ends() {
    check(
        "kamailio-acc",
        include_str!("../profiles/samples/kamailio-acc.csv"),
        &[
            "left out: begins a call, which is counted when it ends",
            "call outgoing 2025-11-09T07:01:00.000000Z 0 s, 7701000****, Almaty",
            "left out: of a kind that neither begins nor ends anything",
            "call outgoing 2025-11-09T07:03:08.000000Z 180 s, 7701000****, Almaty",
            "not mapped: no_beginning",
        ],
    );
}

#[test]
fn freeradius_radacct() {
    check(
        "freeradius-radacct",
        include_str!("../profiles/samples/freeradius-radacct.csv"),
        &[
            "data_session 2025-11-09T07:00:00.000000Z 3600 s, 10 MB, 7701000****, Almaty",
            "left out: as [[leave_out]] says",
        ],
    );
}

#[test]
fn freeradius_interim_updates_become_differences() {
    check(
        "freeradius-interim",
        include_str!("../profiles/samples/freeradius-interim.csv"),
        &[
            "left out: adds nothing to its session",
            "data_session 2025-11-09T06:30:00.000000Z 1800 s, 4 MB, 7701000****, Almaty",
            "left out: older than a row of the same session that was read before",
            "data_session 2025-11-09T07:00:00.000000Z 1800 s, 6 MB, 7701000****, Almaty",
            "left out: adds nothing to its session",
        ],
    );
}

#[test]
fn mediation_csv() {
    check(
        "mediation-csv",
        include_str!("../profiles/samples/mediation-csv.csv"),
        &[
            "call outgoing 2025-11-09T07:03:00.000000Z 180 s, 25.5 tenge, 7701000****, Almaty",
            "call incoming 2025-11-09T07:03:00.000000Z 180 s, 7701000****, Astana",
            "sms outgoing 2025-11-09T07:01:00.000000Z 5 tenge, 7701000****, Almaty",
            "data_session 2025-11-09T07:00:00.000000Z 3600 s, 1.000488 MB, 7701000****, unknown",
            "balance_recharge 2025-11-09T07:02:00.000000Z 2000 tenge, 7701000****, Shymkent",
            "not mapped: other_currency",
            "data_session 2025-11-09T06:10:00.000000Z 600 s, 0.097656 MB, 7701000****, abroad",
            "not mapped: type_not_known",
            "not mapped: number_unreadable",
        ],
    );
}

/// The event of each side is about its own subscriber.
#[test]
fn an_incoming_call_belongs_to_the_number_that_was_called() {
    let mapping = mapping_of_profile("mediation-csv");
    let answers = map_file(&mapping, include_bytes!("../profiles/samples/mediation-csv.csv"));
    let (outgoing, incoming) = (answers[0].event(), answers[1].event());
    assert_eq!(outgoing.subscriber, Some(support::pseudonym("77010000001")));
    assert_eq!(outgoing.counterparty, Some(support::pseudonym("77010000002")));
    assert_eq!(incoming.subscriber, Some(support::pseudonym("77010000002")));
    assert_eq!(incoming.counterparty, Some(support::pseudonym("77010000001")));
}

#[test]
fn every_profile_has_a_sample_and_a_test() {
    for profile in intake::PROFILES {
        let samples = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/samples");
        let has_sample = ["csv", "ndjson"]
            .iter()
            .any(|end| samples.join(format!("{}.{end}", profile.name)).exists());
        assert!(has_sample, "{}", profile.name);
        assert_eq!(mapping_of_profile(profile.name).name, profile.name);
        assert!(
            include_str!("profiles.rs").contains(&format!("samples/{}.", profile.name)),
            "{}",
            profile.name
        );
    }
}
