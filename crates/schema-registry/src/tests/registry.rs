//! A registry on loopback: answers what was put there, and may go away and come back at the same address.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

pub(crate) struct FakeRegistry {
    address: SocketAddr,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Default)]
struct Shared {
    answers: BTreeMap<String, (u16, Value)>,
    asked: Vec<String>,
    authorization: Option<String>,
    is_away: bool,
}

impl FakeRegistry {
    pub(crate) fn start() -> FakeRegistry {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Mutex::new(Shared::default()));
        let serving = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming() {
                // A client that has gone is nobody's concern.
                answer(&stream.unwrap(), &serving).ok();
            }
        });
        FakeRegistry { address, shared }
    }

    pub(crate) fn address(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn put(&self, path: &str, status: u16, answer: Value) {
        self.shared.lock().unwrap().answers.insert(path.to_owned(), (status, answer));
    }

    /// From now on connections are closed without an answer.
    pub(crate) fn go_away(&self) {
        self.shared.lock().unwrap().is_away = true;
    }

    pub(crate) fn come_back(&self) {
        self.shared.lock().unwrap().is_away = false;
    }

    /// How often it was asked for this.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.shared.lock().unwrap().asked.iter().filter(|asked| *asked == path).count()
    }

    /// The last login that it was shown.
    pub(crate) fn authorization(&self) -> Option<String> {
        self.shared.lock().unwrap().authorization.clone()
    }
}

fn answer(mut stream: &TcpStream, shared: &Mutex<Shared>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path = line.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut authorization = None;
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                authorization = Some(value.to_owned());
            }
            Some(_) => {}
            None => break,
        }
    }
    let (status, body) = {
        let mut shared = shared.lock().unwrap();
        if shared.is_away {
            return Ok(());
        }
        shared.authorization = authorization;
        let unknown = (404, json!({"error_code": 40403, "message": "Schema not found"}));
        let found = shared.answers.get(&path).cloned().unwrap_or(unknown);
        shared.asked.push(path);
        found
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}
