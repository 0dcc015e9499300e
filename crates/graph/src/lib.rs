//! The social graph and the questions asked of it: pure algorithms on an immutable snapshot, within a budget.
//!
//! Each question is a function of a `View` (the graph under a filter, at a time) and a `Budget`, and says how far its answer is exact. The
//! crate does no I/O, has no async and reads no clock, so that a program can hold a `Graph` and ask it in process. Internal indices are
//! dense and short-lived; order and ties are always by id.
//!
//! `domain` is the vocabulary that the questions and kith's commands share.
#![forbid(unsafe_code)]

mod adjacency;
mod admitted;
mod audience;
mod budget;
mod candidate;
mod distance;
pub mod domain;
mod galloping_cursor;
mod graph;
mod half_edge;
mod half_edges;
mod hiding;
mod hub;
mod ids;
mod inspect;
mod introducers;
mod kinds;
mod leaders;
mod lists;
mod mutuals;
mod packed;
mod pages;
mod path;
mod path_bound;
mod path_search;
mod paths;
mod privacy;
mod reach;
mod reasons;
mod restricted;
mod row;
mod scratch;
mod search;
mod shortest;
mod small_hash;
mod sorted;
mod steps;
mod strength;
mod suggest;
mod view;
mod viewer_filter;
mod walk;

pub use audience::Ways;
pub use budget::{Budget, Extent, Limit, NeverStop, Stop, StopReason};
pub use candidate::Candidate;
pub use distance::{distance, distances};
pub use graph::{EdgeToPut, Graph, GraphBuilder};
pub use half_edge::{Direction, HalfEdge, HalfEdgeKey, KindIx, MemberIx};
pub use half_edges::HalfEdges;
pub use ids::{Ids, Prefix as IdPrefix, prefix as id_prefix};
pub use introducers::{Introducer, introducers};
pub use leaders::{Leader, Sharer, leaders};
pub use mutuals::{Mutual, mutuals};
pub use packed::List;
pub use pages::Pages;
pub use path::{Path, Ranking};
pub use paths::{PathQuery, Paths, find_paths};
pub use reach::{Passes, Reach, ReachHop, SphereSplit, keep_passing, reach, reach_crossing, reach_list};
pub use reasons::{Asking, Because};
pub use search::{Within, members_within};
pub use small_hash::{SmallHasher, SmallMap, SmallSet};
pub use steps::{StepEdge, sphere_crossings, sphere_switch, step_edges};
pub use strength::{ChainCost, StrengthInputs, add_interactions, comparable, edge_strength, pair_strength};
pub use suggest::{Others, Passing, SuggestQuery, Suggestion, Suggestions, TopicEvidence, rank_introductions, suggest};
pub use view::View;
pub use viewer_filter::Viewer;
pub use walk::Breadth;
