//! What is hidden takes no time: of two worlds that differ in what a viewer may not see, times show it no more than of a world and its
//! own copy.
//!
//! Held to its bar with `KITH_TIMES=1`, on a machine that does nothing else: ten starts of each world, 3,000 calls of each question in all,
//! one after the other. Otherwise a few, to see that it works. `KITH_STARTS` is how many starts, `KITH_CALLS` how many calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::proto::v1::import_record::Record;
use tonic::{Code, Status};

use super::ask::*;
use super::harness::bars_hold;
use super::timed_worlds::*;

/// How much more of the time one may guess right which of two worlds an answer is of.
const GUESSED_MORE_MAX: f64 = 0.05;
/// How much more of the calls with a short deadline may be late.
const LATE_MORE_MAX: f64 = 0.1;
/// A leak that has to be noticed.
const LEAK: Duration = Duration::from_micros(10);
/// The leak that has to be noticed of answers that keep to steps of time: a step. Less is lost in the clock that ends the steps.
const STEP: Duration = Duration::from_millis(2);
const STEPPED: [&str; 4] = ["GetStatus", "ListStatuses", "DiscoverStatuses", "ListLeaders"];

/// The odds that a time of the one is less than one of the other (the area under the ROC curve): ½ if they are alike.
fn odds(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> = one.iter().map(|time| (*time, true)).collect();
    all.extend(other.iter().map(|time| (*time, false)));
    all.sort_unstable();
    let (mut before, mut won) = (0.0, 0.0);
    for equal in all.chunk_by(|a, b| a.0 == b.0) {
        let of_one = equal.iter().filter(|(_, is_one)| *is_one).count() as f64;
        won += (equal.len() as f64 - of_one) * (before + of_one / 2.0);
        before += of_one;
    }
    won / (one.len() * other.len()) as f64
}

/// By how much more than by chance two can be told apart, whichever is the slower one.
fn guessed_apart(one: &[Duration], other: &[Duration]) -> f64 {
    (odds(one, other) - 0.5).abs()
}

/// Times of a question in a world, in its copy, and in the one that hides more.
type Times = [Vec<Duration>; 3];

fn setting(name: &str) -> Option<usize> {
    std::env::var(name).ok()?.parse().ok()
}

fn code(answer: &Result<String, Status>) -> Code {
    answer.as_ref().map_or_else(Status::code, |_| Code::Ok)
}

