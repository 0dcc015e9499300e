//! One valid request for each RPC, to be spoilt in one field; and a way to send any of them.

use std::time::Duration;

use kith::proto::v1::*;
use prost_types::Timestamp;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Request, Status};

macro_rules! asks {
    ($($rpc:ident($request:ident) by $client:ident::$method:ident, $base:ident;)+) => {
        /// A request of any RPC that takes one message.
        #[derive(Clone)]
        pub enum Ask { $($rpc($request),)+ }

        impl Ask {
            pub async fn send(self, channel: Channel) -> Result<(), Status> {
                self.answer(channel).await.map(drop)
            }

            /// The answer, written out.
            pub async fn answer(self, channel: Channel) -> Result<String, Status> {
                self.answer_with(channel, |_| ()).await
            }

            /// The answer to who bears a token, written out.
            pub async fn answer_to(self, channel: Channel, token: &str) -> Result<String, Status> {
                let authorization = format!("Bearer {token}").parse().unwrap();
                self.answer_with(channel, |metadata| drop(metadata.insert("authorization", authorization))).await
            }

            /// The answer to who bears a token in a namespace, written out.
            pub async fn answer_in(self, channel: Channel, namespace: &str, token: &str) -> Result<String, Status> {
                let (authorization, namespace) = (format!("Bearer {token}").parse().unwrap(), namespace.parse().unwrap());
                let add = |metadata: &mut MetadataMap| {
                    metadata.insert("authorization", authorization);
                    metadata.insert("kith-namespace", namespace);
                };
                self.answer_with(channel, add).await
            }

            /// The answer within so much time, written out.
            pub async fn answer_within(self, channel: Channel, time: Duration) -> Result<String, Status> {
                let timeout = format!("{}m", time.as_millis()).parse().unwrap();
                self.answer_with(channel, |metadata| drop(metadata.insert("grpc-timeout", timeout))).await
            }

            async fn answer_with(
                self,
                channel: Channel,
                add: impl FnOnce(&mut MetadataMap),
            ) -> Result<String, Status> {
                match self {
                    $(Ask::$rpc(request) => {
                        let mut request = Request::new(request);
                        add(request.metadata_mut());
                        let answer = $client::new(channel).$method(request).await?;
                        Ok(format!("{:?}", answer.into_inner()))
                    })+
                }
            }
        }

        /// A valid request of every RPC that takes one message, by the RPC's name.
        pub fn every() -> Vec<(&'static str, Ask)> {
            vec![$((stringify!($rpc), Ask::$rpc($base())),)+]
        }

        $(
            /// The valid request, changed. Streams are asked for as they are.
            #[allow(dead_code)]
            pub fn $method(change: impl FnOnce(&mut $request)) -> Ask {
                let mut request = $base();
                change(&mut request);
                Ask::$rpc(request)
            }
        )+
    };
}

use admin_service_client::AdminServiceClient;
use data_service_client::DataServiceClient;
use edge_service_client::EdgeServiceClient;
use introduction_service_client::IntroductionServiceClient;
use member_service_client::MemberServiceClient;
use namespace_service_client::NamespaceServiceClient;
use path_service_client::PathServiceClient;
use reach_service_client::ReachServiceClient;
use status_service_client::StatusServiceClient;

