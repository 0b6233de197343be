//! Why no connection to a broker came about although somebody answers: who refuses whom, and the way out.
//!
//! In: lines of the client's log, and its settings. Out: a sentence. The client does not say why it refuses a
//! broker's certificate, so the same OpenSSL is asked again, with the same authorities.

use std::fmt;
use std::net::{TcpStream, ToSocketAddrs};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::ssl::{HandshakeError, SslConnector, SslMethod};
use rdkafka::ClientConfig;

/// So long a broker may take to show its certificate again.
const PATIENCE: Duration = Duration::from_secs(5);

/// So much of what a server says is shown.
const SAID_CHARS_MAX: usize = 200;

/// The last refusal that a client's log told of.
#[derive(Debug, Default)]
pub(super) struct LastRefusal(Mutex<Option<Refusal>>);

impl LastRefusal {
    /// Takes a line of the client's log in.
    pub(super) fn hear(&self, line: &str) {
        if let Some(refusal) = Refusal::told_in(line) {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(refusal);
        }
    }

    pub(super) fn get(&self) -> Option<Refusal> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Who refuses whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The broker does not know this user, or not with this password.
    Login,
    /// The broker offers other ways to log in.
    Mechanism,
    /// The broker does not take the token: its own word for why (RFC 7628, 3.2.2).
    Token(String),
    /// There is no token to show: what the client says of the identity provider.
    NoToken(String),
    /// We refuse the certificate of the broker at this HOST:PORT.
    BrokersCertificate(String),
    /// The broker refuses our certificate, or that there is none.
    OwnCertificate,
    /// The broker does not speak TLS.
    NoTls,
}

impl Refusal {
    /// The refusal that a line of the client's log tells of.
    fn told_in(line: &str) -> Option<Refusal> {
        let says = |words: &[&str]| words.iter().any(|word| line.contains(word));
        if says(&["Unsupported SASL mechanism", "UNSUPPORTED_SASL_MECHANISM"]) {
            Some(Refusal::Mechanism)
        } else if let Some(said) = no_token_told_in(line) {
            Some(Refusal::NoToken(in_short(said)))
        } else if let Some((_, status)) = line.split_once("{\"status\":\"") {
            status.split_once('"').map(|(status, _)| Refusal::Token(in_short(status)))
        } else if line.contains("SASL") && says(&["Authentication failed", "authentication failed"])
        {
            Some(Refusal::Login)
        } else if says(&["certificate verify failed", "certificate could not be verified"]) {
            address_in(line).map(Refusal::BrokersCertificate)
        } else if says(&["SSL alert number", "client SSL authentication might be required"]) {
            Some(Refusal::OwnCertificate)
        } else if says(&["connecting to a PLAINTEXT broker listener", "wrong version number"]) {
            Some(Refusal::NoTls)
        } else {
            None
        }
    }

    /// The cause and the way out. Asks the broker for its certificate where that is refused.
    pub(super) fn explained(&self, config: &ClientConfig) -> String {
        match self {
            Refusal::Login => "the broker knows no such user, or not with this password; check sasl.username \
                               and sasl.password in KAFKA_PROPERTIES"
                .to_owned(),
            Refusal::Mechanism => "the broker offers other ways to log in; check sasl.mechanisms in \
                                   KAFKA_PROPERTIES"
                .to_owned(),
            Refusal::Token(status) => format!("the broker refuses the token ({status}): {}", token_remedy(status)),
            Refusal::NoToken(said) if said.contains("unexpired token") => format!(
                "the identity provider gives a token that has expired, or this host's clock is wrong ({said})"
            ),
            Refusal::NoToken(said) => format!(
                "the identity provider gives no token ({said}); check sasl.oauthbearer.token.endpoint.url, \
                 sasl.oauthbearer.client.id and sasl.oauthbearer.client.secret in KAFKA_PROPERTIES"
            ),
            Refusal::BrokersCertificate(address) => {
                let fault = fault_of(address, config);
                format!("the certificate of the broker at {address} {fault}")
            }
            Refusal::OwnCertificate => "the broker refuses this client's certificate, or that it shows none: it \
                                        must be valid today and signed by an authority that the broker knows; \
                                        check ssl.certificate.location and ssl.key.location in KAFKA_PROPERTIES"
                .to_owned(),
            Refusal::NoTls => "the broker does not speak TLS at this address; check KAFKA_BOOTSTRAP_SERVERS and \
                               security.protocol in KAFKA_PROPERTIES"
                .to_owned(),
        }
    }
}

