//! `kith suggest`: whom a member should meet, why, and through whom.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use clap::Args;

use super::client::Client;
use super::failure::Failure;
use super::filter_args::{FilterArgs, MemberFilterArgs, ReadArgs};
use super::json;
use super::picture::{PictureArgs, meeting::Meetings};
use super::print::{Align, Directory, Names, Table, clean, completeness, count, percent, say, score};
use crate::proto::v1::reason::Reason as Why;
use crate::proto::v1::{
    GetStatusRequest, Reason, SuggestIntroductionsRequest, SuggestIntroductionsResponse, Suggestion,
};

const TEXT_CHARS_MAX: usize = 60;

#[derive(Debug, Args)]
pub struct SuggestArgs {
    /// Who wants to meet somebody.
    member: String,
    /// What about: only members with an interest or a live status on one of these topics (again for more).
    #[arg(long = "topic", value_name = "TOPIC")]
    topics: Vec<String>,
    /// A member not to suggest, though still walked through (again for more).
    #[arg(long = "except", value_name = "MEMBER")]
    except: Vec<String>,
    /// How many at most, 1-100; 20 when not given.
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(i32).range(1..))]
    limit: Option<i32>,
    /// How long the walks are that scores are summed over, 2 or 3; 3 when not given.
    #[arg(long, value_name = "STEPS", value_parser = clap::value_parser!(i32).range(1..))]
    steps: Option<i32>,
    /// Take all walks, however many there are, instead of the strongest.
    #[arg(long)]
    exact: bool,
    /// Suggest at most so many to whom the same introducer is the best one, 1-100.
    #[arg(long, value_name = "MEMBERS", value_parser = clap::value_parser!(i32).range(1..))]
    per_introducer: Option<i32>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    members: MemberFilterArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    picture: PictureArgs,
}

pub async fn run(client: &Client, args: &SuggestArgs, json: bool) -> Result<(), Failure> {
    args.picture.check(json)?;
    let request = SuggestIntroductionsRequest {
        member_id: args.member.clone(),
        topics: args.topics.clone(),
        filter: args.filter.filter(),
        exclude_ids: args.except.clone(),
        limit: args.limit.unwrap_or_default(),
        read: args.read.options(),
        max_steps: args.steps.unwrap_or_default(),
        exact: args.exact,
        max_per_introducer: args.per_introducer.unwrap_or_default(),
        member_filter: args.members.filter(),
    };
    let response = client.introductions().suggest_introductions(request).await?.into_inner();
    if args.picture.are_wanted() {
        draw(client, args, &response).await?;
    }
    if args.picture.replace_words() {
        return Ok(());
    }
    if json {
        return say(&json::pretty("SuggestIntroductionsResponse", &response)?);
    }
    let wording = Wording::of(client, args.read.viewer(), &response).await?;
    say(&rendered(&response, &wording))
}

async fn draw(client: &Client, args: &SuggestArgs, response: &SuggestIntroductionsResponse) -> Result<(), Failure> {
    let wording = Wording::of(client, args.read.viewer(), response).await?;
    let ids = response.suggestions.iter().flat_map(|suggestion| {
        let paths = suggestion.introducers.iter().filter_map(|introducer| introducer.path.as_ref());
        members_of(suggestion).into_iter().chain(super::path::members_of(paths))
    });
    let directory = Directory::of(client, args.read.viewer(), ids.chain([args.member.as_str()])).await?;
    // A picture has names; a reader who points at them sees ids.
    let wording = Wording { with_ids: false, ..wording };
    let in_words = |reason: &Reason| wording.reason(reason);
    args.picture.write(&Meetings { response, directory: &directory, member: &args.member, in_words: &in_words })
}

/// The names and texts of the ids in an answer.
pub struct Wording {
    /// Whether ids are printed beside names.
    with_ids: bool,
    names: Names,
    statuses: BTreeMap<String, String>,
}

impl Wording {
    /// Asks the server for the names of members and the texts of statuses.
    pub async fn of(
        client: &Client,
        viewer: &str,
        response: &SuggestIntroductionsResponse,
    ) -> Result<Wording, Failure> {
        let names = Names::of(client, viewer, response.suggestions.iter().flat_map(members_of)).await?;
        let ids: BTreeSet<&String> = response.suggestions.iter().flat_map(|s| &s.status_ids).collect();
        let mut statuses = BTreeMap::new();
        for id in ids {
            let request =
                GetStatusRequest { id: id.clone(), viewer_id: viewer.to_owned(), ..GetStatusRequest::default() };
            match client.statuses().get_status(request).await {
                Ok(response) => {
                    let text = response.into_inner().status.unwrap_or_default().text;
                    statuses.insert(id.clone(), clean(&text, TEXT_CHARS_MAX));
                }
                // The status was deleted since it was suggested: its id has to do.
                Err(status) if status.code() == tonic::Code::NotFound => {}
                Err(status) => return Err(status.into()),
            }
        }
        Ok(Wording { with_ids: true, names, statuses })
    }

    fn status(&self, id: &str) -> String {
        match self.statuses.get(id) {
            Some(text) if self.with_ids => format!("{} \"{text}\"", clean(id, 128)),
            Some(text) => format!("\"{text}\""),
            None => clean(id, 128),
        }
    }

    fn member(&self, id: &str) -> String {
        if self.with_ids { self.names.label(id) } else { self.names.name(id) }
    }

