//! A client of one server, and the clients of its services.

use std::sync::{Arc, Mutex, PoisonError};

use tonic::metadata::errors::InvalidMetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use crate::ANSWER_BYTES_MAX;
use crate::connection::{CallMetadata, Connection};
use crate::proto::v1;
use crate::proto::v1::admin_service_client::AdminServiceClient;
use crate::proto::v1::data_service_client::DataServiceClient;
use crate::proto::v1::edge_service_client::EdgeServiceClient;
use crate::proto::v1::introduction_service_client::IntroductionServiceClient;
use crate::proto::v1::member_service_client::MemberServiceClient;
use crate::proto::v1::namespace_service_client::NamespaceServiceClient;
use crate::proto::v1::path_service_client::PathServiceClient;
use crate::proto::v1::reach_service_client::ReachServiceClient;
use crate::proto::v1::status_service_client::StatusServiceClient;
use crate::refusal::Refusal;
use crate::retry::Retry;
use crate::unary::Unary;

/// A client of a server. Clones share the connection and the newest revision.
#[derive(Debug, Clone)]
pub struct Client {
    channel: Channel,
    metadata: CallMetadata,
    retry: Retry,
    /// The newest revision that a write of this client was answered with; empty before the first.
    written: Arc<Mutex<String>>,
}

impl Client {
    pub(crate) fn new(channel: Channel, metadata: CallMetadata) -> Client {
        Client { channel, metadata, retry: Retry::default(), written: Arc::default() }
    }

    /// Returns a client for a namespace of the same server. The two share the connection.
    ///
    /// # Errors
    /// Returns an error if the text cannot stand in a header.
    pub fn within(&self, namespace: &str) -> Result<Client, InvalidMetadataValue> {
        let namespace = Some(namespace.parse()?);
        let metadata = CallMetadata { namespace, ..self.metadata.clone() };
        Ok(Client { retry: self.retry, ..Client::new(self.channel.clone(), metadata) })
    }

    fn connection(&self) -> Connection {
        InterceptedService::new(self.channel.clone(), self.metadata.clone())
    }

    /// Returns this client with other deadlines.
    pub fn with_retry(self, retry: Retry) -> Client {
        Client { retry, ..self }
    }

    /// Sends a unary request, again while it is worth another try. A write that has no request id is given one, so that it is carried
    /// out once however often it is sent; a read that names no revision sees every write of this client that was answered before.
    ///
    /// # Errors
    /// The server's refusal, or the last one when all tries have failed.
    pub async fn call<Q: Unary>(&self, mut request: Q) -> Result<Q::Answer, Refusal> {
        if let Some(id) = request.request_id()
            && id.is_empty()
        {
            *id = Uuid::new_v4().to_string();
        }
        if let Some(min_revision) = request.min_revision()
            && min_revision.is_empty()
        {
            *min_revision = self.revision();
        }
        let send = async |request: Request<Q>| Q::send(request, self.connection()).await;
        let answer = self.retry.call(&request, send).await.map_err(|status: Status| Refusal::from(&status))?;
        self.has_written(Q::revision(&answer));
        Ok(answer)
    }

    /// Carries out changes together: all of them, or none.
    ///
    /// # Errors
    /// See `call`.
    pub async fn write(
        &self,
        changes: impl IntoIterator<Item = v1::change::Change>,
    ) -> Result<v1::WriteResponse, Refusal> {
        let changes = changes.into_iter().map(|change| v1::Change { change: Some(change), precondition: None });
        self.call(v1::WriteRequest { changes: changes.collect(), ..Default::default() }).await
    }

    /// Returns the newest revision that a write of this client was answered with, to be handed to a program that is to see the write.
    pub fn revision(&self) -> String {
        self.written.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes reads see a write of another program, by its revision.
    pub fn has_written(&self, revision: &str) {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        if is_newer(revision, &written) {
            revision.clone_into(&mut written);
        }
    }
}

/// The characters of a revision that name its store, and those that say how many writes came before it.
const STORE: usize = 16;
const SEQUENCE_END: usize = 32;

/// Returns whether a revision is later than another. A revision of another store counts as later, because that store is the one which
/// answers now.
fn is_newer(revision: &str, known: &str) -> bool {
    let parts =
        |revision: &str| Some((revision.get(..STORE)?.to_owned(), revision.get(STORE..SEQUENCE_END)?.to_owned()));
    match (parts(revision), parts(known)) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((store, sequence)), Some((known_store, known))) => store != known_store || sequence > known,
    }
}

/// One accessor for each service, since each generated client is a type of its own.
macro_rules! services {
    ($($(#[$doc:meta])* $name:ident: $client:ident,)*) => {
        impl Client {
            $($(#[$doc])* pub fn $name(&self) -> $client<Connection> {
                $client::new(self.connection()).max_decoding_message_size(ANSWER_BYTES_MAX)
            })*
        }
    };
}

services! {
    /// Returns the client of `AdminService`.
    admin: AdminServiceClient,
    /// Returns the client of `DataService`.
    data: DataServiceClient,
    /// Returns the client of `EdgeService`.
    edges: EdgeServiceClient,
    /// Returns the client of `grpc.health.v1`.
    health: HealthClient,
    /// Returns the client of `IntroductionService`.
    introductions: IntroductionServiceClient,
    /// Returns the client of `MemberService`.
    members: MemberServiceClient,
    /// Returns the client of `NamespaceService`.
    namespaces: NamespaceServiceClient,
    /// Returns the client of `PathService`.
    paths: PathServiceClient,
    /// Returns the client of `ReachService`.
    reach: ReachServiceClient,
    /// Returns the client of `StatusService`.
    statuses: StatusServiceClient,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a revision of a store, after so many writes.
    fn revision(store: u64, sequence: u64) -> String {
        format!("{store:016x}{sequence:016x}00000000")
    }

    #[test]
    fn the_newest_revision_is_kept() {
        assert!(is_newer(&revision(1, 1), ""));
        assert!(is_newer(&revision(1, 10), &revision(1, 9)));
        assert!(!is_newer(&revision(1, 9), &revision(1, 10)) && !is_newer(&revision(1, 9), &revision(1, 9)));
        assert!(is_newer(&revision(2, 1), &revision(1, 9)), "another store answers by now");
        for none in ["", "no revision", "é é é é é é é é é é é é é é é é é é"] {
            assert!(!is_newer(none, &revision(1, 1)), "{none}");
        }
    }

    #[test]
    fn every_read_has_a_revision_to_see_and_no_write() {
        fn min_revision<Q: Unary>(mut request: Q, at: &str) -> Option<Q> {
            at.clone_into(request.min_revision()?);
            Some(request)
        }
        let found = min_revision(v1::FindPathsRequest::default(), "r").unwrap();
        assert_eq!(found.read.unwrap().min_revision, "r");
        assert_eq!(min_revision(v1::GetMemberRequest::default(), "r").unwrap().min_revision, "r");
        assert_eq!(min_revision(v1::PutMemberRequest::default(), "r"), None);
    }
}
