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
            ("a:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection refused", None),
            ("1/1 brokers are down", None),
        ] {
            assert_eq!(Refusal::told_in(line), expected, "{line}");
        }
    }
}
