//! Requests over gRPC, encoded before they are timed.

use fastrand::Rng;
use prost::Message;
use prost::bytes::Bytes;

use super::kernels::{Ask, Kernel};
use super::network::{AS_OF_S, KINDS, Network};
use super::rpc::Calls;
use kith::proto::v1::{
    BatchGetDistancesRequest, FindPathsRequest, GetReachRequest, Interaction, ListEdgesRequest, ListMutualsRequest,
    Ranking, ReadOptions, RecordInteractionsRequest, SuggestIntroductionsRequest, get_reach_request,
};

/// The number of requests that are sent in rotation.
const REQUESTS: usize = 1_000;

fn encoded(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

fn read(viewer: &str) -> Option<ReadOptions> {
    let as_of = prost_types::Timestamp { seconds: i64::from(AS_OF_S), nanos: 0 };
    Some(ReadOptions { as_of: Some(as_of), viewer_id: viewer.to_owned(), ..ReadOptions::default() })
}

/// Returns a kernel's RPC; none for a kernel that another one stands for.
pub fn path(kernel: Kernel) -> Option<&'static str> {
    Some(match kernel {
        Kernel::Mutuals => "/kith.v1.PathService/ListMutuals",
        Kernel::Distance | Kernel::Distances => "/kith.v1.PathService/BatchGetDistances",
        Kernel::ShortestPath | Kernel::Strongest => "/kith.v1.PathService/FindPaths",
        Kernel::Within2 | Kernel::Within3 => return None,
        Kernel::Reach2 | Kernel::Reach3 => "/kith.v1.ReachService/GetReach",
        Kernel::Suggest2 | Kernel::Suggest3 | Kernel::Suggest => "/kith.v1.IntroductionService/SuggestIntroductions",
    })
}

/// Returns the request that asks over gRPC what the kernel is asked, on behalf of a viewer if one is named.
pub fn request(kernel: Kernel, network: &Network, ask: &Ask, viewer: &str) -> Bytes {
    let plain = || if viewer.is_empty() { None } else { read(viewer) };
    let (a, b) = (network.id(ask.a), network.id(ask.b));
    let paths = |k, ranking: Ranking| FindPathsRequest {
        from_id: a.clone(),
        to_id: b.clone(),
        k,
        ranking: ranking.into(),
        read: read(viewer),
        ..FindPathsRequest::default()
    };
    let distances =
        |to_ids| BatchGetDistancesRequest { from_id: a.clone(), to_ids, read: plain(), ..Default::default() };
    let reach = |max_hops| GetReachRequest {
        subject: Some(get_reach_request::Subject::MemberId(a.clone())),
        max_hops,
        read: plain(),
        ..GetReachRequest::default()
    };
    let suggest = |max_steps, exact| SuggestIntroductionsRequest {
        max_steps,
        exact,
        read: read(viewer),
        ..suggestions(network, ask)
    };
    match kernel {
        Kernel::Mutuals => encoded(&ListMutualsRequest { a_id: a, b_id: b, read: read(viewer), ..Default::default() }),
        Kernel::Distance => encoded(&distances(vec![b])),
        Kernel::Distances => encoded(&distances(ask.targets.iter().map(|&target| network.id(target)).collect())),
        Kernel::ShortestPath => encoded(&paths(1, Ranking::Hops)),
        Kernel::Strongest => encoded(&paths(5, Ranking::Strength)),
        Kernel::Within2 | Kernel::Reach2 => encoded(&reach(2)),
        Kernel::Within3 | Kernel::Reach3 => encoded(&reach(3)),
        Kernel::Suggest2 => encoded(&suggest(2, true)),
        Kernel::Suggest3 => encoded(&suggest(3, true)),
        Kernel::Suggest => encoded(&suggest(3, false)),
    }
}

/// Returns the request for suggestions, on nobody's behalf.
pub fn suggestions(network: &Network, ask: &Ask) -> SuggestIntroductionsRequest {
    SuggestIntroductionsRequest { member_id: network.id(ask.a), read: read(""), ..Default::default() }
}

/// Returns requests for pages of 100 edges of members at random.
pub fn pages(network: &Network, rng: &mut Rng) -> Calls {
    let as_of = prost_types::Timestamp { seconds: i64::from(AS_OF_S), nanos: 0 };
    let mut page = || ListEdgesRequest {
        member_id: network.id(rng.u32(..network.members)),
        page_size: 100,
        as_of: Some(as_of),
        ..ListEdgesRequest::default()
    };
    Calls::new("/kith.v1.EdgeService/ListEdges", (0..REQUESTS).map(|_| encoded(&page())).collect())
}

/// Returns single writes: one more interaction on an edge at random, so that each one changes something.
pub fn writes(network: &Network, rng: &mut Rng) -> Calls {
    let mut write = || {
        let edge = network.edges[rng.usize(..network.edges.len())];
        let interaction = Interaction {
            from_id: network.id(edge.0),
            kind: KINDS[network.traits(edge).kind].0.to_owned(),
            to_id: network.id(edge.1),
            count: 1,
            time: Some(prost_types::Timestamp { seconds: i64::from(AS_OF_S), nanos: 0 }),
        };
        RecordInteractionsRequest { interactions: vec![interaction], ..RecordInteractionsRequest::default() }
    };
    let requests = (0..REQUESTS).map(|_| encoded(&write())).collect();
    Calls::new("/kith.v1.EdgeService/RecordInteractions", requests)
}