    /// Returns a reason, without its share.
    fn reason(&self, reason: &Reason) -> String {
        match &reason.reason {
            Some(Why::Mutual(mutual)) => format!("both know {}", self.member(&mutual.member_id)),
            Some(Why::Chain(chain)) => {
                let members: Vec<_> = chain.member_ids.iter().map(|id| self.member(id)).collect();
                format!("a chain leads there through {}", members.join(" and "))
            }
            Some(Why::OtherChains(others)) if others.chains == 1 => "one more chain leads there".to_owned(),
            Some(Why::OtherChains(others)) => format!("{} more chains lead there", others.chains),
            Some(Why::Topic(topic)) => format!("interested in {}", clean(&topic.topic, 64)),
            Some(Why::Leader(leader)) => {
                let (topic, audience) = (clean(&leader.topic, 64), count(leader.audience, "member"));
                format!("number {} of those followed on {topic}, by {audience}", leader.rank)
            }
            Some(Why::Status(status)) => format!("posted {}", self.status(&status.status_id)),
            None => "a reason this version of kith does not know".to_owned(),
        }
    }
}

/// Returns every member that a suggestion names.
fn members_of(suggestion: &Suggestion) -> Vec<&str> {
    let mut ids = vec![suggestion.member_id.as_str()];
    ids.extend(suggestion.introducers.iter().map(|introducer| introducer.member_id.as_str()));
    for reason in &suggestion.reasons {
        match &reason.reason {
            Some(Why::Mutual(mutual)) => ids.push(&mutual.member_id),
            Some(Why::Chain(chain)) => ids.extend(chain.member_ids.iter().map(String::as_str)),
            Some(Why::OtherChains(_) | Why::Topic(_) | Why::Status(_) | Why::Leader(_)) | None => {}
        }
    }
    ids
}

/// Returns the table, then the reasons behind each of its rows.
pub fn rendered(response: &SuggestIntroductionsResponse, wording: &Wording) -> String {
    if response.suggestions.is_empty() {
        return format!("Nobody to suggest.\n{}", completeness(response.info.as_ref()));
    }
    let columns = [
        ("", Align::Right),
        ("member", Align::Left),
        ("score", Align::Right),
        ("hops", Align::Right),
        ("mutuals", Align::Right),
        ("shared topics", Align::Left),
        ("introducers", Align::Left),
    ];
    let mut table = Table::new(&columns);
    let mut reasons = String::new();
    for (i, suggestion) in response.suggestions.iter().enumerate() {
        let introducers: Vec<_> = suggestion.introducers.iter().map(|i| i.member_id.as_str()).collect();
        let label = wording.names.label(&suggestion.member_id);
        table.row(vec![
            (i + 1).to_string(),
            label.clone(),
            score(suggestion.score),
            suggestion.hops.to_string(),
            suggestion.mutuals.to_string(),
            suggestion.shared_topics.join(", "),
            introducers.join(", "),
        ]);
        let _ = write!(reasons, "\n{}. {label}\n{}", i + 1, in_words(suggestion, wording));
    }
    format!("{}{reasons}{}", table.render(), completeness(response.info.as_ref()))
}

/// Returns why a member is suggested: one branch for each reason.
fn in_words(suggestion: &Suggestion, wording: &Wording) -> String {
    let reasons: Vec<String> = suggestion.reasons.iter().map(|reason| reason_in_words(reason, wording)).collect();
    let last = reasons.len().saturating_sub(1);
    let branch = |i: usize| if i == last { "└─" } else { "├─" };
    reasons.iter().enumerate().map(|(i, reason)| format!("   {} {reason}\n", branch(i))).collect()
}

fn reason_in_words(reason: &Reason, wording: &Wording) -> String {
    let words = wording.reason(reason);
    let share = if reason.share > 0.0 { format!("  ({} of the score)", percent(reason.share)) } else { String::new() };
    words + &share
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::{ChainReason, LeaderReason, MutualReason, OtherChainsReason, StatusReason, TopicReason};

    fn reason(why: Why, share: f64) -> Reason {
        Reason { reason: Some(why), share }
    }

    #[test]
    fn every_reason_has_its_words() {
        let statuses = BTreeMap::from([("s".to_owned(), "Who owns your data?".to_owned())]);
        let wording = Wording { with_ids: true, names: Names::default(), statuses };
        let reasons = vec![
            reason(Why::Mutual(MutualReason { member_id: "wife".into() }), 0.25),
            reason(Why::Chain(ChainReason { member_ids: vec!["wife".into(), "cousin".into()] }), 0.25),
            reason(Why::OtherChains(OtherChainsReason { chains: 1 }), 0.125),
            reason(Why::OtherChains(OtherChainsReason { chains: 2 }), 0.125),
            reason(Why::Topic(TopicReason { topic: "privacy".into() }), 0.25),
            reason(Why::Leader(LeaderReason { topic: "privacy".into(), rank: 1, audience: 2 }), 0.0),
            reason(Why::Status(StatusReason { status_id: "s".into(), topics: vec![] }), 0.0),
        ];
        let suggestion = Suggestion { reasons, ..Suggestion::default() };
        assert_eq!(
            in_words(&suggestion, &wording),
            "   ├─ both know wife  (25.0 % of the score)\n   \
             ├─ a chain leads there through wife and cousin  (25.0 % of the score)\n   \
             ├─ one more chain leads there  (12.5 % of the score)\n   \
             ├─ 2 more chains lead there  (12.5 % of the score)\n   \
             ├─ interested in privacy  (25.0 % of the score)\n   \
             ├─ number 1 of those followed on privacy, by 2 members\n   \
             └─ posted s \"Who owns your data?\"\n"
        );
    }

    #[test]
    fn nobody_to_suggest_is_said_in_words() {
        let wording = Wording { with_ids: true, names: Names::default(), statuses: BTreeMap::new() };
        assert_eq!(rendered(&SuggestIntroductionsResponse::default(), &wording), "Nobody to suggest.\n");
    }
}
