//! Wrong addresses, credentials, settings and databases: the program says what it has tried and ends
//! with the right exit code. It never shows a secret.

use anyhow::{Result, ensure};
use e2e::{Database, Pipeline, Running};
use sandbox::{fresh_database, fresh_topic_name, kafka_bootstrap, postgres_url};

/// Stands for every password and key in this file.
const SECRET: &str = "hunter2";

type Variables<'a> = &'a [(&'a str, &'a str)];

/// One wrong start, under way.
struct Start {
    what: String,
    running: Running,
    code: i32,
    said: Vec<String>,
}

/// Wrong starts that run at the same time: most of them wait.
#[derive(Default)]
struct Starts(Vec<Start>);

impl Starts {
    /// Starts a program that must end with this code and say all of this; with right addresses
    /// where the variables give none.
    fn add(
        &mut self,
        program: &str,
        arguments: &[&str],
        variables: Variables<'_>,
        code: i32,
        said: &[&str],
    ) -> Result<()> {
        let topic = fresh_topic_name();
        let url = postgres_url()?;
        let mut all = vec![("KAFKA_BOOTSTRAP_SERVERS", kafka_bootstrap()?)];
        all.extend([("KAFKA_TOPIC", topic.as_str()), ("DATABASE_URL", url)]);
        all.extend(variables);
        self.0.push(Start {
            what: format!("{program} {arguments:?} {variables:?}"),
            running: Running::start(program, arguments, &all)?,
            code,
            said: said.iter().map(|text| (*text).to_owned()).collect(),
        });
        Ok(())
    }

    fn check(self) -> Result<()> {
        for Start { what, running, code, said } in self.0 {
            let ended = running.end()?;
            let shown = format!("{}{}", ended.output, ended.log);
            ensure!(ended.code == Some(code), "code {:?}: {what}:\n{shown}", ended.code);
            for text in said {
                ensure!(ended.log.contains(&text), "{text:?} is not said: {what}:\n{shown}");
            }
            ensure!(!shown.contains(SECRET), "a secret is shown: {what}:\n{shown}");
            ensure!(!shown.contains("panicked"), "it panicked: {what}:\n{shown}");
        }
        Ok(())
    }
}

/// HOST:PORT of the PostgreSQL that tests share.
fn postgres_host() -> Result<String> {
    let (_, rest) = postgres_url()?.split_once('@').expect("an address with a user");
    Ok(rest.split('/').next().expect("HOST:PORT").to_owned())
}

#[test]
fn a_server_that_is_not_there_is_named() -> Result<()> {
    let host = postgres_host()?;
    let nowhere = "127.0.0.1:1";
    let no_database = format!("postgres://u:{SECRET}@{nowhere}/telecom_db");
    let kafka_as_database = format!("postgres://u:{SECRET}@{}/telecom_db", kafka_bootstrap()?);
    let sasl = format!(
        "security.protocol=SASL_PLAINTEXT,sasl.mechanism=PLAIN,sasl.username=me,\
         sasl.password={SECRET}"
    );
    let own = fresh_database()?;
    let mut starts = Starts::default();
    for (program, variables, said) in [
        ("producer", [("KAFKA_BOOTSTRAP_SERVERS", nowhere)], nowhere),
        ("streamer", [("KAFKA_BOOTSTRAP_SERVERS", nowhere)], nowhere),
        ("streamer", [("KAFKA_BOOTSTRAP_SERVERS", "no-such-host:9")], "no-such-host:9"),
        // Somebody answers there, but it is no broker.
        ("producer", [("KAFKA_BOOTSTRAP_SERVERS", &host)], &host),
        ("streamer", [("KAFKA_PROPERTIES", &sasl)], kafka_bootstrap()?),
        ("streamer", [("DATABASE_URL", &no_database)], "u@127.0.0.1:1/telecom_db"),
        ("batcher", [("DATABASE_URL", &no_database)], "u@127.0.0.1:1/telecom_db"),
        // Somebody answers there, but it is no PostgreSQL.
        ("streamer", [("DATABASE_URL", &kafka_as_database)], kafka_bootstrap()?),
    ] {
        let arguments: &[&str] =
            if program == "batcher" { &["2025-11-09", "--wait", "1s"] } else { &["--wait", "1s"] };
        let variables = [&[("DATABASE_URL", own.as_str())], &variables[..]].concat();
        starts.add(program, arguments, &variables, 1, &[said])?;
    }
    starts.check()
}

/// Every program and command that uses a database.
const DATABASE_USERS: [(&str, &[&str]); 4] = [
    ("streamer", &["--wait", "1s"]),
    ("streamer", &["migrate", "--wait", "1s"]),
    ("streamer", &["verify", "--wait", "1s"]),
    ("batcher", &["2025-11-09", "--wait", "1s"]),
];

#[test]
fn a_database_that_lets_nobody_in_is_named_without_the_password() -> Result<()> {
    let host = postgres_host()?;
    let wrong_password = format!("postgres://telecom_user:{SECRET}@{host}/telecom_db");
    let unknown_role = format!("postgres://nobody_we_know:{SECRET}@{host}/telecom_db");
    let unknown_database = fresh_database()? + "_not";
    let (_, unknown_name) = unknown_database.rsplit_once('/').expect("a database");
    let no_port = format!("postgres://telecom_user:{SECRET}@127.0.0.1:port/telecom_db");
    let no_scheme = format!("telecom_user:{SECRET}@{host}");
    let mut starts = Starts::default();
    for (program, arguments) in DATABASE_USERS {
        for (url, said) in [
            (&wrong_password, ["telecom_user@", &host]),
            (&unknown_role, ["nobody_we_know@", &host]),
            (&unknown_database, ["telecom_user@", unknown_name]),
            (&no_port, ["DATABASE_URL", "postgres://USER"]),
            (&no_scheme, ["DATABASE_URL", "postgres://USER"]),
        ] {
            starts.add(program, arguments, &[("DATABASE_URL", url)], 1, &said)?;
        }
    }
    starts.check()
}

