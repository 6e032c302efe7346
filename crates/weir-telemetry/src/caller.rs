//! Who calls, and what that makes of them.

use aws_lc_rs::digest;
use weir_model::{Access, Permission, Proof};
use weir_signal::{Tenant, unbase64};

use crate::tls::{self, TlsError};

/// Whoever brings telemetry or asks for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// Whose telemetry it is.
    pub tenant: Tenant,
    /// What the caller may do.
    pub may: Permission,
}

impl Caller {
    /// Whether it may bring telemetry.
    pub fn may_write(&self) -> bool {
        matches!(self.may, Permission::Both | Permission::Write)
    }

    /// Whether it may query.
    pub fn may_read(&self) -> bool {
        matches!(self.may, Permission::Both | Permission::Read)
    }
}

/// Why callers cannot be told apart.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A token cannot be read.
    #[error("the token: {0}")]
    Read(#[from] TlsError),
    /// A token is too short to be one.
    #[error("the token {0} has fewer than 16 bytes: anybody could guess it")]
    Short(String),
}

/// Tells who calls. Tokens are held as their digests, and compared in a time that does not depend on where they differ.
#[derive(Debug)]
pub struct Guard {
    tokens: Vec<(digest::Digest, Caller)>,
    certificates: Vec<(String, Caller)>,
}

/// Fewer bytes could be guessed.
const TOKEN_BYTES_MIN: usize = 16;

impl Guard {
    /// Reads the tokens that `access` refers to.
    pub fn new(access: &[Access]) -> Result<Self, GuardError> {
        let mut guard = Self { tokens: Vec::new(), certificates: Vec::new() };
        for access in access {
            let caller = Caller { tenant: Tenant::new(&access.tenant).unwrap_or_default(), may: access.may };
            match &access.by {
                Proof::Certificate(name) => guard.certificates.push((name.to_string(), caller)),
                Proof::Token(secret) => {
                    let secret_bytes = tls::read(secret)?.bytes;
                    let token = secret_bytes.trim_ascii();
                    if token.len() < TOKEN_BYTES_MIN {
                        return Err(GuardError::Short(secret.to_string()));
                    }
                    guard.tokens.push((digest::digest(&digest::SHA256, token), caller));
                }
            }
        }
        Ok(guard)
    }

    /// Whether everybody is let in, as the default tenant.
    pub fn is_open(&self) -> bool {
        self.tokens.is_empty() && self.certificates.is_empty()
    }

    /// Who shows this `Authorization` header and these names in a verified certificate; `None` where nobody is known by
    /// them. A token goes before a certificate.
    pub fn caller(&self, authorization: Option<&[u8]>, certificate_names: &[String]) -> Option<Caller> {
        if self.is_open() {
            return Some(Caller { tenant: Tenant::default(), may: Permission::Both });
        }
        if let Some(token) = authorization.and_then(token) {
            let shown = digest::digest(&digest::SHA256, &token);
            let same = |known: &digest::Digest| {
                aws_lc_rs::constant_time::verify_slices_are_equal(known.as_ref(), shown.as_ref()).is_ok()
            };
            return self.tokens.iter().find(|(known, _)| same(known)).map(|(_, caller)| caller.clone());
        }
        let named = self.certificates.iter().find(|(name, _)| certificate_names.contains(name));
        named.map(|(_, caller)| caller.clone())
    }
}

/// The token in `Bearer TOKEN`, or the password in `Basic …`, which is what agents without a field for tokens can send.
fn token(header: &[u8]) -> Option<Vec<u8>> {
    let space = header.iter().position(|&byte| byte == b' ')?;
    let (scheme, value) = (&header[..space], header[space..].trim_ascii());
    if scheme.eq_ignore_ascii_case(b"bearer") {
        return Some(value.to_vec());
    }
    if scheme.eq_ignore_ascii_case(b"basic") {
        let pair = unbase64(value).ok()?;
        let colon = pair.iter().position(|&byte| byte == b':')?;
        return Some(pair[colon + 1..].to_vec());
    }
    None
}

#[cfg(test)]
mod tests {
    use weir_model::SecretRef;

    use super::*;

    #[test]
    fn callers_are_told_apart() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        std::fs::write(&file, "0123456789abcdef\n").unwrap();
        let access = [
            Access { tenant: "a".into(), by: Proof::Token(SecretRef::File(file)), may: Permission::Write },
            Access { tenant: "b".into(), by: Proof::Certificate("b.example".into()), may: Permission::Read },
        ];
        let guard = Guard::new(&access).unwrap();
        let name = |caller: Option<Caller>| caller.map(|caller| caller.tenant.as_str().to_owned());
        let certificate = ["b.example".to_owned()];
        assert_eq!(name(guard.caller(Some(b"Bearer 0123456789abcdef"), &[])), Some("a".into()));
        assert_eq!(name(guard.caller(Some(b"basic eDowMTIzNDU2Nzg5YWJjZGVm"), &[])), Some("a".into()));
        assert_eq!(name(guard.caller(Some(b"Bearer 0123456789abcdeX"), &certificate)), None);
        assert_eq!(name(guard.caller(None, &certificate)), Some("b".into()));
        assert_eq!(name(guard.caller(None, &[])), None);
        assert!(!guard.caller(None, &certificate).unwrap().may_write());
        assert_eq!(name(Guard::new(&[]).unwrap().caller(None, &[])), Some(String::new()));
    }
}
