//! `kith reach`: counts and lists who can see a member's statuses, how far, and through which part of their life.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::{ArgGroup, Args};

use super::client::Client;
use super::failure::Failure;
use super::filter_args::{FilterArgs, MemberFilterArgs, ReadArgs};
use super::json;
use super::picture::PictureArgs;
use super::picture::SPHERES;
use super::picture::rings::{Lead, Rings};
use super::print::{Align, Directory, Names, Table, clean, completeness, count, percent, say, thousands};
use crate::proto::v1::{
    FindPathsRequest, GetReachRequest, GetReachResponse, GetStatusRequest, ListReachRequest, ListReachResponse,
    PathStep, Ranking, ReachHop, ReachedMember, ReadOptions, Sphere, get_reach_request, list_reach_request,
};

const PAGE_SIZE: i32 = 1_000;
/// More members than this are too many to fetch and to look at.
const DRAWN_MAX: i32 = 50_000;

#[derive(Debug, Args)]
#[command(group(ArgGroup::new("subject").required(true).args(["member", "status"])))]
pub struct ReachArgs {
    /// Whose reach.
    member: Option<String>,
    /// Instead of a member: the reach of this status, through its audience.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Hops at most, 1-6; 3 when not given, or the status's own.
    #[arg(long, value_name = "HOPS", value_parser = clap::value_parser!(i32).range(1..))]
    max_hops: Option<i32>,
    /// List the members too, hop by hop.
    #[arg(long)]
    list: bool,
    /// List only those whom no single part of life leads here, each with its chain and where that changes.
    #[arg(long, conflicts_with = "list")]
    crossing: bool,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    members: MemberFilterArgs,
    #[command(flatten)]
    read: ReadArgs,
    #[command(flatten)]
    picture: PictureArgs,
}

impl ReachArgs {
    fn counted(&self) -> GetReachRequest {
        use get_reach_request::Subject;
        let member = self.member.clone().map(Subject::MemberId);
        GetReachRequest {
            subject: self.status.clone().map(Subject::StatusId).or(member),
            filter: self.filter.filter(),
            max_hops: self.max_hops.unwrap_or_default(),
            read: self.read.options(),
            member_filter: self.members.filter(),
        }
    }

    fn listed(&self, read: Option<ReadOptions>) -> ListReachRequest {
        use list_reach_request::Subject;
        let member = self.member.clone().map(Subject::MemberId);
        ListReachRequest {
            subject: self.status.clone().map(Subject::StatusId).or(member),
            filter: self.filter.filter(),
            max_hops: self.max_hops.unwrap_or_default(),
            page_size: PAGE_SIZE,
            page_token: String::new(),
            read,
            crossing_only: self.crossing,
            member_filter: self.members.filter(),
        }
    }
}

pub async fn run(client: &Client, args: &ReachArgs, json: bool) -> Result<(), Failure> {
    args.picture.check(json)?;
    if args.picture.are_wanted() {
        draw(client, args).await?;
    }
    if args.picture.replace_words() {
        return Ok(());
    }
    let listed = args.list || args.crossing;
    if json && listed {
        return list_as_json(client, args.listed(args.read.options())).await;
    }
    let response = client.reach().get_reach(args.counted()).await?.into_inner();
    if json {
        return say(&json::pretty("GetReachResponse", &response)?);
    }
    say(&rendered(&response))?;
    if !listed {
        return Ok(());
    }
    // The list is read at the same revision and time as the table above it.
    let mut read = args.read.options().unwrap_or_default();
    if let Some(info) = &response.info {
        read.min_revision = info.revision.clone();
        read.as_of = info.as_of;
    }
    list(client, args.read.viewer(), args.listed(Some(read))).await
}

