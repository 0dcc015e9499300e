//! From the services of the protos to the handlers. For each RPC its request becomes a `Call`, whose
//! namespace the handler gets the services for, and what the handler returns a response. A
//! handler is the public function in a file of this folder that is named as its RPC is.

use tonic::{Request, Response, Status, Streaming};

use super::call::{Call, respond};
use super::services::Service;
use super::streamed::Streamed;
use crate::proto::v1 as pb;

mod handlers {
    pub use super::super::admin::*;
    pub use super::super::backup::*;
    pub use super::super::blocks::*;
    pub use super::super::check_reach::*;
    pub use super::super::data::*;
    pub use super::super::discover::*;
    pub use super::super::edge_lists::*;
    pub use super::super::edges::*;
    pub use super::super::export::*;
    pub use super::super::import::*;
    pub use super::super::introductions::*;
    pub use super::super::leaders::*;
    pub use super::super::members::*;
    pub use super::super::namespaces::*;
    pub use super::super::paths::*;
    pub use super::super::reach::*;
    pub use super::super::record_introductions::*;
    pub use super::super::statuses::*;
    pub use super::super::suggest::*;
    pub use super::super::verify::*;
    pub use super::super::watch::*;
}

include!(concat!(env!("OUT_DIR"), "/kith.delegation.rs"));
