//! A schema registry with Confluent's interface, asked over HTTP.
//!
//! In: the number of a schema. Out: its text, its kind and the texts that it refers to. Blocking, each question for a bounded
//! time (I-6). Nothing that is said of the registry shows its password.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use thiserror::Error;
use ureq::Agent;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};

/// One question may take so long.
const PATIENCE: Duration = Duration::from_secs(5);
/// Schemas that one schema refers to, at any depth, are at most so many.
const REFERENCES_MAX: usize = 100;
/// An answer has at most so many bytes.
const ANSWER_BYTES_MAX: u64 = 4 << 20;
/// The registry's own code for a schema that it does not know.
const SCHEMA_NOT_FOUND: i64 = 40_403;

/// Why the settings of a registry can't be used.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// The address has another form.
    #[error(
        "SCHEMA_REGISTRY_URL can't be read; write http://HOST:PORT or https://USER:PASSWORD@HOST:PORT/PATH"
    )]
    Address,
    /// The file of authorities can't be used.
    #[error("SCHEMA_REGISTRY_CA: no certificate could be read from {path}: {reason}")]
    Authorities {
        /// As it was given.
        path: String,
        /// What is wrong.
        reason: String,
    },
}

/// Where schemas come from.
pub struct Registry {
    agent: Agent,
    /// Without a login, and without a slash at its end.
    address: String,
    authorization: Option<String>,
}

/// A schema as the registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// `AVRO`, `JSON` or `PROTOBUF`.
    pub(crate) kind: String,
    pub(crate) text: String,
    /// What it refers to: each behind those that it needs itself.
    pub(crate) references: Vec<String>,
}

/// Why there is no schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Failed {
    /// The registry knows none of this number.
    Unknown,
    /// It does not answer, or not so.
    Away(String),
}

#[derive(Deserialize)]
struct Answer {
    schema: String,
    #[serde(rename = "schemaType")]
    kind: Option<String>,
    #[serde(default)]
    references: Vec<Reference>,
}

#[derive(Clone, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
struct Reference {
    subject: String,
    version: i64,
}

#[derive(Deserialize)]
struct Complaint {
    error_code: i64,
    #[serde(default)]
    message: String,
}

impl Registry {
    /// A registry at `url`, in which `USER:PASSWORD@` may stand; over TLS it is trusted if one of the usual authorities vouches
    /// for it, or one in the PEM file `authorities`.
    ///
    /// # Errors
    /// [`RegistryError`]; it never shows the address, which may hold a password.
    pub fn new(url: &str, authorities: Option<&Path>) -> Result<Self, RegistryError> {
        let (scheme, rest) = url.trim().split_once("://").ok_or(RegistryError::Address)?;
        let (login, place) = match rest.rsplit_once('@') {
            Some((login, place)) => (Some(login), place),
            None => (None, rest),
        };
        let place = place.trim_end_matches('/');
        if !matches!(scheme, "http" | "https") || place.is_empty() || place.starts_with('/') {
            return Err(RegistryError::Address);
        }
        let authorization = login.map(authorization).transpose()?;
        let roots = authorities.map(certificates).transpose()?;
        let mut tls = TlsConfig::builder();
        if let Some(roots) = roots {
            tls = tls.root_certs(RootCerts::new_with_certs(&roots));
        }
        let config = Agent::config_builder()
            .timeout_global(Some(PATIENCE))
            .http_status_as_error(false)
            .tls_config(tls.build())
            .build();
        let address = format!("{scheme}://{place}");
        Ok(Registry { agent: Agent::new_with_config(config), address, authorization })
    }

    /// Where it is, without its login.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The schema of this number, with all that it refers to.
    pub(crate) fn fetch(&self, number: u32) -> Result<Fetched, Failed> {
        let answer: Answer = self.ask(&format!("/schemas/ids/{number}"))?;
        let (mut references, mut met) = (Vec::new(), BTreeSet::new());
        self.fetch_references(&answer.references, &mut met, &mut references)?;
        let kind = answer.kind.unwrap_or_else(|| "AVRO".to_owned());
        Ok(Fetched { kind, text: answer.schema, references })
    }

    fn fetch_references(
        &self,
        wanted: &[Reference],
        met: &mut BTreeSet<Reference>,
        texts: &mut Vec<String>,
    ) -> Result<(), Failed> {
        for reference in wanted {
            if !met.insert(reference.clone()) {
                continue;
            }
            if met.len() > REFERENCES_MAX {
                let said = format!("the schema refers to more than {REFERENCES_MAX} others");
                return Err(Failed::Away(said));
            }
            let subject = utf8_percent_encode(&reference.subject, NON_ALPHANUMERIC);
            let answer: Answer =
                self.ask(&format!("/subjects/{subject}/versions/{}", reference.version))?;
            self.fetch_references(&answer.references, met, texts)?;
            texts.push(answer.schema);
        }
        Ok(())
    }

    fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failed> {
        let away = |error: ureq::Error| Failed::Away(error.to_string());
        let mut request = self
            .agent
            .get(format!("{}{path}", self.address))
            .header("Accept", "application/vnd.schemaregistry.v1+json, application/json");
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        let mut answer = request.call().map_err(away)?;
        let status = answer.status();
        let body = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX);
        let body = body.read_to_vec().map_err(away)?;
        if status.is_success() {
            return serde_json::from_slice(&body)
                .map_err(|error| Failed::Away(format!("its answer can't be read: {error}")));
        }
        match serde_json::from_slice::<Complaint>(&body) {
            Ok(complaint) if complaint.error_code == SCHEMA_NOT_FOUND => Err(Failed::Unknown),
            Ok(Complaint { message, .. }) => Err(Failed::Away(format!("{status}: {message}"))),
            Err(_) => Err(Failed::Away(status.to_string())),
        }
    }
}

/// The header's text for USER:PASSWORD, each as it may stand in an address.
fn authorization(login: &str) -> Result<String, RegistryError> {
    let (user, password) = login.split_once(':').ok_or(RegistryError::Address)?;
    let decoded = [user, password].map(|part| percent_decode_str(part).collect::<Vec<u8>>());
    Ok(format!("Basic {}", BASE64_STANDARD.encode(decoded.join(&b':'))))
}

fn certificates(path: &Path) -> Result<Vec<Certificate<'static>>, RegistryError> {
    let unusable =
        |reason: String| RegistryError::Authorities { path: path.display().to_string(), reason };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut found = Vec::new();
    for item in parse_pem(&text) {
        if let PemItem::Certificate(certificate) =
            item.map_err(|error| unusable(error.to_string()))?
        {
            found.push(certificate);
        }
    }
    if found.is_empty() { Err(unusable("it has none".to_owned())) } else { Ok(found) }
}
