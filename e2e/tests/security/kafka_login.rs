//! A Kafka that lets nobody in without a password (SASL/PLAIN).

use anyhow::Result;
use e2e::{Pipeline, RawRecord};
use sandbox::{Kafka, KafkaListener, KafkaOptions};

const USER: &str = "pipeline";
const PASSWORD: &str = "a-password,=-with-a-comma";

fn guarded_kafka(password: &str) -> Result<(Kafka, String)> {
    let address = sandbox::free_address()?;
    let login = format!(
        "org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{password}\";"
    );
    let options = KafkaOptions::default()
        .listener(KafkaListener {
            name: "GUARDED".to_owned(),
            protocol: "SASL_PLAINTEXT".to_owned(),
            address: address.clone(),
            advertised: address.clone(),
        })
        .property("sasl.enabled.mechanisms", "PLAIN")
        .property("listener.name.guarded.plain.sasl.jaas.config", &login);
    Ok((Kafka::start_with(&options)?, address))
}

#[test]
fn with_a_password_the_programs_get_in_and_without_they_say_who_refuses() -> Result<()> {
    let (kafka, address) = guarded_kafka(PASSWORD)?;
    let mut pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, 3)?;
    // JSON, because a comma ends an item of the short form.
    let properties = |password: &str| {
        format!(
            "{{\"security.protocol\": \"SASL_PLAINTEXT\", \"sasl.mechanisms\": \"PLAIN\", \
              \"sasl.username\": \"{USER}\", \"sasl.password\": \"{password}\"}}"
        )
    };
    let run = |program: &str, arguments: &[&str], properties: &str| {
        let variables = [("KAFKA_BOOTSTRAP_SERVERS", &*address), ("KAFKA_PROPERTIES", properties)];
        pipeline.start_with(program, arguments, &variables)?.end()
    };
    let right = properties(PASSWORD);
    let day = ["--from", "2025-11-09", "--to", "2025-11-10", "--seed", "1", "--rate", "max"];
    run("producer", &[&day[..], &["--count", "3000"]].concat(), &right)?.expect(0)?;
    pipeline.topic.sender(&[])?.send(&[RawRecord::of(0, "x")])?;
    run("streamer", &["--drain"], &right)?.expect(0)?;
    run("streamer", &["status"], &right)?.expect(0)?;

    for (program, arguments) in [
        ("streamer", &["--drain", "--wait", "3s"][..]),
        ("producer", &["--count", "1", "--wait", "3s"][..]),
    ] {
        for wrong in [properties("wrong-password"), String::new()] {
            let ended = run(program, arguments, &wrong)?.expect(1)?;
            assert!(ended.log.contains(&address), "{program}: {}", ended.log);
            assert!(!ended.log.contains("wrong-password"), "{program}: {}", ended.log);
        }
    }
    let expected = pipeline.expect_recomputed()?;
    assert_eq!(expected.on_time.values().map(|sums| sums.events).sum::<i64>(), 3_000);
    Ok(())
}
