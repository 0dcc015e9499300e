use super::Codec;

/// Bytes that are not what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed(pub &'static str);

pub type Read<T> = Result<T, Malformed>;

/// Reads what an `Encoder` wrote.
#[derive(Debug, Clone)]
pub struct Decoder<'a> {
    bytes: &'a [u8],
    /// The names that were read whole, in order of appearance.
    names: Vec<&'a str>,
}

impl<'a> Decoder<'a> {
    pub fn new(bytes: &'a [u8]) -> Decoder<'a> {
        Decoder { bytes, names: Vec::new() }
    }

    /// Refuses bytes that are left over.
    pub fn end(self) -> Read<()> {
        if self.bytes.is_empty() { Ok(()) } else { Err(Malformed("bytes are left over")) }
    }

    /// Returns how many bytes are not read yet.
    pub fn left(&self) -> usize {
        self.bytes.len()
    }

    fn take(&mut self, len: usize) -> Read<&'a [u8]> {
        let (taken, left) = self.bytes.split_at_checked(len).ok_or(Malformed("bytes are missing"))?;
        self.bytes = left;
        Ok(taken)
    }

    pub fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (taken, left) = self.bytes.split_first_chunk().ok_or(Malformed("bytes are missing"))?;
        self.bytes = left;
        Ok(*taken)
    }

    /// Returns the next byte, which stays to be read.
    pub fn peek(&self) -> Option<u8> {
        self.bytes.first().copied()
    }

    pub fn byte(&mut self) -> Read<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    pub fn number(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }

    /// Reads a number of a smaller type.
    pub fn small<T: TryFrom<u64>>(&mut self) -> Read<T> {
        T::try_from(self.number()?).map_err(|_| Malformed("a number is too large"))
    }

    pub fn signed(&mut self) -> Read<i64> {
        let value = self.number()?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    pub fn blob(&mut self) -> Read<&'a [u8]> {
        let len = self.small()?;
        self.take(len)
    }

    pub fn text(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.blob()?).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub fn name(&mut self) -> Read<&'a str> {
        match self.small::<usize>()? {
            0 => {
                let name = self.text()?;
                self.names.push(name);
                Ok(name)
            }
            number => self.names.get(number - 1).copied().ok_or(Malformed("a name's number is too large")),
        }
    }

    /// Reads a list of so many items at most. A name that came before takes a byte here and a text in memory, so a bound that the list has
    /// is held to before its items are read.
    pub fn list<T: Codec>(&mut self, max: usize) -> Read<Vec<T>> {
        let len = self.length_within(max)?;
        (0..len).map(|_| T::decode(self)).collect()
    }

    /// Returns the length of a list that has so many items at most.
    pub fn length_within(&mut self, max: usize) -> Read<usize> {
        let len = self.length()?;
        if len > max { Err(Malformed("a list is too long")) } else { Ok(len) }
    }

    /// Returns the length of a list. A list is at most as long as the bytes that are left, since every item takes a byte at least.
    pub fn length(&mut self) -> Read<usize> {
        let len: usize = self.small()?;
        if len > self.bytes.len() { Err(Malformed("a list is longer than its bytes")) } else { Ok(len) }
    }
}
