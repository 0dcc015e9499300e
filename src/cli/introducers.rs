//! `kith introducers`: who can introduce a member to another.

use std::process::ExitCode;

use clap::Args;

use super::client::Client;
use super::failure::Failure;
use super::filter_args::{FilterArgs, MemberFilterArgs, ReadArgs};
use super::json;
use super::path::{ended, members_of};
use super::print::{Align, Directory, Table, chain_line, clean, completeness, percent, say, score};
use crate::proto::v1::{Completeness, FindIntroducersRequest, FindIntroducersResponse};

#[derive(Debug, Args)]
pub struct IntroducersArgs {
    /// Who wants to be introduced.
    member: String,
    /// To whom.
    target: String,
    /// Hops of the whole chain at most, 1-6; 3 when not given.
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(i32).range(1..))]
    max_hops: Option<i32>,
    /// How many at most, 1-100; 20 when not given.
    #[arg(long, value_name = "INTRODUCERS", value_parser = clap::value_parser!(i32).range(1..))]
    limit: Option<i32>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    members: MemberFilterArgs,
    #[command(flatten)]
    read: ReadArgs,
}

pub async fn run(client: &Client, args: &IntroducersArgs, json: bool) -> Result<ExitCode, Failure> {
    let request = FindIntroducersRequest {
        member_id: args.member.clone(),
        target_id: args.target.clone(),
        filter: args.filter.filter(),
        max_hops: args.max_hops.unwrap_or_default(),
        limit: args.limit.unwrap_or_default(),
        read: args.read.options(),
        member_filter: args.members.filter(),
    };
    let response = client.introductions().find_introducers(request).await?.into_inner();
    let complete = response.info.as_ref().is_none_or(|info| info.completeness() == Completeness::Complete);
    let ended = ended(!response.introducers.is_empty(), complete);
    if json {
        return say(&json::pretty("FindIntroducersResponse", &response)?).map(|()| ended);
    }
    if response.introducers.is_empty() {
        let (member, target) = (clean(&args.member, 128), clean(&args.target, 128));
        let note = completeness(response.info.as_ref());
        return say(&format!("Nobody was found who can introduce {member} to {target}.\n{note}")).map(|()| ended);
    }
    let paths = response.introducers.iter().filter_map(|introducer| introducer.path.as_ref());
    let directory = Directory::of(client, args.read.viewer(), members_of(paths)).await?;
    say(&rendered(&response, &directory)).map(|()| ended)
}

/// Returns the table, each chain in a line below it: chains are too wide for a cell.
pub fn rendered(response: &FindIntroducersResponse, directory: &Directory) -> String {
    let columns = [
        ("", Align::Right),
        ("score", Align::Right),
        ("introducer", Align::Left),
        ("to the member", Align::Right),
        ("to the target", Align::Right),
        ("willing", Align::Right),
        ("asked lately", Align::Right),
    ];
    let mut table = Table::new(&columns);
    let mut chains = String::new();
    for (i, introducer) in response.introducers.iter().enumerate() {
        table.row(vec![
            (i + 1).to_string(),
            score(introducer.score),
            directory.names.label(&introducer.member_id),
            percent(introducer.strength_to_member.into()),
            percent(introducer.strength_to_target.into()),
            percent(introducer.willingness),
            introducer.recent_asks.to_string(),
        ]);
        if let Some(path) = &introducer.path {
            chains += &format!("{}. {}\n", i + 1, chain_line(path, directory));
        }
    }
    format!("{}\n{chains}{}", table.render(), completeness(response.info.as_ref()))
}