asks! {
    PutMember(PutMemberRequest) by MemberServiceClient::put_member, base_put_member;
    UpdateMember(UpdateMemberRequest) by MemberServiceClient::update_member, base_update_member;
    GetMember(GetMemberRequest) by MemberServiceClient::get_member, base_get_member;
    BatchGetMembers(BatchGetMembersRequest) by MemberServiceClient::batch_get_members, base_batch_get_members;
    ListMembers(ListMembersRequest) by MemberServiceClient::list_members, base_list_members;
    DeleteMember(DeleteMemberRequest) by MemberServiceClient::delete_member, base_delete_member;
    BlockMember(BlockMemberRequest) by MemberServiceClient::block_member, base_block_member;
    UnblockMember(UnblockMemberRequest) by MemberServiceClient::unblock_member, base_unblock_member;
    ListBlocks(ListBlocksRequest) by MemberServiceClient::list_blocks, base_list_blocks;
    PutEdge(PutEdgeRequest) by EdgeServiceClient::put_edge, base_put_edge;
    GetEdge(GetEdgeRequest) by EdgeServiceClient::get_edge, base_get_edge;
    DeleteEdge(DeleteEdgeRequest) by EdgeServiceClient::delete_edge, base_delete_edge;
    ListEdges(ListEdgesRequest) by EdgeServiceClient::list_edges, base_list_edges;
    CountEdges(CountEdgesRequest) by EdgeServiceClient::count_edges, base_count_edges;
    RecordInteractions(RecordInteractionsRequest) by EdgeServiceClient::record_interactions, base_record_interactions;
    PutKind(PutKindRequest) by EdgeServiceClient::put_kind, base_put_kind;
    ListKinds(ListKindsRequest) by EdgeServiceClient::list_kinds, base_list_kinds;
    DeleteKind(DeleteKindRequest) by EdgeServiceClient::delete_kind, base_delete_kind;
    PostStatus(PostStatusRequest) by StatusServiceClient::post_status, base_post_status;
    GetStatus(GetStatusRequest) by StatusServiceClient::get_status, base_get_status;
    DeleteStatus(DeleteStatusRequest) by StatusServiceClient::delete_status, base_delete_status;
    ListStatuses(ListStatusesRequest) by StatusServiceClient::list_statuses, base_list_statuses;
    ListOutcomes(ListOutcomesRequest) by StatusServiceClient::list_outcomes, base_list_outcomes;
    GetReach(GetReachRequest) by ReachServiceClient::get_reach, base_get_reach;
    ListReach(ListReachRequest) by ReachServiceClient::list_reach, base_list_reach;
    CheckReach(CheckReachRequest) by ReachServiceClient::check_reach, base_check_reach;
    DiscoverStatuses(DiscoverStatusesRequest) by ReachServiceClient::discover_statuses, base_discover_statuses;
    FindPaths(FindPathsRequest) by PathServiceClient::find_paths, base_find_paths;
    BatchGetDistances(BatchGetDistancesRequest) by PathServiceClient::batch_get_distances, base_batch_get_distances;
    ListMutuals(ListMutualsRequest) by PathServiceClient::list_mutuals, base_list_mutuals;
    ListLeaders(ListLeadersRequest) by IntroductionServiceClient::list_leaders, base_leaders;
    SuggestIntroductions(SuggestIntroductionsRequest) by IntroductionServiceClient::suggest_introductions, base_suggest;
    RecordIntroductions(RecordIntroductionsRequest) by IntroductionServiceClient::record_introductions, base_introductions;
    FindIntroducers(FindIntroducersRequest) by IntroductionServiceClient::find_introducers, base_find_introducers;
    Write(WriteRequest) by DataServiceClient::write, base_write;
    Export(ExportRequest) by DataServiceClient::export, base_export;
    Verify(VerifyRequest) by AdminServiceClient::verify, base_verify;
    GetServerInfo(GetServerInfoRequest) by AdminServiceClient::get_server_info, base_get_server_info;
    Backup(BackupRequest) by AdminServiceClient::backup, base_backup;
    Watch(WatchRequest) by DataServiceClient::watch, base_watch;
    CreateNamespace(CreateNamespaceRequest) by NamespaceServiceClient::create_namespace, base_create_namespace;
    GetNamespace(GetNamespaceRequest) by NamespaceServiceClient::get_namespace, base_get_namespace;
    ListNamespaces(ListNamespacesRequest) by NamespaceServiceClient::list_namespaces, base_list_namespaces;
    DeleteNamespace(DeleteNamespaceRequest) by NamespaceServiceClient::delete_namespace, base_delete_namespace;
}

pub fn text(text: &str) -> String {
    text.to_owned()
}

pub fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

pub fn friend(from: &str, to: &str) -> Edge {
    Edge { from_id: text(from), kind: text("friend"), to_id: text(to), ..Default::default() }
}

/// The writes that make the world every valid request is valid in: ada, bob and cy in a row, and ada's status.
pub fn world() -> Vec<Ask> {
    let member = |id: &str| put_member(|r| *member_of(r) = Member { id: text(id), ..Default::default() });
    let colleagues = Edge { kind: text("colleague"), ..friend("bob", "cy") };
    vec![
        member("ada"),
        member("bob"),
        member("cy"),
        put_edge(|r| r.edge = Some(friend("ada", "bob"))),
        put_edge(|r| r.edge = Some(colleagues)),
        post_status(|_| {}),
    ]
}