/// Draws the whole reach, at one revision and time: part of a ring would look like all of it.
async fn draw(client: &Client, args: &ReachArgs) -> Result<(), Failure> {
    let mut request = args.counted();
    request.read.get_or_insert_default().require_complete = true;
    let response = client.reach().get_reach(request).await?.into_inner();
    if response.members > DRAWN_MAX {
        let (members, max) = (count(response.members, "member"), thousands(DRAWN_MAX.into()));
        let advice = "narrow it by --max-hops, --sphere, --kind or --min-strength";
        return Err(Failure::new(format!("{members} are too many for a picture, which holds {max}; {advice}")));
    }
    let mut read = args.read.options().unwrap_or_default();
    read.require_complete = true;
    if let Some(info) = &response.info {
        read.min_revision = info.revision.clone();
        read.as_of = info.as_of;
    }
    let mut hops = BTreeMap::new();
    let mut masks: BTreeMap<String, u8> = BTreeMap::new();
    for (bit, sphere) in SPHERES.into_iter().enumerate() {
        // A sphere that leads to nobody may be one that the filter's kinds rule out.
        if response.hops.iter().any(|hop| counted_under(hop, sphere) > 0) {
            let mut request = ListReachRequest { crossing_only: false, ..args.listed(Some(read.clone())) };
            request.filter.get_or_insert_default().spheres = vec![sphere.into()];
            for item in all_pages(client, request).await?.items {
                *masks.entry(item.member_id).or_default() |= 1 << bit;
            }
        }
    }
    let everyone = ListReachRequest { crossing_only: false, ..args.listed(Some(read.clone())) };
    for item in all_pages(client, everyone).await?.items {
        let mask = masks.get(&item.member_id).copied().unwrap_or_default();
        hops.entry(item.hop).or_insert_with(Vec::new).push((item.member_id, mask));
    }
    let shown = hops.values().flatten().map(|(id, _): &(String, u8)| id.as_str());
    let directory = Directory::of(client, args.read.viewer(), shown.chain(args.member.as_deref())).await?;
    let names = &directory.names;
    let status = args.status.as_ref().map(|status| format!("status {}", clean(status, 128)));
    let subject = status.unwrap_or_else(|| names.name(args.member.as_deref().unwrap_or_default()));
    let mut rings = Rings { response: &response, hops, leads: BTreeMap::new(), names, subject: &subject };
    // Where there is no room for names, lines would be a tangle.
    if rings.has_names() {
        rings.leads = leads(client, args, &rings.hops, &read, &directory).await?;
    }
    args.picture.write(&rings)
}

/// Returns the last step to each member, of the strongest of its shortest paths. It is empty for a status under another filter than its
/// audience's, and for one whose audience names no kinds: no path query can ask how those travel.
async fn leads(
    client: &Client,
    args: &ReachArgs,
    hops: &BTreeMap<i32, Vec<(String, u8)>>,
    read: &ReadOptions,
    directory: &Directory,
) -> Result<BTreeMap<String, Lead>, Failure> {
    let mut leads = BTreeMap::new();
    let (subject, filter) = match (&args.member, &args.status) {
        (Some(member), _) => (member.clone(), args.filter.filter()),
        (None, Some(status)) if args.filter.filter().is_none() => {
            let viewer_id = args.read.viewer().to_owned();
            let request = GetStatusRequest { id: status.clone(), viewer_id, ..GetStatusRequest::default() };
            let status = client.statuses().get_status(request).await?.into_inner().status.unwrap_or_default();
            let filter = status.audience.unwrap_or_default().filter;
            if filter.as_ref().is_none_or(|filter| filter.kinds.is_empty()) {
                return Ok(leads);
            }
            (status.author_id, filter)
        }
        _ => return Ok(leads),
    };
    // A part of a strongest path is a strongest path too: a member on the way to one further out need not be asked about.
    for (hop, members) in hops.iter().rev() {
        for (id, _) in members {
            if leads.contains_key(id) {
                continue;
            }
            let request = FindPathsRequest {
                from_id: id.clone(),
                to_id: subject.clone(),
                filter: filter.clone(),
                k: 1,
                max_hops: *hop,
                ranking: Ranking::Hops.into(),
                read: Some(read.clone()),
            };
            let paths = client.paths().find_paths(request).await?.into_inner().paths;
            for step in paths.iter().flat_map(|path| &path.steps) {
                leads.entry(step.from_id.clone()).or_insert_with(|| lead(step, &subject, directory));
            }
        }
    }
    Ok(leads)
}

fn lead(step: &PathStep, subject: &str, directory: &Directory) -> Lead {
    let kinds: Vec<&str> = step.edges.iter().map(|edge| edge.kind.as_str()).collect();
    let [from, to] = [&step.from_id, &step.to_id].map(|id| directory.names.name(id));
    Lead {
        by: (step.to_id != subject).then(|| step.to_id.clone()),
        sphere: step.edges.first().map_or(Sphere::Unspecified, |edge| directory.sphere(edge)),
        words: format!("{from} to {to}: {}, {}", kinds.join(", "), percent(step.strength.into())),
    }
}

fn counted_under(hop: &ReachHop, sphere: Sphere) -> i32 {
    let counted = match sphere {
        Sphere::Personal => hop.personal,
        Sphere::Professional => hop.professional,
        Sphere::Public => hop.public,
        Sphere::Unspecified => None,
    };
    counted.unwrap_or_default()
}

