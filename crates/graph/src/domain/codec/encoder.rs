use std::collections::HashMap;

/// Writes values one after the other.
#[derive(Debug, Default)]
pub struct Encoder {
    pub bytes: Vec<u8>,
    /// Names that were written before, by their number; none where each name is written whole.
    names: Option<HashMap<String, u64>>,
}

impl Encoder {
    /// An encoder that writes a name whole the first time and by its number from then on: for bytes that are read from their begin.
    pub fn interning() -> Encoder {
        Encoder { bytes: Vec::new(), names: Some(HashMap::new()) }
    }

    /// An encoder that writes every name whole: equal values have equal bytes wherever they stand.
    pub fn plain(bytes: Vec<u8>) -> Encoder {
        Encoder { bytes, names: None }
    }

    pub fn byte(&mut self, value: u8) {
        self.bytes.push(value);
    }

    /// Writes a number as LEB128: seven bits a byte, the lowest first; the high bit says that more follow.
    pub fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// Writes a number in zigzag: small numbers of either sign are short.
    pub fn signed(&mut self, value: i64) {
        self.number(((value << 1) ^ (value >> 63)) as u64);
    }

    pub fn blob(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes a name that may come again: 0 and its text at first, its number (from 1, in order of appearance) from then on.
    pub fn name(&mut self, name: &str) {
        if let Some(names) = &mut self.names {
            if let Some(&number) = names.get(name) {
                return self.number(number);
            }
            names.insert(name.to_owned(), names.len() as u64 + 1);
        }
        self.number(0);
        self.blob(name.as_bytes());
    }
}
