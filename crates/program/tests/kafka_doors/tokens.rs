//! A door that opens for a token (OAUTHBEARER): an unsigned one here, one of an identity provider in `provider`.

use sandbox::{Kafka, KafkaListener, KafkaOptions};

use super::certificates::Certificates;
use super::{Doors, USER};

/// What the broker demands of a token.
pub(crate) const SCOPE: &str = "events";
const MODULE: &str = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required";

/// A broker with one door that wants a token, over TLS. `login`: what its login module is told; `properties`: of this door.
pub(crate) fn door(
    certificates: Certificates,
    login: &str,
    properties: &[(&str, String)],
) -> Doors {
    certificates.signed("broker", "ours", "subjectAltName=IP:127.0.0.1\n", 2);
    let address = sandbox::free_address().expect("a free port");
    let mut options = KafkaOptions::default()
        .listener(KafkaListener {
            name: "TOKEN".to_owned(),
            protocol: "SASL_SSL".to_owned(),
            address: address.clone(),
            advertised: address.clone(),
        })
        .property("listener.name.token.ssl.keystore.type", "PEM")
        .property(
            "listener.name.token.ssl.keystore.location",
            &certificates.shown("broker.chain.pem"),
        )
        .property("listener.name.token.sasl.enabled.mechanisms", "OAUTHBEARER")
        .property(
            "listener.name.token.oauthbearer.sasl.jaas.config",
            &format!("{MODULE} {login};"),
        );
    for (key, value) in properties {
        options = options.property(&format!("listener.name.token.{key}"), value);
    }
    let kafka = Kafka::start_with(&options).expect("a broker");
    Doors { kafka, certificates, addresses: vec![("TOKEN", address)] }
}

#[test]
fn an_unsigned_token_opens_the_door_if_it_has_the_scope() {
    let login = format!(
        "unsecuredLoginStringClaim_sub=\"broker\" unsecuredValidatorRequiredScope=\"{SCOPE}\""
    );
    let doors = door(Certificates::new(), &login, &[]);
    let trust = doors.certificates.shown("ours.pem");
    let token = |scope: &str| format!("principal={USER} scope={scope}");
    let (right, wrong) = (token(SCOPE), token("another"));
    let settings = |config| {
        [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &*trust),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("enable.sasl.oauthbearer.unsecure.jwt", "true"),
            ("sasl.oauthbearer.config", config),
        ]
    };
    doors.gets_in("TOKEN", &settings(&right));
    doors.is_told(
        "TOKEN",
        &settings(&wrong),
        "the broker refuses the token (insufficient_scope): it lacks a scope",
    );
    let plain = [
        ("security.protocol", "SASL_SSL"),
        ("ssl.ca.location", &*trust),
        ("sasl.mechanisms", "PLAIN"),
        ("sasl.username", USER),
        ("sasl.password", "any"),
    ];
    doors.is_told("TOKEN", &plain, "the broker offers other ways to log in");
}
