//! The six questions of the demo.

use super::check;
use super::teller::Teller;
use crate::cli::failure::Failure;
use crate::cli::path::members_of;
use crate::cli::print::{Directory, count};
use crate::cli::suggest::Wording;
use crate::cli::{introducers, path, reach, suggest};
use crate::proto::v1::{
    Audience, DeleteEdgeRequest, Edge, EdgeFilter, FindIntroducersRequest, FindPathsRequest, GetReachRequest,
    ListOutcomesRequest, ListReachRequest, ListReachResponse, Origin, PostStatusRequest, PutEdgeRequest, Sphere,
    Status, SuggestIntroductionsRequest, get_reach_request, list_reach_request,
};

const STATUS: &str = "who-owns-your-data";
const STATUS_APART: &str = "who-owns-your-data-apart";
const TOPIC: &str = "consumer-privacy";
const LINK: &str = "https://example.com/who-owns-your-data";
const LINE_CHARS_MAX: usize = 90;

pub async fn ask_all(teller: &mut Teller) -> Result<(), Failure> {
    forget_the_outcome(teller).await?;
    how_did_the_officer_find_jeremy(teller).await?;
    who_can_see_the_status(teller).await?;
    whom_should_the_officer_meet(teller).await?;
    who_can_introduce_them(teller).await?;
    what_if_networks_were_apart(teller).await?;
    what_came_of_the_status(teller).await
}

/// Removes the edge of question 6 from a store kept from an earlier demo: it would change the answers before it.
async fn forget_the_outcome(teller: &Teller) -> Result<(), Failure> {
    let Edge { from_id, kind, to_id, .. } = outcome();
    let request = DeleteEdgeRequest { from_id, kind, to_id, allow_missing: true, ..DeleteEdgeRequest::default() };
    teller.client.edges().delete_edge(request).await?;
    Ok(())
}

async fn how_did_the_officer_find_jeremy(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("How did the officer find jeremy?")?;
    let request = FindPathsRequest { from_id: "officer".into(), to_id: "jeremy".into(), ..FindPathsRequest::default() };
    teller.asks("PathService/FindPaths", "FindPathsRequest", &request)?;
    let response = teller.client.paths().find_paths(request).await?.into_inner();
    let directory = Directory::of(&teller.client, "", members_of(&response.paths)).await?;
    teller.answers(&format!("\n{}", path::rendered(&response, &directory)))?;
    teller.checks(check::path(&response, &directory))
}

async fn who_can_see_the_status(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("Who can see jeremy's status \"Who owns your data?\" within 3 hops?")?;
    let request = reach_of(STATUS);
    teller.asks("ReachService/GetReach", "GetReachRequest", &request)?;
    let counted = teller.client.reach().get_reach(request).await?.into_inner();
    teller.answers(&format!("\n{}", reach::rendered(&counted)))?;
    let listed = list_reach(teller, STATUS).await?;
    teller.checks(check::reach(&counted, &listed))
}

async fn whom_should_the_officer_meet(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("Whom should the officer meet about consumer privacy?")?;
    let request = SuggestIntroductionsRequest {
        member_id: "officer".into(),
        topics: vec![TOPIC.into()],
        ..SuggestIntroductionsRequest::default()
    };
    teller.asks("IntroductionService/SuggestIntroductions", "SuggestIntroductionsRequest", &request)?;
    let response = teller.client.introductions().suggest_introductions(request).await?.into_inner();
    let wording = Wording::of(&teller.client, "", &response).await?;
    teller.answers(&format!("\n{}", suggest::rendered(&response, &wording)))?;
    teller.checks(check::suggestion(&response, TOPIC, STATUS))
}

async fn who_can_introduce_them(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("Who can introduce the officer to jeremy?")?;
    let request = FindIntroducersRequest {
        member_id: "officer".into(),
        target_id: "jeremy".into(),
        ..FindIntroducersRequest::default()
    };
    teller.asks("IntroductionService/FindIntroducers", "FindIntroducersRequest", &request)?;
    let response = teller.client.introductions().find_introducers(request).await?.into_inner();
    let paths = response.introducers.iter().filter_map(|introducer| introducer.path.as_ref());
    let directory = Directory::of(&teller.client, "", members_of(paths)).await?;
    teller.answers(&format!("\n{}", introducers::rendered(&response, &directory)))?;
    teller.checks(check::introducers(&response))
}

async fn what_if_networks_were_apart(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("What if jeremy had kept his networks apart?")?;
    let request = PostStatusRequest { status: Some(status_apart()), ..PostStatusRequest::default() };
    teller.asks("StatusService/PostStatus", "PostStatusRequest", &request)?;
    match teller.client.statuses().post_status(request).await {
        Ok(_) => teller.answers("\nThe same status, posted for PROFESSIONAL edges alone.\n")?,
        Err(status) if status.code() == tonic::Code::AlreadyExists => {
            teller.answers("\nThe same status for PROFESSIONAL edges alone, posted by an earlier demo.\n")?;
        }
        Err(status) => return Err(status.into()),
    }
    let apart = list_reach(teller, STATUS_APART).await?;
    let together = teller.client.reach().get_reach(reach_of(STATUS)).await?.into_inner();
    let crossing: i32 = together.hops.iter().filter_map(|hop| hop.crossing).sum();
    let (few, many) = (count(i64::try_from(apart.items.len()).unwrap_or_default(), "member"), together.members);
    teller.answers(&format!(
        "\nIt reaches {few}. The status as it was reaches {many}, {crossing} of them by no single sphere alone.\n"
    ))?;
    teller.checks(check::apart(&apart, &together))
}

