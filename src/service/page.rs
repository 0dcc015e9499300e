//! Page tokens: where a page ended, and of which request.
//!
//! A token is the hex digits of: a version byte, XXH3-64 of the request it belongs to, the pages' `as_of`, the last item's cursor by its
//! sort key, and an authentication code of all before, by a key that the store keeps. The code is there because what is in a token decides
//! what comes next, so it must be kith's own.

use std::sync::Arc;

use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::limits::PAGE_TOKEN_BYTES_MAX;
use crate::domain::{NamespaceName, Reason, Sequence, TimeMs, Violation};
use crate::engine::TokenKey;

const VERSION: u8 = 2;
/// Stands between the parts of a cursor; no id holds a control character.
const SEPARATOR: char = '\u{1f}';
const HEAD_BYTES: usize = 1 + 8 + 8;

/// Where the page before ended, if this is not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// The time at which all pages of a listing are evaluated.
    pub as_of: TimeMs,
    /// The last item's sort key.
    pub cursor: Vec<String>,
}

/// What a token belongs to: the namespace, by its name and the command that created it, the RPC, and its request without what may differ
/// from page to page.
#[derive(Debug, Clone)]
pub struct Listing {
    request: u64,
    key: Arc<TokenKey>,
}

impl Listing {
    /// Makes the listing of a request whose page size, page token and read options were cleared.
    pub fn new(
        key: &Arc<TokenKey>,
        namespace: &NamespaceName,
        created: Sequence,
        rpc: &str,
        request: &impl Message,
    ) -> Listing {
        let mut bytes = namespace.as_str().as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(created.to_be_bytes());
        bytes.extend(rpc.as_bytes());
        bytes.push(0);
        bytes.extend(request.encode_to_vec());
        Listing { request: xxh3_64(&bytes), key: key.clone() }
    }

    /// Returns the token for the page after `cursor`.
    pub fn token(&self, as_of: TimeMs, cursor: &[&str]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.request.to_be_bytes());
        bytes.extend(as_of.0.to_be_bytes());
        bytes.extend(cursor.join(&SEPARATOR.to_string()).into_bytes());
        let mac = self.key.mac(&bytes);
        bytes.extend(mac);
        hex(&bytes)
    }

    /// Reads a token of this listing with so many parts in its cursor; none for the first page.
    pub fn parse(&self, token: &str, parts: usize) -> Result<Option<PageToken>, Violation> {
        if token.is_empty() {
            return Ok(None);
        }
        let malformed = || Violation::new("page_token", Reason::Malformed, "is not a token kith has given");
        let bytes = unhex(token).ok_or_else(malformed)?;
        let (body, mac) = bytes.split_last_chunk().ok_or_else(malformed)?;
        if body.len() < HEAD_BYTES || body[0] != VERSION || !self.key.admits(body, mac) {
            return Err(malformed());
        }
        let number =
            |range: std::ops::Range<usize>| body[range].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if number(1..9) != self.request {
            let message = "belongs to another request: only page_size may change from page to page";
            return Err(Violation::new("page_token", Reason::PageTokenMismatch, message));
        }
        let cursor = std::str::from_utf8(&body[HEAD_BYTES..]).map_err(|_| malformed())?;
        let cursor: Vec<String> = cursor.split(SEPARATOR).map(str::to_owned).collect();
        if cursor.len() != parts {
            return Err(malformed());
        }
        Ok(Some(PageToken { as_of: TimeMs(number(9..17) as i64), cursor }))
    }
}

/// Digits are looked up, because `format!` for each byte took longer than everything else about a token.
fn hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digit = |four: u8| char::from(DIGITS[usize::from(four & 0xF)]);
    let mut text = String::with_capacity(2 * bytes.len());
    bytes.iter().for_each(|&byte| text.extend([digit(byte >> 4), digit(byte)]));
    text
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() > PAGE_TOKEN_BYTES_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes().chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

/// Returns one page of items in their order, and the token of the next page if there is more.
pub fn page<T>(
    items: impl IntoIterator<Item = T>,
    size: usize,
    token_after: impl FnOnce(&T) -> String,
) -> (Vec<T>, String) {
    let mut items = items.into_iter();
    let page: Vec<T> = items.by_ref().take(size).collect();
    let token = match (items.next(), page.last()) {
        (Some(_), Some(last)) => token_after(last),
        _ => String::new(),
    };
    (page, token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Secret;
    use crate::proto::v1::ListMembersRequest;

    #[test]
    fn a_token_is_read_by_its_own_request_alone() {
        let key = Arc::new(TokenKey::new(Secret([1; 32])));
        let listing = Listing::new(&key, &NamespaceName::default(), 1, "ListMembers", &ListMembersRequest::default());
        let token = listing.token(TimeMs(-5), &["3", "née"]);
        let read = listing.parse(&token, 2).unwrap().unwrap();
        assert_eq!(read, PageToken { as_of: TimeMs(-5), cursor: vec!["3".to_owned(), "née".to_owned()] });
        assert_eq!(listing.parse("", 2), Ok(None));

        let reason = |listing: &Listing, token: &str| listing.parse(token, 2).unwrap_err().reason;
        let other = Listing::new(&key, &NamespaceName::default(), 1, "ListEdges", &ListMembersRequest::default());
        assert_eq!(reason(&other, &token), Reason::PageTokenMismatch);
        let elsewhere = Arc::new(TokenKey::new(Secret([2; 32])));
        let elsewhere =
            Listing::new(&elsewhere, &NamespaceName::default(), 1, "ListMembers", &ListMembersRequest::default());
        assert_eq!(reason(&elsewhere, &token), Reason::Malformed);
        for at in 0..token.len() {
            let mut forged = token.clone().into_bytes();
            forged[at] = if forged[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(reason(&listing, &String::from_utf8(forged).unwrap()), Reason::Malformed, "digit {at}");
        }
        let damaged = format!("01{}", &token[2..]);
        for wrong in [&token[2..], "0", "é", "zz", "00", &damaged, &"00".repeat(600)] {
            assert_eq!(reason(&listing, wrong), Reason::Malformed, "{wrong}");
        }
    }

    #[test]
    fn the_last_page_has_no_token() {
        let token = |last: &u32| format!("after {last}");
        assert_eq!(page([1, 2, 3], 2, token), (vec![1, 2], "after 2".to_owned()));
        assert_eq!(page([1, 2], 2, token), (vec![1, 2], String::new()));
        assert_eq!(page([], 2, token), (vec![], String::new()));
    }
}
