//! Passwords and keys that the programs are given appear in nothing that they print, however much
//! they are told to log, and whatever goes wrong.

use anyhow::Result;
use e2e::{Pipeline, Scatter};

/// What must not be seen.
const SECRET: &str = "hunter2";

/// A secret in every place that has one.
struct Given {
    name: &'static str,
    database_url: String,
    kafka_properties: String,
}

/// The right password, which is a secret as well, and wrong ones.
fn ways_to_fail(url: &str) -> Vec<Given> {
    let login = format!("sasl.username=me,sasl.password={SECRET}");
    let with_password = url.replace("telecom_pass", SECRET);
    let given = |name, database_url: &str, kafka_properties: &str| Given {
        name,
        database_url: database_url.to_owned(),
        kafka_properties: kafka_properties.to_owned(),
    };
    vec![
        given("all is well", url, &login),
        given("wrong password", &with_password, &login),
        given("no such server", &format!("postgres://me:{SECRET}@127.0.0.1:1/x"), &login),
        given("no address", &format!("postgres:me:{SECRET}@@:/x"), &login),
        given("an address without a database", &format!("me:{SECRET}"), &login),
        given("no such port", &format!("postgres://me:{SECRET}@127.0.0.1:{SECRET}/x"), &login),
        given("an unknown option", &format!("{url}?sslpassword={SECRET}&x={SECRET}"), &login),
        given("an unknown property", url, &format!("{login},x.y={SECRET}")),
        given("a property without a value", url, &format!("{login},{SECRET}")),
        given("a property of another form", url, &format!("{login},linger.ms={SECRET}")),
        given(
            "a broker that wants no login",
            url,
            &format!("{login},security.protocol=SASL_PLAINTEXT"),
        ),
    ]
}

#[test]
fn no_secret_is_printed_or_logged_whatever_goes_wrong() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    let from = "2025-11-09T12:00:00Z".parse()?;
    pipeline.topic.sender(&[])?.send(&Scatter::new(6, 1, from).take(200))?;
    let key = format!("{}{SECRET}", "0".repeat(32));
    // An odd number, so that forms alternate.
    let programs: [(&str, &[&str]); 9] = [
        ("streamer", &["--drain", "--wait", "100ms"]),
        ("streamer", &["status"]),
        ("streamer", &["dead-letters", "replay", "--execute"]),
        ("streamer", &["compare", "--topic", "mirror", "--wait", "100ms"]),
        ("streamer", &["compare", "--help"]),
        ("streamer", &["--help"]),
        ("batcher", &["2025-11-09", "--wait", "100ms"]),
        ("producer", &["--count", "5", "--wait", "100ms"]),
        ("producer", &["--help"]),
    ];
    // Each program in each form of the log, but not with everything.
    let forms = ["text", "json"].into_iter().cycle();
    let ways = ways_to_fail(pipeline.database.url());
    let runs = ways.iter().flat_map(|way| programs.iter().map(move |program| (way, program)));
    for ((given, (program, arguments)), form) in runs.zip(forms) {
        let variables = [
            ("DATABASE_URL", given.database_url.as_str()),
            ("COMPARE_WITH", &given.database_url),
            ("KAFKA_PROPERTIES", &given.kafka_properties),
            ("SUBSCRIBER_KEY", &key),
            ("RUST_LOG", "trace"),
            ("LOG_FORMAT", form),
        ];
        let ended = pipeline.start_with(program, arguments, &variables)?.end()?;
        for secret in [SECRET, "telecom_pass"] {
            let is_said = ended.output.contains(secret) || ended.log.contains(secret);
            let name = given.name;
            assert!(
                !is_said,
                "{secret} with {name}: {program} {arguments:?}\n{}\n{}",
                ended.output, ended.log
            );
        }
    }
    Ok(())
}
