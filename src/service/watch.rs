//! `DataService.Watch`: changes as they are made.

use std::borrow::Cow;
use std::future::pending;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;

use super::call::Call;
use super::decode::{Violations, all_or_return};
use super::encode;
use super::live::{Made, Since, Watcher};
use super::services::Service;
use super::streamed::Streamed;
use super::watch_filter::WatchFilter;
use super::watchers::{WATCHERS_MAX, WATCHERS_PER_CALLER_MAX, Watchers, messages_of};
use crate::domain::{Error, NamespaceName, Reason, Sequence, TimeMs, Violation};
use crate::engine::{Feed, Revision, no_namespace, stopped};
use crate::proto::v1 as pb;

/// When a caller is to retry that was refused because too many watch.
const RETRY_AFTER_MS: u64 = 1_000;
const HEARTBEAT_DEFAULT_S: i64 = 10;
const HEARTBEAT_MAX_S: i64 = 60;
/// How many messages are made before the first of them is taken.
const MESSAGES_AHEAD: usize = 4;

pub async fn watch(
    service: &Service,
    Call { context, message }: Call<pb::WatchRequest>,
) -> Result<Streamed<pb::WatchResponse>, Error> {
    let mut wrong = Violations::default();
    let heartbeat = wrong.check(heartbeat(message.heartbeat_interval));
    let filter = wrong.check(WatchFilter::decode(&message.resource_types, message.id_prefix));
    wrong.check(service.engine.check_revision("from_revision", &message.from_revision));
    all_or_return!(wrong; heartbeat, filter);
    let (Watchers { shares, live, stopping }, caller) = (&service.watchers, context.principal.share());
    let share = shares.take(caller.clone()).ok_or_else(|| Error::Overloaded {
        message: format!("{WATCHERS_PER_CALLER_MAX} streams of changes of this caller, or {WATCHERS_MAX}, are open"),
        retry_after_ms: RETRY_AFTER_MS,
    })?;
    let namespace = service.engine.namespace().clone();
    service.engine.state()?;
    let watcher = live.join();
    let feed = service.engine.feed("from_revision", &message.from_revision, caller).await?;
    let (outlet, messages) = mpsc::channel(MESSAGES_AHEAD);
    let (mut stopping, deadline) = (stopping.clone(), context.deadline);
    let sender = Sender { outlet: outlet.clone(), namespace, filter, heartbeat, last: Instant::now() };
    let sending = tokio::spawn(async move {
        let _share = share;
        let passed = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => pending().await,
            }
        };
        tokio::select! {
            ended = send_all(feed, watcher, sender) => ended,
            () = passed => Err(Error::DeadlineExceeded),
            _ = stopping.wait_for(|stopping| *stopping) => Err(stopped()),
            () = outlet.closed() => Ok(()),
        }
    });
    Ok(Streamed::new(messages, async {
        sending.await.unwrap_or_else(|error| Err(Error::Internal(format!("a stream of changes ended badly: {error}"))))
    }))
}

fn heartbeat(interval: Option<prost_types::Duration>) -> Result<Duration, Violation> {
    let interval = interval.unwrap_or(prost_types::Duration { seconds: HEARTBEAT_DEFAULT_S, nanos: 0 });
    let least_and_most = Duration::from_secs(1)..=Duration::from_secs(HEARTBEAT_MAX_S as u64);
    let interval = Duration::try_from(interval).ok().filter(|interval| least_and_most.contains(interval));
    interval.ok_or_else(|| {
        let message = format!("must be from 1 to {HEARTBEAT_MAX_S} s");
        Violation::new("heartbeat_interval", Reason::OutOfRange, message)
    })
}

/// Sends what a watcher wants.
struct Sender {
    namespace: NamespaceName,
    outlet: mpsc::Sender<pb::WatchResponse>,
    filter: WatchFilter,
    heartbeat: Duration,
    /// When the last message was sent.
    last: Instant,
}

/// Sends changes until the watcher is gone.
async fn send_all(mut feed: Feed, mut watcher: Watcher, mut sender: Sender) -> Result<(), Error> {
    let mut position = feed.position();
    loop {
        let is_sent = match watcher.since(position) {
            Since::Made(made) => sender.send(made.iter().map(|made| &**made), &mut position, Beat::of(&feed)).await?,
            Since::Behind => catch_up(&mut feed, &mut position, &mut sender).await?,
            Since::UpToDate => match tokio::time::timeout(sender.heartbeat, watcher.newer(position)).await {
                Ok(()) => true,
                Err(_) => {
                    // What can be read is sent, even when the task that reads for all is held up.
                    if feed.namespaces().sequence() > position {
                        catch_up(&mut feed, &mut position, &mut sender).await?
                    } else {
                        // A watcher that takes nothing knows already that the stream lives.
                        let _ = sender.outlet.try_send(Beat::of(&feed).at(position));
                        sender.last = Instant::now();
                        true
                    }
                }
            },
        };
        if !is_sent {
            return Ok(());
        }
    }
}

/// Reads the log for this watcher alone, and returns false if it is gone.
async fn catch_up(feed: &mut Feed, position: &mut Sequence, sender: &mut Sender) -> Result<bool, Error> {
    feed.seek(*position);
    let made = feed.next(messages_of).await?;
    let is_sent = sender.send(made.iter(), position, Beat::of(feed)).await?;
    // Behind them there may be commits of other namespaces.
    *position = feed.position();
    Ok(is_sent && sender.beat(*position, Beat::of(feed)).await)
}

/// What a message says where there is nothing else to say.
#[derive(Clone, Copy)]
struct Beat {
    store_id: u128,
    now: TimeMs,
}

impl Beat {
    fn of(feed: &Feed) -> Beat {
        Beat { store_id: feed.namespaces().store_id(), now: feed.now() }
    }

    /// Returns the message of how far a watcher has come.
    fn at(self, position: Sequence) -> pb::WatchResponse {
        let revision = Revision::new(self.store_id, position).to_string();
        pb::WatchResponse { revision, commit_time: Some(encode::timestamp(self.now)), changes: Vec::new() }
    }
}

impl Sender {
    /// Sends the messages of the watcher's namespace, and returns false if the watcher is gone. Where nothing is wanted of what is made
    /// for long, the watcher hears how far it has come.
    async fn send(
        &mut self,
        made: impl Iterator<Item = &Made>,
        position: &mut Sequence,
        beat: Beat,
    ) -> Result<bool, Error> {
        for made in made {
            let is_own = made.namespace == self.namespace;
            let messages = if is_own { self.filter.messages(made) } else { Cow::Borrowed(&[][..]) };
            *position = made.sequence;
            if is_own && made.ends_namespace {
                return Err(no_namespace(&self.namespace));
            }
            for message in messages.iter() {
                if self.outlet.send(message.clone()).await.is_err() {
                    return Ok(false);
                }
                self.last = Instant::now();
            }
            if !self.beat(*position, beat).await {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Says how far the watcher has come if nothing was sent for long, and returns false if the watcher is gone.
    async fn beat(&mut self, position: Sequence, beat: Beat) -> bool {
        if self.last.elapsed() < self.heartbeat {
            return true;
        }
        self.last = Instant::now();
        self.outlet.send(beat.at(position)).await.is_ok()
    }
}
