//! `list`, `show` and `stats`.

use crate::support::Stage;

/// Letters of two topics, three reasons and three days; one of them replayed.
const LETTERS: &str = r#"
    INSERT INTO dead_letters (topic, generation, partition, "offset", reason, detail,
        record_timestamp, key, payload, headers, stored_at)
    VALUES
        ('a', 0, 0, 7, 'not_json', 'payload is {, expected one JSON text', '2025-11-09 14:30:45',
         'k1', '{', NULL, '2025-11-09 14:31:00'),
        ('a', 0, 1, 8, 'not_utf8', 'payload is …', NULL, '\xff', '\xff00fe',
         '[["trace", "6162"], ["nothing", null], ["bytes", "ff"]]', '2025-11-09 23:59:59'),
        ('a', 1, 0, 9, 'null_payload', 'no payload', NULL, NULL, NULL, NULL, '2025-11-10 00:00:00'),
        ('b', 0, 0, 1, 'not_json', 'payload is …', NULL, 'k', convert_to(E'\x1b[31m' ||
         repeat('ж', 200), 'UTF8'), NULL, '2025-11-11 12:00:00');
    INSERT INTO dead_letter_replays (topic, generation, partition, "offset", attempt, state, target,
        target_ends, corrected_payload, replayed_by, replayed_at)
    VALUES ('a', 0, 0, 7, 1, 'replayed', 'repaired', '[[0, 5]]', '{}', 'me', '2025-11-10 08:00:00')"#;

