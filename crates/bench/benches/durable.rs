//! Measures durable single-edge writes of 1, 16 and 64 writers, beside the least that a durable write takes: a record appended to a
//! preallocated file by one thread that syncs what has come together. `cargo bench --bench durable -- [rounds] [seconds a round]`.
//!
//! Both are asked alternately from the same tasks of one runtime, and a ratio is that of one round.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fastrand::Rng;
use kith::domain::{Change, EdgeKey, EdgePut, KindName, MemberId, Precondition};
use kith::engine::{Engine, EngineOptions, Report};
use kith::store::{Store, StoreId};
use tokio::sync::{mpsc, oneshot};

/// The allocator that kith is shipped with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const WRITERS: [usize; 3] = [1, 16, 64];
const MEMBERS: u32 = 20_000;
const EDGES: u32 = 200_000;
/// The bytes that one edge takes in the log, about.
const RECORD_BYTES: usize = 96;
/// The file is written and synced beforehand, so that an append waits for its own bytes alone.
const FILE_BYTES: usize = 256 << 20;
/// The most records of one sync: as many as kith's writer takes together.
const BATCH_MAX: usize = 1_024;

type Durations = Vec<Duration>;

fn main() {
    let arguments: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let (rounds, seconds) = (*arguments.first().unwrap_or(&5), *arguments.get(1).unwrap_or(&2));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let folder = tempfile::tempdir().expect("a temporary folder");
    runtime.block_on(measure(folder.path(), rounds, Duration::from_secs(seconds)));
}

async fn measure(folder: &Path, rounds: u64, round: Duration) {
    let store = Store::open(&folder.join("store"), || StoreId(1)).expect("a store");
    let (engine, end) = Engine::open(store, EngineOptions::default()).expect("an engine");
    fill(&engine).await;
    let appender = Appender::start(&folder.join("file"));
    println!("{MEMBERS} members, {EDGES} edges; {rounds} rounds of {round:?}, kith and append + fdatasync alternating");
    println!("writers   kith/s  p50 µs  p99 µs     F/s  p50 µs  p99 µs   kith/F  least   most");
    for writers in WRITERS {
        let mut lines = Vec::new();
        for seed in 0..rounds {
            let (engine, appender) = (engine.clone(), appender.clone());
            let kith = run(writers, round, seed, move |random| put(&engine, random)).await;
            let limit = run(writers, round, seed, move |_| append(&appender)).await;
            lines.push((kith, limit));
        }
        print(writers, round, lines);
    }
    drop((engine, appender));
    end.join();
}

/// Runs as many tasks as writers, each with one write at a time.
async fn run<W: Future<Output = ()> + Send + 'static>(
    writers: usize,
    duration: Duration,
    seed: u64,
    write: impl Fn(&mut Rng) -> W + Clone + Send + 'static,
) -> Durations {
    let until = Instant::now() + duration;
    let tasks: Vec<_> = (0..writers as u64)
        .map(|writer| {
            let write = write.clone();
            tokio::spawn(async move {
                let (mut random, mut took) = (Rng::with_seed(seed << 32 | writer), Vec::new());
                while Instant::now() < until {
                    let begun = Instant::now();
                    write(&mut random).await;
                    took.push(begun.elapsed());
                }
                took
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.expect("a writer ends well"));
    }
    all.sort_unstable();
    all
}

fn print(writers: usize, round: Duration, lines: Vec<(Durations, Durations)>) {
    let per_s = |took: &Durations| took.len() as f64 / round.as_secs_f64();
    let mut ratios: Vec<f64> = lines.iter().map(|(kith, limit)| per_s(kith) / per_s(limit)).collect();
    ratios.sort_unstable_by(f64::total_cmp);
    let medians = |of: &dyn Fn(&(Durations, Durations)) -> Durations| {
        let middle = |mut of_rounds: Vec<f64>| {
            of_rounds.sort_unstable_by(f64::total_cmp);
            of_rounds[of_rounds.len() / 2]
        };
        let rounds: Vec<Durations> = lines.iter().map(of).collect();
        let at = |share: usize| {
            middle(rounds.iter().map(|took| took[(took.len() - 1) * share / 100].as_secs_f64() * 1e6).collect())
        };
        format!("{:8.0} {:7.0} {:7.0}", middle(rounds.iter().map(per_s).collect()), at(50), at(99))
    };
    let (kith, limit) = (medians(&|line| line.0.clone()), medians(&|line| line.1.clone()));
    let (least, most) = (ratios[0], ratios[ratios.len() - 1]);
    println!("{writers:7} {kith} {limit}   {:6.2} {least:6.2} {most:6.2}", ratios[ratios.len() / 2]);
}

fn some_edge(random: &mut Rng) -> Change {
    let from = random.u32(0..MEMBERS);
    let to = (from + random.u32(1..MEMBERS)) % MEMBERS;
    let member = |n: u32| MemberId::parse("id", &format!("member-{n}")).expect("an id");
    let kind = KindName::parse("kind", "friend").expect("a kind");
    let put = EdgePut::bare(EdgeKey::new(member(from), kind, member(to)).expect("two members"));
    Change::PutEdge { put, precondition: Precondition::None, allow_missing_members: true }
}

async fn fill(engine: &Engine) {
    let mut random = Rng::with_seed(1);
    for _ in 0..EDGES / 1_000 {
        let changes = (0..1_000).map(|_| some_edge(&mut random)).collect();
        engine.import(changes).await.expect("an import");
    }
}

fn put(engine: &Engine, random: &mut Rng) -> impl Future<Output = ()> + use<> {
    let (engine, change) = (engine.clone(), some_edge(random));
    async move {
        engine.write(vec![change], None, Report::Revision).await.expect("a write");
    }
}

/// Appends records and syncs what has come together, on a thread of its own.
#[derive(Clone)]
struct Appender(mpsc::Sender<oneshot::Sender<()>>);

impl Appender {
    fn start(path: &Path) -> Arc<Appender> {
        let file = File::create(path).expect("a file");
        for at in (0..FILE_BYTES).step_by(1 << 20) {
            file.write_all_at(&[0; 1 << 20], at as u64).expect("space");
        }
        file.sync_all().expect("a sync");
        let (records, mut inbox) = mpsc::channel::<oneshot::Sender<()>>(4_096);
        std::thread::spawn(move || {
            let mut at = 0;
            let mut waiting = Vec::new();
            while inbox.blocking_recv_many(&mut waiting, BATCH_MAX) > 0 {
                let bytes = vec![7; waiting.len() * RECORD_BYTES];
                if at + bytes.len() > FILE_BYTES {
                    at = 0;
                }
                file.write_all_at(&bytes, at as u64).and_then(|()| file.sync_data()).expect("an append");
                at += bytes.len();
                // A writer that is gone wants no answer.
                for writer in waiting.drain(..) {
                    let _ = writer.send(());
                }
            }
        });
        Arc::new(Appender(records))
    }
}

fn append(appender: &Arc<Appender>) -> impl Future<Output = ()> + use<> {
    let records = appender.0.clone();
    async move {
        let (done, answer) = oneshot::channel();
        records.send(done).await.expect("the appender runs");
        answer.await.expect("the appender answers");
    }
}
