//! Request ids: a caller's name for one write, so that a retry is answered instead of carried out again.

use prost::Message;
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::call::CallContext;
use crate::domain::{Reason, Request, RequestId, Scope, Violation};

/// Returns a request's id and the fingerprint of its body; none without an id.
///
/// The id is the caller's own. `body` is the request without its id; `rpc` keeps equal bodies of two RPCs apart.
pub fn request(
    context: &CallContext,
    rpc: &str,
    request_id: &str,
    body: &impl Message,
) -> Result<Option<Request>, Violation> {
    if request_id.is_empty() {
        return Ok(None);
    }
    let malformed = || Violation::new("request_id", Reason::Malformed, "must be a UUID of 36 characters");
    let id = Uuid::try_parse(request_id).ok().filter(|_| request_id.len() == 36).ok_or_else(malformed)?;
    let mut bytes = rpc.as_bytes().to_vec();
    bytes.push(0);
    bytes.extend(body.encode_to_vec());
    let scope = Scope::of(context.principal.name());
    Ok(Some(Request { id: RequestId(id.as_u128()), scope, fingerprint: xxh3_128(&bytes) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::v1::GetMemberRequest;

    #[test]
    fn an_id_is_a_uuid_and_a_body_has_its_fingerprint() {
        let body = |id: &str| GetMemberRequest { id: id.to_owned(), ..Default::default() };
        let context = CallContext::unlimited();
        let uuid = "6f1e4b1c-8f0a-4c38-9d59-3a1d2f0c7b11";
        let asked = |rpc, id| request(&context, rpc, uuid, &body(id)).unwrap().unwrap();
        assert_eq!(request(&context, "A", "", &body("a")), Ok(None));
        assert_eq!(asked("A", "a"), asked("A", "a"));
        assert_ne!(asked("A", "a").fingerprint, asked("B", "a").fingerprint);
        assert_ne!(asked("A", "a").fingerprint, asked("A", "b").fingerprint);
        for wrong in ["1", "6f1e4b1c8f0a4c389d593a1d2f0c7b11", "{6f1e4b1c-8f0a-4c38-9d59-3a1d2f0c7b11}"] {
            assert_eq!(request(&context, "A", wrong, &body("a")).unwrap_err().reason, Reason::Malformed);
        }
    }
}
