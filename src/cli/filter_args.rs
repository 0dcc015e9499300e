//! The flags that queries share: which edges are walked, and how the answer is computed.

use clap::{Args, ValueEnum};
use prost_types::Timestamp;

use crate::proto::v1::member_condition::Condition;
use crate::proto::v1::{EdgeFilter, LabelCondition, MemberClause, MemberCondition, MemberFilter, ReadOptions, Sphere};

/// Which edges are walked.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which edges are walked")]
pub struct FilterArgs {
    /// Only edges of this kind (again for more).
    #[arg(long = "kind", value_name = "KIND")]
    kinds: Vec<String>,
    /// Only edges of this part of life (again for more).
    #[arg(long = "sphere", value_name = "SPHERE")]
    spheres: Vec<SphereArg>,
    /// Only edges at least this strong, over 0 and at most 1.
    #[arg(long, value_name = "STRENGTH")]
    min_strength: Option<f32>,
    /// Neither reach this member nor walk through it (again for more).
    #[arg(long = "exclude", value_name = "MEMBER")]
    exclude: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, ValueEnum)]
enum SphereArg {
    Personal,
    Professional,
    Public,
}

impl FilterArgs {
    /// Returns the filter as the API takes it; none if nothing was given.
    pub fn filter(&self) -> Option<EdgeFilter> {
        let filter = EdgeFilter {
            kinds: self.kinds.clone(),
            spheres: self.spheres.iter().map(|sphere| sphere.sphere().into()).collect(),
            min_strength: self.min_strength,
            exclude_member_ids: self.exclude.clone(),
        };
        (filter != EdgeFilter::default()).then_some(filter)
    }
}

impl SphereArg {
    fn sphere(self) -> Sphere {
        match self {
            SphereArg::Personal => Sphere::Personal,
            SphereArg::Professional => Sphere::Professional,
            SphereArg::Public => Sphere::Public,
        }
    }
}

/// Which members are answered with. All are walked through.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Which members are answered with")]
pub struct MemberFilterArgs {
    /// Only members with this label, of this value if one is given (again for more, which all must hold).
    #[arg(long = "label", value_name = "KEY[=VALUE]")]
    labels: Vec<String>,
    /// Only members whose ids begin with this.
    #[arg(long, value_name = "PREFIX")]
    id_prefix: Option<String>,
}

impl MemberFilterArgs {
    /// Returns the filter as the API takes it; none if nothing was given.
    pub fn filter(&self) -> Option<MemberFilter> {
        let labels = self.labels.iter().map(|label| {
            let (key, value) = label.split_once('=').map_or((label.as_str(), None), |(key, value)| (key, Some(value)));
            let values = value.map(str::to_owned).into_iter().collect();
            Condition::Label(LabelCondition { key: key.to_owned(), values })
        });
        let conditions = labels.chain(self.id_prefix.clone().map(Condition::IdPrefix));
        let clause =
            |condition| MemberClause { any_of: vec![MemberCondition { negated: false, condition: Some(condition) }] };
        let all_of: Vec<MemberClause> = conditions.map(clause).collect();
        (!all_of.is_empty()).then_some(MemberFilter { all_of })
    }
}

/// How the answer is computed.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "How the answer is computed")]
pub struct ReadArgs {
    /// The time strengths are evaluated at, as 2026-01-31T12:00:00Z; now when not given.
    #[arg(long, value_name = "TIME", value_parser = timestamp)]
    as_of: Option<Timestamp>,
    /// Stop after visiting so many edges; the answer says if that made it partial.
    #[arg(long, value_name = "EDGES", value_parser = clap::value_parser!(i64).range(1..))]
    max_edges: Option<i64>,
    /// Answer as this member may see the network; all of it when not given.
    #[arg(long, value_name = "MEMBER")]
    viewer: Option<String>,
}

impl ReadArgs {
    /// Returns the member on whose behalf to ask; empty if nobody's.
    pub fn viewer(&self) -> &str {
        self.viewer.as_deref().unwrap_or_default()
    }

    /// Returns the options as the API takes them; none if nothing was given.
    pub fn options(&self) -> Option<ReadOptions> {
        let max_edges_visited = self.max_edges.unwrap_or_default();
        let viewer_id = self.viewer().to_owned();
        let options = ReadOptions { viewer_id, as_of: self.as_of, max_edges_visited, ..ReadOptions::default() };
        (options != ReadOptions::default()).then_some(options)
    }
}

fn timestamp(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|_| "give a time as 2026-01-31T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        filter: FilterArgs,
        #[command(flatten)]
        members: MemberFilterArgs,
        #[command(flatten)]
        read: ReadArgs,
    }

    fn parse(line: &str) -> Result<Flags, clap::Error> {
        Flags::try_parse_from(["kith"].into_iter().chain(line.split_whitespace()))
    }

    #[test]
    fn without_flags_nothing_is_sent() {
        let flags = parse("").unwrap();
        let given = (flags.filter.filter(), flags.members.filter(), flags.read.options());
        assert_eq!(given, (None, None, None));
    }

    #[test]
    fn every_flag_is_sent() {
        let flags = parse(
            "--kind friend --kind family --sphere personal --min-strength 0.5 --exclude a --exclude b \
             --label city=Ulm --label vip --label odd=a=b --id-prefix x- \
             --as-of 2026-01-31T12:00:00Z --max-edges 9 --viewer ann",
        )
        .unwrap();
        let filter = flags.filter.filter().unwrap();
        assert_eq!(filter.kinds, ["friend", "family"]);
        assert_eq!(filter.spheres, [i32::from(Sphere::Personal)]);
        assert_eq!(filter.min_strength, Some(0.5));
        assert_eq!(filter.exclude_member_ids, ["a", "b"]);
        let asked: Vec<Condition> = flags
            .members
            .filter()
            .unwrap()
            .all_of
            .into_iter()
            .flat_map(|clause| clause.any_of.into_iter().filter_map(|condition| condition.condition))
            .collect();
        let label = |key: &str, values: &[&str]| {
            let values = values.iter().map(|value| (*value).to_owned()).collect();
            Condition::Label(LabelCondition { key: key.to_owned(), values })
        };
        let prefix = Condition::IdPrefix("x-".to_owned());
        assert_eq!(asked, [label("city", &["Ulm"]), label("vip", &[]), label("odd", &["a=b"]), prefix]);
        let read = flags.read.options().unwrap();
        assert_eq!((read.as_of.unwrap().seconds, read.max_edges_visited), (1_769_860_800, 9));
        assert_eq!(read.viewer_id, "ann");
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        assert!(parse("--as-of yesterday").is_err());
        assert!(parse("--max-edges 0").is_err());
    }
}
