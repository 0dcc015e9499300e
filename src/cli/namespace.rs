//! `kith namespace`: creates, lists and deletes the namespaces of a server.

use clap::{Args, ValueEnum};

use super::client::{Client, namespace};
use super::failure::Failure;
use super::import::WRONG_USAGE;
use super::json;
use super::print::{Align, Table, clean, say, thousands};
use super::stats::bytes;
use crate::domain::NamespaceName;
use crate::proto::v1::{
    CreateNamespaceRequest, DeleteNamespaceRequest, GetNamespaceRequest, ListNamespacesRequest, ListNamespacesResponse,
    Namespace,
};

const PAGE_SIZE: i32 = 1_000;

/// Creates, lists and deletes namespaces, each of which is a social graph apart from the others.
#[derive(Debug, Args)]
pub struct NamespaceArgs {
    /// What to do.
    #[arg(value_name = "ACTION")]
    action: Action,
    /// The namespace's name, of lower-case letters, digits, dashes, underscores and dots.
    #[arg(value_name = "NAME", value_parser = namespace)]
    #[arg(required_if_eq_any = [("action", "create"), ("action", "show"), ("action", "delete")])]
    name: Option<NamespaceName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Action {
    /// Create a namespace, with the built-in kinds.
    Create,
    /// Show how much a namespace holds.
    Show,
    /// List the namespaces, and how much each holds.
    List,
    /// Erase a namespace with all that it holds.
    Delete,
}

pub async fn run(args: NamespaceArgs, client: &Client, as_json: bool) -> Result<(), Failure> {
    let mut server = client.namespaces();
    if let (Action::List, Some(name)) = (args.action, &args.name) {
        let message = format!("`kith namespace list` takes no name; `kith namespace show {name}` shows one");
        return Err(Failure::Local { message, exit_code: WRONG_USAGE });
    }
    let name = args.name.unwrap_or_default().to_string();
    match args.action {
        Action::Create => {
            let created = server.create_namespace(CreateNamespaceRequest { name }).await?.into_inner();
            shown(&[created.namespace.unwrap_or_default()], as_json)
        }
        Action::Show => {
            let found = server.get_namespace(GetNamespaceRequest { name: name.clone() }).await?.into_inner();
            let found = found.namespace.unwrap_or_default();
            shown(std::slice::from_ref(&found), as_json)?;
            let digest = clean(&found.totals.unwrap_or_default().content_digest, 60);
            if as_json { Ok(()) } else { say(&format!("digest of {name} {digest}\n")) }
        }
        Action::List => shown(&list(client).await?, as_json),
        Action::Delete => {
            server.delete_namespace(DeleteNamespaceRequest { name: name.clone(), allow_missing: false }).await?;
            say(&if as_json { "{}\n".to_owned() } else { format!("{name} is erased\n") })
        }
    }
}

async fn list(client: &Client) -> Result<Vec<Namespace>, Failure> {
    let (mut all, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = ListNamespacesRequest { page_size: PAGE_SIZE, page_token };
        let page = client.namespaces().list_namespaces(request).await?.into_inner();
        all.extend(page.namespaces);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(all);
        }
    }
}

fn shown(namespaces: &[Namespace], as_json: bool) -> Result<(), Failure> {
    if as_json {
        let all = ListNamespacesResponse { namespaces: namespaces.to_vec(), next_page_token: String::new() };
        return say(&json::pretty("ListNamespacesResponse", &all)?);
    }
    let columns = [
        ("namespace", Align::Left),
        ("members", Align::Right),
        ("edges", Align::Right),
        ("statuses", Align::Right),
        ("memory", Align::Right),
    ];
    let mut table = Table::new(&columns);
    for Namespace { name, totals, memory_bytes, .. } in namespaces {
        let totals = totals.clone().unwrap_or_default();
        let counts = [totals.members, totals.edges, totals.statuses].map(thousands);
        table.row([name.clone()].into_iter().chain(counts).chain([bytes(*memory_bytes)]).collect());
    }
    say(&table.render())
}
