//! Shows how a CRM keeps two customers in one server, each in a namespace of its own, and asks who can introduce whom.
//!
//! `cargo run --release -p kith-client --example crm -- http://127.0.0.1:5484` signs both up, keeps their contacts, and asks for a product
//! manager in Zürich.

use std::error::Error;

use kith_client::proto::v1::change::Change;
use kith_client::proto::v1::member_condition::Condition;
use kith_client::proto::v1::{
    CreateNamespaceRequest, DeleteNamespaceRequest, Edge, LabelCondition, Member, MemberClause, MemberCondition,
    MemberFilter, PutEdgeChange, SuggestIntroductionsRequest,
};
use kith_client::{Client, Endpoint, Refusal};

/// A contact: its id, role and city.
type Contact = (&'static str, &'static str, &'static str);

/// Signs a customer up; one that is there already stays as it is.
async fn create(kith: &Client, name: &str) -> Result<(), Refusal> {
    match kith.call(CreateNamespaceRequest { name: name.to_owned() }).await {
        Err(refusal) if refusal.is("ALREADY_EXISTS") => Ok(()),
        created => created.map(drop),
    }
}

/// Sends what the CRM knows of a customer's contacts. It can be sent again: what is there already changes nothing.
async fn sync(customer: &Client, contacts: &[Contact], friends: &[(&str, &str)]) -> Result<(), Refusal> {
    let members = contacts.iter().map(|(id, role, city)| {
        let labels = [("role", role), ("city", city)].map(|(key, value)| (key.to_owned(), (*value).to_owned()));
        Change::PutMember(Member { id: (*id).to_owned(), labels: labels.into(), ..Member::default() })
    });
    let edges = friends.iter().map(|(one, other)| {
        let edge =
            Edge { from_id: (*one).to_owned(), kind: "friend".into(), to_id: (*other).to_owned(), ..Edge::default() };
        Change::PutEdge(PutEdgeChange { edge: Some(edge), allow_missing_members: false })
    });
    customer.write(members.chain(edges)).await.map(drop)
}

/// Returns whom a member should meet among those who have all of these labels, each with who can introduce them.
async fn whom_to_meet(
    customer: &Client,
    member: &str,
    labels: &[(&str, &str)],
) -> Result<Vec<(String, Option<String>)>, Refusal> {
    let clauses = labels.iter().map(|(key, value)| {
        let label = LabelCondition { key: (*key).to_owned(), values: vec![(*value).to_owned()] };
        let condition = MemberCondition { condition: Some(Condition::Label(label)), ..MemberCondition::default() };
        MemberClause { any_of: vec![condition] }
    });
    let member_filter = Some(MemberFilter { all_of: clauses.collect() });
    let asked = SuggestIntroductionsRequest { member_id: member.to_owned(), member_filter, ..Default::default() };
    let found = customer.call(asked).await?.suggestions.into_iter();
    Ok(found.map(|found| (found.member_id, found.introducers.into_iter().next().map(|by| by.member_id))).collect())
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = std::env::args().nth(1).unwrap_or_else(|| "http://127.0.0.1:5484".to_owned());
    let kith = Endpoint::new(&server).connect_lazy()?;
    for name in ["acme", "beta"] {
        create(&kith, name).await?;
    }
    let (acme, beta) = (kith.within("acme")?, kith.within("beta")?);

    // The customers' own ids may be the same: nothing of one is in an answer of the other.
    let contacts = [
        ("officer", "privacy officer", "Dulles"),
        ("cousin", "neighbor", "Zürich"),
        ("jeremy", "product manager", "Zürich"),
    ];
    sync(&acme, &contacts, &[("officer", "cousin"), ("cousin", "jeremy")]).await?;
    let contacts = [("officer", "buyer", "Ulm"), ("wife", "founder", "Ulm"), ("jeremy", "product manager", "Ulm")];
    sync(&beta, &contacts, &[("officer", "wife"), ("wife", "jeremy")]).await?;
    for (name, customer) in [("acme", &acme), ("beta", &beta)] {
        for labels in [&[("role", "product manager")][..], &[("role", "product manager"), ("city", "Zürich")]] {
            match whom_to_meet(customer, "officer", labels).await?.first() {
                Some((whom, Some(by))) => println!("{name}: the officer should meet {whom}, whom {by} can introduce"),
                _ => println!("{name}: nobody to meet has {labels:?}"),
            }
        }
    }

    // A customer leaves: all that it had goes, and whoever asks hears that there is no such namespace.
    kith.call(DeleteNamespaceRequest { name: "beta".to_owned(), allow_missing: false }).await?;
    match whom_to_meet(&beta, "officer", &[]).await {
        Err(refusal) if refusal.is("NOT_FOUND") => println!("beta has left, and nothing of it is there"),
        answered => return Err(format!("a customer that has left is answered: {answered:?}").into()),
    }
    Ok(())
}
