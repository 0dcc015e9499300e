//! The checks of the answers: what every release has to show of the story.

use std::collections::BTreeSet;

use crate::cli::print::Directory;
use crate::proto::v1::reason::Reason as Why;
use crate::proto::v1::{
    Edge, FindIntroducersResponse, FindPathsResponse, GetReachResponse, ListReachResponse, Path, Sphere,
    SuggestIntroductionsResponse,
};

/// The chain, and the kinds of its steps.
const CHAIN: [&str; 4] = ["officer", "wife", "cousin", "jeremy"];
const KINDS: [&[&str]; 3] = [&["spouse"], &["family"], &["friend", "neighbor"]];

pub struct Check {
    pub sentence: &'static str,
    pub holds: bool,
}

fn check(sentence: &'static str, holds: bool) -> Check {
    Check { sentence, holds }
}

/// Checks question 1: how did the officer find jeremy?
pub fn path(response: &FindPathsResponse, directory: &Directory) -> Vec<Check> {
    let best = response.paths.first();
    let personal = |path: &Path| {
        let mut edges = path.steps.iter().flat_map(|step| &step.edges);
        path.sphere_crossings == 0 && edges.all(|edge| directory.sphere(edge) == Sphere::Personal)
    };
    vec![
        check("officer -spouse- wife -family- cousin -neighbor,friend- jeremy", best.is_some_and(is_the_chain)),
        check("3 hops, all PERSONAL", best.is_some_and(|path| path.hops == 3 && personal(path))),
        check("no better path exists", response.optimal),
    ]
}

/// Checks question 2: who can see the status within 3 hops?
pub fn reach(counted: &GetReachResponse, listed: &ListReachResponse) -> Vec<Check> {
    let listed_at = |hop| listed.items.iter().filter(|item| item.hop == hop).count();
    let agree = counted.hops.iter().all(|hop| usize::try_from(hop.members) == Ok(listed_at(hop.hop)));
    let split = |hop: &crate::proto::v1::ReachHop| {
        [hop.personal, hop.professional, hop.public, hop.crossing].iter().all(Option::is_some)
    };
    vec![
        check("officer can see it, at hop 3", hop_of(listed, "officer") == Some(3)),
        check("each of the 3 hops is split by sphere", counted.hops.len() == 3 && counted.hops.iter().all(split)),
        check("the list and the counts agree", agree && usize::try_from(counted.members) == Ok(listed.items.len())),
    ]
}

/// Checks question 3: whom should the officer meet about consumer privacy?
pub fn suggestion(response: &SuggestIntroductionsResponse, topic: &str, status: &str) -> Vec<Check> {
    let best = response.suggestions.first().filter(|suggestion| suggestion.member_id == "jeremy");
    let gives = |wanted: &dyn Fn(&Why) -> bool| {
        best.is_some_and(|best| best.reasons.iter().filter_map(|reason| reason.reason.as_ref()).any(wanted))
    };
    let through = best.and_then(|best| best.introducers.first()).map(|introducer| introducer.member_id.as_str());
    vec![
        check("jeremy, before anybody else", best.is_some()),
        check("because of the status", gives(&|why| matches!(why, Why::Status(reason) if reason.status_id == status))),
        check("and because of the topic", gives(&|why| matches!(why, Why::Topic(reason) if reason.topic == topic))),
        check("through wife", through == Some("wife")),
    ]
}

/// Checks question 4: who can introduce the officer to jeremy?
pub fn introducers(response: &FindIntroducersResponse) -> Vec<Check> {
    let best = response.introducers.first();
    let chain = best.and_then(|best| best.path.as_ref());
    vec![
        check("wife, before anybody else", best.is_some_and(|best| best.member_id == "wife")),
        check("who would ask cousin: the whole chain is shown", chain.is_some_and(is_the_chain)),
    ]
}

/// Checks question 5: what if jeremy had kept his networks apart?
pub fn apart(apart: &ListReachResponse, together: &GetReachResponse) -> Vec<Check> {
    let crossing: i32 = together.hops.iter().filter_map(|hop| hop.crossing).sum();
    vec![
        check("shared with PROFESSIONAL edges alone, it reaches somebody", !apart.items.is_empty()),
        check("but never officer", hop_of(apart, "officer").is_none()),
        check("the breakdown counts whom only crossing spheres reaches", crossing > 0),
    ]
}

/// Checks question 6: what came of the status?
pub fn outcomes(edges: &[Edge], status: &str) -> Vec<Check> {
    let is_it = |edge: &Edge| {
        let ends = BTreeSet::from([edge.from_id.as_str(), edge.to_id.as_str()]);
        let of_it = edge.origin.as_ref().is_some_and(|origin| origin.status_id == status);
        ends == BTreeSet::from(["officer", "jeremy"]) && edge.kind == "client" && of_it
    };
    vec![check("the status's outcomes list that edge, and nothing else", edges.len() == 1 && edges.iter().all(is_it))]
}

