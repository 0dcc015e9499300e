//! `NamespaceService`.

use super::call::{Call, CallContext};
use super::decode::{Violations, all_or_return, page_size};
use super::encode;
use super::services::Service;
use crate::domain::{Error, NamespaceName, Reason};
use crate::engine::{State, namespace_bytes, no_namespace};
use crate::proto::v1 as pb;

/// The most namespaces that one page looks at.
const LOOKED_AT_MAX: usize = 10_000;

pub async fn create_namespace(
    service: &Service,
    Call { context, message }: Call<pb::CreateNamespaceRequest>,
) -> Result<pb::CreateNamespaceResponse, Error> {
    let name = NamespaceName::parse("name", &message.name)?;
    if !context.principal.administers().covers(&name) {
        return Err(Error::PermissionDenied("the namespace lies outside of the caller's".to_owned()));
    }
    context.principal.about_to_do("create_namespace", &name, 0);
    let engine = service.engine.within(&name);
    engine.create_namespace().await?;
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
    let mut answer = pb::ListNamespacesResponse::default();
    for (looked_at, (name, state)) in all.iter_after(after.as_ref()).enumerate() {
        if administers.covers(name) {
            answer.namespaces.push(namespace(name, state));
        }
        if answer.namespaces.len() == size || looked_at + 1 == LOOKED_AT_MAX {
            let is_last = all.iter_after(Some(name)).next().is_none();
            answer.next_page_token =
                if is_last { String::new() } else { listing.token(service.engine.now(), &[name.as_str()]) };
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
    if name.is_default() {
        return Err(Error::precondition("name", Reason::PreconditionFailed, "the default namespace stays"));
    }
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
