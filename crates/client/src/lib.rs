//! The client by which a Rust program calls kith.
//!
//! `Endpoint` says where a server is and who calls; a `Client` of it sends any unary request by `Client::call`, again while that is worth
//! another try, and at a revision that sees what the client has written. Streams are sent by the generated clients (`Client::data`,
//! `Client::admin`). `Refusal` holds, as fields, why a server refused a call.
#![forbid(unsafe_code)]

mod client;
mod connection;
mod endpoint;
pub mod proto;
mod refusal;
mod retry;
mod unary;

pub use client::Client;
pub use connection::{CallMetadata, Connection};
pub use endpoint::{Endpoint, EndpointError};
pub use refusal::{Refusal, Violation, code_name};
pub use retry::Retry;
pub use tonic::{Code, Status};
pub use unary::Unary;

/// The most bytes of an answer that are taken, beyond what a server sends: kith's answers hold 3 MiB at most.
const ANSWER_BYTES_MAX: usize = 16 << 20;