async fn what_came_of_the_status(teller: &mut Teller) -> Result<(), Failure> {
    teller.question("What came of the status, once the officer became jeremy's client?")?;
    let request = PutEdgeRequest { edge: Some(outcome()), ..PutEdgeRequest::default() };
    teller.asks("EdgeService/PutEdge", "PutEdgeRequest", &request)?;
    let put = teller.client.edges().put_edge(request).await?.into_inner();
    let request = ListOutcomesRequest { status_id: STATUS.into(), ..ListOutcomesRequest::default() };
    teller.asks("StatusService/ListOutcomes", "ListOutcomesRequest", &request)?;
    let request = ListOutcomesRequest { min_revision: put.revision, ..request };
    let edges = teller.client.statuses().list_outcomes(request).await?.into_inner().edges;
    let lines: String = edges.iter().map(outcome_line).collect();
    teller.answers(&format!("\n{lines}"))?;
    teller.checks(check::outcomes(&edges, STATUS))
}

fn outcome_line(edge: &Edge) -> String {
    let introducers = edge.origin.as_ref().map(|origin| origin.introducer_ids.join(" and ")).unwrap_or_default();
    format!("{} -{}- {}, introduced by {introducers}\n", edge.from_id, edge.kind, edge.to_id)
}

/// Returns the edge that comes of the status.
fn outcome() -> Edge {
    let origin =
        Origin { status_id: STATUS.into(), introducer_ids: vec!["wife".into(), "cousin".into()], note: String::new() };
    Edge {
        from_id: "officer".into(),
        kind: "client".into(),
        to_id: "jeremy".into(),
        origin: Some(origin),
        ..Edge::default()
    }
}

/// Returns the status as it would have been with networks kept apart.
fn status_apart() -> Status {
    let filter = EdgeFilter { spheres: vec![Sphere::Professional.into()], ..EdgeFilter::default() };
    Status {
        id: STATUS_APART.into(),
        author_id: "jeremy".into(),
        text: "Who owns your data?".into(),
        link: LINK.into(),
        topics: vec![TOPIC.into()],
        audience: Some(Audience { filter: Some(filter), max_hops: 3 }),
        ..Status::default()
    }
}

fn reach_of(status: &str) -> GetReachRequest {
    let subject = get_reach_request::Subject::StatusId(status.into());
    GetReachRequest { subject: Some(subject), ..GetReachRequest::default() }
}

/// Asks who is in a status's reach, and prints them hop by hop.
async fn list_reach(teller: &Teller, status: &str) -> Result<ListReachResponse, Failure> {
    let subject = list_reach_request::Subject::StatusId(status.into());
    let request = ListReachRequest { subject: Some(subject), ..ListReachRequest::default() };
    teller.asks("ReachService/ListReach", "ListReachRequest", &request)?;
    let listed = teller.client.reach().list_reach(request).await?.into_inner();
    teller.answers(&format!("\n{}", by_hop(&listed)))?;
    Ok(listed)
}

/// Returns `hop 1  a, b, c` with the members on as many lines as they need.
fn by_hop(listed: &ListReachResponse) -> String {
    let mut text = String::new();
    let mut hop = 0;
    let mut line = String::new();
    for item in &listed.items {
        let fits = line.chars().count() + item.member_id.chars().count() + 2 <= LINE_CHARS_MAX;
        if item.hop == hop && fits {
            line += &format!(", {}", item.member_id);
            continue;
        }
        if !line.is_empty() {
            text += &line;
            text += if item.hop == hop { ",\n" } else { "\n" };
        }
        let margin = if item.hop == hop { "       ".to_owned() } else { format!("hop {}  ", item.hop) };
        line = format!("{margin}{}", item.member_id);
        hop = item.hop;
    }
    format!("{text}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::ReachedMember;

    #[test]
    fn members_are_listed_by_hop_on_lines_that_fit() {
        let item = |i: usize| ReachedMember {
            member_id: format!("neighbor-{i}"),
            hop: if i < 12 { 1 } else { 2 },
            ..Default::default()
        };
        let text = by_hop(&ListReachResponse { items: (1..14).map(item).collect(), ..ListReachResponse::default() });
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 3, "{text}");
        assert!(lines[0].starts_with("hop 1  neighbor-1, neighbor-2,") && lines[0].ends_with(','), "{text}");
        assert_eq!(lines[2], "hop 2  neighbor-12, neighbor-13");
        assert!(lines.iter().all(|line| line.chars().count() <= LINE_CHARS_MAX + 1), "{text}");
    }
}
