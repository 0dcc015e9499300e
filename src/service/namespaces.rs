//! `NamespaceService`.

use super::call::{Call, CallContext};
use super::decode::{Violations, all_or_return, page_size};
use super::encode;
use super::services::Service;
use crate::domain::{Error, NamespaceName, Scope};
use crate::engine::{State, namespace_bytes, no_namespace};
use crate::proto::v1 as pb;

pub async fn create_namespace(
    service: &Service,
    Call { context, message }: Call<pb::CreateNamespaceRequest>,
) -> Result<pb::CreateNamespaceResponse, Error> {
    let name = NamespaceName::parse("name", &message.name)?;
    context.principal.is_about(Some(&name));
    if !context.principal.administers().covers(&name) {
        return Err(Error::PermissionDenied("the namespace lies outside of the caller's".to_owned()));
    }
    context.principal.about_to_do("create_namespace", &name, 0);
    let engine = service.engine.within(&name);
    engine.create_namespace(Scope::of(context.principal.name())).await?;
    let namespace = Some(namespace(&name, &*engine.state()?));
    Ok(pb::CreateNamespaceResponse { namespace })
}

pub async fn get_namespace(
    service: &Service,
    Call { context, message }: Call<pb::GetNamespaceRequest>,
) -> Result<pb::GetNamespaceResponse, Error> {
    let name = known(&context, &message.name)?;
    let state = service.engine.within(&name).state()?;
    Ok(pb::GetNamespaceResponse { namespace: Some(namespace(&name, &state)) })
}

pub async fn list_namespaces(
    service: &Service,
    Call { context, message }: Call<pb::ListNamespacesRequest>,
) -> Result<pb::ListNamespacesResponse, Error> {
    let listing = service.listing("ListNamespaces", &pb::ListNamespacesRequest::default());
    let mut wrong = Violations::default();
    let size = wrong.check(page_size(message.page_size));
    let after = wrong.check(listing.parse(&message.page_token, 1));
    all_or_return!(wrong; size, after);
    let after = after.map(|token| NamespaceName::parse("page_token", &token.cursor[0])).transpose()?;
    let (all, administers) = (service.engine.namespaces(), context.principal.administers());
    // A name that the caller may not know is not even in a token, so a page ends with one of its own.
    let mut own = administers.among(after.as_ref(), |begin| all.iter_from(begin)).peekable();
    let mut answer = pb::ListNamespacesResponse::default();
    while let Some((name, state)) = own.next() {
        answer.namespaces.push(namespace(name, state));
        if answer.namespaces.len() == size && own.peek().is_some() {
            answer.next_page_token = listing.token(service.engine.now(), &[name.as_str()]);
            break;
        }
    }
    Ok(answer)
}

pub async fn delete_namespace(
    service: &Service,
    Call { context, message }: Call<pb::DeleteNamespaceRequest>,
) -> Result<pb::DeleteNamespaceResponse, Error> {
    let name = known(&context, &message.name)?;
    context.principal.about_to_do("delete_namespace", &name, 1);
    match service.engine.within(&name).delete_namespace().await {
        Err(Error::NotFound { .. }) if message.allow_missing => {}
        deleted => deleted?,
    }
    Ok(pb::DeleteNamespaceResponse {})
}

/// Returns a name that the caller may know of.
fn known(context: &CallContext, name: &str) -> Result<NamespaceName, Error> {
    let name = NamespaceName::parse("name", name)?;
    context.principal.is_about(Some(&name));
    if context.principal.administers().covers(&name) { Ok(name) } else { Err(no_namespace(&name)) }
}

fn namespace(name: &NamespaceName, state: &State) -> pb::Namespace {
    pb::Namespace {
        name: name.to_string(),
        create_time: Some(encode::timestamp(state.create_time())),
        totals: Some(encode::totals(state)),
        revision: state.revision().to_string(),
        memory_bytes: namespace_bytes(state) as i64,
    }
}
