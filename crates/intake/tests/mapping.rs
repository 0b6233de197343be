//! What a mapping file means, rule by rule; and what is said when it can't be used.

#![allow(clippy::unwrap_used, reason = "a test ends where something is not as it must be")]

mod support;

use support::{Answer, map_file, mapping};

const BASE: &str = r#"
name = "test"
[event]
type = "call"
[time]
zone = "Europe/Berlin"
formats = ["%Y-%m-%d %H:%M:%S"]
end = "end"
"#;

/// A mapping of the base and more, a header and a row, and what becomes of it.
fn check(more: &str, content: &str, expected: &str) {
    let mapping = mapping(&format!("{BASE}{more}"));
    let told: Vec<String> =
        map_file(&mapping, content.as_bytes()).iter().map(Answer::told).collect();
    assert_eq!(told.join(" | "), expected, "{more}\n{content}");
}

#[test]
fn times() {
    for (end, expected) in [
        ("2025-11-09 12:00:00", "call 2025-11-09T11:00:00.000000Z unknown"),
        (" 2025-11-09 12:00:00 ", "call 2025-11-09T11:00:00.000000Z unknown"),
        ("2025-03-30 02:30:00", "not mapped: time_does_not_exist"),
        ("2025-10-26 02:30:00", "call 2025-10-26T00:30:00.000000Z unknown"),
        ("1999-12-31 12:00:00", "not mapped: time_out_of_range"),
        ("2025-11-09", "not mapped: time_unparsable"),
        ("", "not mapped: time_missing"),
    ] {
        check("", &format!("end,n\n{end},1\n"), expected);
    }
    let start = "[duration]\ncolumn = \"s\"\n";
    // Only a start is known, and no column says how long it took.
    check(
        start,
        "end,s\n2025-11-09 12:00:00,60\n",
        "call 2025-11-09T11:00:00.000000Z 60 s, unknown",
    );
}

#[test]
fn the_moment_is_the_end_unless_the_start_is_asked_for() {
    let text = |moment: &str, columns: &str| {
        format!(
            "name = \"t\"\n[event]\ntype = \"call\"\n[time]\nzone = \"UTC\"\nformats = [\"%Y-%m-%d %H:%M:%S\"]\n\
             {moment}\n{columns}\nseconds = \"secs\"\n"
        )
    };
    let content = b"start,end,secs\n2025-11-09 12:00:00,2025-11-09 12:05:00,300\n";
    for (moment, columns, expected) in [
        ("", "start = \"start\"\nend = \"end\"", "12:05:00"),
        ("", "start = \"start\"", "12:05:00"),
        ("", "end = \"end\"", "12:05:00"),
        ("moment = \"start\"", "start = \"start\"\nend = \"end\"", "12:00:00"),
        ("moment = \"start\"", "end = \"end\"", "12:00:00"),
    ] {
        let answers = map_file(&mapping(&text(moment, columns)), content);
        let expected = format!("2025-11-09T{expected}.000000Z");
        assert_eq!(answers[0].event().time().to_string(), expected, "{moment} {columns}");
    }
}

#[test]
fn durations() {
    for (rule, value, expected) in [
        ("", "60", "60 s, "),
        ("", "\"60\"", "60 s, "),
        ("", "60.5", "61 s, "),
        ("", "", ""),
        ("", "NULL", ""),
        ("", "-1", ""),
        ("minus_one = \"zero\"", "-1", "0 s, "),
        ("minus_one = \"not_mapped\"", "-1", "not mapped: negative_number"),
        ("", "-2", "not mapped: negative_number"),
        ("", "x", "not mapped: number_unreadable"),
        ("", "31622401", "not mapped: number_too_large"),
        ("unit = \"ms\"", "1500", "2 s, "),
        ("unit = \"min\"", "1.5", "90 s, "),
        ("unit = \"h:m:s\"", "1:00:01", "3601 s, "),
    ] {
        let content = format!("end,s\n2025-11-09 12:00:00,{value}\n");
        let expected = match expected.starts_with("not") {
            true => expected.to_owned(),
            false => format!("call 2025-11-09T11:00:00.000000Z {expected}unknown"),
        };
        check(&format!("[duration]\ncolumn = \"s\"\n{rule}\n"), &content, &expected);
    }
}

