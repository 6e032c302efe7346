//! Names of objects, scoped and typed.

use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::sync::Arc;

/// What an [`Id`] names. Implemented by marker types only.
pub trait Kind: 'static {
    /// The word for it in messages: `route`, `service`, …
    const WORD: &'static str;
}

macro_rules! kinds {
    ($($marker:ident $alias:ident $word:literal),*) => {$(
        #[doc = concat!("Marker: the id names a ", $word, ".")]
        #[derive(Debug)]
        pub enum $marker {}
        impl Kind for $marker { const WORD: &'static str = $word; }
        #[doc = concat!("The name of a ", $word, ".")]
        pub type $alias = Id<$marker>;
    )*};
}
kinds!(ListenerKind ListenerId "listener", RouteKind RouteId "route", ServiceKind ServiceId "service",
    ChainName ChainId "chain");

/// A name within a scope. The default scope is empty; a scope is a namespace of another owner, and references
/// across scopes need a grant (none can be given yet, so such references are refused by configuration).
///
/// Written `name` in the default scope and `scope/name` elsewhere, which is why a name never holds `/`.
pub struct Id<K> {
    text: Arc<str>,
    scope_len: u32,
    kind: PhantomData<fn() -> K>,
}

/// Why a text is no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing was written.
    #[error("a name may not be empty")]
    Empty,
    /// Longer than [`Id::LEN_MAX`].
    #[error("a name may hold at most 253 bytes")]
    TooLong,
    /// Holds `/`, white space or a control character.
    #[error("a name may not hold '/', white space or control characters")]
    BadCharacter,
}

impl<K: Kind> Id<K> {
    /// Longest name, in bytes.
    pub const LEN_MAX: usize = 253;

    /// A name in the default scope.
    pub fn new(name: &str) -> Result<Self, IdError> {
        match name {
            "" => Err(IdError::Empty),
            _ if name.len() > Self::LEN_MAX => Err(IdError::TooLong),
            _ if name.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control()) => {
                Err(IdError::BadCharacter)
            }
            _ => Ok(Self { text: name.into(), scope_len: 0, kind: PhantomData }),
        }
    }

    /// The same name in another scope.
    pub fn in_scope(&self, scope: &str) -> Result<Self, IdError> {
        let scope = Id::<K>::new(scope)?;
        let text = format!("{scope}/{}", self.name());
        Ok(Self { text: text.into(), scope_len: scope.text.len() as u32, kind: PhantomData })
    }
}

impl<K> Id<K> {
    /// The scope; empty for the default one.
    pub fn scope(&self) -> &str {
        &self.text[..self.scope_len as usize]
    }

    /// The name without its scope.
    pub fn name(&self) -> &str {
        let start = if self.scope_len == 0 { 0 } else { self.scope_len as usize + 1 };
        &self.text[start..]
    }

    /// The whole as it is written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        Self { text: self.text.clone(), scope_len: self.scope_len, kind: PhantomData }
    }
}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.text.cmp(&other.text)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}
impl<K> Borrow<str> for Id<K> {
    fn borrow(&self) -> &str {
        &self.text
    }
}
impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}
impl<K: Kind> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", K::WORD, &*self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_scopes() {
        let id = RouteId::new("orders").unwrap();
        assert_eq!((id.scope(), id.name(), id.to_string().as_str()), ("", "orders", "orders"));
        let scoped = id.in_scope("team-a").unwrap();
        assert_eq!((scoped.scope(), scoped.name(), scoped.as_str()), ("team-a", "orders", "team-a/orders"));
        assert_ne!(id, scoped);
        assert_eq!(RouteId::new("a/b"), Err(IdError::BadCharacter));
        assert_eq!(RouteId::new(""), Err(IdError::Empty));
        assert_eq!(RouteId::new(&"x".repeat(254)), Err(IdError::TooLong));
    }
}
