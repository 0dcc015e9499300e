//! `AdminService.Backup`: all there is at one revision, in the bytes of one file.

use std::time::SystemTime;

use super::call::Call;
use super::encode;
use super::services::Service;
use super::streamed::{MESSAGE_BYTES_ENOUGH, Outlet, Streamed, begin};
use crate::domain::{Error, NamespaceName};
use crate::engine::Namespaces;
use crate::proto::v1 as pb;

pub async fn backup(
    service: &Service,
    Call { context, message }: Call<pb::BackupRequest>,
) -> Result<Streamed<pb::BackupResponse>, Error> {
    if message.all_namespaces {
        context.principal.is_about(None);
        if !context.principal.administers().covers_all() {
            let message = "a backup of all namespaces needs the role `admin` in all of them (`*`)";
            return Err(Error::PermissionDenied(message.to_owned()));
        }
    }
    let namespaces = service.engine.namespaces_at(&message.min_revision).await?;
    let only = service.engine.namespace().clone();
    let lifetime = service.engine.lifetime(&**namespaces.find(&only)?);
    let (only, lifetime) = Some((only, lifetime)).filter(|_| !message.all_namespaces).unzip();
    let metrics = service.engine.metrics().clone();
    begin(service.engine.streams(), &context, lifetime, move |outlet| {
        send_all(&namespaces, only.as_ref(), outlet)?;
        if only.is_none() {
            metrics.backed_up(SystemTime::now());
        }
        Ok(())
    })
}

fn send_all(
    namespaces: &Namespaces,
    only: Option<&NamespaceName>,
    outlet: &Outlet<pb::BackupResponse>,
) -> Result<(), Error> {
    let revision = namespaces.revision().to_string();
    let message = |data, records_done: u64| pb::BackupResponse {
        revision: revision.clone(),
        totals: None,
        data,
        records_done: records_done as i64,
    };
    outlet.send(pb::BackupResponse {
        totals: Some(encode::content(namespaces.content(only))),
        ..message(Vec::new(), 0)
    })?;
    let mut data = Vec::new();
    let mut records_done = 0;
    namespaces.backup(only, |piece, done| {
        data.extend(piece);
        records_done = done;
        if data.len() < MESSAGE_BYTES_ENOUGH {
            return Ok(());
        }
        outlet.send(message(std::mem::take(&mut data), done))
    })?;
    if data.is_empty() { Ok(()) } else { outlet.send(message(data, records_done)) }
}
