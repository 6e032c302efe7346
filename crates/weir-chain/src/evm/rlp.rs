//! Recursive Length Prefix (Ethereum's Yellow Paper, appendix B): reading in place, and writing.
//!
//! Only the one shortest form of each item is read; everything else is an error, as hashes are taken of these bytes. A list is
//! a [`Reader`] of its own, so that nothing here recurses.

/// Why bytes are no RLP, or not the item that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RlpError {
    /// The bytes end within an item.
    #[error("they end within an item")]
    Short,
    /// A length, or a number, is not written in its shortest form.
    #[error("an item is not in its shortest form")]
    NotShortest,
    /// A list stands where bytes should, or the other way round.
    #[error("a list stands for bytes, or bytes for a list")]
    WrongKind,
    /// A number is larger than it may be, or bytes are not as many as they should be.
    #[error("an item is too large, or of the wrong length")]
    WrongSize,
    /// Something follows where the end should be.
    #[error("something follows where the end should be")]
    TooLong,
}

/// One item, borrowed.
#[derive(Clone, Copy, Debug)]
pub enum Item<'a> {
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list: its items one after another.
    List(Reader<'a>),
}

/// Reads items one after another.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Items in `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The one list that `bytes` are, to their end.
    pub fn only_list(bytes: &'a [u8]) -> Result<Self, RlpError> {
        let mut reader = Self::new(bytes);
        let list = reader.list()?;
        reader.end()?;
        Ok(list)
    }

    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next item.
    pub fn item(&mut self) -> Result<Item<'a>, RlpError> {
        let (&first, after) = self.rest.split_first().ok_or(RlpError::Short)?;
        let (is_list, head, length) = match first {
            0..=0x7f => (false, 0, 1),
            0x80..=0xb7 => (false, 1, usize::from(first - 0x80)),
            0xb8..=0xbf => long(after, first - 0xb7).map(|(head, length)| (false, head, length))?,
            0xc0..=0xf7 => (true, 1, usize::from(first - 0xc0)),
            0xf8..=0xff => long(after, first - 0xf7).map(|(head, length)| (true, head, length))?,
        };
        let end = length.checked_add(head).ok_or(RlpError::Short)?;
        let content = self.rest.get(head..end).ok_or(RlpError::Short)?;
        if head == 1 && !is_list && length == 1 && content[0] < 0x80 {
            return Err(RlpError::NotShortest);
        }
        self.rest = &self.rest[end..];
        Ok(if is_list { Item::List(Reader::new(content)) } else { Item::Bytes(content) })
    }

    /// The next item, which must be bytes.
    pub fn bytes(&mut self) -> Result<&'a [u8], RlpError> {
        match self.item()? {
            Item::Bytes(bytes) => Ok(bytes),
            Item::List(_) => Err(RlpError::WrongKind),
        }
    }

    /// The next item, which must be a list.
    pub fn list(&mut self) -> Result<Reader<'a>, RlpError> {
        match self.item()? {
            Item::List(list) => Ok(list),
            Item::Bytes(_) => Err(RlpError::WrongKind),
        }
    }

    /// The next item, a number of at most 64 bits without leading zeros.
    pub fn uint(&mut self) -> Result<u64, RlpError> {
        let mut number = [0; 8];
        let bytes = self.number(8)?;
        number[8 - bytes.len()..].copy_from_slice(bytes);
        Ok(u64::from_be_bytes(number))
    }

    /// The next item, a number of at most 256 bits without leading zeros, filled up to the left.
    pub fn word(&mut self) -> Result<[u8; 32], RlpError> {
        let mut word = [0; 32];
        let bytes = self.number(32)?;
        word[32 - bytes.len()..].copy_from_slice(bytes);
        Ok(word)
    }

    fn number(&mut self, bytes_max: usize) -> Result<&'a [u8], RlpError> {
        let bytes = self.bytes()?;
        match bytes {
            [0, ..] => Err(RlpError::NotShortest),
            _ if bytes.len() > bytes_max => Err(RlpError::WrongSize),
            _ => Ok(bytes),
        }
    }

    /// The next item, an address or nothing.
    pub fn address(&mut self) -> Result<Option<[u8; 20]>, RlpError> {
        match self.bytes()? {
            [] => Ok(None),
            bytes => bytes.try_into().map(Some).map_err(|_| RlpError::WrongSize),
        }
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), RlpError> {
        if self.rest.is_empty() { Ok(()) } else { Err(RlpError::TooLong) }
    }
}

/// The size of a head with `count` bytes of length, and the length.
fn long(after: &[u8], count: u8) -> Result<(usize, usize), RlpError> {
    let count = usize::from(count);
    let digits = after.get(..count).ok_or(RlpError::Short)?;
    let length =
        digits.iter().try_fold(0_usize, |length, &digit| Some(length.checked_mul(256)? | usize::from(digit)));
    match length {
        _ if digits[0] == 0 => Err(RlpError::NotShortest),
        Some(..=55) => Err(RlpError::NotShortest),
        Some(length) => Ok((1 + count, length)),
        // Longer than any memory.
        None => Err(RlpError::Short),
    }
}

