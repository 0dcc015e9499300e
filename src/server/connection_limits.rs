//! The bounds of connections: how many there may be, and how long they may do nothing.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct ConnectionLimits {
    pub connections: usize,
    pub connections_per_address: usize,
    /// The calls at once on one connection; further ones are refused by HTTP/2, for the client to try again.
    pub streams: u32,
    /// How long a new connection has for its handshake, and then to say that it speaks HTTP/2.
    pub greeting: Duration,
    /// How long an answer waits for its peer to take some of it; then the connection is ended.
    pub stall: Duration,
    /// How long a connection may do nothing; then its peer is asked to come again when it has something to ask.
    pub idle: Duration,
    /// How long a connection may do nothing on which nobody who is known has called.
    pub idle_unknown: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections: 4_096,
            connections_per_address: 1_024,
            streams: 1_024,
            greeting: Duration::from_secs(10),
            stall: Duration::from_secs(120),
            idle: Duration::from_secs(1_800),
            idle_unknown: Duration::from_secs(60),
        }
    }
}
