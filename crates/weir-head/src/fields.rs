//! Header and trailer fields, in one arena.

use crate::known::Known;

/// A run of bytes in an arena.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    pub(crate) start: u32,
    pub(crate) end: u32,
}

impl Span {
    #[inline]
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: start as u32, end: end as u32 }
    }

    /// Length in bytes.
    #[inline]
    pub fn len(self) -> usize {
        (self.end - self.start) as usize
    }

    /// Whether it holds nothing.
    #[inline]
    pub fn is_empty(self) -> bool {
        self.start == self.end
    }
}

/// One field: two spans of the arena, the id of a well-known name, and whether it still counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    pub(crate) name: Span,
    pub(crate) value: Span,
    /// End of the field's line including CRLF; the line starts where the name does.
    pub(crate) line_end: u32,
    id: Known,
    live: bool,
}

/// Fields in their order, with their bytes.
///
/// A removed field stays in the arena and is marked dead; a set one is appended, so that later readers see
/// earlier edits. Every line in the arena is `name: value CRLF`, so a writer copies whole runs of live lines.
/// Names match without case. Recycled with [`Fields::clear`], which keeps the memory.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    arena: Vec<u8>,
    items: Vec<Field>,
    /// Known names that have at least one live field (a bit may stay set after a removal of one of several).
    present: u64,
}

impl Fields {
    /// Forgets everything but the memory.
    #[inline]
    pub fn clear(&mut self) {
        self.arena.clear();
        self.items.clear();
        self.present = 0;
    }

    /// Starts over with these bytes in the arena.
    #[inline]
    pub(crate) fn load(&mut self, bytes: &[u8]) {
        self.arena.clear();
        self.arena.extend_from_slice(bytes);
    }

    #[inline]
    pub(crate) fn begin(&mut self) {
        self.items.clear();
        self.present = 0;
    }

    /// Records a line that will stand in the arena.
    #[inline]
    pub(crate) fn push_line(&mut self, name: Span, value: Span, line_end: u32, id: Known) {
        self.items.push(Field { name, value, line_end, id, live: true });
        self.present |= id.bit();
    }

    #[inline]
    pub(crate) fn bytes(&self, span: Span) -> &[u8] {
        &self.arena[span.start as usize..span.end as usize]
    }

