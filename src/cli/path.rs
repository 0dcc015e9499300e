//! `kith path`: through whom one member could have found another.

use std::fmt::Write;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::client::Client;
use super::failure::Failure;
use super::filter_args::{FilterArgs, ReadArgs};
use super::json;
use super::picture::{PictureArgs, chain::Chains};
use super::print::{Directory, clean, completeness, count, path_tree, percent, say, spheres_of};
use crate::proto::v1::{FindPathsRequest, FindPathsResponse, Path, Ranking};

/// The exit code when there is no path between the two members.
const NONE_THERE: u8 = 4;
/// The exit code when a limit ended the search before a path was found.
const NONE_FOUND: u8 = 5;

#[derive(Debug, Args)]
pub struct PathArgs {
    /// Where the paths start.
    from: String,
    /// Where they end.
    to: String,
    /// How many paths at most, 1-50.
    #[arg(short, value_name = "PATHS", default_value_t = 1, value_parser = clap::value_parser!(i32).range(1..))]
    k: i32,
    /// What makes a path better: few hops, or a strong chain.
    #[arg(long, value_enum, default_value_t = RankingArg::Hops)]
    ranking: RankingArg,
    /// Hops at most, 1-6; 6 when not given.
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(i32).range(1..))]
    max_hops: Option<i32>,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    picture: PictureArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum RankingArg {
    Hops,
    Strength,
}

pub async fn run(client: &Client, args: &PathArgs, json: bool) -> Result<ExitCode, Failure> {
    args.picture.check(json)?;
    let ranking = match args.ranking {
        RankingArg::Hops => Ranking::Hops,
        RankingArg::Strength => Ranking::Strength,
    };
    let request = FindPathsRequest {
        from_id: args.from.clone(),
        to_id: args.to.clone(),
        filter: args.filter.filter(),
        k: args.k,
        max_hops: args.max_hops.unwrap_or_default(),
        ranking: ranking.into(),
        read: args.read.options(),
    };
    let response = client.paths().find_paths(request).await?.into_inner();
    if args.picture.are_wanted() {
        let ends = [args.from.as_str(), args.to.as_str()];
        let directory = Directory::of(client, args.read.viewer(), members_of(&response.paths).chain(ends)).await?;
        args.picture.write(&Chains { response: &response, directory: &directory, ends: ends.into() })?;
    }
    let ended = ended(!response.paths.is_empty(), response.optimal);
    if args.picture.replace_words() {
        return Ok(ended);
    }
    if json {
        return say(&json::pretty("FindPathsResponse", &response)?).map(|()| ended);
    }
    let directory = Directory::of(client, args.read.viewer(), members_of(&response.paths)).await?;
    let text = if response.paths.is_empty() { none(args, &response) } else { rendered(&response, &directory) };
    say(&text).map(|()| ended)
}

/// Returns the exit code: 0 if a path was found, 4 if there is none, 5 if none was found before a limit ended the search.
pub fn ended(found: bool, all_was_searched: bool) -> ExitCode {
    match (found, all_was_searched) {
        (true, _) => ExitCode::SUCCESS,
        (false, true) => ExitCode::from(NONE_THERE),
        (false, false) => ExitCode::from(NONE_FOUND),
    }
}

/// Returns every member on these paths.
pub fn members_of<'a>(paths: impl IntoIterator<Item = &'a Path>) -> impl Iterator<Item = &'a str> {
    let steps = paths.into_iter().flat_map(|path| &path.steps);
    steps.flat_map(|step| [step.from_id.as_str(), step.to_id.as_str()])
}

fn none(args: &PathArgs, response: &FindPathsResponse) -> String {
    let (from, to) = (clean(&args.from, 128), clean(&args.to, 128));
    let within = args.max_hops.map(|hops| format!(" within {}", count(hops, "hop"))).unwrap_or_default();
    let filter = if args.filter.filter().is_some() { " that passes the filter" } else { "" };
    let found = if response.optimal { "There is no path" } else { "No path was found" };
    format!("{found} from {from} to {to}{within}{filter}.\n{}", completeness(response.info.as_ref()))
}

/// Returns the paths as numbered trees, and what is known beyond them.
pub fn rendered(response: &FindPathsResponse, directory: &Directory) -> String {
    let mut text = String::new();
    for (i, path) in response.paths.iter().enumerate() {
        if path.steps.is_empty() {
            text += "The two are one and the same: 0 hops.\n";
            continue;
        }
        let (hops, strength) = (count(path.hops, "hop"), percent(path.strength.into()));
        let spheres = spheres_of(path, directory);
        let _ = writeln!(text, "{}. {hops}, chain strength {strength}, {spheres}", i + 1);
        text += &path_tree(path, directory, "   ");
    }
    if response.shortest_path_count > 1 {
        let hops = response.paths.iter().map(|path| path.hops).min().unwrap_or_default();
        let _ = writeln!(text, "{} paths have {}.", response.shortest_path_count, count(hops, "hop"));
    }
    if !response.optimal {
        match response.strength_bound {
            Some(bound) => {
                let _ = writeln!(text, "There may be better ones, none stronger than {}.", percent(bound.into()));
            }
            None => text += "There may be better ones.\n",
        }
    }
    text + &completeness(response.info.as_ref())
}
