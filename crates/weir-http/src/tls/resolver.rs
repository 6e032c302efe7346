//! Which certificate a client gets, by the name it asks for.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use weir_model::HostPattern;

thread_local! {
    /// What the `ClientHello` that was processed last on this thread asked for. rustls' unbuffered connection keeps
    /// it to itself; it does show it to the resolver, which runs within the step that the handshake is making.
    static ASKED: RefCell<Option<Asked>> = const { RefCell::new(None) };
}

/// What a client asks for.
pub(super) struct Asked {
    /// In lower case.
    pub(super) server_name: Option<String>,
}

/// What was asked for in the step before this call, if it processed a `ClientHello`. To be called after every step of
/// a handshake, so that no connection sees another's.
pub(super) fn take_asked() -> Option<Asked> {
    ASKED.take()
}

/// Exact name, else the longest wildcard, else the first certificate. Of two certificates with the same name the
/// earlier one is taken.
#[derive(Debug, Default)]
pub(super) struct Resolver {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By suffix, any number of labels before it.
    deep: HashMap<String, Arc<CertifiedKey>>,
    /// By suffix, one label before it: what a wildcard in a certificate means (RFC 6125, section 6.4.3).
    shallow: HashMap<String, Arc<CertifiedKey>>,
    first: Option<Arc<CertifiedKey>>,
}

impl Resolver {
    /// Adds a certificate for `hosts`, or where there are none, for the names in it.
    pub(super) fn add(&mut self, certified: Arc<CertifiedKey>, hosts: &[HostPattern], names: &[String]) {
        let mut put = |map: fn(&mut Self) -> &mut HashMap<String, Arc<CertifiedKey>>, name: &str| {
            map(self).entry(name.to_ascii_lowercase()).or_insert_with(|| Arc::clone(&certified));
        };
        for host in hosts {
            match host {
                HostPattern::Exact(name) => put(|r| &mut r.exact, name),
                HostPattern::Wildcard(suffix) => put(|r| &mut r.deep, suffix),
            }
        }
        if hosts.is_empty() {
            for name in names {
                match name.strip_prefix("*.") {
                    Some(suffix) => put(|r| &mut r.shallow, suffix),
                    None => put(|r| &mut r.exact, name),
                }
            }
        }
        self.first.get_or_insert(certified);
    }

    /// `name` in lower case.
    fn choose(&self, name: Option<&str>) -> Option<&Arc<CertifiedKey>> {
        let Some(name) = name.map(|n| n.strip_suffix('.').unwrap_or(n)) else { return self.first.as_ref() };
        self.exact.get(name).or_else(|| self.wildcard(name)).or(self.first.as_ref())
    }

    fn wildcard(&self, name: &str) -> Option<&Arc<CertifiedKey>> {
        let mut suffixes = name.match_indices('.').map(|(dot, _)| &name[dot + 1..]);
        let longest = suffixes.next()?;
        self.deep
            .get(longest)
            .or_else(|| self.shallow.get(longest))
            .or_else(|| suffixes.find_map(|suffix| self.deep.get(suffix)))
    }
}

impl ResolvesServerCert for Resolver {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let server_name = hello.server_name().map(str::to_ascii_lowercase);
        let chosen = self.choose(server_name.as_deref()).cloned();
        ASKED.set(Some(Asked { server_name }));
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certified() -> Arc<CertifiedKey> {
        let made = rcgen::generate_simple_self_signed(["x".to_owned()]).unwrap();
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        let key = rustls_pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        Arc::new(CertifiedKey::from_der(vec![made.cert.der().clone()], key, &provider).unwrap())
    }

    #[test]
    fn chooses() {
        let (one, two, three) = (certified(), certified(), certified());
        let mut resolver = Resolver::default();
        resolver.add(Arc::clone(&one), &[], &["a.test".into(), "*.a.test".into()]);
        let hosts = [HostPattern::parse("*.b.test").unwrap(), HostPattern::parse("x.a.test").unwrap()];
        resolver.add(Arc::clone(&two), &hosts, &["ignored.test".into()]);
        resolver.add(Arc::clone(&three), &[], &["*.deep.b.test".into(), "A.test".into()]);
        let check = |name: Option<&str>, expect: &Arc<CertifiedKey>| {
            assert!(Arc::ptr_eq(resolver.choose(name).unwrap(), expect), "{name:?}");
        };
        check(None, &one);
        check(Some("a.test"), &one);
        check(Some("a.test."), &one);
        check(Some("y.a.test"), &one);
        check(Some("x.a.test"), &two);
        check(Some("b.b.test"), &two);
        check(Some("c.b.b.test"), &two);
        check(Some("x.deep.b.test"), &three);
        check(Some("y.x.deep.b.test"), &two);
        check(Some("ignored.test"), &one);
        check(Some("nothing"), &one);
        check(Some("."), &one);
    }
}