#[test]
fn a_database_that_is_not_ours_to_use_is_left_alone() -> Result<()> {
    let foreign = fresh_database()?;
    Database::at(&foreign)?.execute("CREATE TABLE real_time_metrics (x integer)")?;
    let ascii = fresh_topic_name();
    Database::at(postgres_url()?)?.execute(&format!(
        "CREATE DATABASE {ascii} ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0"
    ))?;
    let (server, _) = foreign.rsplit_once('/').expect("a database");
    let ascii_url = format!("{server}/{ascii}");
    let empty = fresh_database()?;
    let mut starts = Starts::default();
    for (program, arguments) in DATABASE_USERS {
        let said = ["real_time_metrics", "did not create"];
        starts.add(program, arguments, &[("DATABASE_URL", &foreign)], 1, &said)?;
        let said = ["SQL_ASCII", "UTF8", &ascii];
        starts.add(program, arguments, &[("DATABASE_URL", &ascii_url)], 1, &said)?;
    }
    // These never make a table.
    for (program, argument) in [("streamer", "verify"), ("batcher", "2025-11-09")] {
        let variables = [("DATABASE_URL", empty.as_str())];
        starts.add(program, &[argument], &variables, 1, &["streamer migrate"])?;
    }
    starts.check()?;
    for (url, expected) in [(&foreign, 1), (&ascii_url, 0), (&empty, 0)] {
        let count = "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'";
        assert_eq!(Database::at(url)?.number(count)?, expected, "tables of {url}");
    }
    Ok(())
}

#[test]
fn settings_that_differ_from_the_stored_ones_are_refused_by_name() -> Result<()> {
    let pipeline = Pipeline::new(1)?;
    pipeline.drain()?;
    let mut starts = Starts::default();
    for (name, value, stored) in [
        ("WATERMARK_DELAY", "3m", "2m"),
        ("MAX_FUTURE_SKEW", "60s", "5m"),
        ("BUSINESS_TIMEZONE", "Asia/Almaty", "UTC"),
    ] {
        let variables = [("DATABASE_URL", pipeline.database.url()), (name, value)];
        let given = if value == "60s" { "1m" } else { value };
        starts.add("streamer", &["--drain"], &variables, 1, &[name, given, stored])?;
    }
    starts.check()?;
    let same = [("WATERMARK_DELAY", "120s"), ("BUSINESS_TIMEZONE", "UTC")];
    pipeline.start_with("streamer", &["--drain"], &same)?.end()?.expect(0)?;
    Ok(())
}

#[test]
fn values_that_cannot_be_read_are_refused() -> Result<()> {
    let long_secret = SECRET.repeat(5);
    let misspelt = format!("sasl.passwort={SECRET}");
    let no_equals = format!("a=b,{SECRET}");
    let url = fresh_database()?;
    let mut starts = Starts::default();
    let mut add = |program, arguments: &[&str], variable: (&str, &str), code, said: &[&str]| {
        let variables = [("DATABASE_URL", url.as_str()), variable];
        starts.add(program, arguments, &variables, code, said)
    };
    for (program, name, value, code, said) in [
        ("streamer", "FLUSH_INTERVAL", "30", 2, &["--flush-interval", "'30'"][..]),
        ("streamer", "FLUSH_INTERVAL", "0s", 2, &["--flush-interval", "'0s'"]),
        ("streamer", "WATERMARK_DELAY", "-2m", 2, &["--watermark-delay", "-2m"]),
        ("streamer", "BUSINESS_TIMEZONE", "Mars", 2, &["--business-timezone", "Mars"]),
        ("streamer", "KAFKA_PROPERTIES", "group.id=x", 1, &["group.id", "KAFKA_GROUP_ID"]),
        ("streamer", "KAFKA_PROPERTIES", "auto.offset.reset=latest", 1, &["auto.offset.reset"]),
        ("streamer", "KAFKA_PROPERTIES", &misspelt, 1, &["KAFKA_PROPERTIES", "sasl.passwort"]),
        ("producer", "KAFKA_PROPERTIES", &no_equals, 1, &["item 2", "`=`"]),
        ("producer", "SUBSCRIBER_KEY", &long_secret, 2, &["SUBSCRIBER_KEY", "hex"]),
    ] {
        add(program, &[], (name, value), code, said)?;
    }
    for (program, arguments, said) in [
        ("streamer", &["--start", "yesterday"][..], &["yesterday", "earliest"][..]),
        ("streamer", &["drain"], &["drain"]),
        ("streamer", &["--wait", "soon"], &["--wait", "soon"]),
        ("producer", &["--from", "yesterday"], &["--from", "yesterday"]),
        ("batcher", &["2025-02-29"], &["2025-02-29"]),
        ("batcher", &[], &["DAY"]),
        ("batcher", &["check", "gestern"], &["gestern", "yesterday"]),
    ] {
        add(program, arguments, ("WAIT", "1s"), 2, said)?;
    }
    starts.check()
}