/// What the client says of an identity provider that gives no token.
fn no_token_told_in(line: &str) -> Option<&str> {
    const BEGINNINGS: [&str; 3] = [
        "Failed to retrieve OIDC token from ",
        "Failed to retrieve JWT token from ",
        "Failed to acquire SASL OAUTHBEARER token: ",
    ];
    BEGINNINGS.iter().find_map(|beginning| Some(line.split_once(beginning)?.1))
}

/// Why there is no token to show, where nobody listens at the address of the identity provider and the client has not said so
/// yet. `None`: somebody does, or no provider is asked.
pub(super) fn silent_provider(config: &ClientConfig) -> Option<String> {
    let url = config.get("sasl.oauthbearer.token.endpoint.url")?;
    let (scheme, rest) = url.split_once("://")?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let place = authority.rsplit('@').next()?;
    let has_port = place.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = match scheme {
        _ if has_port => place.to_owned(),
        "https" => format!("{place}:443"),
        _ => format!("{place}:80"),
    };
    let error = match address.to_socket_addrs() {
        Ok(mut found) => {
            let first = found.next()?;
            TcpStream::connect_timeout(&first, PATIENCE).err()?
        }
        Err(error) => error,
    };
    Some(format!(
        "the identity provider at {address} does not answer ({error}), so that there is no token to show; check \
         sasl.oauthbearer.token.endpoint.url in KAFKA_PROPERTIES"
    ))
}

/// What to look at when a broker refuses a token with this word.
fn token_remedy(status: &str) -> &'static str {
    match status {
        "insufficient_scope" => {
            "it lacks a scope that the broker demands; check sasl.oauthbearer.scope in KAFKA_PROPERTIES (for trials \
             sasl.oauthbearer.config), and what the identity provider grants"
        }
        _ => {
            "by the broker's clock it must not have expired, and it must be of the issuer, for the audience and with \
             the signature that the broker expects; is the token endpoint that of the broker's identity provider?"
        }
    }
}

/// The beginning of what a server says, on one line.
fn in_short(said: &str) -> String {
    said.chars()
        .map(|said| if said.is_control() { ' ' } else { said })
        .take(SAID_CHARS_MAX)
        .collect()
}

/// What is wrong with a broker's certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
enum CertificateFault {
    Expired,
    NotYetValid,
    UnknownAuthority,
    OtherHost,
    Other(String),
}

impl fmt::Display for CertificateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            CertificateFault::Expired => "has expired; the broker needs a new one, or this host's clock is wrong",
            CertificateFault::NotYetValid => "is not valid yet; is this host's clock right?",
            CertificateFault::UnknownAuthority => {
                "is signed by an authority that is not trusted here; give that authority's certificate as \
                 ssl.ca.location in KAFKA_PROPERTIES"
            }
            CertificateFault::OtherHost => {
                "is for another host name; use a name that stands in it, in KAFKA_BOOTSTRAP_SERVERS and in the \
                 broker's advertised.listeners"
            }
            CertificateFault::Other(said) => return write!(f, "is refused: {said}"),
        })
    }
}

fn fault_of(address: &str, config: &ClientConfig) -> CertificateFault {
    let other = |said: String| CertificateFault::Other(said);
    match handshake_fault(address, config) {
        Ok(Some(fault)) => fault,
        Ok(None) => other("it was not refused when it was looked at again".to_owned()),
        Err(error) => other(format!("its broker can't be asked for it again: {error}")),
    }
}

/// What OpenSSL has against the certificate of the broker at HOST:PORT.
fn handshake_fault(
    address: &str,
    config: &ClientConfig,
) -> Result<Option<CertificateFault>, String> {
    let (host, _) = address.rsplit_once(':').ok_or("it has no port")?;
    let host = host.trim_matches(['[', ']']);
    let connector = connector(config).map_err(|error| error.to_string())?;
    let mut addresses = address.to_socket_addrs().map_err(|error| error.to_string())?;
    let address = addresses.next().ok_or("its name has no address")?;
    let stream =
        TcpStream::connect_timeout(&address, PATIENCE).map_err(|error| error.to_string())?;
    for set in [TcpStream::set_read_timeout, TcpStream::set_write_timeout] {
        set(&stream, Some(PATIENCE)).map_err(|error| error.to_string())?;
    }
    match connector.connect(host, stream) {
        Err(HandshakeError::Failure(failed)) => {
            let found = failed.ssl().verify_result();
            Ok(fault_named(found.as_raw(), found.error_string()))
        }
        Err(HandshakeError::SetupFailure(error)) => Err(error.to_string()),
        Err(HandshakeError::WouldBlock(_)) => Err("no answer came in time".to_owned()),
        Ok(_) => Ok(None),
    }
}

