//! The API over the engine: each RPC decodes its request, calls the engine, and encodes the answer.
//!
//! | file | holds |
//! |---|---|
//! | `status.rs` | the one place that turns an error into a gRPC status |
//! | `decode/` | requests into domain types, every bound checked, every violation named by its field |
//! | `encode/` | domain types into answers |
//! | `call.rs`, `commit.rs` | what queries and writes share: deadline, budget, completeness; request ids |
//! | `call_id.rs` | what the logs know a call by |
//! | `caller.rs` | what a handler tells the listener: the viewer it answers for, the resources it writes |
//! | `page.rs`, `answer_bytes.rs` | page tokens; how long an answer may be |
//! | `watch.rs`, `live.rs` | the stream of changes; what all who watch share of it |
//! | `shares.rs` | how many of something may be under way, by caller |
//! | `streamed.rs` | answers of many messages, made as fast as they are taken |
//! | the others | the RPCs, by service |

mod admin;
mod answer_bytes;
mod backup;
mod blocks;
mod call;
mod call_id;
mod caller;
mod check_reach;
mod commit;
mod data;
mod decode;
mod discover;
mod edge_lists;
mod edges;
mod encode;
mod export;
#[cfg(test)]
mod fuzz;
mod import;
mod introductions;
mod leaders;
mod leads;
mod live;
mod members;
mod page;
mod paths;
mod reach;
mod record_introductions;
mod request_id;
mod shares;
mod status;
mod statuses;
mod streamed;
mod suggest;
mod verify;
mod watch;

use tokio::sync::watch::Receiver;

use page::Listing;
use watch::Watchers;

use crate::domain::TimeMs;
use crate::engine::Engine;

pub use call::grpc_timeout;
pub use call_id::CallId;
pub use caller::{CallNotes, CallerId, Subjects, ViewerQuota, without_viewer};
pub use encode::record;
pub use status::to_status;

/// All services of `kith.v1`. Clones share the engine.
#[derive(Clone)]
pub struct Service {
    engine: Engine,
    start_time: TimeMs,
    watchers: Watchers,
}

impl Service {
    /// `stopping` turns true when the server stops: streams that would go on for ever end.
    pub fn new(engine: Engine, stopping: Receiver<bool>) -> Service {
        let start_time = engine.now();
        let watchers = Watchers::new(&engine, stopping);
        Service { engine, start_time, watchers }
    }

    /// What the pages of a list belong to.
    fn listing(&self, rpc: &str, request: &impl prost::Message) -> Listing {
        Listing::new(self.engine.token_key(), rpc, request)
    }
}