#[test]
fn a_list_is_the_newest_letters_first_each_on_one_visible_line() {
    let mut stage = Stage::new();
    stage.letters(&["list"]).expect(0, &["no dead letter"]);
    stage.execute(LETTERS);
    let found = stage.letters(&["list"]).expect(0, &[]);
    let expected = format!(
        "\
letter   stored at, UTC       reason        replay        bytes  payload
b/0/0/1  2025-11-11 12:00:00  not_json      -               405  \\u{{1b}}[31m{}…
a/1/0/9  2025-11-10 00:00:00  null_payload  -                 -  (null)
a/0/1/8  2025-11-09 23:59:59  not_utf8      -                 3  0xff00fe
a/0/0/7  2025-11-09 14:31:00  not_json      replayed (1)      1  {{
",
        "ж".repeat(55)
    );
    assert_eq!(found.stdout, expected);
    let cut = stage.letters(&["list", "--limit", "3"]).expect(0, &["… and more: raise --limit"]);
    assert_eq!(cut.stdout.lines().count(), 5);
}

#[test]
fn filters_select_by_reason_time_topic_and_partition() {
    let mut stage = Stage::new();
    stage.execute(LETTERS);
    for (filters, expected) in [
        (&[][..], &["b/0/0/1", "a/1/0/9", "a/0/1/8", "a/0/0/7"][..]),
        (&["--reason", "not_json"], &["b/0/0/1", "a/0/0/7"]),
        (&["--topic", "a"], &["a/1/0/9", "a/0/1/8", "a/0/0/7"]),
        (&["--partition", "1"], &["a/0/1/8"]),
        (&["--since", "2025-11-10"], &["b/0/0/1", "a/1/0/9"]),
        (&["--until", "2025-11-10T00:00:00Z"], &["a/0/1/8", "a/0/0/7"]),
        (&["--since", "2025-11-09T23:59:59Z", "--until", "2025-11-11"], &["a/1/0/9", "a/0/1/8"]),
        (&["--topic", "a", "--reason", "not_json", "--partition", "0"], &["a/0/0/7"]),
        (&["--topic", "c"], &[]),
        (&["--until", "50years"], &[]),
    ] {
        let listed = stage.letters(&[&["list", "--json"], filters].concat()).expect(0, &[]);
        let ids: Vec<String> = json_lines(&listed.stdout)
            .iter()
            .map(|letter| letter["letter"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(ids, expected, "{filters:?}");
        let counted = stage.letters(&[&["stats", "--json"], filters].concat()).expect(0, &[]);
        let letters: i64 = json_lines(&counted.stdout)
            .iter()
            .map(|count| count["letters"].as_i64().unwrap())
            .sum();
        assert_eq!(letters, expected.len() as i64, "{filters:?}");
    }
}

#[test]
fn a_letter_is_shown_whole_as_text_as_json_and_as_bytes() {
    let mut stage = Stage::new();
    stage.execute(LETTERS);
    let text = stage.letters(&["show", "a/0/0/7"]).expect(0, &[]);
    let expected = "\
letter    a/0/0/7
reason    not_json
detail    payload is {, expected one JSON text
recorded  2025-11-09 14:30:45 UTC
stored    2025-11-09 14:31:00 UTC
key       k1
replay    attempt 1 to repaired, corrected, by me: arrived by 2025-11-10 08:00:00 UTC
payload   1 bytes
{
";
    assert_eq!(text.stdout, expected);
    stage.letters(&["show", "a/0/1/8"]).expect(
        0,
        &[
            "key       0xff\n",
            "header    trace = ab\n",
            "header    nothing = (null)\n",
            "header    bytes = 0xff\n",
            "00000000  ff 00 fe\n",
        ],
    );
    stage.letters(&["show", "a/1/0/9"]).expect(0, &["key       (null)", "payload   (null)"]);

    let json = stage.letters(&["show", "a/0/1/8", "--json"]).expect(0, &[]);
    let [letter] = &json_lines(&json.stdout)[..] else { panic!("{}", json.stdout) };
    assert_eq!(letter["payload"]["hex"], "ff00fe");
    assert_eq!(letter["headers"][0][1]["text"], "ab");
    assert_eq!(letter["stored_at"], "2025-11-09T23:59:59.000000Z");
    assert_eq!(letter["record_timestamp"], serde_json::Value::Null);

    let raw = stage.command(&["dead-letters", "show", "a/0/1/8", "--payload"]).output().unwrap();
    assert_eq!(raw.stdout, [0xff, 0x00, 0xfe]);
    stage.letters(&["show", "a/1/0/9", "--payload"]).expect(1, &["had no payload"]);
    stage.letters(&["show", "a/0/0/1234"]).expect(1, &["there is no dead letter a/0/0/1234"]);
}

#[test]
fn stats_count_by_reason_partition_and_day() {
    let mut stage = Stage::new();
    stage.letters(&["stats"]).expect(0, &["no dead letter"]);
    stage.execute(LETTERS);
    let expected = "\
reason        topic  partition  day, UTC    letters  replayed
not_json      a              0  2025-11-09        1         1
not_json      b              0  2025-11-11        1         0
not_utf8      a              1  2025-11-09        1         0
null_payload  a              0  2025-11-10        1         0
all                                               4         1
";
    assert_eq!(stage.letters(&["stats"]).expect(0, &[]).stdout, expected);
    let cut = stage.letters(&["stats", "--limit", "2"]).expect(0, &["… and more"]);
    assert!(!cut.stdout.contains("all "), "a sum of a part is no sum: {}", cut.stdout);
}

#[test]
fn wrong_usage_ends_with_2_and_a_missing_schema_with_1() {
    let stage = Stage::new();
    stage
        .letters(&["list", "--reason", "no_such"])
        .expect(2, &["no such reason", "timestamp_unit"]);
    stage.letters(&["show", "nonsense"]).expect(2, &["TOPIC/GENERATION/PARTITION/OFFSET"]);
    stage.letters(&["list", "--since", "yesterday"]).expect(2, &["2025-11-09T14:30:00Z"]);
    let empty = sandbox::fresh_database().unwrap();
    let mut command = stage.command(&["dead-letters", "list"]);
    let output = command.env("DATABASE_URL", empty).output().unwrap();
    crate::support::ended(output).expect(1, &["streamer migrate"]);
}

pub(crate) fn json_lines(text: &str) -> Vec<serde_json::Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