/// Trusts whom the client trusts.
fn connector(config: &ClientConfig) -> Result<SslConnector, ErrorStack> {
    let mut builder = SslConnector::builder(SslMethod::tls_client())?;
    match config.get("ssl.ca.location").map(Path::new) {
        Some(folder) if folder.is_dir() => builder.load_verify_locations(None, Some(folder))?,
        Some(file) => builder.set_ca_file(file)?,
        None => {}
    }
    Ok(builder.build())
}

/// By the codes of OpenSSL's `X509_V_ERR_…`.
fn fault_named(code: i32, said: &str) -> Option<CertificateFault> {
    Some(match code {
        0 => return None,
        9 => CertificateFault::NotYetValid,
        10 => CertificateFault::Expired,
        2 | 18..=21 => CertificateFault::UnknownAuthority,
        62 | 64 => CertificateFault::OtherHost,
        _ => CertificateFault::Other(said.to_owned()),
    })
}

/// HOST:PORT in what the client says of a broker: `…ssl://HOST:PORT/ID: …`.
fn address_in(line: &str) -> Option<String> {
    let (_, after) = line.split_once("ssl://")?;
    let (address, _) = after.split_once('/')?;
    Some(address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_from_what_the_client_says() {
        for (line, expected) in [
            (
                "[thrd:sasl_ssl://localhost:9093/bootstrap]: sasl_ssl://localhost:9093/bootstrap: SASL \
                 authentication error: Authentication failed: Invalid username or password",
                Some(Refusal::Login),
            ),
            (
                "[thrd:ssl://broker-1.example:9093/1]: ssl://broker-1.example:9093/1: SSL handshake failed: \
                 error:0A000086:SSL routines::certificate verify failed: broker certificate could not be \
                 verified, verify that ssl.ca.location is correctly configured",
                Some(Refusal::BrokersCertificate("broker-1.example:9093".to_owned())),
            ),
            (
                "ssl://[::1]:9093/bootstrap: SSL handshake failed: Disconnected: connecting to a PLAINTEXT \
                 broker listener? (after 3ms in state SSL_HANDSHAKE)",
                Some(Refusal::NoTls),
            ),
            (
                "ssl://a:1/0: Receive failed: SSL transport error: error:0A000412:SSL routines::sslv3 alert bad \
                 certificate: SSL alert number 42",
                Some(Refusal::OwnCertificate),
            ),
            (
                "sasl_ssl://a:1/bootstrap: SASL authentication error: {\"status\":\"invalid_token\"} (after 3ms)",
                Some(Refusal::Token("invalid_token".to_owned())),
            ),
            (
                "[thrd:background]: Failed to retrieve OIDC token from \"http://a/b\":  (401)",
                Some(Refusal::NoToken("\"http://a/b\":  (401)".to_owned())),
            ),
            (
                "Failed to acquire SASL OAUTHBEARER token: HTTP\n401",
                Some(Refusal::NoToken("HTTP 401".to_owned())),
            ),
            ("a:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused", None),
            ("1/1 brokers are down", None),
        ] {
            assert_eq!(Refusal::told_in(line), expected, "{line}");
        }
    }

    #[test]
    fn an_identity_provider_at_whose_address_nobody_listens_is_named() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut config = ClientConfig::new();
        assert_eq!(silent_provider(&config), None, "none is asked");
        for path in ["", "/token", "?a=b"] {
            let url = format!("http://me:x@{address}{path}");
            config.set("sasl.oauthbearer.token.endpoint.url", url);
            assert_eq!(silent_provider(&config), None, "somebody listens");
        }
        drop(listener);
        let said = silent_provider(&config).unwrap();
        let expected = format!("at {address} does not answer (Connection refused");
        assert!(said.contains(&expected) && !said.contains("me:x"), "{said}");
    }
}
