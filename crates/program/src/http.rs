//! The server behind `--metrics-addr`: answers GET requests from memory, and changes nothing.
//!
//! In: a path. Out: what the program's function says of it. Keeps I-6: connections, their lives and
//! the size of a request are bounded. There is no TLS and no password: the address decides who can
//! ask, and no answer holds a secret.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::metrics::{Registry, metrics_text};

/// So many are connected at a time; others wait.
const CONNECTIONS_MAX: usize = 32;
/// A client has this long to send its request's head.
const REQUEST_DEADLINE: Duration = Duration::from_secs(10);
/// A connection is closed after this long, whatever is under way.
const CONNECTION_DEADLINE: Duration = Duration::from_secs(30);
/// The head of a request may have this many bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// Pause after a connection could not be accepted, as when files have run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Where metrics are served.
#[derive(Args, Clone, Debug)]
pub struct MetricsArgs {
    /// Serve /metrics, /healthz and /readyz here, as HOST:PORT [default: nowhere]
    #[arg(long, env = "METRICS_ADDR", value_name = "HOST:PORT", value_parser = parse_listen_address)]
    pub metrics_addr: Option<String>,
}

/// Checks the form alone: whether the host is one of ours is seen when it is listened on.
fn parse_listen_address(text: &str) -> Result<String, String> {
    let is_usable = text.rsplit_once(':').is_some_and(|(host, port)| {
        // A bare address of IPv6 would lose its last group to the port.
        let is_host = !host.is_empty() && (!host.contains(':') || host.starts_with('['));
        is_host && port.parse::<u16>().is_ok()
    });
    match is_usable {
        true => Ok(text.to_owned()),
        false => Err("write HOST:PORT, like localhost:9464, 0.0.0.0:9464 or [::]:9464".to_owned()),
    }
}

/// What is sent back for one request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status: 200, or 503 where the program is not well.
    pub status: u16,
    /// What the body is.
    pub content_type: &'static str,
    /// The body, as it is sent.
    pub body: Vec<u8>,
}

impl Reply {
    /// Lines for people, 200 or 503.
    pub fn text(is_well: bool, line: &str) -> Self {
        Reply {
            status: if is_well { 200 } else { 503 },
            content_type: "text/plain; charset=utf-8",
            body: format!("{line}\n").into_bytes(),
        }
    }

    /// Metrics in Prometheus's text format.
    pub fn metrics(text: Vec<u8>) -> Self {
        Reply { status: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", body: text }
    }
}

/// A server that runs until it is dropped.
#[derive(Debug)]
pub struct Serving {
    address: SocketAddr,
    task: tokio::task::JoinHandle<()>,
}

impl Serving {
    /// Where it listens; the port is the real one where 0 was asked for.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Listens at `address` and answers with what `answer` says of a path; `None` becomes 404.
///
/// # Errors
/// The address can't be listened on, or its host is not known.
pub async fn serve(
    address: &str,
    answer: impl Fn(&str) -> Option<Reply> + Send + Sync + 'static,
) -> anyhow::Result<Serving> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("can't listen on --metrics-addr {address}"))?;
    let address = listener.local_addr()?;
    tracing::info!(url = %format_args!("http://{address}/metrics"), "metrics are served");
    let task = tokio::spawn(accept(listener, Arc::new(answer)));
    Ok(Serving { address, task })
}

/// Serves a program that has nothing but metrics to show: ready once `is_ready` says so, before that it waits
/// for Kafka. `None`: nowhere, because `--metrics-addr` is not given.
///
/// # Errors
/// The address can't be listened on, or its host is not known.
pub async fn serve_metrics(
    args: &MetricsArgs,
    registry: &Registry,
    is_ready: Arc<AtomicBool>,
) -> anyhow::Result<Option<Serving>> {
    let Some(address) = args.metrics_addr.as_deref() else { return Ok(None) };
    let registry = registry.clone();
    let answer = move |path: &str| match path {
        "/metrics" => Some(Reply::metrics(metrics_text(&[&registry]))),
        "/healthz" => Some(Reply::text(true, "alive")),
        "/readyz" if is_ready.load(Ordering::Relaxed) => Some(Reply::text(true, "ready")),
        "/readyz" => Some(Reply::text(false, "starting: waiting for Kafka")),
        _ => None,
    };
    serve(address, answer).await.map(Some)
}

type Answer = dyn Fn(&str) -> Option<Reply> + Send + Sync;

