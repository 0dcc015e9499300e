//! Puts a call's messages together from the pieces they come in.
//!
//! tonic makes room for a whole message when it has read its length: a caller who sent the five bytes of its head alone, on each of a
//! thousand calls, would have 4 GiB of room made. Here a message takes the memory of the bytes that have come, and is handed on when it is
//! whole.

use prost::bytes::{Bytes, BytesMut};

use crate::domain::limits::MESSAGE_BYTES_MAX;

/// A message's head says whether it is compressed, and its length in four bytes.
pub const HEAD_BYTES: usize = 5;

#[derive(Debug, Default)]
pub struct Assembly {
    /// The bytes held begin where a message does.
    held: BytesMut,
}

impl Assembly {
    /// Takes the next piece, and returns the messages that are now whole; where a message is longer than any may be, it returns all bytes
    /// of it so far.
    pub fn push(&mut self, piece: Bytes) -> Option<Bytes> {
        if self.held.is_empty() && whole_messages(&piece) == piece.len() {
            return Some(piece).filter(|piece| !piece.is_empty());
        }
        self.held.extend_from_slice(&piece);
        let whole = whole_messages(&self.held);
        (whole > 0).then(|| self.held.split_to(whole).freeze())
    }

    /// Returns what is left when no more comes: a part of a message.
    pub fn rest(&mut self) -> Option<Bytes> {
        (!self.held.is_empty()).then(|| self.held.split().freeze())
    }

    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    pub fn len(&self) -> usize {
        self.held.len()
    }
}

/// Takes the first message off the front: whether it is compressed, and its content. Returns none if no message is whole.
pub fn first_message<'b>(messages: &mut &'b [u8]) -> Option<(bool, &'b [u8])> {
    let [compressed, length @ ..] = messages.first_chunk::<HEAD_BYTES>()?;
    let end = HEAD_BYTES + u32::from_be_bytes(*length) as usize;
    let message = messages.get(HEAD_BYTES..end)?;
    *messages = &messages[end..];
    Some((*compressed != 0, message))
}

/// Returns how many bytes the whole messages have.
fn whole_messages(bytes: &[u8]) -> usize {
    let mut end = 0;
    while let Some([_, length @ ..]) = bytes[end..].first_chunk::<HEAD_BYTES>() {
        let length = u32::from_be_bytes(*length) as usize;
        if length > MESSAGE_BYTES_MAX {
            return bytes.len();
        }
        if bytes.len() - end - HEAD_BYTES < length {
            break;
        }
        end += HEAD_BYTES + length;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(length: usize) -> Vec<u8> {
        let mut bytes = vec![0];
        bytes.extend((length as u32).to_be_bytes());
        bytes.extend((0..length).map(|at| at as u8));
        bytes
    }

    #[test]
    fn whatever_the_pieces_messages_come_whole_and_in_order() {
        let seed = fastrand::u64(..);
        println!("seed {seed}");
        let mut random = fastrand::Rng::with_seed(seed);
        for _ in 0..2_000 {
            let lengths: Vec<usize> = (0..random.usize(1..6)).map(|_| random.usize(0..40)).collect();
            let sent: Vec<u8> = lengths.iter().flat_map(|length| message(*length)).collect();
            let ends: Vec<usize> = lengths
                .iter()
                .scan(0, |end, length| {
                    *end += HEAD_BYTES + length;
                    Some(*end)
                })
                .collect();
            let cut = random.usize(0..3).min(sent.len());
            let (mut assembly, mut came, mut at) = (Assembly::default(), Vec::new(), 0);
            let sent_at_all = &sent[..sent.len() - cut];
            while at < sent_at_all.len() {
                let to = (at + random.usize(1..30)).min(sent_at_all.len());
                if let Some(whole) = assembly.push(Bytes::copy_from_slice(&sent_at_all[at..to])) {
                    came.extend_from_slice(&whole);
                    assert!(ends.contains(&came.len()), "{lengths:?} ends at {}", came.len());
                }
                at = to;
            }
            let whole = ends.iter().copied().filter(|end| *end <= sent_at_all.len()).max().unwrap_or(0);
            assert_eq!(came.len(), whole, "nothing whole is kept back");
            came.extend(assembly.rest().unwrap_or_default());
            assert_eq!(came, sent_at_all);
            assert!(assembly.is_empty());
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_handed_on_to_be_refused() {
        let mut head = vec![0];
        head.extend((MESSAGE_BYTES_MAX as u32 + 1).to_be_bytes());
        let mut assembly = Assembly::default();
        assert_eq!(assembly.push(Bytes::copy_from_slice(&head[..3])), None);
        assert_eq!(assembly.push(Bytes::copy_from_slice(&head[3..])), Some(Bytes::from(head)));
    }
}
