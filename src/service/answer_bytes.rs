//! How long an answer may be. Clients take 4 MiB of a message unless they say otherwise, so no answer is longer: a page ends early, a list
//! of the best holds the first of them and says so, and an answer that can do neither is refused.

use prost::Message;

/// The most bytes of an answer's items. What is beside them, and the last digits of an encoding, have the rest of the 4 MiB.
pub const ANSWER_BYTES_MAX: usize = 3 * 1_024 * 1_024;
/// A path that is longer than this is shown without its edges' notes and origins, so that no single item fills an answer.
pub const PATH_BYTES_MAX: usize = 256 * 1_024;
/// What a repeated field takes beside an item: its tag, and its length in at most four bytes.
const FRAME_BYTES: usize = 5;

/// The room that is left in an answer.
#[derive(Debug, Default)]
pub struct Room {
    used: usize,
}

impl Room {
    /// Takes the room for an item, and returns whether there was enough. There always is for the first item.
    pub fn take(&mut self, item: &impl Message) -> bool {
        let used = self.used + item.encoded_len() + FRAME_BYTES;
        let fits = self.used == 0 || used <= ANSWER_BYTES_MAX;
        if fits {
            self.used = used;
        }
        fits
    }
}

/// Returns the first items, as many as there is room for, and whether these are all.
pub fn that_fit<M: Message>(items: impl IntoIterator<Item = M>) -> (Vec<M>, bool) {
    let mut room = Room::default();
    let mut fitting = Vec::new();
    for item in items {
        if !room.take(&item) {
            return (fitting, false);
        }
        fitting.push(item);
    }
    (fitting, true)
}

/// Returns one page of items in their order, and the token of the next page if there is more. The page ends with `size` items, or before
/// the one that there is no room for. `encode` also returns the item's cursor.
pub fn page_that_fits<T, M: Message, P>(
    items: impl IntoIterator<Item = T>,
    size: usize,
    mut encode: impl FnMut(T) -> (M, P),
    token_after: impl FnOnce(P) -> String,
) -> (Vec<M>, String) {
    let mut room = Room::default();
    let (mut page, mut last) = (Vec::new(), None);
    for item in items {
        let fitting = (page.len() < size).then(|| encode(item)).filter(|(message, _)| room.take(message));
        let Some((message, cursor)) = fitting else { return (page, last.map(token_after).unwrap_or_default()) };
        page.push(message);
        last = Some(cursor);
    }
    (page, String::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1_024 * 1_024;

    fn pages(items: &[usize], size: usize) -> (Vec<usize>, String) {
        let encode = |bytes: &usize| ("x".repeat(*bytes), *bytes);
        let (page, token) = page_that_fits(items, size, encode, |last| format!("after {last}"));
        (page.iter().map(String::len).collect(), token)
    }

    #[test]
    fn a_page_ends_with_its_size_or_its_bytes() {
        assert_eq!(pages(&[1, 2, 3], 2), (vec![1, 2], "after 2".to_owned()));
        assert_eq!(pages(&[1, 2], 2), (vec![1, 2], String::new()));
        assert_eq!(pages(&[], 2), (vec![], String::new()));
        assert_eq!(
            pages(&[MIB, MIB, MIB - 999, 900, 100], 9),
            (vec![MIB, MIB, MIB - 999, 900], "after 900".to_owned())
        );
        assert_eq!(pages(&[4 * MIB, 1], 9), (vec![4 * MIB], format!("after {}", 4 * MIB)));
    }

    #[test]
    fn what_fits_is_the_first_of_them() {
        let given = |items: &[usize]| that_fit(items.iter().map(|bytes| "x".repeat(*bytes)));
        assert_eq!(given(&[1, 2]), (vec!["x".to_owned(), "xx".to_owned()], true));
        let (some, all) = given(&[MIB, MIB, MIB, 1]);
        assert_eq!((some.len(), all), (2, false));
    }
}