fn hop_of(listed: &ListReachResponse, member: &str) -> Option<i32> {
    listed.items.iter().find(|item| item.member_id == member).map(|item| item.hop)
}

fn is_the_chain(path: &Path) -> bool {
    let ends: Vec<_> = path.steps.iter().map(|step| [step.from_id.as_str(), step.to_id.as_str()]).collect();
    let wanted: Vec<_> = CHAIN.windows(2).map(|pair| [pair[0], pair[1]]).collect();
    let kinds = |edges: &[Edge]| edges.iter().map(|edge| edge.kind.clone()).collect::<BTreeSet<_>>();
    let wanted_kinds = KINDS.iter().map(|kinds| kinds.iter().map(|kind| (*kind).to_owned()).collect::<BTreeSet<_>>());
    ends == wanted && path.steps.iter().map(|step| kinds(&step.edges)).eq(wanted_kinds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{Introducer, Origin, PathStep, ReachHop, ReachedMember};

    fn edge(from: &str, kind: &str, to: &str) -> Edge {
        Edge { from_id: from.into(), kind: kind.into(), to_id: to.into(), ..Edge::default() }
    }

    fn chain() -> Path {
        let step = |i: usize| {
            let (from, to) = (CHAIN[i], CHAIN[i + 1]);
            let edges = KINDS[i].iter().map(|kind| edge(from, kind, to)).collect();
            PathStep { from_id: from.into(), to_id: to.into(), edges, strength: 0.5 }
        };
        Path { steps: (0..3).map(step).collect(), hops: 3, ..Path::default() }
    }

    fn failed(checks: &[Check]) -> Vec<&str> {
        checks.iter().filter(|check| !check.holds).map(|check| check.sentence).collect()
    }

    #[test]
    fn the_chain_is_known_by_its_members_and_its_kinds() {
        assert!(is_the_chain(&chain()));
        let mut other = chain();
        other.steps[2].edges.pop();
        assert!(!is_the_chain(&other));
        other = chain();
        other.steps[1].to_id = "neighbor-1".into();
        assert!(!is_the_chain(&other));
    }

    #[test]
    fn an_empty_answer_is_never_right() {
        let directory = Directory::default();
        assert_eq!(failed(&path(&FindPathsResponse::default(), &directory)).len(), 3);
        assert_eq!(failed(&suggestion(&SuggestIntroductionsResponse::default(), "t", "s")).len(), 4);
        assert_eq!(failed(&introducers(&FindIntroducersResponse::default())).len(), 2);
        assert_eq!(failed(&outcomes(&[], "s")).len(), 1);
        let nobody = (GetReachResponse::default(), ListReachResponse::default());
        assert!(failed(&reach(&nobody.0, &nobody.1)).len() >= 2);
        assert_eq!(failed(&apart(&nobody.1, &nobody.0)).len(), 2);
    }

    #[test]
    fn an_introducer_without_the_whole_chain_is_wrong() {
        let introducer = |path| Introducer { member_id: "wife".into(), path, ..Introducer::default() };
        let answer = |path| FindIntroducersResponse { introducers: vec![introducer(path)], info: None };
        assert!(failed(&introducers(&answer(Some(chain())))).is_empty());
        assert_eq!(failed(&introducers(&answer(None))).len(), 1);
    }

    #[test]
    fn officer_in_the_reach_of_networks_kept_apart_is_wrong() {
        let hops = vec![ReachHop { crossing: Some(1), ..ReachHop::default() }];
        let together = GetReachResponse { hops, ..GetReachResponse::default() };
        let reached = |id: &str| ListReachResponse {
            items: vec![ReachedMember { member_id: id.into(), hop: 1, ..Default::default() }],
            ..ListReachResponse::default()
        };
        assert!(failed(&apart(&reached("editor-1"), &together)).is_empty());
        assert_eq!(failed(&apart(&reached("officer"), &together)), ["but never officer"]);
    }

    #[test]
    fn an_outcome_is_an_edge_of_this_status_whichever_way_it_is_written() {
        let origin = Some(Origin { status_id: "s".into(), ..Origin::default() });
        let outcome = Edge { origin, ..edge("jeremy", "client", "officer") };
        assert!(failed(&outcomes(std::slice::from_ref(&outcome), "s")).is_empty());
        assert_eq!(failed(&outcomes(&[outcome], "another")).len(), 1);
    }
}
