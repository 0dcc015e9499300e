//! Guards against a peer that begins far more calls at once than it was allowed.
//!
//! HTTP/2 refuses each call beyond the limit of streams, at a cost, and goes on. So the frames that begin calls are counted here as they
//! are read, beside the calls that HTTP/2 let through; an honest peer is refused no more than what it sent before it knew the limit.

use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const PREFACE_BYTES: usize = 24;
/// A frame's head is three bytes of length, then the kind, flags and stream (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;
const HEADERS: u8 = 1;
/// The calls that a peer may begin beyond its limit of streams, within `WINDOW`.
const REFUSED_MAX: u64 = 1_024;
const WINDOW: Duration = Duration::from_secs(10);

/// Counts the calls of one connection that HTTP/2 let through.
#[derive(Debug, Clone, Default)]
pub struct LetThrough(Arc<AtomicU64>);

impl LetThrough {
    pub fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[derive(Debug)]
pub struct AbuseGuard {
    frames: Frames,
    let_through: LetThrough,
    streams: u64,
    /// When the present window began, and how many calls had been refused by then.
    since: Instant,
    refused_before: u64,
}

impl AbuseGuard {
    /// Guards a connection whose peer may have so many streams at once.
    pub fn new(streams: u32, let_through: LetThrough) -> AbuseGuard {
        let frames = Frames { skip: PREFACE_BYTES, ..Frames::default() };
        AbuseGuard { frames, let_through, streams: streams.into(), since: Instant::now(), refused_before: 0 }
    }

    /// Counts the calls in what was read, and returns an error if they are too many.
    pub fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.frames.read(bytes);
        // Calls that are on their way through HTTP/2 look refused for a while: no more than the limit of streams.
        let refused = self.frames.calls.saturating_sub(self.let_through.0.load(Ordering::Relaxed));
        if refused <= self.refused_before + self.streams + REFUSED_MAX {
            return Ok(());
        }
        if self.since.elapsed() < WINDOW {
            return Err(io::Error::new(ErrorKind::QuotaExceeded, "too many calls begun beyond the limit of streams"));
        }
        (self.since, self.refused_before) = (Instant::now(), refused);
        Ok(())
    }
}

/// Returns whether a connection ended because of what its peer sent, and not because it went away or fell silent.
pub fn is_abuse(error: &hyper::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return error.kind() == ErrorKind::QuotaExceeded;
        }
        cause = error.source();
    }
    !(error.is_timeout() || error.is_canceled() || error.is_closed())
}

/// Finds the frames of HTTP/2 in a peer's bytes, and counts those that begin calls.
#[derive(Debug, Default)]
struct Frames {
    /// The bytes to skip before the next frame's head.
    skip: usize,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    calls: u64,
}

impl Frames {
    fn read(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            let taken = bytes.len().min(HEAD_BYTES - self.head_bytes);
            self.head[self.head_bytes..][..taken].copy_from_slice(&bytes[..taken]);
            self.head_bytes += taken;
            bytes = &bytes[taken..];
            if self.head_bytes == HEAD_BYTES {
                let [a, b, c, kind, ..] = self.head;
                self.skip = u32::from_be_bytes([0, a, b, c]) as usize;
                self.head_bytes = 0;
                self.calls += u64::from(kind == HEADERS);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let mut bytes = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        bytes.extend([kind, 0, 0, 0, 0, 1]);
        bytes.extend(payload);
        bytes
    }

    fn sent(calls: usize) -> Vec<u8> {
        let mut bytes = vec![HEADERS; PREFACE_BYTES];
        for call in 0..calls {
            bytes.extend(frame(HEADERS, &[HEADERS; 40]));
            bytes.extend(frame(0, &vec![HEADERS; call % 70]));
        }
        bytes
    }

    #[test]
    fn calls_are_counted_however_their_frames_are_cut() {
        let mut random = fastrand::Rng::with_seed(5);
        for _ in 0..200 {
            let calls = random.usize(0..20);
            let (bytes, mut frames) = (sent(calls), Frames { skip: PREFACE_BYTES, ..Frames::default() });
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (piece, after) = rest.split_at(random.usize(1..=rest.len().min(60)));
                frames.read(piece);
                rest = after;
            }
            assert_eq!(frames.calls, calls as u64);
        }
    }

    #[test]
    fn far_more_calls_than_streams_are_too_many_unless_they_are_let_through() {
        let honest = LetThrough::default();
        (0..5_000).for_each(|_| honest.one_more());
        AbuseGuard::new(10, honest).read(&sent(5_000)).unwrap();
        let mut guard = AbuseGuard::new(10, LetThrough::default());
        guard.read(&sent(10 + REFUSED_MAX as usize)).unwrap();
        let refused = guard.read(&frame(HEADERS, &[])).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    }
}
