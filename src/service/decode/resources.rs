//! Members, kinds, edges and statuses as callers send them.

use super::bounds::{optional_time, some_member_ids, time};
use super::filter::sphere;
use super::mask::Mask;
use super::violations::{Decoded, Violations, all_or_return};
use super::{AskedFilter, within_bounds};
use crate::domain::limits::{
    ETAG_BYTES_MAX, HALF_LIFE_DEFAULT_MS, HOPS_MAX, INTERACTIONS_MAX, INTRODUCERS_PER_ORIGIN_MAX, REACH_HOPS_DEFAULT,
};
use crate::domain::{
    Audience, Block, EdgeAttrs, EdgeKey, EdgePut, Fields, History, InteractionRecord, Kind, KindAttrs, KindName,
    Member, MemberAttrs, MemberId, Origin, Precondition, Reason, Sphere, Status, StatusAttrs, StatusId, Strength,
    TimeMs, TopicSet, Violation, Visibility,
};
use crate::proto::v1 as pb;

/// What an etag in a put, update or delete asks for; nothing when empty.
pub fn etag_precondition(etag: &str) -> Result<Precondition, Violation> {
    if etag.is_empty() {
        return Ok(Precondition::None);
    }
    if etag.len() > ETAG_BYTES_MAX {
        return Err(Violation::new("etag", Reason::TooLong, format!("must be at most {ETAG_BYTES_MAX} bytes")));
    }
    Ok(Precondition::Etag(etag.to_owned()))
}

/// Reads what a mask names of a member.
pub fn member(message: pb::Member, mask: &Mask) -> Decoded<(Member, Precondition)> {
    let mut wrong = Violations::default();
    let id = wrong.check(MemberId::parse("id", &message.id));
    let topics = mask.only(MemberAttrs::TOPICS, message.topics);
    let topics = wrong.check(TopicSet::parse("topics", &topics));
    let privacy = message.privacy.unwrap_or_default();
    let edges_visibility = mask.only(MemberAttrs::EDGES_VISIBILITY, privacy.edges_visibility);
    let edges_visibility = wrong.check(visibility("privacy.edges_visibility", edges_visibility));
    let precondition = wrong.check(etag_precondition(&message.etag));
    let attrs = MemberAttrs {
        display_name: mask.only(MemberAttrs::DISPLAY_NAME, message.display_name),
        headline: mask.only(MemberAttrs::HEADLINE, message.headline),
        topics: topics.unwrap_or_default(),
        labels: mask.labels(MemberAttrs::LABELS, message.labels),
        edges_visibility: edges_visibility.unwrap_or_default(),
        hidden_from_suggestions: mask.only(MemberAttrs::HIDDEN_FROM_SUGGESTIONS, privacy.hidden_from_suggestions),
        declines_introducing: mask.only(MemberAttrs::DECLINES_INTRODUCING, privacy.declines_introducing),
        processing_restricted: mask.only(MemberAttrs::PROCESSING_RESTRICTED, privacy.processing_restricted),
        objects_to_profiling: mask.only(MemberAttrs::OBJECTS_TO_PROFILING, privacy.objects_to_profiling),
    };
    wrong.extend(attrs.violations());
    all_or_return!(wrong; id, precondition);
    Ok((Member { id, attrs }, precondition))
}

fn visibility(field: &str, value: i32) -> Result<Visibility, Violation> {
    match pb::Visibility::try_from(value) {
        Ok(pb::Visibility::Unspecified | pb::Visibility::Everyone) => Ok(Visibility::Everyone),
        Ok(pb::Visibility::Connections) => Ok(Visibility::Connections),
        Ok(pb::Visibility::Parties) => Ok(Visibility::Parties),
        Err(_) => Err(Violation::new(field, Reason::OutOfRange, "is no visibility")),
    }
}

/// Two members, one of whom blocks the other.
pub fn block(message: pb::Block) -> Decoded<Block> {
    let mut wrong = Violations::default();
    let by = wrong.check(MemberId::parse("member_id", &message.member_id));
    let of = wrong.check(MemberId::parse("blocked_id", &message.blocked_id));
    all_or_return!(wrong; by, of);
    if by == of {
        return Err(Violation::new("blocked_id", Reason::SelfEdge, "must differ from member_id").into());
    }
    Ok(Block { by, of })
}

/// The same, in a request's field `block`.
pub fn block_within(message: Option<pb::Block>) -> Decoded<Block> {
    let message = message.ok_or_else(|| Violation::required("block"))?;
    block(message).map_err(|wrong| wrong.within("block"))
}