    /// Puts bytes beside the fields, for parts of a head that were changed.
    pub(crate) fn stash(&mut self, bytes: &[u8]) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_slice(bytes);
        Span::new(start, self.arena.len())
    }

    /// Puts a lower-case copy of a span beside the fields.
    pub(crate) fn stash_lower(&mut self, span: Span) -> Span {
        let start = self.arena.len();
        self.arena.extend_from_within(span.start as usize..span.end as usize);
        self.arena[start..].make_ascii_lowercase();
        Span::new(start, self.arena.len())
    }

    /// Where the values under a known name stand, in order.
    pub(crate) fn spans(&self, id: Known) -> impl Iterator<Item = Span> {
        self.items.iter().filter(move |f| f.live && f.id == id).map(|f| f.value)
    }

    /// Writes a field anew where its value stands in other white space than at most one space before it. Servers disagree
    /// about the rest, and a length that one of them does not see is two requests to it.
    pub(crate) fn settle_space(&mut self, id: Known) {
        let plain = |f: &Field| {
            let before = &self.arena[f.name.end as usize + 1..f.value.start as usize];
            matches!(before, b"" | b" ") && f.line_end == f.value.end + 2
        };
        if !self.items.iter().filter(|f| f.live && f.id == id).all(plain)
            && let Some(value) = self.get(id).map(<[u8]>::to_vec)
        {
            self.set_known(id, &value);
        }
    }

    /// Number of lines that were parsed or added, dead ones included.
    pub fn lines(&self) -> usize {
        self.items.len()
    }

    /// Number of live fields.
    pub fn len(&self) -> usize {
        self.items.iter().filter(|f| f.live).count()
    }

    /// Whether there is no live field.
    pub fn is_empty(&self) -> bool {
        !self.items.iter().any(|f| f.live)
    }

    /// Whether a known name has a live field.
    #[inline]
    pub fn has(&self, id: Known) -> bool {
        self.present & id.bit() != 0
    }

    /// Whether one of several known names (bits of [`Known::bit`]) has a live field.
    #[inline]
    pub fn has_any(&self, ids: u64) -> bool {
        self.present & ids != 0
    }

    /// The first value under a known name.
    #[inline]
    pub fn get(&self, id: Known) -> Option<&[u8]> {
        if !self.has(id) {
            return None;
        }
        self.items.iter().find(|f| f.live && f.id == id).map(|f| self.bytes(f.value))
    }

    /// All values under a known name, in order.
    pub fn all(&self, id: Known) -> impl Iterator<Item = &[u8]> {
        self.items.iter().filter(move |f| f.live && f.id == id).map(|f| self.bytes(f.value))
    }

    /// The first value under any name.
    pub fn get_name(&self, name: &str) -> Option<&[u8]> {
        let id = Known::of(name.as_bytes());
        if id != Known::Other {
            return self.get(id);
        }
        self.items.iter().find(|f| self.is_named(f, id, name)).map(|f| self.bytes(f.value))
    }

    /// All values under any name, in order.
    pub fn all_name<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let id = Known::of(name.as_bytes());
        let absent = id != Known::Other && !self.has(id);
        let items = if absent { &[][..] } else { &self.items[..] };
        items.iter().filter(move |f| self.is_named(f, id, name)).map(|f| self.bytes(f.value))
    }

    #[inline]
    fn is_named(&self, field: &Field, id: Known, name: &str) -> bool {
        field.live
            && field.id == id
            && (id != Known::Other || self.bytes(field.name).eq_ignore_ascii_case(name.as_bytes()))
    }

    /// All live fields, in order: name as it was written, id, value.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Known, &[u8])> {
        self.items.iter().filter(|f| f.live).map(|f| (self.bytes(f.name), f.id, self.bytes(f.value)))
    }

    /// Adds a field after the others. Name and value must be fit for the wire: a token, and no CR, LF or NUL.
    pub fn append(&mut self, name: &str, value: &[u8]) {
        self.append_with(Known::of(name.as_bytes()), name, |out| out.extend_from_slice(value));
    }

    /// Adds a field under a known name.
    #[inline]
    pub fn append_known(&mut self, id: Known, value: &[u8]) {
        self.append_with(id, id.name(), |out| out.extend_from_slice(value));
    }

    /// Adds a field whose value is written by `write`.
    #[inline]
    pub fn append_with(&mut self, id: Known, name: &str, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.arena.len();
        self.arena.extend_from_slice(name.as_bytes());
        self.arena.extend_from_slice(b": ");
        let value = self.arena.len();
        write(&mut self.arena);
        let end = self.arena.len();
        debug_assert!(
            !self.arena[start..end].iter().any(|b| matches!(b, b'\r' | b'\n' | 0)),
            "a field's bytes have to be fit for the wire"
        );
        self.arena.extend_from_slice(b"\r\n");
        self.push_line(
            Span::new(start, start + name.len()),
            Span::new(value, end),
            self.arena.len() as u32,
            id,
        );
    }

    /// Replaces all fields of a name by one.
    pub fn set(&mut self, name: &str, value: &[u8]) {
        self.remove(name);
        self.append(name, value);
    }

    /// Replaces all fields of a known name by one.
    #[inline]
    pub fn set_known(&mut self, id: Known, value: &[u8]) {
        self.remove_known(id);
        self.append_known(id, value);
    }

    /// Removes all fields of a name; says whether there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let id = Known::of(name.as_bytes());
        if id != Known::Other {
            return self.remove_known(id);
        }
        let mut any = false;
        for at in 0..self.items.len() {
            if self.is_named(&self.items[at], id, name) {
                self.items[at].live = false;
                any = true;
            }
        }
        any
    }

    /// Removes all fields of a known name; says whether there were any.
    #[inline]
    pub fn remove_known(&mut self, id: Known) -> bool {
        self.remove_any(id.bit())
    }

    /// Removes all fields of several known names (bits of [`Known::bit`]); says whether there were any.
    #[inline]
    pub fn remove_any(&mut self, ids: u64) -> bool {
        if self.present & ids == 0 {
            return false;
        }
        for field in &mut self.items {
            if field.id.bit() & ids != 0 && field.id != Known::Other {
                field.live = false;
            }
        }
        self.present &= !ids;
        true
    }

    /// Writes all live lines, each with its CRLF, without the empty line that ends a head. Adjacent ones are copied
    /// as one run.
    #[inline]
    pub fn write(&self, out: &mut Vec<u8>) {
        let (mut start, mut end) = (0, 0);
        for field in self.items.iter().filter(|f| f.live) {
            if field.name.start != end {
                out.extend_from_slice(&self.arena[start as usize..end as usize]);
                start = field.name.start;
            }
            end = field.line_end;
        }
        out.extend_from_slice(&self.arena[start as usize..end as usize]);
    }

    /// Bytes that [`Fields::write`] may write at the most.
    pub fn bytes_max(&self) -> usize {
        self.arena.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&str, &str)]) -> Fields {
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.append(name, value.as_bytes());
        }
        fields
    }

    fn written(fields: &Fields) -> String {
        let mut out = Vec::new();
        fields.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn edits_are_seen_by_later_readers() {
        let mut f = fields(&[("Host", "a"), ("X-Tier", "gold"), ("x-tier", "tin"), ("Via", "1.1 x")]);
        assert_eq!(f.get(Known::Host), Some(&b"a"[..]));
        assert_eq!(f.all_name("X-TIER").collect::<Vec<_>>(), [&b"gold"[..], b"tin"]);
        f.set("X-Tier", b"silver");
        f.remove_known(Known::Via);
        assert!(!f.has(Known::Via));
        assert_eq!(f.get_name("x-tier"), Some(&b"silver"[..]));
        assert_eq!(written(&f), "Host: a\r\nX-Tier: silver\r\n");
        assert_eq!((f.len(), f.lines()), (2, 5));
    }

    #[test]
    fn removing_known_names_spares_the_unknown() {
        let mut f = fields(&[("X-A", "1"), ("Te", "trailers"), ("X-B", "2")]);
        assert!(f.remove_any(Known::Te.bit() | Known::Upgrade.bit()));
        assert!(!f.remove_any(Known::Te.bit()));
        assert_eq!(written(&f), "X-A: 1\r\nX-B: 2\r\n");
    }
}
