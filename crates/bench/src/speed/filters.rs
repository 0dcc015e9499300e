//! Measures suggestions under a filter that one in a thousand passes, beside the same questions without it.

use fastrand::Rng;
use prost::Message;

use super::kernels::Kernel;
use super::limits::Limits;
use super::messages;
use super::reads::Bench;
use super::rows::{Goal, Row, timed};
use super::rpc::Calls;
use super::store::import_all;
use kith::cli::Failure;
use kith::proto::v1 as pb;
use kith::proto::v1::import_record::Record;
use pb::member_condition::Condition;

/// One of so many members has the label.
const RARITY: usize = 1_000;
const LABEL: (&str, &str) = ("team", "rare");
/// How much longer a question with a filter may take than the one without.
const GOAL: (f64, f64) = (1.5, 1.1);

/// Gives some members a label, and asks for suggestions among them and among all, alternately.
pub async fn rows(bench: &Bench<'_>, limits: &Limits) -> Result<Vec<Row>, Failure> {
    let (network, effort) = (bench.network, bench.effort);
    let labels = || [(LABEL.0.to_owned(), LABEL.1.to_owned())].into();
    let labelled = (0..network.members).step_by(RARITY);
    let labelled = labelled.map(|member| pb::Member { id: network.id(member), labels: labels(), ..Default::default() });
    import_all(bench.servers.kith.host, labelled.map(Record::Member)).await?;
    let Some(path) = messages::path(Kernel::Suggest) else { return Ok(Vec::new()) };
    let condition = Some(Condition::Label(pb::LabelCondition { key: LABEL.0.into(), values: vec![LABEL.1.into()] }));
    let any_of = vec![pb::MemberCondition { negated: false, condition }];
    let filter = pb::MemberFilter { all_of: vec![pb::MemberClause { any_of }] };
    let mut rng = Rng::with_seed(effort.seed);
    let mut rounds = Vec::new();
    for round in 0..effort.rounds {
        let asks = (0..Kernel::Suggest.asks_per_round()).map(|_| Kernel::Suggest.ask(network, limits, &mut rng));
        let asks: Vec<_> = asks.collect();
        let calls = |member_filter: Option<&pb::MemberFilter>| {
            let request = |ask| pb::SuggestIntroductionsRequest {
                member_filter: member_filter.cloned(),
                ..messages::suggestions(network, ask)
            };
            Calls::new(path, asks.iter().map(|ask| request(ask).encode_to_vec().into()).collect())
        };
        let (kith, filtered, whole) = (&bench.servers.kith, calls(Some(&filter)), calls(None));
        rounds.extend(effort.beside(round, [(kith, &filtered), (kith, &whole)]).await?);
    }
    let what = format!("{} of one in {RARITY} by a label", Kernel::Suggest.title());
    Ok(timed(what, &rounds, |r| r.0.p50 / r.1.p50, Some(Goal::at_most(GOAL))).into_iter().collect())
}
