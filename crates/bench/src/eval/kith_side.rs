//! A split as kith holds it, ranked by the code that answers `SuggestIntroductions`.

use super::split::{KnownTie, Split};
use kith::cli::Failure;
use kith::domain::{History, Kind, KindName, MemberId, Sphere, TimeMs, Violation};
use kith::graph::{
    Asking, Breadth, Budget, Graph, GraphBuilder, Introducer, KindIx, MemberIx, SmallSet, StrengthInputs, SuggestQuery,
    View, add_interactions, rank_introductions, suggest,
};

/// Everyone who could introduce one member to another, and the strength of the chain through each; the strongest first.
pub type Choice = Vec<(u32, f64)>;

/// A graph of a split's ties, all of one kind.
pub struct Kith {
    graph: Graph,
    as_of: TimeMs,
}

const KIND: KindIx = KindIx(0);

impl Kith {
    /// Members keep their indices.
    pub fn new(split: &Split) -> Result<Kith, Failure> {
        let refused =
            |refused: Violation| Failure::new(format!("{}: {} {}", split.name, refused.field, refused.message));
        let fading = split.fading;
        let name = KindName::parse("kind", "tie").map_err(refused)?;
        let kind = Kind::new(name, Sphere::Personal, true, fading.prior, fading.half_life_ms).map_err(refused)?;
        let mut builder = GraphBuilder::default();
        builder.kind(KIND, kind.clone());
        for member in &split.members {
            builder.member(MemberId::parse("member", member).map_err(refused)?);
        }
        for tie in &split.ties {
            builder.edge(MemberIx(tie.a), KIND, MemberIx(tie.b), faded(tie, &kind));
        }
        Ok(Kith { graph: builder.build(), as_of: fading.as_of })
    }

    pub fn as_of(&self) -> TimeMs {
        self.as_of
    }

    /// Returns, for each of the best suggested to a member, who could introduce the two, by what is known of strengths alone.
    pub fn choices(&self, member: u32, limit: usize) -> Vec<Choice> {
        let (view, exclude) = (View::unfiltered(&self.graph, self.as_of), SmallSet::default());
        let introducers = Asking { most: usize::MAX, readiness: &|_| 1.0 };
        let breadth = Breadth::STRONGEST;
        let query = SuggestQuery { breadth, introducers, ..SuggestQuery::exact(&exclude, limit) };
        let suggested = suggest(&view, MemberIx(member), &query, &mut Budget::unlimited()).suggestions;
        let choice = |found: Vec<Introducer>| found.iter().map(|one| (one.member.0, one.score)).collect();
        suggested.into_iter().map(|suggestion| choice(suggestion.introducers)).collect()
    }

    /// Returns who is suggested to a member that asks for so many, the best first, with their scores.
    pub fn ranking(&self, member: u32, breadth: Breadth, limit: usize) -> Vec<(u32, f64)> {
        let (view, exclude) = (View::unfiltered(&self.graph, self.as_of), SmallSet::default());
        let query = SuggestQuery { breadth, ..SuggestQuery::exact(&exclude, limit) };
        let (ranked, _) = rank_introductions(&view, MemberIx(member), &query, &mut Budget::unlimited());
        ranked.iter().map(|ranked| (ranked.member.0, ranked.score)).collect()
    }
}

/// Returns the interactions of two members, summed up as they are when they are recorded one by one.
fn faded(tie: &KnownTie, kind: &Kind) -> StrengthInputs {
    let add = |history, &time_s: &u32| add_interactions(history, kind, 1, time_s);
    let history = tie.times_s.iter().fold(History::default(), add);
    StrengthInputs { pinned: None, faded: history.faded, last_s: history.last_s }
}
