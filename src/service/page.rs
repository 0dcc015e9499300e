//! Page tokens: where a page ended, for which request.
//!
//! A token is the hex digits of: a version byte, XXH3-64 of the request it belongs to, the pages' `as_of`, the place of the
//! last item by its sort key, and a CRC-32 of all before. It holds no more than its caller was shown, so it is not signed.

use prost::Message;
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::limits::PAGE_TOKEN_BYTES_MAX;
use crate::domain::{Reason, TimeMs, Violation};

const VERSION: u8 = 1;
/// Between the parts of a place; no id holds a control character.
const SEPARATOR: char = '\u{1f}';
const HEAD_BYTES: usize = 1 + 8 + 8;

/// Where the page before ended, if this is not the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageToken {
    /// Pages of one listing are evaluated at the same time.
    pub as_of: TimeMs,
    /// The last item's sort key.
    pub place: Vec<String>,
}

/// What a token belongs to: the RPC, and its request without what may differ from page to page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listing(u64);

impl Listing {
    /// `request` is to have its page's size, its token and its ways of reading cleared.
    pub fn new(rpc: &str, request: &impl Message) -> Listing {
        let mut bytes = rpc.as_bytes().to_vec();
        bytes.push(0);
        bytes.extend(request.encode_to_vec());
        Listing(xxh3_64(&bytes))
    }

    /// The token for the page after `place`.
    pub fn token(self, as_of: TimeMs, place: &[&str]) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(self.0.to_be_bytes());
        bytes.extend(as_of.0.to_be_bytes());
        bytes.extend(place.join(&SEPARATOR.to_string()).into_bytes());
        bytes.extend(crc32fast::hash(&bytes).to_be_bytes());
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Reads a token of this listing with so many parts in its place; none for the first page.
    pub fn parse(self, token: &str, parts: usize) -> Result<Option<PageToken>, Violation> {
        if token.is_empty() {
            return Ok(None);
        }
        let malformed = || Violation::new("page_token", Reason::Malformed, "is not a token kith has given");
        let bytes = unhex(token).ok_or_else(malformed)?;
        let (body, crc) = bytes.split_last_chunk::<4>().ok_or_else(malformed)?;
        if body.len() < HEAD_BYTES || body[0] != VERSION || crc32fast::hash(body).to_be_bytes() != *crc {
            return Err(malformed());
        }
        let number =
            |range: std::ops::Range<usize>| body[range].iter().fold(0u64, |sum, byte| sum << 8 | u64::from(*byte));
        if number(1..9) != self.0 {
            let message = "belongs to another request: only page_size may change from page to page";
            return Err(Violation::new("page_token", Reason::PageTokenMismatch, message));
        }
        let place = std::str::from_utf8(&body[HEAD_BYTES..]).map_err(|_| malformed())?;
        let place: Vec<String> = place.split(SEPARATOR).map(str::to_owned).collect();
        if place.len() != parts {
            return Err(malformed());
        }
        Ok(Some(PageToken { as_of: TimeMs(number(9..17) as i64), place }))
    }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if text.len() > PAGE_TOKEN_BYTES_MAX || !text.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.as_bytes().chunks_exact(2).map(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8)).collect()
}

/// One page of what comes in its order, and the token of the next one if there is more.
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
    use crate::proto::v1::ListMembersRequest;

    #[test]
    fn a_token_is_read_by_its_own_request_alone() {
        let listing = Listing::new("ListMembers", &ListMembersRequest::default());
        let token = listing.token(TimeMs(-5), &["3", "née"]);
        let read = listing.parse(&token, 2).unwrap().unwrap();
        assert_eq!(read, PageToken { as_of: TimeMs(-5), place: vec!["3".to_owned(), "née".to_owned()] });
        assert_eq!(listing.parse("", 2), Ok(None));

        let reason = |listing: Listing, token: &str| listing.parse(token, 2).unwrap_err().reason;
        let other = Listing::new("ListEdges", &ListMembersRequest::default());
        assert_eq!(reason(other, &token), Reason::PageTokenMismatch);
        let damaged = format!("02{}", &token[2..]);
        for wrong in [&token[2..], "0", "é", "zz", "00", &damaged, &"00".repeat(600)] {
            assert_eq!(reason(listing, wrong), Reason::Malformed, "{wrong}");
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