/// Reads what a mask names of a kind.
pub fn kind(message: pb::Kind, mask: &Mask) -> Decoded<(Kind, Precondition)> {
    let mut wrong = Violations::default();
    let name = wrong.check(KindName::parse("name", &message.name));
    // Where no sphere is named, one stands in for that of the kind there is; where there is none, the merge is refused.
    let sphere = match mask.names(KindAttrs::SPHERE) {
        true => wrong.check(sphere("sphere", message.sphere)),
        false => Some(Sphere::default()),
    };
    let half_life = wrong.check(half_life(mask.only(KindAttrs::HALF_LIFE, message.half_life)));
    let precondition = wrong.check(etag_precondition(&message.etag));
    let prior = mask.only(KindAttrs::PRIOR, message.prior);
    wrong.extend(Kind::violations(prior, half_life.unwrap_or(HALF_LIFE_DEFAULT_MS)));
    all_or_return!(wrong; name, sphere, half_life, precondition);
    let symmetric = mask.only(KindAttrs::SYMMETRIC, message.symmetric);
    let mut kind = Kind::new(name, sphere, symmetric, prior, half_life)?;
    let carries = mask.only(KindAttrs::CARRIES_STATUSES, message.carries_statuses);
    kind.attrs.carries_statuses = carries.unwrap_or(kind.attrs.carries_statuses);
    Ok((kind, precondition))
}

fn half_life(message: Option<prost_types::Duration>) -> Result<u64, Violation> {
    let Some(duration) = message else { return Ok(HALF_LIFE_DEFAULT_MS) };
    let out_of_range = || Violation::new("half_life", Reason::OutOfRange, "must be from one minute to 100 years");
    let seconds = u64::try_from(duration.seconds).map_err(|_| out_of_range())?;
    let nanos = u64::try_from(duration.nanos).ok().filter(|nanos| *nanos < 1_000_000_000).ok_or_else(out_of_range)?;
    seconds.checked_mul(1_000).and_then(|ms| ms.checked_add(nanos / 1_000_000)).ok_or_else(out_of_range)
}

pub fn edge_key(from_id: &str, kind: &str, to_id: &str) -> Decoded<EdgeKey> {
    let mut wrong = Violations::default();
    let from = wrong.check(MemberId::parse("from_id", from_id));
    let kind = wrong.check(KindName::parse("kind", kind));
    let to = wrong.check(MemberId::parse("to_id", to_id));
    all_or_return!(wrong; from, kind, to);
    Ok(EdgeKey::new(from, kind, to)?)
}

/// Reads what a mask names of an edge.
pub fn edge_put(message: pb::Edge, mask: &Mask) -> Decoded<(EdgePut, Precondition)> {
    let mut wrong = Violations::default();
    let key = wrong.check(edge_key(&message.from_id, &message.kind, &message.to_id));
    let pinned = mask.only(EdgeAttrs::PINNED, message.pinned_strength);
    let pinned = wrong.check(pinned.map(|value| Strength::parse("pinned_strength", value)).transpose());
    let history = match mask.names(EdgeAttrs::HISTORY) {
        true => wrong.check(history(&message)),
        false => Some(None),
    };
    let since = wrong.check(optional_time("since", mask.only(EdgeAttrs::SINCE, message.since)));
    let visibility = wrong.check(visibility("visibility", mask.only(EdgeAttrs::VISIBILITY, message.visibility)));
    let origin = mask.only(EdgeAttrs::ORIGIN, message.origin);
    let origin = wrong.check_in("origin", origin.map(origin_of).transpose());
    let precondition = wrong.check(etag_precondition(&message.etag));
    let asked_by = (!message.asked_by_id.is_empty()).then(|| MemberId::parse("asked_by_id", &message.asked_by_id));
    let asked_by = wrong.check(asked_by.transpose());
    if let (Some(key), Some(Some(id))) = (&key, &asked_by)
        && ![&key.from, &key.to].contains(&id)
    {
        wrong.add(Violation::new("asked_by_id", Reason::OutOfRange, "must be from_id or to_id"));
    }
    // The other attributes are checked whether these are right or not.
    let attrs = EdgeAttrs {
        pinned: pinned.flatten(),
        history: history.flatten().unwrap_or_default(),
        since: since.flatten(),
        visibility: visibility.unwrap_or_default(),
        note: mask.only(EdgeAttrs::NOTE, message.note),
        origin: origin.flatten(),
        asked_by: asked_by.flatten(),
        labels: mask.only(EdgeAttrs::LABELS, message.labels),
    };
    wrong.extend(attrs.violations());
    all_or_return!(wrong; key, precondition);
    // What was recorded of interactions stays where nothing is said of them.
    let unsaid = if history == Some(None) { EdgeAttrs::HISTORY } else { Fields::NONE };
    let kept = EdgeAttrs::ALL.without(mask.fields).and(unsaid);
    Ok((EdgePut { key, attrs, kept }, precondition))
}