async fn measure(hidden: Hidden, starts: usize, calls: usize, count: u32) -> Vec<(&'static str, Times)> {
    let questions = questions(hidden);
    let mut times: Vec<(&'static str, Times)> = questions.iter().map(|(name, _)| (*name, Times::default())).collect();
    let (visible, besides) = (visible(hidden, count), besides(hidden, count));
    let hiding: Vec<Record> = visible.iter().cloned().chain(besides).collect();
    for start in 0..starts {
        let worlds = [served(&visible).await, served(&visible).await, served(&hiding).await];
        let mut random = Rng::with_seed(start as u64);
        for call in 0..calls + 5 {
            for ((_, ask), (_, times)) in questions.iter().zip(&mut times) {
                let mut order = [0, 1, 2];
                random.shuffle(&mut order);
                for world in order {
                    let channel = worlds[world].channel.clone();
                    let begun = Instant::now();
                    let answer = ask.clone().answer(channel).await;
                    let took = begun.elapsed();
                    assert!([Code::Ok, Code::NotFound].contains(&code(&answer)), "{answer:?}");
                    // The first calls find nothing in the processor's cache.
                    if call >= 5 {
                        times[world].push(took);
                    }
                }
            }
        }
        for world in worlds {
            world.stop().await.unwrap();
        }
    }
    times
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_hidden_takes_no_time() {
    let held = bars_hold();
    let starts = setting("KITH_STARTS").unwrap_or(if held { 10 } else { 1 });
    let calls = setting("KITH_CALLS").unwrap_or(if held { 3_000 } else { 3 }).div_ceil(starts);
    let count = if held { 100_000 } else { 300 };
    let mut failures = Vec::new();
    for hidden in HIDDEN {
        for (name, [one, copy, hiding]) in measure(hidden, starts, calls, count).await {
            let keeps_steps = STEPPED.contains(&name) || hidden.is_of_statuses() && name == "SuggestIntroductions";
            let leak = if keeps_steps { STEP } else { LEAK };
            let leaking: Vec<Duration> = copy.iter().map(|time| *time + leak).collect();
            let alike = guessed_apart(&one, &copy);
            let (differs, leaks) = (guessed_apart(&one, &hiding), guessed_apart(&one, &leaking));
            println!("{hidden:?} {name}: copy {alike:.3}, hiding {differs:.3}, leaking {leak:?} {leaks:.3}");
            if differs > alike + GUESSED_MORE_MAX {
                failures.push(format!("{name} gives away {hidden:?}: {differs:.3} against {alike:.3}"));
            }
            if leaks <= alike + GUESSED_MORE_MAX {
                failures.push(format!(
                    "{name}, {hidden:?}: a leak of {leak:?} is not noticed: {leaks:.3} against {alike:.3}"
                ));
            }
        }
    }
    assert!(!held || failures.is_empty(), "{failures:#?}");
}

/// Keeps all processors busy until it is dropped.
struct Load(Arc<AtomicBool>);

impl Load {
    fn new(threads: usize) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        for _ in 0..threads {
            let over = over.clone();
            std::thread::spawn(move || while !over.load(Ordering::Relaxed) {});
        }
        Load(over)
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Calls with a deadline of some milliseconds on a machine under load end with the same codes, as often, whatever is hidden.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_deadlines_end_alike_whatever_is_hidden() {
    let held = bars_hold();
    let calls = setting("KITH_CALLS").unwrap_or(if held { 600 } else { 3 });
    let count = if held { 100_000 } else { 300 };
    let mut records = visible(Hidden::StatusesBehindHubs, count);
    for hidden in [Hidden::StatusesBehindHubs, Hidden::Statuses] {
        records.extend(besides(hidden, count));
    }
    let kith = served(&records).await;
    // The viewer beside the hubs, and one who is not.
    for viewer in [id(0), id(2)] {
        let by_id = |id: String| get_status(|r| (r.id, r.viewer_id) = (id, viewer.clone()));
        let by_author = |id: String| list_statuses(|r| (r.author_id, r.viewer_id) = (id, viewer.clone()));
        let status = if viewer == id(0) { Hidden::StatusesBehindHubs } else { Hidden::Statuses };
        let pairs = |call: usize| {
            let absent = format!("absent{call}");
            [[by_id(status_id(status)), by_id(absent.clone())], [by_author(text(status.author())), by_author(absent)]]
        };
        let mut late = [[0.0; 2]; 2];
        let _load = held.then(|| Load::new(2 * std::thread::available_parallelism().map_or(2, usize::from)));
        for call in 0..calls {
            for (late, pair) in late.iter_mut().zip(pairs(call)) {
                for (late, ask) in late.iter_mut().zip(pair) {
                    let answer = ask.answer_within(kith.channel.clone(), Duration::from_millis(4)).await;
                    match code(&answer) {
                        // The client's own clock says that it was cancelled.
                        Code::DeadlineExceeded | Code::Cancelled => *late += 1.0 / calls as f64,
                        Code::NotFound => {}
                        Code::Ok if matches!(answer, Ok(ref list) if list.contains("statuses: []")) => {}
                        _ => panic!("{answer:?}"),
                    }
                }
            }
        }
        for (name, [hidden, absent]) in ["GetStatus", "ListStatuses"].into_iter().zip(late) {
            println!("{viewer}: {name} within 4 ms: late {hidden:.3} where something is hidden, {absent:.3} else");
            assert!(!held || (hidden - absent).abs() <= LATE_MORE_MAX, "{viewer} {name}: {hidden} against {absent}");
        }
    }
    kith.stop().await.unwrap();
}

#[test]
fn odds_are_those_of_a_lesser_time() {
    let us = |times: &[u64]| times.iter().map(|us| Duration::from_micros(*us)).collect::<Vec<_>>();
    assert_eq!(odds(&us(&[1, 2]), &us(&[3, 4])), 1.0);
    assert_eq!(odds(&us(&[3, 4]), &us(&[1, 2])), 0.0);
    assert_eq!(odds(&us(&[1, 1]), &us(&[1])), 0.5);
    assert_eq!(odds(&us(&[1, 3]), &us(&[2, 4])), 0.75);
}
