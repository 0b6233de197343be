//! What scenario files are accepted, and what is said of the others.

use super::*;

/// The default scenario with these lines added, as a file would extend it.
fn extended(lines: &str) -> Result<Scenario, String> {
    Scenario::parse("mine.toml", &format!("extends = \"default\"\n{lines}"))
}

#[test]
fn every_built_in_scenario_is_accepted() {
    for (name, _) in BUILT_IN {
        let scenario = Scenario::load(name).unwrap();
        assert_eq!(scenario, Scenario::built_in(name));
        assert!(!scenario.description.is_empty());
    }
}

#[test]
fn kazakhstan_has_20_regions_whose_towers_are_their_own() {
    let scenario = Scenario::built_in("kazakhstan");
    assert_eq!(scenario.regions.len(), 20);
    let Towers::Grids { grids, .. } = scenario.towers else { panic!("no grids") };
    let mut towers = std::collections::BTreeSet::new();
    for grid in grids {
        for tower in grid.first_tower..grid.first_tower + grid.columns * grid.rows {
            assert!(towers.insert(tower), "tower {tower} stands in two regions");
        }
    }
}

#[test]
fn a_file_that_extends_another_changes_only_what_it_names() {
    let base = Scenario::built_in("default");
    let changed = extended("subscribers = 500\n[call]\nweight = 60").unwrap();
    let mut expected = Scenario { name: "mine.toml".to_owned(), subscribers: 500, ..base };
    expected.types[type_index(EventType::Call)].weight = 60.0;
    assert_eq!(changed, expected);
    // A list replaces the list.
    let one = extended("[[regions]]\nname = \"Here\"\nweight = 1").unwrap();
    assert_eq!(one.regions, [Region { name: "Here".to_owned(), weight: 1.0 }]);
}