/// Appends bytes.
pub fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    match bytes {
        [byte @ 0..0x80] => out.push(*byte),
        _ => {
            write_head(0x80, bytes.len(), out);
            out.extend_from_slice(bytes);
        }
    }
}

/// Appends a number.
pub fn write_uint(number: u64, out: &mut Vec<u8>) {
    write_number(&number.to_be_bytes(), out);
}

/// Appends a number given by its digits, big end first; zeros before it are left out.
pub fn write_number(digits: &[u8], out: &mut Vec<u8>) {
    let zeros = digits.iter().take_while(|digit| **digit == 0).count();
    write_bytes(&digits[zeros..], out);
}

/// Appends a list whose items are already written.
pub fn write_list(items: &[u8], out: &mut Vec<u8>) {
    write_head(0xc0, items.len(), out);
    out.extend_from_slice(items);
}

fn write_head(kind: u8, length: usize, out: &mut Vec<u8>) {
    if length <= 55 {
        out.push(kind + length as u8);
    } else {
        let digits = length.to_be_bytes();
        let zeros = digits.iter().take_while(|digit| **digit == 0).count();
        out.push(kind + 55 + (digits.len() - zeros) as u8);
        out.extend_from_slice(&digits[zeros..]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, Debug, PartialEq)]
    enum Tree {
        Bytes(Vec<u8>),
        List(Vec<Tree>),
    }

    fn trees() -> impl Strategy<Value = Tree> {
        let leaf = prop_oneof![
            proptest::collection::vec(any::<u8>(), 0..4),
            proptest::collection::vec(any::<u8>(), 50..300),
        ]
        .prop_map(Tree::Bytes);
        leaf.prop_recursive(4, 40, 6, |inner| proptest::collection::vec(inner, 0..6).prop_map(Tree::List))
    }

    fn ours(tree: &Tree, out: &mut Vec<u8>) {
        match tree {
            Tree::Bytes(bytes) => write_bytes(bytes, out),
            Tree::List(trees) => {
                let mut items = Vec::new();
                trees.iter().for_each(|tree| ours(tree, &mut items));
                write_list(&items, out);
            }
        }
    }

    fn theirs(tree: &Tree, out: &mut Vec<u8>) {
        use alloy_rlp::Encodable;
        match tree {
            Tree::Bytes(bytes) => bytes.as_slice().encode(out),
            Tree::List(trees) => {
                let mut items = Vec::new();
                trees.iter().for_each(|tree| theirs(tree, &mut items));
                alloy_rlp::Header { list: true, payload_length: items.len() }.encode(out);
                out.extend_from_slice(&items);
            }
        }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Tree, RlpError> {
        Ok(match reader.item()? {
            Item::Bytes(bytes) => Tree::Bytes(bytes.to_vec()),
            Item::List(mut list) => {
                let mut trees = Vec::new();
                while !list.is_empty() {
                    trees.push(read(&mut list)?);
                }
                Tree::List(trees)
            }
        })
    }

    proptest! {
        #[test]
        fn written_as_others_write_and_read_back(tree in trees()) {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            ours(&tree, &mut a);
            theirs(&tree, &mut b);
            prop_assert_eq!(&a, &b);
            let mut reader = Reader::new(&a);
            prop_assert_eq!(read(&mut reader), Ok(tree));
            prop_assert!(reader.end().is_ok());
        }

        #[test]
        fn others_read_what_we_read_and_nothing_else(mut bytes in proptest::collection::vec(any::<u8>(), 0..80), first in 0x78_u8..) {
            bytes.insert(0, first);
            let mut reader = Reader::new(&bytes);
            let ours = reader.item().map(|item| match item {
                Item::Bytes(bytes) => (false, bytes),
                Item::List(list) => (true, list.rest()),
            });
            let mut rest = bytes.as_slice();
            let theirs = alloy_rlp::Header::decode(&mut rest).ok().filter(|head| head.payload_length <= rest.len());
            prop_assert_eq!(ours.ok(), theirs.map(|head| (head.list, &rest[..head.payload_length])));
        }

        #[test]
        fn numbers(number in any::<u64>()) {
            let mut bytes = Vec::new();
            write_uint(number, &mut bytes);
            prop_assert_eq!(&bytes, &alloy_rlp::encode(number));
            prop_assert_eq!(Reader::new(&bytes).uint(), Ok(number));
        }
    }

    #[test]
    fn lengths_are_checked_before_they_are_believed() {
        #[track_caller]
        fn check(bytes: &[u8], error: RlpError) {
            assert_eq!(Reader::new(bytes).item().map(|_| ()), Err(error), "{bytes:02x?}");
        }
        check(&[], RlpError::Short);
        check(&[0x81, 0x7f], RlpError::NotShortest);
        check(&[0xb8, 55], RlpError::NotShortest);
        check(&[0xb9, 0, 200], RlpError::NotShortest);
        check(&[0xbf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], RlpError::Short);
        check(&[0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], RlpError::Short);
        check(&[0xc1], RlpError::Short);
    }
}
