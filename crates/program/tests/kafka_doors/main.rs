//! A real Kafka behind TLS and SASL, with an authority of its own: who belongs there gets in, and who does not
//! is told why in a sentence. And records in every compression are read.

mod certificates;
#[cfg(feature = "oidc")]
mod provider;
mod tokens;

use std::time::Duration;

use certificates::Certificates;
use program::{FoundTopic, KafkaArgs, TopicError, ensure_topic};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::{Message, Offset, TopicPartitionList};
use sandbox::{Kafka, KafkaListener, KafkaOptions};

const USER: &str = "pipeline";
/// A comma ends an item of KAFKA_PROPERTIES unless that is JSON.
const PASSWORD: &str = "a-password,=\"with-a-comma";
/// What Kafka's own tool can be told.
const SCRAM_PASSWORD: &str = "another-password";
const WRONG: &str = "not-the-password";
/// Long enough for a broker that answers at once, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long those wait whom nobody lets in.
const SHORT_PATIENCE: Duration = Duration::from_secs(3);

/// The broker's doors: TLS with clients' certificates, TLS with a login, and two whose certificates are bad.
struct Doors {
    kafka: Kafka,
    certificates: Certificates,
    addresses: Vec<(&'static str, String)>,
}

impl Doors {
    fn open() -> Doors {
        let certificates = Certificates::new();
        let this_host = "subjectAltName=IP:127.0.0.1\n";
        certificates.signed("broker", "ours", this_host, 2);
        certificates.signed("expired", "ours", this_host, -1);
        certificates.signed("elsewhere", "ours", "subjectAltName=DNS:kafka.example\n", 2);
        certificates.signed("client", "ours", "", 2);
        certificates.signed("client-expired", "ours", "", -1);
        certificates.signed("client-foreign", "foreign", "", 2);
        let mut options = KafkaOptions::default();
        let mut addresses = Vec::new();
        for (name, protocol, certificate) in [
            ("MUTUAL", "SSL", "broker"),
            ("LOGIN", "SASL_SSL", "broker"),
            ("EXPIRED", "SSL", "expired"),
            ("ELSEWHERE", "SSL", "elsewhere"),
        ] {
            let address = sandbox::free_address().expect("a free port");
            options = options.listener(KafkaListener {
                name: name.to_owned(),
                protocol: protocol.to_owned(),
                address: address.clone(),
                advertised: address.clone(),
            });
            let keys = certificates.shown(&format!("{certificate}.chain.pem"));
            let door = format!("listener.name.{}", name.to_lowercase());
            options = options
                .property(&format!("{door}.ssl.keystore.type"), "PEM")
                .property(&format!("{door}.ssl.keystore.location"), &keys)
                .property(&format!("{door}.ssl.truststore.type"), "PEM")
                .property(
                    &format!("{door}.ssl.truststore.location"),
                    &certificates.shown("ours.pem"),
                );
            addresses.push((name, address));
        }
        // A backslash hides a quote from Java's login configuration, and itself from a properties file.
        let password = PASSWORD.replace('"', r#"\\""#);
        let scram = "org.apache.kafka.common.security.scram.ScramLoginModule required;";
        let plain = format!(
            "org.apache.kafka.common.security.plain.PlainLoginModule required user_{USER}=\"{password}\";"
        );
        let options = options
            .property("listener.name.mutual.ssl.client.auth", "required")
            .property("sasl.enabled.mechanisms", "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512")
            .property("listener.name.login.plain.sasl.jaas.config", &plain)
            .property("listener.name.login.scram-sha-256.sasl.jaas.config", scram)
            .property("listener.name.login.scram-sha-512.sasl.jaas.config", scram);
        let kafka = Kafka::start_with(&options).expect("a broker");
        kafka.add_scram_user(USER, SCRAM_PASSWORD).expect("a user");
        Doors { kafka, certificates, addresses }
    }

    fn address(&self, door: &str) -> &str {
        &self.addresses.iter().find(|(name, _)| *name == door).expect("a door of this name").1
    }

    /// Goes to a door with these settings, as JSON.
    fn knock(
        &self,
        door: &str,
        settings: &[(&str, &str)],
        patience: Duration,
    ) -> Result<FoundTopic, Box<TopicError>> {
        let settings: serde_json::Map<String, serde_json::Value> =
            settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
        let properties = serde_json::Value::Object(settings).to_string();
        let args = arguments(self.address(door), &properties);
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let found = runtime.expect("a runtime").block_on(ensure_topic(&args, patience));
        found.map_err(Box::new)
    }

    #[track_caller]
    fn gets_in(&self, door: &str, settings: &[(&str, &str)]) {
        let found = self.knock(door, settings, PATIENCE);
        assert_eq!(found.expect("the door opens").partitions, [0, 1, 2], "{door}: {settings:?}");
    }

    #[track_caller]
    fn is_told(&self, door: &str, settings: &[(&str, &str)], why: &str) {
        let error = self.knock(door, settings, SHORT_PATIENCE).expect_err("the door stays shut");
        let text = error.to_string();
        assert!(text.contains(why), "{door}: {text:?} instead of {why:?}; {error:?}");
        assert!(text.contains(self.address(door)), "{text}");
        assert!(!format!("{error:?} {text}").contains(WRONG), "{text}");
    }
}

fn arguments(address: &str, properties: &str) -> KafkaArgs {
    KafkaArgs {
        kafka_bootstrap_servers: address.to_owned(),
        kafka_topic: "events".to_owned(),
        kafka_properties: properties.into(),
        topic_partitions: 3,
        topic_replication: 1,
    }
}

#[test]
fn who_belongs_there_gets_in_and_who_does_not_is_told_why() {
    let doors = Doors::open();
    let (ours, foreign) =
        (doors.certificates.shown("ours.pem"), doors.certificates.shown("foreign.pem"));
    let own = |name: &str| {
        (
            doors.certificates.shown(&format!("{name}.pem")),
            doors.certificates.shown(&format!("{name}.key")),
        )
    };
    let tls = ("security.protocol", "SSL");
    let trust = ("ssl.ca.location", &*ours);

    let (certificate, key) = own("client");
    let shown = [("ssl.certificate.location", &*certificate), ("ssl.key.location", &*key)];
    doors.gets_in("MUTUAL", &[&[tls, trust][..], &shown].concat());
    doors.is_told("MUTUAL", &[tls, trust], "refuses this client's certificate");
    for wrong in ["client-expired", "client-foreign"] {
        let (certificate, key) = own(wrong);
        let shown = [("ssl.certificate.location", &*certificate), ("ssl.key.location", &*key)];
        let settings = [&[tls, trust][..], &shown].concat();
        doors.is_told("MUTUAL", &settings, "refuses this client's certificate");
    }
    let strangers = [tls, ("ssl.ca.location", &*foreign)];
    doors.is_told(
        "MUTUAL",
        &[&strangers[..], &shown].concat(),
        "signed by an authority that is not trusted here",
    );
    doors.is_told("EXPIRED", &[tls, trust], "has expired");
    doors.is_told("ELSEWHERE", &[tls, trust], "is for another host name");
    doors.is_told("LOGIN", &[], "no Kafka broker answered");

    let login = |mechanism: &'static str, password: &'static str| {
        [
            ("security.protocol", "SASL_SSL"),
            ("sasl.mechanisms", mechanism),
            ("sasl.username", USER),
            ("sasl.password", password),
        ]
    };
    for (mechanism, password) in
        [("PLAIN", PASSWORD), ("SCRAM-SHA-256", SCRAM_PASSWORD), ("SCRAM-SHA-512", SCRAM_PASSWORD)]
    {
        doors.gets_in("LOGIN", &[&[trust][..], &login(mechanism, password)].concat());
        let settings = [&[trust][..], &login(mechanism, WRONG)].concat();
        doors.is_told("LOGIN", &settings, "no such user, or not with this password");
    }
    let plain = doors.kafka.bootstrap().to_owned();
    let error = {
        let mut doors = doors;
        doors.addresses.push(("PLAINTEXT", plain));
        doors.knock("PLAINTEXT", &[tls, ("ssl.ca.location", &*ours)], SHORT_PATIENCE).unwrap_err()
    };
    assert!(error.to_string().contains("does not speak TLS"), "{error}");
}

#[test]
fn records_in_every_compression_are_read() {
    let kafka = Kafka::start().expect("a broker");
    let bootstrap = kafka.bootstrap();
    // So much the same that each of them makes it smaller.
    let payload = "the same again and again, ".repeat(400);
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        let args = KafkaArgs {
            kafka_topic: format!("packed-{codec}"),
            ..arguments(bootstrap, &format!("compression.type={codec}"))
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        runtime.expect("a runtime").block_on(ensure_topic(&args, PATIENCE)).expect("a topic");
        let config = args.client_config().expect("settings");
        let producer: BaseProducer = config.create().expect("this build can pack so");
        let record = BaseRecord::<(), _>::to(&args.kafka_topic).partition(0).payload(&payload);
        producer.send(record).expect("room for one record");
        producer.flush(PATIENCE).expect("delivered");

        let consumer: BaseConsumer = args
            .client_config()
            .expect("settings")
            .set("group.id", "reader")
            .create()
            .expect("a consumer");
        let mut from_start = TopicPartitionList::new();
        from_start
            .add_partition_offset(&args.kafka_topic, 0, Offset::Beginning)
            .expect("an offset");
        consumer.assign(&from_start).expect("assigned");
        let read =
            consumer.poll(PATIENCE).expect("a record").expect("a record that can be unpacked");
        assert_eq!(read.payload(), Some(payload.as_bytes()), "{codec}");
    }
}
