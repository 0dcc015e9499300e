//! Shows how a service calls kith from Rust: with deadlines, with retries that cannot write twice, and seeing its own writes.
//!
//! `cargo run --release -p kith-client --example story -- http://127.0.0.1:5484` puts a chain of four, asks the questions kith is for, and
//! records what came of them.

use std::error::Error;

use kith_client::Endpoint;
use kith_client::proto::v1::change::Change;
use kith_client::proto::v1::{
    Edge, FindPathsRequest, Member, Origin, PutEdgeChange, Status, SuggestIntroductionsRequest,
};

const TOPIC: &str = "consumer-privacy";
const STATUS: &str = "who-owns-your-data";

fn member(id: &str, topics: &[&str]) -> Change {
    let topics = topics.iter().map(|topic| (*topic).to_owned()).collect();
    Change::PutMember(Member { id: id.into(), topics, ..Member::default() })
}

fn edge(from: &str, kind: &str, to: &str, origin: Option<Origin>) -> Change {
    let edge = Edge { from_id: from.into(), kind: kind.into(), to_id: to.into(), origin, ..Edge::default() };
    Change::PutEdge(PutEdgeChange { edge: Some(edge), allow_missing_members: false })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5484".to_owned());
    let kith = Endpoint::new(&server).connect_lazy()?;

    // A service can send its puts at every start: what is there already changes nothing. It cannot send a post again, because each post is
    // a write of its own.
    let people = [member("officer", &[TOPIC]), member("wife", &[]), member("cousin", &[]), member("jeremy", &[TOPIC])];
    let edges = [("officer", "spouse", "wife"), ("wife", "family", "cousin"), ("cousin", "neighbor", "jeremy")];
    let edges = edges.map(|(from, kind, to)| edge(from, kind, to, None));
    kith.write(people.into_iter().chain(edges)).await?;
    let post = Status {
        id: STATUS.into(),
        author_id: "jeremy".into(),
        text: "Who owns your data?".into(),
        topics: vec![TOPIC.into()],
        ..Status::default()
    };
    match kith.write([Change::PostStatus(post)]).await {
        // An earlier start has posted it.
        Err(refusal) if refusal.is("ALREADY_EXISTS") => {}
        posted => drop(posted?),
    }

    // What the client has written is seen by what it reads, whichever server answers.
    let asked = FindPathsRequest { from_id: "officer".into(), to_id: "jeremy".into(), ..Default::default() };
    let found = kith.call(asked).await?;
    let Some(path) = found.paths.first() else { return Err("there is no path from the officer to jeremy".into()) };
    let between: Vec<String> = path.steps.iter().skip(1).map(|step| step.from_id.clone()).collect();
    if between.is_empty() {
        println!("the officer and jeremy have met already");
        return Ok(());
    }
    println!("the officer could have found jeremy through {}", between.join(" and "));

    let asked =
        SuggestIntroductionsRequest { member_id: "officer".into(), topics: vec![TOPIC.into()], ..Default::default() };
    match kith.call(asked).await?.suggestions.first() {
        Some(best) => println!("about {TOPIC} the officer should meet {}", best.member_id),
        None => println!("the officer has met everybody about {TOPIC}"),
    }

    // The two met, by this status and this introduction.
    let origin = Origin { status_id: STATUS.into(), introducer_ids: between, ..Origin::default() };
    let revision = kith.write([edge("officer", "colleague", "jeremy", Some(origin))]).await?.revision;
    println!("they are colleagues now, at revision {revision}");
    Ok(())
}
