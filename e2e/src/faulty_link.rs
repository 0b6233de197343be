//! A link to a server that breaks at the worst moments. Bytes go through as they are, but now and
//! then one [`Fault`], in turn, strikes a request: to PostgreSQL at COMMIT, to Kafka at any.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use socket2::SockRef;

/// How long a stalled request is held up.
const STALL: Duration = Duration::from_millis(700);
/// Pause between two bytes of a slow request, and how many of its bytes are slow.
const SLOW_PAUSE: Duration = Duration::from_millis(10);
const SLOW_BYTES: usize = 50;

/// What becomes of a request. All but the last two end the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// The server never sees it.
    RequestLost,
    /// The server sees half of it.
    RequestCut,
    /// The server answers, and the client never sees it.
    AnswerLost,
    /// The client sees half of the answer.
    AnswerCut,
    /// Both sides are told that the connection was reset.
    Reset,
    /// It comes late.
    Stall,
    /// It comes byte by byte.
    Slow,
}

/// Accepts connections on a port of its own, for as long as the test's process lives.
#[derive(Debug)]
pub struct FaultyLink {
    address: String,
    url: String,
    plan: Arc<Plan>,
}

/// Which requests are struck, and by what.
#[derive(Debug)]
struct Plan {
    is_target: fn(&[u8]) -> bool,
    /// One of so many targets is struck.
    every: usize,
    faults: Vec<Fault>,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    targets: usize,
    struck: BTreeMap<Fault, usize>,
    connections: usize,
}

impl Plan {
    fn fault_for(&self, request: &[u8]) -> Option<Fault> {
        if !(self.is_target)(request) {
            return None;
        }
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.targets += 1;
        if !counts.targets.is_multiple_of(self.every) {
            return None;
        }
        let fault = self.faults[counts.targets / self.every % self.faults.len()];
        *counts.struck.entry(fault).or_default() += 1;
        Some(fault)
    }
}

impl FaultyLink {
    /// A link to the PostgreSQL of this address. Every second COMMIT is struck.
    ///
    /// # Errors
    /// The address has another form than the sandbox's, or no port is free.
    pub fn at_commits(url: &str, faults: &[Fault]) -> Result<FaultyLink> {
        let (user, rest) = url.split_once('@').context("an address with a user")?;
        let (server, database) = rest.split_once('/').context("an address with a database")?;
        let is_commit = |bytes: &[u8]| bytes.windows(6).any(|word| word == b"COMMIT");
        let mut link = FaultyLink::start(server, is_commit, 2, faults)?;
        link.url = format!("{user}@{}/{database}", link.address);
        Ok(link)
    }

    /// A link to the server of this address. One of so many requests is struck.
    ///
    /// # Errors
    /// No port is free.
    pub fn at_requests(server: &str, every: usize, faults: &[Fault]) -> Result<FaultyLink> {
        FaultyLink::start(server, |_| true, every, faults)
    }

    fn start(
        server: &str,
        is_target: fn(&[u8]) -> bool,
        every: usize,
        faults: &[Fault],
    ) -> Result<FaultyLink> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let address = listener.local_addr()?.to_string();
        let (faults, counts) = (faults.to_vec(), Mutex::default());
        let plan = Arc::new(Plan { is_target, every, faults, counts });
        let (server, plan_too) = (server.to_owned(), Arc::clone(&plan));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away ends the connection, as it would without us.
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(client, server, &plan_too).ok();
                }
            }
        });
        Ok(FaultyLink { address, url: String::new(), plan })
    }

    /// HOST:PORT of this end.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The address of the database that leads through this link.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often this fault has struck.
    pub fn count(&self, fault: Fault) -> usize {
        let counts = self.plan.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.struck.get(&fault).copied().unwrap_or(0)
    }

    /// How often a client has connected.
    pub fn connections(&self) -> usize {
        self.plan.counts.lock().unwrap_or_else(PoisonError::into_inner).connections
    }
}

/// What is to become of the next answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Answer {
    #[default]
    Passes,
    IsLost,
    IsCut,
}

fn connect(client: TcpStream, server: TcpStream, plan: &Arc<Plan>) -> Result<()> {
    plan.counts.lock().unwrap_or_else(PoisonError::into_inner).connections += 1;
    for end in [&client, &server] {
        end.set_nodelay(true)?;
    }
    let answer = Arc::new(Mutex::new(Answer::Passes));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let (plan, answer_too) = (Arc::clone(plan), Arc::clone(&answer));
    thread::spawn(move || {
        carry(from_client, to_server, |bytes, to| {
            let fault = plan.fault_for(bytes);
            let mut next_answer = answer_too.lock().unwrap_or_else(PoisonError::into_inner);
            match fault {
                Some(Fault::AnswerLost) => *next_answer = Answer::IsLost,
                Some(Fault::AnswerCut) => *next_answer = Answer::IsCut,
                _ => {}
            }
            drop(next_answer);
            pass_request(bytes, to, fault)
        });
    });
    thread::spawn(move || {
        carry(server, client, |bytes, to| {
            match *answer.lock().unwrap_or_else(PoisonError::into_inner) {
                Answer::Passes => pass(bytes, to),
                Answer::IsLost => End::Close,
                Answer::IsCut => pass_half(bytes, to),
            }
        });
    });
    Ok(())
}

/// Whether the connection goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    GoesOn,
    Close,
    Reset,
}

fn pass(bytes: &[u8], to: &mut TcpStream) -> End {
    if to.write_all(bytes).is_ok() { End::GoesOn } else { End::Close }
}

fn pass_half(bytes: &[u8], to: &mut TcpStream) -> End {
    pass(&bytes[..bytes.len() / 2], to);
    End::Close
}

fn pass_request(bytes: &[u8], to: &mut TcpStream, fault: Option<Fault>) -> End {
    match fault {
        None | Some(Fault::AnswerLost | Fault::AnswerCut) => pass(bytes, to),
        Some(Fault::RequestLost) => End::Close,
        Some(Fault::RequestCut) => pass_half(bytes, to),
        Some(Fault::Reset) => End::Reset,
        Some(Fault::Stall) => {
            thread::sleep(STALL);
            pass(bytes, to)
        }
        Some(Fault::Slow) => {
            let (slow, rest) = bytes.split_at(bytes.len().min(SLOW_BYTES));
            for byte in slow {
                thread::sleep(SLOW_PAUSE);
                if pass(&[*byte], to) != End::GoesOn {
                    return End::Close;
                }
            }
            pass(rest, to)
        }
    }
}

/// Carries bytes until one side ends, or until `pass_on` says so: then both ends are closed.
fn carry(
    mut from: TcpStream,
    mut to: TcpStream,
    mut pass_on: impl FnMut(&[u8], &mut TcpStream) -> End,
) {
    let mut buffer = [0; 64 * 1024];
    let mut end = End::Close;
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        end = pass_on(&buffer[..length], &mut to);
        if end != End::GoesOn {
            break;
        }
    }
    for stream in [from, to] {
        let socket = SockRef::from(&stream);
        if end == End::Reset {
            socket.set_linger(Some(Duration::ZERO)).ok();
        }
        // Without a goodbye where it is to be reset: the other thread, which only reads then, wakes
        // up, and the last close says so. It may be closed already.
        let is_reset = socket.linger().ok().flatten().is_some();
        stream.shutdown(if is_reset { Shutdown::Read } else { Shutdown::Both }).ok();
    }
}
