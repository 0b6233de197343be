//! A broker that sends its clients on to an address which leads nowhere from here.

use anyhow::{Result, ensure};
use e2e::Pipeline;
use sandbox::{Kafka, KafkaListener, KafkaOptions};

const NOWHERE: &str = "no-such-host.invalid:9092";

#[test]
fn a_broker_that_advertises_a_name_which_does_not_resolve_is_named_with_that_name() -> Result<()> {
    let address = sandbox::free_address()?;
    let options = KafkaOptions::default().listener(KafkaListener {
        name: "ELSEWHERE".to_owned(),
        protocol: "PLAINTEXT".to_owned(),
        address: address.clone(),
        advertised: NOWHERE.to_owned(),
    });
    let kafka = Kafka::start_with(&options)?;
    let pipeline = Pipeline::on(kafka.bootstrap(), &sandbox::fresh_database()?, 2)?;
    let elsewhere = ("KAFKA_BOOTSTRAP_SERVERS", address.as_str());
    // One topic that is there, and one that would have to be made.
    for variables in [&[elsewhere][..], &[elsewhere, ("KAFKA_TOPIC", "to-be-made")]] {
        let ended = pipeline.start_with("streamer", &["--drain", "--wait", "2s"], variables)?;
        let ended = ended.end()?.expect(1)?;
        let said = format!(
            "Kafka at {address} answers, and sends its clients on to {NOWHERE}, from where no \
             answer has come within 2s"
        );
        ensure!(ended.log.contains(&said), "{variables:?}: {}", ended.log);
        ensure!(ended.log.contains("advertised.listeners"), "{}", ended.log);
    }
    let status = pipeline.start_with("streamer", &["status", "--wait", "2s"], &[elsewhere])?;
    let status = status.end()?.expect(3)?;
    ensure!(status.output.contains(NOWHERE), "{}", status.output);
    Ok(())
}
