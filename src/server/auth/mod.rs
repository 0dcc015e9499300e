//! Authentication: who calls, and what they may do.

mod caller;
mod file;
mod jwt;
mod keys;
mod names;
mod signatures;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use ring::digest::{SHA256, digest};

use crate::domain::Error;
use crate::server::connection_slots::share_of;
use crate::service::{NamespacePattern, NamespaceScope};
pub use caller::{Caller, Grant, Rights, Role, Roles};
pub use file::AccessFile;
use jwt::Jwts;
pub use names::CertificateName;

/// What is known of a connection's other end.
#[derive(Debug, Clone)]
pub struct Peer {
    pub address: IpAddr,
    /// The address as text, made once for all calls of the connection.
    pub address_text: Arc<str>,
    /// The key that callers at this address are counted under while nobody knows who they are.
    pub share: Arc<str>,
    pub certificate: Shown,
}

/// What the certificate of a connection's other end says, which one of the trusted authorities signed.
#[derive(Debug, Clone, Default)]
pub struct Shown {
    pub names: Vec<CertificateName>,
    /// When the certificate ends, or the first one between it and its authority.
    pub expires: Option<SystemTime>,
}

impl Peer {
    pub fn new(address: IpAddr, certificate: Shown) -> Peer {
        let address_text: Arc<str> = address.to_string().into();
        let network = share_of(address);
        let share = if network == address { address_text.clone() } else { format!("{network}/64").into() };
        Peer { address, address_text, share, certificate }
    }
}

/// The rules of who may call.
#[derive(Debug)]
pub enum Access {
    /// Nobody is asked who they are, and all may do everything.
    Open,
    Known(Box<Known>),
}

/// The SHA-256 of a token. Whoever reads the server's files or memory does not have the token, and the time of a lookup does not depend on
/// how much of it was guessed.
type TokenHash = [u8; 32];

/// The callers of the access file.
#[derive(Debug)]
pub struct Known {
    by_token: HashMap<TokenHash, Caller>,
    by_certificate: HashMap<CertificateName, Caller>,
    jwts: Option<Jwts>,
    /// Tokens whose signature has been checked: checking one takes longer than answering most calls.
    checked: Mutex<HashMap<TokenHash, Caller>>,
}

/// The rights of everybody where nobody is asked who they are; each call has a clone.
static EVERYTHING: LazyLock<Rights> =
    LazyLock::new(|| Rights::of(Roles::ALL, NamespaceScope(vec![NamespacePattern::All])));

const CHECKED_MAX: usize = 10_000;
/// No header is longer than this; a longer token belongs to nobody.
const TOKEN_BYTES_MAX: usize = 16 * 1_024;

impl Access {
    /// Returns the caller: by its token if it shows one, by its certificate otherwise.
    pub fn identify(&self, peer: &Peer, authorization: Option<&[u8]>) -> Result<Caller, Error> {
        let known = match self {
            Access::Open => {
                return Ok(Caller {
                    name: peer.address_text.clone(),
                    share: peer.share.clone(),
                    known: false,
                    rights: EVERYTHING.clone(),
                    expires: None,
                });
            }
            Access::Known(known) => known,
        };
        match authorization {
            Some(authorization) => known.by_header(authorization),
            None => known.by_certificate(&peer.certificate),
        }
    }

    pub fn is_open(&self) -> bool {
        matches!(self, Access::Open)
    }
}

fn unauthenticated(message: &str) -> Error {
    Error::Unauthenticated(message.to_owned())
}

impl Known {
    fn by_certificate(&self, shown: &Shown) -> Result<Caller, Error> {
        let caller = shown.names.iter().find_map(|name| self.by_certificate.get(name)).cloned();
        let caller =
            caller.ok_or_else(|| unauthenticated("give a token, as `authorization: Bearer …`, or a certificate"))?;
        // The certificate was checked when the connection began, which may be long ago.
        if shown.expires.is_some_and(|expires| expires <= SystemTime::now()) {
            return Err(unauthenticated("the certificate has expired"));
        }
        Ok(Caller { expires: shown.expires, ..caller })
    }

    fn by_header(&self, authorization: &[u8]) -> Result<Caller, Error> {
        let (scheme, token) = authorization.split_at_checked(7).unwrap_or_default();
        if !scheme.eq_ignore_ascii_case(b"bearer ") || token.len() > TOKEN_BYTES_MAX {
            return Err(unauthenticated("the header `authorization` must be `Bearer` and a token"));
        }
        let hash = hash(token);
        if let Some(caller) = self.by_token.get(&hash) {
            return Ok(caller.clone());
        }
        // All that can be wrong with a token is one answer to its caller; only the log says why.
        let unknown = || unauthenticated("the token is unknown, expired or not meant for this server");
        let jwts = self.jwts.as_ref().ok_or_else(unknown)?;
        let mut checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(caller) = checked.get(&hash) {
            let valid = caller.expires.is_none_or(|expires| SystemTime::now() < expires);
            return if valid { Ok(caller.clone()) } else { Err(unknown()) };
        }
        drop(checked);
        let caller = jwts.check(token).map_err(|why| {
            tracing::debug!("a JWT is refused: {why}");
            unknown()
        })?;
        checked = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if checked.len() >= CHECKED_MAX {
            checked.clear();
        }
        checked.insert(hash, caller.clone());
        Ok(caller)
    }
}

fn hash(token: &[u8]) -> TokenHash {
    let mut hash = TokenHash::default();
    hash.copy_from_slice(digest(&SHA256, token).as_ref());
    hash
}
