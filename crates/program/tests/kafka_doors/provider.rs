//! An identity provider on loopback: it gives signed tokens to clients that show their secret, and the broker knows its key.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use openssl::base64::{decode_block, encode_block};
use openssl::hash::MessageDigest;
use openssl::pkey::{PKey, Private};
use openssl::rsa::Rsa;
use openssl::sign::Signer;
use serde_json::{Value, json};

use super::certificates::Certificates;
use super::tokens::{SCOPE, door};
use super::{USER, WRONG};

const SECRET: &str = "the-secret-of-the-client";
const ISSUER: &str = "https://provider.example";
const AUDIENCE: &str = "kafka";
const LIFE_SECONDS: i64 = 600;

/// Signs tokens, and gives each client what its name asks for.
struct Provider {
    ours: PKey<Private>,
    foreign: PKey<Private>,
}

impl Provider {
    fn new() -> Provider {
        let key = || PKey::from_rsa(Rsa::generate(2048).expect("a key")).expect("a key");
        Provider { ours: key(), foreign: key() }
    }

    /// The public half of its key, as a broker reads it.
    fn published(&self) -> String {
        let rsa = self.ours.rsa().expect("an RSA key");
        let (n, e) = (url_text(&rsa.n().to_vec()), url_text(&rsa.e().to_vec()));
        json!({"keys": [{"kty": "RSA", "kid": "1", "alg": "RS256", "use": "sig", "n": n, "e": e}]})
            .to_string()
    }

    /// Serves its token endpoint until the test ends.
    fn serve(self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for stream in listener.incoming() {
                self.answer(stream.expect("a connection"));
            }
        });
        format!("http://{address}/token")
    }

    fn answer(&self, mut stream: TcpStream) {
        let login = basic_login(&stream).expect("a whole request");
        let (status, body) = match login.split_once(':') {
            Some((client, SECRET)) => ("200 OK", self.granted(client)),
            _ => ("401 Unauthorized", json!({"error": "invalid_client"})),
        };
        let body = body.to_string();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(answer.as_bytes()).expect("the client waits for it");
    }

    fn granted(&self, client: &str) -> Value {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let now = i64::try_from(now).expect("before the end of time");
        let expires = if client == "expired" { now - 1 } else { now + LIFE_SECONDS };
        let audience = if client == "elsewhere" { "another" } else { AUDIENCE };
        let claims = json!({
            "sub": client, "iss": ISSUER, "aud": audience, "iat": now - LIFE_SECONDS, "exp": expires, "scope": SCOPE,
        });
        let key = if client == "foreign" { &self.foreign } else { &self.ours };
        json!({"access_token": signed(&claims, key), "token_type": "Bearer", "expires_in": LIFE_SECONDS})
    }
}

fn signed(claims: &Value, key: &PKey<Private>) -> String {
    let header = json!({"alg": "RS256", "typ": "JWT", "kid": "1"});
    let content = [&header, claims].map(|part| url_text(part.to_string().as_bytes())).join(".");
    let mut signer = Signer::new(MessageDigest::sha256(), key).expect("a signer");
    let signature = signer.sign_oneshot_to_vec(content.as_bytes()).expect("signed");
    format!("{content}.{}", url_text(&signature))
}

/// Base64 as tokens have it: for URLs, without padding.
fn url_text(bytes: &[u8]) -> String {
    encode_block(bytes).replace('+', "-").replace('/', "_").trim_end_matches('=').to_owned()
}

/// CLIENT:SECRET of a request, which is read to its end.
fn basic_login(stream: &TcpStream) -> std::io::Result<String> {
    let mut reader = BufReader::new(stream);
    let (mut login, mut body_bytes) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            if line.trim_end().is_empty() {
                break;
            }
            continue;
        };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => body_bytes = value.parse().expect("a number"),
            "authorization" => {
                let (_, text) = value.split_once(' ').expect("Basic TEXT");
                login = String::from_utf8(decode_block(text).expect("base64")).expect("UTF-8");
            }
            _ => {}
        }
    }
    reader.read_exact(&mut vec![0; body_bytes])?;
    Ok(login)
}

#[test]
fn a_token_of_an_identity_provider_opens_the_door_and_another_is_told_why_not() {
    let provider = Provider::new();
    let certificates = Certificates::new();
    let keys = certificates.path("keys.json");
    std::fs::write(&keys, provider.published()).expect("a writable folder");
    let handler =
        "org.apache.kafka.common.security.oauthbearer.secured.OAuthBearerValidatorCallbackHandler";
    let doors = door(
        certificates,
        "",
        &[
            ("oauthbearer.sasl.server.callback.handler.class", handler.to_owned()),
            ("sasl.oauthbearer.jwks.endpoint.url", format!("file://{}", keys.display())),
            ("sasl.oauthbearer.expected.audience", AUDIENCE.to_owned()),
            ("sasl.oauthbearer.expected.issuer", ISSUER.to_owned()),
        ],
    );
    let trust = doors.certificates.shown("ours.pem");
    let endpoint = provider.serve();
    let nowhere = format!("http://{}/token", sandbox::free_address().expect("a free port"));
    let settings = |endpoint, client, secret| {
        [
            ("security.protocol", "SASL_SSL"),
            ("ssl.ca.location", &*trust),
            ("sasl.mechanisms", "OAUTHBEARER"),
            ("sasl.oauthbearer.method", "oidc"),
            ("sasl.oauthbearer.token.endpoint.url", endpoint),
            ("sasl.oauthbearer.client.id", client),
            ("sasl.oauthbearer.client.secret", secret),
        ]
    };
    doors.gets_in("TOKEN", &settings(&endpoint, USER, SECRET));
    for (endpoint, client, secret, why) in [
        (&endpoint, USER, WRONG, "the identity provider gives no token"),
        (&nowhere, USER, SECRET, "the identity provider gives no token (Failed to connect"),
        (&endpoint, "expired", SECRET, "the identity provider gives a token that has expired"),
        (&endpoint, "foreign", SECRET, "the broker refuses the token (invalid_token)"),
        (&endpoint, "elsewhere", SECRET, "the broker refuses the token (invalid_token)"),
    ] {
        doors.is_told("TOKEN", &settings(endpoint, client, secret), why);
    }
}
