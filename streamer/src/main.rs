//! streamer
fn main() {}
