//! The vocabulary of kith: validated types, their limits, commands and errors.
//!
//! Nothing here does I/O, reads a clock, or knows protobuf. A value that exists is a valid one:
//! every type with a bound is made by a `parse` or `new` that names the field it was found in.

mod change_error;
pub mod codec;
mod command;
mod edge;
mod erased;
mod error;
mod event;
mod filter;
mod id;
mod inspection;
mod introduction;
mod kind;
pub mod limits;
mod member;
mod member_filter;
mod name_prefix;
mod printed;
mod privacy;
mod secret;
mod status;
mod time;

pub use change_error::{ChangeError, Part};
pub use codec::{Codec, Fields};
pub use command::{Change, Command, Precondition, Request, RequestId, Scope};
pub use edge::{Edge, EdgeAttrs, EdgeKey, EdgePut, History, InteractionRecord, Origin};
pub use erased::{ErasedId, ErasureKey};
pub use error::{Error, Reason, Resource, Violation};
pub use event::Event;
pub use filter::{EdgeFilter, Strength};
pub use id::{KindName, MemberId, NamespaceName, StatusId, Topic, TopicSet};
pub use inspection::{Finding, Inspector};
pub use introduction::{Day, DayOfAsks, IntroducerTally, Introduction, Stage};
pub use kind::{Kind, KindAttrs, KindMerge, Sphere, builtin_kinds};
pub use member::{Member, MemberAttrs, MemberPatch};
pub use member_filter::{Asked, Clause, Condition, MemberFilter};
pub use name_prefix::NamePrefix;
pub use printed::is_printable;
pub use privacy::{Block, Privacy, Visibility};
pub use secret::Secret;
pub use status::{Audience, Status, StatusAttrs};
pub use time::{DurationMs, TimeMs, Times};

/// The number of a command in the order of all writes; the first is 1, 0 is the empty store.
pub type Sequence = u64;