fn history(message: &pb::Edge) -> Decoded<Option<History>> {
    let mut wrong = Violations::default();
    let count = wrong.check(u64::try_from(message.interactions).map_err(|_| {
        Violation::new("interactions", Reason::OutOfRange, format!("must be from 0 to {INTERACTIONS_MAX}"))
    }));
    let last = wrong.check(optional_time("last_interaction_time", message.last_interaction_time));
    all_or_return!(wrong; count, last);
    Ok(EdgePut::history_of(count, message.interaction_weight, last)?)
}

fn origin_of(message: pb::Origin) -> Decoded<Origin> {
    let mut wrong = Violations::default();
    let status = (!message.status_id.is_empty()).then(|| StatusId::parse("status_id", &message.status_id));
    let status = wrong.check(status.transpose());
    let introducers =
        wrong.check(some_member_ids("introducer_ids", &message.introducer_ids, INTRODUCERS_PER_ORIGIN_MAX));
    if !wrong.is_empty() {
        wrong.extend(Origin { note: message.note.clone(), ..Origin::default() }.violations());
    }
    all_or_return!(wrong; status, introducers);
    Ok(Origin { status, introducers, note: message.note })
}

/// `now` is the time of an interaction without one.
pub fn interaction(message: pb::Interaction, now: TimeMs) -> Decoded<InteractionRecord> {
    let mut wrong = Violations::default();
    let key = wrong.check(edge_key(&message.from_id, &message.kind, &message.to_id));
    let count = wrong.check(match message.count {
        0 => Ok(1),
        count => u64::try_from(count)
            .map_err(|_| Violation::new("count", Reason::OutOfRange, format!("must be from 1 to {INTERACTIONS_MAX}"))),
    });
    let when = wrong.check(message.time.map_or(Ok(now), |value| time("time", value)));
    if let (Some(count), Some(when), None) = (count, when, &key) {
        wrong.check(InteractionRecord::check(count, when));
    }
    all_or_return!(wrong; key, count, when);
    Ok(InteractionRecord::new(key, count, when)?)
}

/// `new_id` makes the id of a status without one, `now` is its time if it has none.
pub fn status(message: pb::Status, now: TimeMs, new_id: impl FnOnce() -> String) -> Decoded<Status> {
    let mut wrong = Violations::default();
    let id = if message.id.is_empty() { new_id() } else { message.id };
    let id = wrong.check(StatusId::parse("id", &id));
    let author = wrong.check(MemberId::parse("author_id", &message.author_id));
    let topics = wrong.check(TopicSet::parse("topics", &message.topics));
    let audience = wrong.check_in("audience", audience(message.audience));
    let post_time = wrong.check(message.post_time.map_or(Ok(now), |value| time("post_time", value)));
    let expire_time = wrong.check(optional_time("expire_time", message.expire_time));
    if !wrong.is_empty() {
        // The texts are checked whether the rest is right or not.
        wrong.extend(Status::text_violations(&message.text, &message.link));
    }
    all_or_return!(wrong; id, author, topics, audience, post_time, expire_time);
    let attrs = StatusAttrs { text: message.text, link: message.link, topics, audience, post_time, expire_time };
    let status = Status { id, author, attrs };
    wrong.extend(status.violations());
    if wrong.is_empty() { Ok(status) } else { Err(wrong) }
}

fn audience(message: Option<pb::Audience>) -> Decoded<Audience> {
    let message = message.unwrap_or_default();
    let mut wrong = Violations::default();
    let filter = wrong.check_in("filter", AskedFilter::decode(message.filter.as_ref()));
    let max_hops = wrong.check(within_bounds("max_hops", message.max_hops, REACH_HOPS_DEFAULT, HOPS_MAX));
    all_or_return!(wrong; filter, max_hops);
    Ok(Audience { filter: filter.filter, max_hops })
}