#[test]
fn legs_roaming_dispositions_and_what_is_left_out() {
    for (more, columns, values, expected) in [
        ("[legs]\nsame = [\"a\", \"b\"]\n", "a,b", "1,1", "unknown"),
        ("[legs]\nsame = [\"a\", \"b\"]\n", "a,b", "1,2", "left out: another leg of a call"),
        (
            "[[leave_out]]\ncolumn = \"a\"\nvalues = [\"x\"]\n",
            "a,b",
            "X,",
            "left out: as [[leave_out]] says",
        ),
        ("[roaming]\ncolumn = \"a\"\nhome = [\"\", \"1\"]\n", "a,b", ",", "unknown"),
        ("[roaming]\ncolumn = \"a\"\nhome = [\"\", \"1\"]\n", "a,b", "2,", "abroad"),
        (
            "[roaming]\ncolumn = \"a\"\nhome = [\"1\"]\nthen = \"left_out\"\n",
            "a,b",
            "2,",
            "left out: roaming",
        ),
        ("[disposition]\ncolumn = \"a\"\nanswered = [\"yes\"]\n", "a,b", "no,", "0 s, unknown"),
        (
            "[disposition]\ncolumn = \"a\"\nanswered = [\"yes\"]\nunanswered = \"left_out\"\n",
            "a,b",
            "no,",
            "left out: not answered",
        ),
        ("[region]\ncolumn = \"a\"\n", "a,b", "ALL,", "not mapped: region_unusable"),
        ("[region]\ncolumn = \"a\"\n", "a,b", "Атырау,", "Атырау"),
        ("[region]\ncolumn = \"a\"\nvalues = { x = \"X\" }\n", "a,b", "y,", "unknown"),
        ("[tower]\ncolumn = \"a\"\nhexadecimal = true\n", "a,b", "4d2,", "unknown"),
        ("[tower]\ncolumn = \"a\"\n", "a,b", "4d2,", "not mapped: tower_unreadable"),
    ] {
        let content = format!("end,{columns}\n2025-11-09 12:00:00,{values}\n");
        let expected = match expected.starts_with("left") || expected.starts_with("not") {
            true => expected.to_owned(),
            false => format!("call 2025-11-09T11:00:00.000000Z {expected}"),
        };
        check(more, &content, &expected);
    }
}

#[test]
fn a_table_of_towers_or_prefixes_names_the_region() {
    let text = format!(
        "{BASE}[subscriber]\ncolumn = \"n\"\n[tower]\ncolumn = \"t\"\n[region]\ntowers = \"towers.csv\"\n"
    );
    let tables = |file: &str| match file {
        "towers.csv" => Ok("tower,region\n1234,Almaty\n".to_owned()),
        "prefixes.csv" => Ok("7727,Almaty\n77,Kazakhstan\n".to_owned()),
        other => Err(std::io::Error::other(other.to_owned())),
    };
    let content =
        b"end,n,t\n2025-11-09 12:00:00,87270000001,1234\n2025-11-09 12:00:00,87010000001,1\n";
    for (text, expected) in [
        (text.clone(), ["Almaty", "unknown"]),
        (
            text.replace("towers = \"towers.csv\"", "prefixes = \"prefixes.csv\""),
            ["Almaty", "Kazakhstan"],
        ),
    ] {
        let mapping = intake::Mapping::read(&text, &tables).unwrap();
        let answers = map_file(&mapping, content);
        let regions: Vec<&str> =
            answers.iter().map(|answer| answer.event().region.as_str()).collect();
        assert_eq!(regions, expected);
    }
}

#[test]
fn rows_that_are_no_rows_are_told_and_the_next_one_is_read() {
    let row = "2025-11-09 12:00:00,1\n";
    for (content, expected) in [
        (
            format!("end,n\n{row}2025-11-09 12:00:00\n{row}"),
            vec!["call", "wrong_number_of_fields", "call"],
        ),
        // A quotation mark that is never closed costs its own line.
        (
            format!("end,n\n{row}\"2025-11-09 12:00:00,1\n{row}{row}"),
            vec!["call", "wrong_number_of_fields", "call", "call"],
        ),
        (format!("end,n\r\n{}\r\n", row.trim()), vec!["call"]),
        (format!("\u{feff}end,n\n\n\n{row}\n"), vec!["call"]),
        ("end,n\n2025-11-09 12:00:00,\"a\nb\"\n".to_owned(), vec!["call"]),
    ] {
        let told: Vec<String> =
            map_file(&mapping(BASE), content.as_bytes()).iter().map(Answer::told).collect();
        assert_eq!(told.len(), expected.len(), "{content}: {told:?}");
        for (told, expected) in told.iter().zip(&expected) {
            assert!(told.contains(expected), "{content}: {told}");
        }
    }
    let mut broken = b"end,n\n2025-11-09 12:00:00,".to_vec();
    broken.extend_from_slice(b"\xff\xfe\n");
    assert_eq!(map_file(&mapping(BASE), &broken)[0].told(), "not mapped: not_utf8");
}