/// A whole table of pairs but for one key.
fn pairs(line: &str) -> String {
    let key = line.split(' ').next().unwrap();
    let whole = "other_networks = 0\nunanswered = 0\ninitiative_sigma = 0\ncall_again = 0\n\
                 message_again = 0\nfavourite = 0";
    let others = whole.lines().filter(|other| !other.starts_with(key));
    std::iter::once("[pairs]").chain(others).chain([line]).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_bad_value_is_named_with_what_was_expected() {
    let span = "from = \"2025-11-09\"\nto = \"2025-11-10\"";
    // Every row: lines added to `default`, parts of the complaint.
    for (lines, parts) in [
        ("subscribers = 1", &["subscribers: 1", "2 to 10000000"] as &[&str]),
        ("base_rate = 0", &["base_rate: 0", "above 0"]),
        ("time_zone = \"Almaty\"", &["time_zone: Almaty", "Asia/Almaty"]),
        ("colour = \"red\"", &["colour", "unknown field"]),
        ("[call]\nweight = -1", &["call.weight: -1", "0 or more"]),
        ("[call]\nweight = \"many\"", &["many", "f64"]),
        ("[call]\nprofile = \"night\"", &["call.profile: night", "[profiles]"]),
        ("[sms]\nduration_seconds = { uniform = [1, 2] }", &["sms.duration_seconds", "none"]),
        ("[sms]\ntenge = [5]", &["sms.tenge", "none"]),
        ("[call]\nduration_seconds = { uniform = [9, 2] }", &["[9, 2]", "[LEAST, MOST]"]),
        ("[towers]\nids = [1, 2]", &["towers.ids: [1, 2]", "1000 to 9999"]),
        ("[prefixes]\n70 = 1", &["prefixes.70", "three digits"]),
        ("[profiles.day]\nsunday = 3", &["profiles", "sunday"]),
        ("[activity]\nsigma = 9\nat_most = 5", &["activity.sigma: 9", "2 at most"]),
        (
            "[movement]\nemployed_share = 1\ncommute_km = 1\nouting_share = 0\njourneys_per_year = 0\njourney_days = [1, 2]",
            &["[towers]", "[movement]"],
        ),
        ("[[regions]]\nname = \"ALL\"\nweight = 1", &["regions[0].name: ALL", "reserved"]),
        ("[[regions]]\nname = \"A\"\nweight = 0", &["regions", "above 0"]),
        (
            "[[holidays]]\nname = \"X\"\ndates = [\"02-30\"]\nlike = \"sunday\"",
            &["`02-30`", "01-31"],
        ),
        ("[[peaks]]\nname = \"X\"\ndate = \"01-01\"\nhours = [5, 5]", &["hours [5, 5]", "0 to 24"]),
        (
            "[[peaks]]\nname = \"X\"\ndate = \"01-01\"\nhours = [5, 6]\ncall = 1e12",
            &["peaks `X`", "0 to 1000"],
        ),
        (
            "[faults]\nlate = { share = 1.5, seconds = [1, 2] }",
            &["faults.late.share: 1.5", "0 to 1"],
        ),
        ("[faults]\nlate = { share = 1, seconds = [3, 2] }", &["faults.late.seconds: [3, 2]"]),
        ("[faults]\nmalformed = { share = 1, reasons = [\"odd\"] }", &["odd", "not_json"]),
        (&pairs("unanswered = 2"), &["pairs.unanswered: 2", "0 to 1"]),
        (&pairs("call_again = 0.9"), &["pairs.call_again: 0.9", "0 to 0.8"]),
        (&pairs("initiative_sigma = 3"), &["pairs.initiative_sigma: 3", "2 at most"]),
        ("[pairs]\nunanswered = 0.1", &["missing field", "other_networks"]),
        ("[[roles]]\nrole = \"taxi\"\nshare = 0.1", &["roles[0]", "no [movement]"]),
        (
            "[[frauds]]\nkind = \"clone\"\nvariant = \"plain\"\nshare = 0.1",
            &["frauds[0]", "[movement]"],
        ),
        (
            "[lives]\nleaving_per_month = 0.5\nabrupt = 1\ndecay = 0\nsecond_sim = 0\nholidays_per_year = 0\nslumps_per_year = 0",
            &["lives.leaving_per_month: 0.5", "0.001 to 0.1"],
        ),
        (
            "[lives]\nleaving_per_month = 0.03\nabrupt = 0\ndecay = 0\nsecond_sim = 0\nholidays_per_year = 0\nslumps_per_year = 0",
            &["lives: 0", "above 0"],
        ),
        (
            "[lives]\nleaving_per_month = 0.03\nabrupt = 1\ndecay = 0\nsecond_sim = 0\nholidays_per_year = 3\nslumps_per_year = 2",
            &["lives: 5", "4 holidays and slumps"],
        ),
        ("[weather]\ncv = 0.1\nhours = 2", &["weather: no [movement]", "each region a grid"]),
        ("[faults]\nsilly = 1", &["silly", "unknown field"]),
        (
            &format!("[[faults.silent_regions]]\nregion = \"Atlantis\"\n{span}"),
            &["Atlantis", "[[regions]]"],
        ),
        (&format!("[[anomalies]]\nname = \"a\"\nmagnitude = -2\n{span}"), &["anomalies `a`: -2"]),
        (
            &format!("[[anomalies]]\nname = \"a\"\nmagnitude = 2\nevent_type = \"fax\"\n{span}"),
            &["fax", "sms"],
        ),
        (
            "[[anomalies]]\nname = \"a\"\nmagnitude = 2\nfrom = \"2025-11-09\"\nto = \"2025-11-09\"",
            &["ends after"],
        ),
        (
            "[[anomalies]]\nname = \"a\"\nmagnitude = 2\nfrom = \"noon\"\nto = \"2025-11-09\"",
            &["a`.from: `noon`", "2025-11-09"],
        ),
    ] {
        let problem = extended(lines).expect_err(lines);
        assert!(problem.starts_with("scenario mine.toml: "), "{problem}");
        for part in parts {
            assert!(problem.contains(part), "{lines}: no {part:?} in {problem}");
        }
    }
}

#[test]
fn only_partitions_that_the_topic_has_can_be_silenced() {
    let span = "from = \"2025-11-09\"\nto = \"2025-11-10\"";
    let silence = |partition: u32| {
        let lines = format!("[[faults.silent_partitions]]\npartition = {partition}\n{span}");
        extended(&lines).unwrap()
    };
    // Every row: partition, partitions of the topic, whether that is possible.
    for (partition, partitions, is_possible) in
        [(0, 1, true), (1, 1, false), (2, 3, true), (3, 3, false), (3, 12, true)]
    {
        let checked = silence(partition).check_partitions("events", partitions);
        assert_eq!(checked.is_ok(), is_possible, "{partition} of {partitions}: {checked:?}");
    }
    let problem = silence(7).check_partitions("events", 3).unwrap_err();
    for part in
        ["scenario mine.toml: ", "silent_partitions[0].partition: 7", "less than 3", "events"]
    {
        assert!(problem.contains(part), "no {part:?} in {problem}");
    }
}

#[test]
fn a_whole_file_with_an_error_shows_the_line() {
    let text =
        built_in_text("default").unwrap().replace("weight = 30\nprofile", "wieght = 30\nprofile");
    let problem = Scenario::parse("mine.toml", &text).unwrap_err();
    assert!(problem.contains("wieght") && problem.contains("line "), "{problem}");
}

#[test]
fn top_ups_that_follow_balances_can_t_spike() {
    let spike = "[[anomalies]]\nname = \"a\"\nevent_type = \"balance_recharge\"\nmagnitude = 2\n\
                 from = \"2025-11-09\"\nto = \"2025-11-10\"";
    assert!(extended(spike).is_ok(), "by weight they can");
    let text = format!("extends = \"kazakhstan\"\n{spike}");
    let problem = Scenario::parse("mine.toml", &text).unwrap_err();
    assert!(problem.contains("anomalies `a`") && problem.contains("[spending]"), "{problem}");
}

#[test]
fn only_built_in_scenarios_can_be_extended() {
    let problem = Scenario::parse("mine.toml", "extends = \"other.toml\"").unwrap_err();
    assert!(problem.contains("other.toml") && problem.contains("built-in"), "{problem}");
}

#[test]
fn a_bad_role_or_fraud_is_named_with_what_was_expected() {
    let fraud = |lines: &str| format!("[[frauds]]\nkind = \"clone\"\nvariant = \"plain\"\n{lines}");
    for (lines, parts) in [
        (
            "[[roles]]\nrole = \"spy\"\nshare = 0".to_owned(),
            &["roles[0].role: `spy`", "call_centre"],
        ),
        (
            "[[roles]]\nrole = \"taxi\"\nshare = 0.5".to_owned(),
            &["roles[0].share: 0.5", "0 to 0.1"],
        ),
        (fraud("share = -1"), &["frauds[0].share: -1", "0 to 0.1"]),
        (fraud("share = 0\nfrom = \"2025-11-09\""), &["frauds[0]", "both, or neither"]),
        (
            fraud("share = 0\nfrom = \"2025-11-10\"\nto = \"2025-11-09\""),
            &["frauds[0]", "ends after its start"],
        ),
        (
            fraud("share = 0").replace("plain", "loud"),
            &["frauds[0].variant: `loud`", "plain, quiet, human_like"],
        ),
        (fraud("share = 0").replace("clone", "theft"), &["frauds[0].kind: `theft`", "simbox"]),
        ("[weather]\ncv = 0.9\nhours = 2".to_owned(), &["weather.cv: 0.9", "0 to 0.5"]),
        ("[weather]\ncv = 0.1\nhours = 9".to_owned(), &["weather.hours: 9", "from 1 to 3"]),
        (
            "[weather]\ncv = 0\nhours = 2\ncampaign_factors = [3, 2]".to_owned(),
            &["weather.campaign_factors: [3, 2]", "within 1 to 10"],
        ),
        (
            "subscribers = 10_000_000\n[[roles]]\nrole = \"taxi\"\nshare = 0.1".to_owned(),
            &["subscribers: 12000000", "10000000 at most"],
        ),
    ] {
        let text = format!("extends = \"kazakhstan\"\n{lines}");
        let problem = Scenario::parse("mine.toml", &text).expect_err(&lines);
        for part in parts {
            assert!(problem.contains(part), "{lines}: no {part:?} in {problem}");
        }
    }
}