pub fn member_of(request: &mut PutMemberRequest) -> &mut Member {
    request.member.get_or_insert_default()
}

pub fn edge_of(request: &mut PutEdgeRequest) -> &mut Edge {
    request.edge.get_or_insert_default()
}

pub fn kind_of(request: &mut PutKindRequest) -> &mut Kind {
    request.kind.get_or_insert_default()
}

pub fn status_of(request: &mut PostStatusRequest) -> &mut kith::proto::v1::Status {
    request.status.get_or_insert_default()
}

pub fn block(member_id: &str, blocked_id: &str) -> Option<Block> {
    Some(Block { member_id: text(member_id), blocked_id: text(blocked_id) })
}

fn base_backup() -> BackupRequest {
    BackupRequest::default()
}

fn base_watch() -> WatchRequest {
    WatchRequest::default()
}

fn base_create_namespace() -> CreateNamespaceRequest {
    CreateNamespaceRequest { name: text("other") }
}

fn base_get_namespace() -> GetNamespaceRequest {
    GetNamespaceRequest { name: text("default") }
}

fn base_list_namespaces() -> ListNamespacesRequest {
    ListNamespacesRequest::default()
}

fn base_delete_namespace() -> DeleteNamespaceRequest {
    DeleteNamespaceRequest { name: text("nothing"), allow_missing: true }
}

fn base_block_member() -> BlockMemberRequest {
    BlockMemberRequest { block: block("ada", "cy"), ..Default::default() }
}

fn base_unblock_member() -> UnblockMemberRequest {
    UnblockMemberRequest { block: block("ada", "cy"), allow_missing: true, ..Default::default() }
}

fn base_list_blocks() -> ListBlocksRequest {
    ListBlocksRequest { member_id: text("ada"), ..Default::default() }
}

fn base_put_member() -> PutMemberRequest {
    let member =
        Member { id: text("ada"), display_name: text("Ada"), topics: vec![text("maths")], ..Default::default() };
    PutMemberRequest { member: Some(member), ..Default::default() }
}

fn base_update_member() -> UpdateMemberRequest {
    UpdateMemberRequest {
        member: Some(Member { id: text("ada"), headline: text("Counts"), ..Default::default() }),
        update_mask: Some(prost_types::FieldMask { paths: vec![text("headline")] }),
        ..Default::default()
    }
}

fn base_get_member() -> GetMemberRequest {
    GetMemberRequest { id: text("ada"), ..Default::default() }
}

fn base_batch_get_members() -> BatchGetMembersRequest {
    BatchGetMembersRequest { ids: vec![text("ada"), text("bob")], ..Default::default() }
}

fn base_list_members() -> ListMembersRequest {
    ListMembersRequest::default()
}

fn base_delete_member() -> DeleteMemberRequest {
    DeleteMemberRequest { id: text("nobody"), allow_missing: true, ..Default::default() }
}

fn base_put_edge() -> PutEdgeRequest {
    PutEdgeRequest { edge: Some(friend("ada", "bob")), ..Default::default() }
}

fn base_get_edge() -> GetEdgeRequest {
    GetEdgeRequest { from_id: text("ada"), kind: text("friend"), to_id: text("bob"), ..Default::default() }
}

fn base_delete_edge() -> DeleteEdgeRequest {
    DeleteEdgeRequest {
        from_id: text("ada"),
        kind: text("friend"),
        to_id: text("nobody"),
        allow_missing: true,
        ..Default::default()
    }
}

fn base_list_edges() -> ListEdgesRequest {
    ListEdgesRequest { member_id: text("bob"), page_size: 1, ..Default::default() }
}

fn base_count_edges() -> CountEdgesRequest {
    CountEdgesRequest { member_id: text("bob"), ..Default::default() }
}

pub fn interaction() -> Interaction {
    Interaction { from_id: text("ada"), kind: text("friend"), to_id: text("bob"), count: 1, time: at(1_700_000_000) }
}

fn base_record_interactions() -> RecordInteractionsRequest {
    RecordInteractionsRequest { interactions: vec![interaction(), interaction()], ..Default::default() }
}

pub fn introduction(introducer_id: &str, stage: IntroductionStage) -> Introduction {
    Introduction { introducer_id: text(introducer_id), stage: stage.into(), time: at(1_700_000_000) }
}

