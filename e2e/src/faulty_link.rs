//! A link to PostgreSQL that breaks at the worst moments: at COMMIT. Bytes go through as they are,
//! but every second COMMIT ends the connection, in turn before the server has seen it and after the
//! server has answered. To the client both look the same: no answer came.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, Result};

/// Accepts connections on a port of its own, for as long as the test's process lives.
#[derive(Debug)]
pub struct FaultyLink {
    url: String,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    commits: AtomicUsize,
    lost_commits: AtomicUsize,
    lost_answers: AtomicUsize,
}

/// What becomes of one COMMIT.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Passes,
    IsLost,
    LosesItsAnswer,
}

impl Counts {
    fn next_fate(&self) -> Fate {
        match self.commits.fetch_add(1, Ordering::Relaxed) % 4 {
            1 => {
                self.lost_commits.fetch_add(1, Ordering::Relaxed);
                Fate::IsLost
            }
            3 => {
                self.lost_answers.fetch_add(1, Ordering::Relaxed);
                Fate::LosesItsAnswer
            }
            _ => Fate::Passes,
        }
    }
}

impl FaultyLink {
    /// A link to the server of this address.
    ///
    /// # Errors
    /// The address has another form than the sandbox's, or no port is free.
    pub fn to(url: &str) -> Result<FaultyLink> {
        let (user, rest) = url.split_once('@').context("an address with a user")?;
        let (server, database) = rest.split_once('/').context("an address with a database")?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("{user}@{}/{database}", listener.local_addr()?);
        let counts = Arc::new(Counts::default());
        let (server, counts_too) = (server.to_owned(), Arc::clone(&counts));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A server that is away ends the connection, as it would without us.
                if let Ok(server) = TcpStream::connect(&server) {
                    connect(client, server, Arc::clone(&counts_too)).ok();
                }
            }
        });
        Ok(FaultyLink { url, counts })
    }

    /// The address that leads through this link.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How often a COMMIT was lost, and how often the answer to one.
    pub fn losses(&self) -> (usize, usize) {
        let read = |count: &AtomicUsize| count.load(Ordering::Relaxed);
        (read(&self.counts.lost_commits), read(&self.counts.lost_answers))
    }
}

fn connect(client: TcpStream, server: TcpStream, counts: Arc<Counts>) -> Result<()> {
    let answer_is_lost = Arc::new(AtomicBool::new(false));
    let (from_client, to_server) = (client.try_clone()?, server.try_clone()?);
    let lose_answer = Arc::clone(&answer_is_lost);
    thread::spawn(move || {
        carry(from_client, to_server, |bytes| {
            let is_commit = bytes.windows(6).any(|word| word == b"COMMIT");
            let fate = if is_commit { counts.next_fate() } else { Fate::Passes };
            if fate == Fate::LosesItsAnswer {
                lose_answer.store(true, Ordering::SeqCst);
            }
            fate != Fate::IsLost
        });
    });
    thread::spawn(move || carry(server, client, |_| !answer_is_lost.load(Ordering::SeqCst)));
    Ok(())
}

/// Carries bytes until one side ends, or until `passes` refuses some: then both ends are closed.
fn carry(mut from: TcpStream, mut to: TcpStream, mut passes: impl FnMut(&[u8]) -> bool) {
    let mut buffer = [0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        let bytes = &buffer[..length];
        if !passes(bytes) || to.write_all(bytes).is_err() {
            break;
        }
    }
    for end in [from, to] {
        // It may be closed already.
        end.shutdown(Shutdown::Both).ok();
    }
}
