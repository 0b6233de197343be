//! streamer
