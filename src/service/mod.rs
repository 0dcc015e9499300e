//! The API over the engine: each RPC decodes its request, calls the engine, and encodes the answer.
//!
//! | file | holds |
//! |---|---|
//! | `status.rs` | all errors become a gRPC status here |
//! | `decode/` | requests into domain types, every bound checked, every violation named by its field |
//! | `located.rs` | what of a change the engine refuses, as a field of the request |
//! | `encode/` | domain types into answers |
//! | `delegation.rs` | from the services of the protos to a handler for each RPC, made by `build.rs` |
//! | `call.rs`, `principal.rs` | a call as its handler gets it, and who makes it |
//! | `subjects.rs` | what a call writes, and whom it asks about, for the audit log |
//! | `read_context.rs`, `commit.rs` | what reads and writes share: viewer, revision, budget, completeness; request ids |
//! | `call_id.rs` | what the logs call a call |
//! | `page.rs`, `answer_bytes.rs` | page tokens; how long an answer may be |
//! | `watch.rs`, `watchers.rs`, `live.rs` | the stream of changes; who watches; what all who watch share |
//! | `shares.rs` | how many of something may be under way, by caller |
//! | `streamed.rs` | answers of many messages, made as fast as they are taken |
//! | the others | the handlers of the RPCs, each named as its RPC is |

mod admin;
mod answer_bytes;
mod backup;
mod blocks;
mod call;
mod call_id;
mod check_reach;
mod commit;
mod data;
mod decode;
mod delegation;
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
mod located;
mod members;
mod namespace_scope;
mod namespaces;
mod page;
mod paths;
mod principal;
mod reach;
mod read_context;
mod record_introductions;
mod request_id;
mod services;
mod shares;
mod status;
mod statuses;
mod streamed;
mod subjects;
mod suggest;
mod verify;
mod watch;
mod watch_filter;
mod watchers;

pub use call::grpc_timeout;
pub use call_id::CallId;
pub use decode::restored;
pub use encode::record;
pub use namespace_scope::{NamespacePattern, NamespaceScope};
pub use principal::{Authorization, Behalf, CallerId, Principal, ViewerQuota};
pub use services::Service;
pub use status::to_status;
pub use subjects::{Asked, Subjects};
pub use verify::summary;