async fn accept(listener: TcpListener, answer: Arc<Answer>) {
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= CONNECTIONS_MAX {
            connections.join_next().await;
        }
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                let answer = Arc::clone(&answer);
                connections
                    .spawn(tokio::time::timeout(CONNECTION_DEADLINE, converse(stream, answer)));
            }
            Err(error) => {
                tracing::debug!(%error, "connection not accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, answer: Arc<Answer>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &*answer);
        async move { Ok::<_, Infallible>(response) }
    });
    let served = http1::Builder::new()
        // One answer a connection: pages that stay open must not keep a scrape from being served.
        .keep_alive(false)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_DEADLINE)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended");
    }
}

fn respond(request: &Request<Incoming>, answer: &Answer) -> Response<Full<Bytes>> {
    let is_question = matches!(*request.method(), Method::GET | Method::HEAD);
    let reply = if is_question {
        answer(request.uri().path())
            .unwrap_or_else(|| Reply { status: 404, ..Reply::text(true, "no such page") })
    } else {
        Reply { status: 405, ..Reply::text(true, "only GET and HEAD are answered") }
    };
    let mut response = Response::new(Full::from(reply.body));
    *response.status_mut() =
        StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, reply.content_type),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        // A page may run what it brings along and ask its own server; nothing else.
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
             connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    async fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for (text, is_usable) in [
            ("localhost:9464", true),
            ("0.0.0.0:0", true),
            ("[::1]:9464", true),
            ("::1:9464", false),
            ("localhost", false),
            (":9464", false),
            ("9464", false),
            ("localhost:metrics", false),
            ("localhost:65536", false),
        ] {
            assert_eq!(parse_listen_address(text).is_ok(), is_usable, "{text}");
        }
    }

    #[tokio::test]
    async fn a_host_may_be_a_name() {
        let answer = |_: &str| Some(Reply::text(true, "well"));
        let serving = serve("localhost:0", answer).await.unwrap();
        let got = ask(serving.address(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(got.ends_with("well\n"), "{got}");
        let error = serve("no.such.host.invalid:0", answer).await.unwrap_err();
        assert!(error.to_string().contains("no.such.host.invalid"), "{error}");
    }

    #[tokio::test]
    async fn questions_are_answered_and_nothing_else() {
        let anywhere = "127.0.0.1:0";
        let answer = |path: &str| match path {
            "/good" => Some(Reply::text(true, "well")),
            "/bad" => Some(Reply::text(false, "not well")),
            _ => None,
        };
        let serving = serve(anywhere, answer).await.unwrap();
        for (line, status, body) in [
            ("GET /good HTTP/1.1", "200 OK", "well\n"),
            ("GET /good?x=1 HTTP/1.1", "200 OK", "well\n"),
            ("HEAD /good HTTP/1.1", "200 OK", ""),
            ("GET /bad HTTP/1.1", "503 Service Unavailable", "not well\n"),
            ("GET /../secret HTTP/1.1", "404 Not Found", "no such page\n"),
            ("POST /good HTTP/1.1", "405 Method Not Allowed", "only GET and HEAD are answered\n"),
            ("nonsense", "400 Bad Request", ""),
        ] {
            let request = format!("{line}\r\nhost: x\r\nconnection: close\r\n\r\n");
            let got = ask(serving.address(), &request).await;
            assert!(got.starts_with(&format!("HTTP/1.1 {status}\r\n")), "{line}: {got}");
            assert!(got.ends_with(&format!("\r\n\r\n{body}")), "{line}: {got}");
        }
    }

    /// Viewers whose pages stay open would hold all connections otherwise, and the program look dead.
    #[tokio::test]
    async fn a_connection_is_closed_after_its_answer() {
        let anywhere = "127.0.0.1:0";
        let serving = serve(anywhere, |_: &str| Some(Reply::text(true, "well"))).await.unwrap();
        let got = ask(serving.address(), "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(got.to_lowercase().contains("\r\nconnection: close\r\n"), "{got}");
    }

    #[tokio::test]
    async fn a_long_head_is_refused() {
        let anywhere = "127.0.0.1:0";
        let serving = serve(anywhere, |_: &str| None).await.unwrap();
        let long = "x".repeat(2 * HEAD_BYTES_MAX);
        let got = ask(serving.address(), &format!("GET /{long} HTTP/1.1\r\n\r\n")).await;
        assert!(got.starts_with("HTTP/1.1 4"), "{got}");
    }

    #[tokio::test]
    async fn an_address_in_use_is_named() {
        let anywhere = "127.0.0.1:0";
        let first = serve(anywhere, |_: &str| None).await.unwrap();
        let error = serve(&first.address().to_string(), |_: &str| None).await.unwrap_err();
        assert!(error.to_string().contains(&first.address().to_string()), "{error}");
        drop(first);
    }
}