/// Returns the table of hops, its totals, and what is not known.
pub fn rendered(response: &GetReachResponse) -> String {
    if response.hops.is_empty() {
        return format!("Nobody is in reach.\n{}", completeness(response.info.as_ref()));
    }
    let columns = ["hop", "members", "personal", "professional", "public", "crossing"].map(|name| (name, Align::Right));
    let mut table = Table::new(&columns);
    for hop in &response.hops {
        table.row(cells(hop.hop.to_string(), hop));
    }
    table.row(cells("all".to_owned(), &total(response)));
    format!("{}{}", table.render(), completeness(response.info.as_ref()))
}

fn cells(name: String, hop: &ReachHop) -> Vec<String> {
    let known = |count: Option<i32>| count.map_or("?".to_owned(), |count| thousands(count.into()));
    let spheres = [hop.personal, hop.professional, hop.public, hop.crossing].map(known);
    [name, thousands(hop.members.into())].into_iter().chain(spheres).collect()
}

/// Returns the sums; unknown where one hop's count is.
fn total(response: &GetReachResponse) -> ReachHop {
    let sum = |count: fn(&ReachHop) -> Option<i32>| response.hops.iter().map(count).sum();
    ReachHop {
        hop: 0,
        members: response.members,
        personal: sum(|hop| hop.personal),
        professional: sum(|hop| hop.professional),
        public: sum(|hop| hop.public),
        crossing: sum(|hop| hop.crossing),
    }
}

/// Prints page by page: a reach of millions is read while it comes.
async fn list(client: &Client, viewer: &str, mut request: ListReachRequest) -> Result<(), Failure> {
    let mut hop = 0;
    loop {
        let page = client.reach().list_reach(request.clone()).await?.into_inner();
        let names = Names::of(client, viewer, page.items.iter().map(|item| item.member_id.as_str())).await?;
        let mut text = String::new();
        for item in &page.items {
            if item.hop != hop {
                hop = item.hop;
                let _ = writeln!(text, "\n{} away", count(hop, "hop"));
            }
            let _ = writeln!(text, "  {}{}", names.label(&item.member_id), witnessed(item));
        }
        say(&text)?;
        if page.next_page_token.is_empty() {
            return say(&completeness(page.info.as_ref()));
        }
        request.page_token = page.next_page_token;
    }
}

/// Returns the chain by which a member is in reach, and where it changes to another part of life.
fn witnessed(item: &ReachedMember) -> String {
    let Some(chain) = &item.chain else { return String::new() };
    let members: Vec<String> = chain.steps.iter().map(|step| clean(&step.to_id, 128)).collect();
    format!(": by {}, changing at {}", members.join(" and "), clean(&item.switch_member_id, 128))
}

async fn list_as_json(client: &Client, request: ListReachRequest) -> Result<(), Failure> {
    say(&json::pretty("ListReachResponse", &all_pages(client, request).await?)?)
}

/// Returns all pages as one.
async fn all_pages(client: &Client, mut request: ListReachRequest) -> Result<ListReachResponse, Failure> {
    let mut items: Vec<ReachedMember> = Vec::new();
    loop {
        let page = client.reach().list_reach(request.clone()).await?.into_inner();
        items.extend(page.items);
        if page.next_page_token.is_empty() {
            return Ok(ListReachResponse { items, next_page_token: String::new(), info: page.info });
        }
        request.page_token = page.next_page_token;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(hop: i32, members: i32, personal: Option<i32>) -> ReachHop {
        ReachHop { hop, members, personal, professional: Some(1), public: Some(0), crossing: Some(2) }
    }

    #[test]
    fn hops_and_their_totals_stand_in_a_table() {
        let hops = vec![hop(1, 1_200, Some(4)), hop(2, 10, Some(5))];
        let text = rendered(&GetReachResponse { hops, members: 1_210, info: None });
        let last = text.lines().last().unwrap().split_whitespace().collect::<Vec<_>>();
        assert_eq!(last, ["all", "1,210", "9", "2", "0", "4"]);
    }

    #[test]
    fn a_count_that_is_not_known_makes_its_total_unknown() {
        let hops = vec![hop(1, 3, Some(4)), hop(2, 10, None)];
        let total = total(&GetReachResponse { hops, members: 13, info: None });
        assert_eq!((total.personal, total.professional), (None, Some(2)));
    }

    #[test]
    fn nobody_in_reach_is_said_in_words() {
        assert_eq!(rendered(&GetReachResponse::default()), "Nobody is in reach.\n");
    }
}
