//! Keeps calls in flight: so many at once, for so long.

use std::time::{Duration, Instant};

use prost::bytes::Bytes;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::Channel;

use super::raw::Raw;
use crate::speed::host::Host;
use crate::speed::samples::Samples;
use kith::cli::Failure;

/// The connections that many calls in flight share; one call has one.
const CONNECTIONS_MAX: usize = 4;

/// A server, with connections to it.
pub struct Target<'a> {
    pub host: &'a Host,
    channels: Vec<Channel>,
}

/// The calls to one method, which are sent in rotation.
#[derive(Clone)]
pub struct Calls {
    pub path: PathAndQuery,
    pub requests: std::sync::Arc<Vec<Bytes>>,
}

impl Calls {
    pub fn new(path: &'static str, requests: Vec<Bytes>) -> Calls {
        Calls { path: PathAndQuery::from_static(path), requests: requests.into() }
    }
}

/// The outcome of a stretch of load.
pub struct Load {
    pub samples: Samples,
    pub calls_per_s: f64,
    /// The mean bytes of one answer.
    pub answer_bytes: usize,
    /// The mean time that the server's threads took of the processors for one call.
    pub work_us: f64,
}

impl<'a> Target<'a> {
    pub async fn connect(host: &'a Host) -> Result<Target<'a>, Failure> {
        let mut channels = Vec::new();
        for _ in 0..CONNECTIONS_MAX {
            let endpoint = Channel::from_shared(format!("http://{}", host.address));
            let endpoint = endpoint.map_err(|error| Failure::new(error.to_string()))?;
            channels.push(endpoint.connect().await.map_err(|error| Failure::new(error.to_string()))?);
        }
        Ok(Target { host, channels })
    }

    /// Calls for `duration`, `in_flight` at once, each caller at least once.
    pub async fn load(&self, calls: &Calls, in_flight: usize, duration: Duration) -> Result<Load, Failure> {
        let worked = self.host.cpu();
        let begun = Instant::now();
        let callers: Vec<_> = (0..in_flight)
            .map(|caller| {
                let channel = self.channels[caller % CONNECTIONS_MAX].clone();
                tokio::spawn(call_in_turn(channel, calls.clone(), (caller, in_flight), begun + duration))
            })
            .collect();
        let (mut samples, mut bytes) = (Samples::default(), 0);
        for caller in callers {
            let (taken, answered) =
                caller.await.map_err(|error| Failure::new(format!("a caller ended badly: {error}")))??;
            samples.append(taken);
            bytes += answered;
        }
        let calls_per_s = samples.len() as f64 / begun.elapsed().as_secs_f64();
        let answer_bytes = bytes / samples.len().max(1);
        let worked = self.host.cpu().saturating_sub(worked);
        let work_us = worked.as_secs_f64() * 1e6 / samples.len().max(1) as f64;
        Ok(Load { samples, calls_per_s, answer_bytes, work_us })
    }
}

/// Runs one caller: it sends the next call once the one before is answered.
async fn call_in_turn(
    channel: Channel,
    calls: Calls,
    (first, step): (usize, usize),
    until: Instant,
) -> Result<(Samples, usize), Failure> {
    let mut grpc = Grpc::new(channel).max_decoding_message_size(usize::MAX);
    let (mut samples, mut bytes, mut at) = (Samples::default(), 0, first);
    while samples.is_empty() || Instant::now() < until {
        let request = tonic::Request::new(calls.requests[at % calls.requests.len()].clone());
        at += step;
        let begun = Instant::now();
        grpc.ready().await.map_err(|error| Failure::new(error.to_string()))?;
        let answer = grpc.unary(request, calls.path.clone(), Raw).await?;
        samples.add(begun.elapsed());
        bytes += answer.into_inner().len();
    }
    Ok((samples, bytes))
}