fn base_introductions() -> RecordIntroductionsRequest {
    let introductions = [IntroductionStage::Asked, IntroductionStage::Declined].map(|stage| introduction("bob", stage));
    RecordIntroductionsRequest { introductions: introductions.into(), ..Default::default() }
}

fn base_put_kind() -> PutKindRequest {
    let kind = Kind {
        name: text("mentor"),
        sphere: Sphere::Professional.into(),
        prior: 1.0,
        half_life: Some(prost_types::Duration { seconds: 60, nanos: 0 }),
        ..Default::default()
    };
    PutKindRequest { kind: Some(kind), ..Default::default() }
}

fn base_list_kinds() -> ListKindsRequest {
    ListKindsRequest::default()
}

fn base_delete_kind() -> DeleteKindRequest {
    DeleteKindRequest { name: text("nothing"), allow_missing: true, ..Default::default() }
}

fn base_post_status() -> PostStatusRequest {
    let filter = EdgeFilter { kinds: vec![text("family")], ..Default::default() };
    let status = kith::proto::v1::Status {
        id: text("s1"),
        author_id: text("ada"),
        text: text("Numbers are people too"),
        link: text("https://example.com/numbers"),
        topics: vec![text("maths")],
        audience: Some(Audience { filter: Some(filter), max_hops: 2 }),
        post_time: at(1_700_000_000),
        ..Default::default()
    };
    PostStatusRequest { status: Some(status), ..Default::default() }
}

fn base_get_status() -> GetStatusRequest {
    GetStatusRequest { id: text("s1"), ..Default::default() }
}

fn base_delete_status() -> DeleteStatusRequest {
    DeleteStatusRequest { id: text("nothing"), allow_missing: true, ..Default::default() }
}

fn base_list_statuses() -> ListStatusesRequest {
    ListStatusesRequest { author_id: text("ada"), ..Default::default() }
}

fn base_list_outcomes() -> ListOutcomesRequest {
    ListOutcomesRequest { status_id: text("s1"), ..Default::default() }
}

fn base_get_reach() -> GetReachRequest {
    GetReachRequest { subject: Some(get_reach_request::Subject::MemberId(text("ada"))), ..Default::default() }
}

fn base_list_reach() -> ListReachRequest {
    ListReachRequest {
        subject: Some(list_reach_request::Subject::MemberId(text("ada"))),
        page_size: 1,
        ..Default::default()
    }
}

fn base_check_reach() -> CheckReachRequest {
    CheckReachRequest {
        subject: Some(check_reach_request::Subject::StatusId(text("s1"))),
        viewer_ids: vec![text("bob"), text("nobody")],
        ..Default::default()
    }
}

fn base_discover_statuses() -> DiscoverStatusesRequest {
    DiscoverStatusesRequest { viewer_id: text("bob"), topics: vec![text("maths")], ..Default::default() }
}

fn base_find_paths() -> FindPathsRequest {
    FindPathsRequest { from_id: text("ada"), to_id: text("cy"), ..Default::default() }
}

fn base_batch_get_distances() -> BatchGetDistancesRequest {
    BatchGetDistancesRequest { from_id: text("ada"), to_ids: vec![text("cy"), text("nobody")], ..Default::default() }
}

fn base_list_mutuals() -> ListMutualsRequest {
    ListMutualsRequest { a_id: text("ada"), b_id: text("cy"), ..Default::default() }
}

fn base_leaders() -> ListLeadersRequest {
    ListLeadersRequest { topic: text("rust"), ..Default::default() }
}

fn base_suggest() -> SuggestIntroductionsRequest {
    SuggestIntroductionsRequest { member_id: text("ada"), ..Default::default() }
}

fn base_find_introducers() -> FindIntroducersRequest {
    FindIntroducersRequest { member_id: text("ada"), target_id: text("cy"), ..Default::default() }
}

fn base_write() -> WriteRequest {
    let put = |id: &str| change::Change::PutMember(Member { id: text(id), ..Default::default() });
    let changes = [put("ada"), put("bob")].map(|change| Change { change: Some(change), ..Default::default() });
    WriteRequest { changes: changes.into(), ..Default::default() }
}

fn base_export() -> ExportRequest {
    ExportRequest::default()
}

fn base_verify() -> VerifyRequest {
    VerifyRequest::default()
}

fn base_get_server_info() -> GetServerInfoRequest {
    GetServerInfoRequest::default()
}