#[test]
fn the_same_row_has_the_same_id_however_it_is_quoted() {
    let id = |content: &str| map_file(&mapping(BASE), content.as_bytes())[0].event().id;
    let plain = id("end,n\n2025-11-09 12:00:00,1\n");
    assert_eq!(plain, id("end,n\r\n\"2025-11-09 12:00:00\",\"1\"\r\n"));
    assert_ne!(plain, id("end,n\n2025-11-09 12:00:00,2\n"));
    let by_column =
        format!("{}\n", BASE.replace("type = \"call\"", "type = \"call\"\nid_columns = [\"n\"]"));
    let id = |content: &str| map_file(&mapping(&by_column), content.as_bytes())[0].event().id;
    assert_eq!(id("end,n\n2025-11-09 12:00:00,1\n"), id("end,n\n2025-11-09 12:00:01,1\n"));
}

#[test]
fn nothing_that_is_not_mapped_shows_a_number() {
    let text = format!("{BASE}[subscriber]\ncolumn = \"a\"\n");
    for number in
        ["+77010000001", "8 701 000-00-01", "sip:77010000001@pbx.invalid", "7 7 0 1 0 0 0 0 0 0 1"]
    {
        let content = format!("end,a,other\nnever,{number},SIP/77010000001-01\n");
        let answers = map_file(&mapping(&text), content.as_bytes());
        let payload = answers[0].payload();
        assert!(payload.contains("\"not_mapped\":\"time_unparsable\""), "{payload}");
        let row = payload.split("\"row\":").nth(1).unwrap();
        let digits: String = row.chars().filter(char::is_ascii_digit).collect();
        // What is left is the end of the channel's name.
        assert_eq!(digits, "01", "{payload}");
    }
    // A row that can't even be split shows no digit at all.
    let broken = map_file(&mapping(&text), b"end,a,other\n\"77010000001\n");
    assert!(!broken[0].payload().split("\"row\":").nth(1).unwrap().contains(char::is_numeric));
}

#[test]
fn a_mapping_that_cannot_be_used_says_which_key_and_what_is_expected() {
    for (from, to, expected) in [
        ("name = \"test\"", "name = \"a b\"", "name: \"a b\" can't be used"),
        ("type = \"call\"", "", "event: give either type, or type_column and types"),
        ("type = \"call\"", "type = \"most_active\"", "neither ALL nor most_active"),
        ("zone = \"Europe/Berlin\"", "", "time.zone: name it"),
        ("Europe/Berlin", "Berlin", "time.zone: \"Berlin\" is no time zone"),
        ("%Y-%m-%d %H:%M:%S", "yyyy", "time.formats: \"yyyy\" is no format"),
        ("end = \"end\"", "", "time: name the column start, end, or both"),
        ("end = \"end\"", "end = \"end\"\nand = 1", "unknown field `and`"),
        ("[event]", "[input]\ndelimiter = \";;\"\n[event]", "input.delimiter"),
        ("[event]", "[input]\nheader = false\n[event]", "input.columns: name them"),
        (
            "[event]",
            "[input]\nheader = false\ncolumns = [\"a\"]\n[event]",
            "column \"end\" is not among input.columns; these are: a",
        ),
        ("[event]", "[region]\nfixed = \"A\"\ncolumn = \"b\"\n[event]", "region: give one of"),
        ("[event]", "[region]\ntowers = \"t.csv\"\n[event]", "name the tower's column"),
        ("[event]", "[numbers]\ncountry = \"+7\"\n[event]", "must be digits alone"),
        (
            "[event]",
            "[subscriber]\ncolumn = \"a\"\ncolumn_incoming = \"b\"\npseudonym = \"c\"\n[event]",
            "subscriber: with column_incoming give pseudonym and pseudonym_incoming together",
        ),
        (
            "[event]",
            "[counterparty]\ncolumn = \"a\"\npseudonym_incoming = \"c\"\n[event]",
            "counterparty: with",
        ),
        ("[event]", "[differences]\nsession = [\"a\"]\n[event]", "differences: name the columns"),
    ] {
        let text = BASE.replace(from, to);
        assert_ne!(text, BASE);
        let error = intake::Mapping::read(&text, &|_| Ok(String::new())).unwrap_err().to_string();
        assert!(error.contains(expected), "{to}: {error}");
    }
}

#[test]
fn a_file_without_a_column_is_refused_by_name() {
    let problem =
        intake::places(b"start,n\n".as_slice(), &mapping(BASE)).unwrap().unwrap().unwrap_err();
    assert!(problem.contains("no column \"end\"") && problem.contains("start, n"), "{problem}");
    assert!(intake::places(b"".as_slice(), &mapping(BASE)).unwrap().is_none());
}
