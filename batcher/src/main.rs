//! batcher
fn main() {}
