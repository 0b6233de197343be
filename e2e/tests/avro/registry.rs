//! A schema registry with Confluent's interface, as far as readers and Confluent's own serializer use it, on loopback.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use anyhow::Result;
use serde_json::{Value, json};

pub(crate) struct Registry {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    schemas: BTreeMap<u32, String>,
    is_away: bool,
    /// The last login that it was shown.
    authorization: Option<String>,
}

impl Registry {
    pub(crate) fn start() -> Result<Registry> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Mutex::new(Shared::default()));
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                // A client that has gone is nobody's concern.
                answer(&stream, &serving).ok();
            }
        });
        Ok(Registry { address, shared })
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, number: u32, schema: &str) {
        self.with(|shared| shared.schemas.insert(number, schema.to_owned()));
    }

    /// While it is away, connections are closed without an answer.
    pub(crate) fn go_away(&self, is_away: bool) {
        self.with(|shared| shared.is_away = is_away);
    }

    /// The last login that it was shown, as the header has it.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.with(|shared| shared.authorization.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shared) -> T) -> T {
        act(&mut self.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What is asked: a line, the headers that matter, a body.
struct Request {
    line: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

fn read(stream: &TcpStream) -> std::io::Result<Request> {
    let mut reader = BufReader::new(stream);
    let mut request = Request { line: String::new(), authorization: None, body: Vec::new() };
    reader.read_line(&mut request.line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 0 {
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        if name.eq_ignore_ascii_case("authorization") {
            request.authorization = Some(value.to_owned());
        } else if name.eq_ignore_ascii_case("content-length") {
            request.body.resize(value.parse().unwrap_or_default(), 0);
        }
        header.clear();
    }
    reader.read_exact(&mut request.body)?;
    Ok(request)
}

/// A schema is asked for by its number, and registered under a subject: under the next number.
fn answer(mut stream: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let request = read(stream)?;
    let (status, body) = {
        let mut shared = shared.lock().unwrap_or_else(PoisonError::into_inner);
        if shared.is_away {
            return Ok(());
        }
        shared.authorization = request.authorization;
        let path = request.line.split_whitespace().nth(1).unwrap_or_default();
        let number = path.strip_prefix("/schemas/ids/").and_then(|number| number.parse().ok());
        let sent = serde_json::from_slice(&request.body).unwrap_or(Value::Null);
        match (number.and_then(|number: u32| shared.schemas.get(&number)), sent["schema"].as_str())
        {
            (Some(schema), _) => ("200 OK", json!({"schema": schema})),
            (None, Some(schema)) if path.starts_with("/subjects/") => {
                let number = shared.schemas.keys().max().map_or(1, |number| number + 1);
                shared.schemas.insert(number, schema.to_owned());
                ("200 OK", json!({"id": number}))
            }
            _ => ("404 Not Found", json!({"error_code": 40403, "message": "Schema not found"})),
        }
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n{body}",
        body.len()
    )
}
