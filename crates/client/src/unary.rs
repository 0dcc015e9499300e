//! The way to send the request of each unary RPC. The implementations are generated from the descriptors at build time.

use tonic::{Request, Response, Status};

use crate::ANSWER_BYTES_MAX;
use crate::connection::Connection;
use crate::proto::v1;

/// The request of a unary RPC.
pub trait Unary: Clone + Send + Sized {
    type Answer;

    /// Returns the field by which a read says which revision it is to see, in its `ReadOptions` or its own; none if the request is no read.
    fn min_revision(&mut self) -> Option<&mut String> {
        None
    }

    /// Returns the field by which a write says which write it is; none if the request is no write.
    fn request_id(&mut self) -> Option<&mut String> {
        None
    }

    /// Returns the revision that a write was carried out at; empty for a read.
    fn revision(_answer: &Self::Answer) -> &str {
        ""
    }

    /// Sends the request once.
    fn send(
        request: Request<Self>,
        connection: Connection,
    ) -> impl Future<Output = Result<Response<Self::Answer>, Status>> + Send;
}

include!(concat!(env!("OUT_DIR"), "/kith.unary.rs"));
