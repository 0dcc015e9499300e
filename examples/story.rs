//! How a service calls kith from Rust: with a deadline, with retries that cannot write twice, and seeing its own writes.
//!
//! `cargo run --release --example story -- http://127.0.0.1:5484` puts a chain of four, asks what kith is for, and records what
//! came of it. A service of its own would generate the messages from `proto/` with tonic-prost-build; here they are kith's.

use std::error::Error;
use std::time::{Duration, Instant};

use kith::proto::v1::change::Change as What;
use kith::proto::v1::data_service_client::DataServiceClient;
use kith::proto::v1::introduction_service_client::IntroductionServiceClient;
use kith::proto::v1::path_service_client::PathServiceClient;
use kith::proto::v1::{
    Change, Edge, FindPathsRequest, Member, Origin, PutEdgeChange, ReadOptions, Status as Post,
    SuggestIntroductionsRequest, WriteRequest,
};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Response, Status};
use tonic_types::StatusExt;

/// What one try of a call may take, and all its tries together.
const DEADLINE: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(15);
const TOPIC: &str = "consumer-privacy";
const STATUS: &str = "who-owns-your-data";

/// A call, again and again while it is worth another try. Only safe for reads, and for writes with a request id.
async fn call<Q, A>(
    request: Q,
    mut send: impl AsyncFnMut(Request<Q>) -> Result<Response<A>, Status>,
) -> Result<A, Status>
where
    Q: Clone,
{
    let began = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        let mut attempt = Request::new(request.clone());
        attempt.set_timeout(DEADLINE);
        let refused = match send(attempt).await {
            Ok(answer) => return Ok(answer.into_inner()),
            Err(status) => status,
        };
        // After a deadline a write may have been carried out; its request id makes the second try harmless.
        let asked_for = refused.get_details_retry_info().and_then(|info| info.retry_delay);
        let again = match refused.code() {
            // Overloaded, or a quota used up: the server says when to come again. A full disk or a spent budget stays as it is.
            Code::ResourceExhausted => asked_for.is_some(),
            code => matches!(code, Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled),
        };
        let wait = asked_for.unwrap_or_default().max(pause.mul_f64(0.5 + fastrand::f64()));
        if !again || began.elapsed() + wait > PATIENCE {
            return Err(refused);
        }
        tokio::time::sleep(wait).await;
        pause = (pause * 2).min(Duration::from_secs(2));
    }
}

/// One atomic batch. All its tries carry the same request id: it is carried out once, however often the answer is lost.
async fn write(channel: &Channel, changes: Vec<What>) -> Result<String, Status> {
    let changes = changes.into_iter().map(|what| Change { change: Some(what), precondition: None }).collect();
    let request = WriteRequest { changes, request_id: uuid::Uuid::new_v4().to_string() };
    let mut data = DataServiceClient::new(channel.clone());
    Ok(call(request, async |request| data.write(request).await).await?.revision)
}

fn member(id: &str, topics: &[&str]) -> What {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    What::PutMember(Member { id: id.into(), topics, ..Member::default() })
}

fn edge(from: &str, kind: &str, to: &str, origin: Option<Origin>) -> What {
    let edge = Edge { from_id: from.into(), kind: kind.into(), to_id: to.into(), origin, ..Edge::default() };
    What::PutEdge(PutEdgeChange { edge: Some(edge), allow_missing_members: false })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5484".to_owned());
    let channel = Endpoint::from_shared(server)?.connect_timeout(DEADLINE).connect_lazy();

    // Puts can be sent by every start of a service: what is there already changes nothing. A post can not: it is its own write.
    let people =
        vec![member("officer", &[TOPIC]), member("wife", &[]), member("cousin", &[]), member("jeremy", &[TOPIC])];
    let edges = [("officer", "spouse", "wife"), ("wife", "family", "cousin"), ("cousin", "neighbor", "jeremy")];
    let edges = edges.map(|(from, kind, to)| edge(from, kind, to, None));
    write(&channel, people.into_iter().chain(edges).collect()).await?;
    let post = Post {
        id: STATUS.into(),
        author_id: "jeremy".into(),
        text: "Who owns your data?".into(),
        topics: vec![TOPIC.into()],
        ..Post::default()
    };
    let revision = match write(&channel, vec![What::PostStatus(post)]).await {
        Ok(revision) => revision,
        // It was posted by an earlier start.
        Err(status) if status.code() == Code::AlreadyExists => String::new(),
        Err(status) => return Err(status.into()),
    };

    // Reads at the write's revision or later see it, whichever server answers.
    let read = Some(ReadOptions { min_revision: revision, ..ReadOptions::default() });
    let mut paths = PathServiceClient::new(channel.clone());
    let asked = FindPathsRequest {
        from_id: "officer".into(),
        to_id: "jeremy".into(),
        read: read.clone(),
        ..Default::default()
    };
    let found = call(asked, async |request| paths.find_paths(request).await).await?;
    let Some(path) = found.paths.first() else { return Err("there is no path from the officer to jeremy".into()) };
    let between: Vec<String> = path.steps.iter().skip(1).map(|step| step.from_id.clone()).collect();
    if between.is_empty() {
        println!("the officer and jeremy have met already");
        return Ok(());
    }
    println!("the officer could have found jeremy through {}", between.join(" and "));

    let mut introductions = IntroductionServiceClient::new(channel.clone());
    let asked = SuggestIntroductionsRequest {
        member_id: "officer".into(),
        topics: vec![TOPIC.into()],
        read,
        ..SuggestIntroductionsRequest::default()
    };
    let suggested = call(asked, async |request| introductions.suggest_introductions(request).await).await?;
    match suggested.suggestions.first() {
        Some(best) => println!("about {TOPIC} the officer should meet {}", best.member_id),
        None => println!("the officer has met everybody about {TOPIC}"),
    }

    // They met, by what status and whose introduction.
    let origin = Origin { status_id: STATUS.into(), introducer_ids: between, ..Origin::default() };
    let revision = write(&channel, vec![edge("officer", "colleague", "jeremy", Some(origin))]).await?;
    println!("they are colleagues now, at revision {revision}");
    Ok(())
}
