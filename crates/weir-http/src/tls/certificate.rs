//! What a certificate says: subject, names and validity (RFC 5280), read with a small DER reader.
//!
//! Whether a certificate is to be believed is decided by rustls and webpki; here it is only read. What can't be read
//! is left out.

use std::fmt::Write;

use weir_model::Wall;

/// The parts of a certificate that a policy, a log or a warning needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerCertificate {
    /// The subject as RFC 4514 writes it: `CN=client,O=Example`.
    pub subject: String,
    /// DNS names among the alternative names, in lower case, wildcards as they stand.
    pub dns_names: Vec<String>,
    /// URIs among the alternative names, such as a SPIFFE id.
    pub uris: Vec<String>,
    /// First moment of validity, in seconds since the Unix epoch.
    pub not_before: Option<i64>,
    /// Last moment of validity.
    pub not_after: Option<i64>,
}

impl PeerCertificate {
    /// Reads a DER certificate as far as it is one.
    pub fn read(der: &[u8]) -> Self {
        let mut read = Self::default();
        // The `?` inside is only a way out; what was read before it stays.
        let _ = read.fill(der);
        read
    }

    fn fill(&mut self, der: &[u8]) -> Option<()> {
        let mut certificate = Der(Der(der).expect(SEQUENCE)?);
        let mut tbs = Der(certificate.expect(SEQUENCE)?);
        if tbs.peek() == Some(CONTEXT) {
            tbs.next()?; // version
        }
        tbs.next()?; // serial number
        tbs.next()?; // signature algorithm
        tbs.next()?; // issuer
        let mut validity = Der(tbs.expect(SEQUENCE)?);
        self.not_before = validity.next().and_then(|(tag, text)| unix_time(tag, text));
        self.not_after = validity.next().and_then(|(tag, text)| unix_time(tag, text));
        self.subject = distinguished_name(tbs.expect(SEQUENCE)?);
        tbs.next()?; // public key
        while let Some((tag, bytes)) = tbs.next() {
            if tag == CONTEXT | 3 {
                self.extensions(Der(Der(bytes).expect(SEQUENCE)?));
            }
        }
        Some(())
    }

    fn extensions(&mut self, mut extensions: Der<'_>) -> Option<()> {
        while let Some((_, extension)) = extensions.next() {
            let mut extension = Der(extension);
            let id = extension.expect(OID)?;
            if extension.peek() == Some(BOOLEAN) {
                extension.next()?; // critical
            }
            let value = extension.expect(OCTETS)?;
            if id == SUBJECT_ALT_NAME {
                let mut names = Der(Der(value).expect(SEQUENCE)?);
                while let Some((tag, name)) = names.next() {
                    let Ok(name) = std::str::from_utf8(name) else { continue };
                    match tag {
                        DNS_NAME => self.dns_names.push(name.to_ascii_lowercase()),
                        URI => self.uris.push(name.to_owned()),
                        _ => {}
                    }
                }
            }
        }
        Some(())
    }
}

/// A sentence where the certificate from `origin` is not valid now, or not for long.
pub(super) fn validity_warning(read: &PeerCertificate, origin: &str, now: Wall) -> Option<String> {
    const DAY: i64 = 86_400;
    const SOON: i64 = 7 * DAY;
    let now = i64::try_from(now.0 / 1_000_000_000).unwrap_or(i64::MAX);
    let days = |seconds: i64| match seconds / DAY {
        0 => "less than a day".to_owned(),
        1 => "1 day".to_owned(),
        days => format!("{days} days"),
    };
    if let Some(end) = read.not_after {
        if end < now {
            return Some(format!(
                "the certificate in {origin} expired {} ago; peers will refuse it until it is renewed",
                days(now - end)
            ));
        }
        if end - now < SOON {
            return Some(format!("the certificate in {origin} expires in {}", days(end - now)));
        }
    }
    match read.not_before {
        Some(start) if start > now => Some(format!(
            "the certificate in {origin} becomes valid in {}; peers will refuse it until then",
            days(start - now)
        )),
        _ => None,
    }
}

const BOOLEAN: u8 = 0x01;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const CONTEXT: u8 = 0xa0;
const DNS_NAME: u8 = 0x82;
const URI: u8 = 0x86;
/// 2.5.29.17
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 0x11];

/// A row of DER elements.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    fn peek(&self) -> Option<u8> {
        self.0.first().copied()
    }

    /// The next element's tag and contents. None at the end, and where a length is not a definite one that fits.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&tag, rest) = self.0.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7f => (usize::from(first), rest),
            0x81..=0x83 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
                (bytes.iter().fold(0, |length, &byte| length << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (contents, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, contents))
    }

    fn expect(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.next().filter(|(found, _)| *found == tag).map(|(_, contents)| contents)
    }
}

/// RFC 4514: the parts in reverse order, separated by commas.
fn distinguished_name(name: &[u8]) -> String {
    let mut parts = Vec::new();
    let mut name = Der(name);
    while let Some((_, set)) = name.next() {
        let mut set = Der(set);
        let mut part = String::new();
        while let Some((_, pair)) = set.next() {
            let mut pair = Der(pair);
            let (Some(id), Some((tag, value))) = (pair.expect(OID), pair.next()) else { continue };
            if !part.is_empty() {
                part.push('+');
            }
            attribute(&mut part, id);
            part.push('=');
            if tag == BMP_STRING {
                let units = value.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
                escape(
                    &mut part,
                    &char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect::<String>(),
                );
            } else {
                escape(&mut part, &String::from_utf8_lossy(value));
            }
        }
        parts.push(part);
    }
    parts.reverse();
    parts.join(",")
}

fn attribute(part: &mut String, id: &[u8]) {
    let name = match id {
        [0x55, 0x04, 0x03] => "CN",
        [0x55, 0x04, 0x05] => "serialNumber",
        [0x55, 0x04, 0x06] => "C",
        [0x55, 0x04, 0x07] => "L",
        [0x55, 0x04, 0x08] => "ST",
        [0x55, 0x04, 0x09] => "STREET",
        [0x55, 0x04, 0x0a] => "O",
        [0x55, 0x04, 0x0b] => "OU",
        // 0.9.2342.19200300.100.1.1 and .25
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x01] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 0x01, 0x19] => "DC",
        // 1.2.840.113549.1.9.1
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x01] => "emailAddress",
        _ => {
            part.push_str("OID.");
            return dotted(part, id);
        }
    };
    part.push_str(name);
}

fn dotted(part: &mut String, id: &[u8]) {
    let mut number: u64 = 0;
    let mut first = true;
    for &byte in id {
        number = number << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 != 0 {
            continue;
        }
        let _ = if first {
            let root = (number / 40).min(2);
            write!(part, "{root}.{}", number - 40 * root)
        } else {
            write!(part, ".{number}")
        };
        (first, number) = (false, 0);
    }
}

/// Escapes what RFC 4514, section 2.4, gives a meaning to, and control characters, so that a subject is one line and
/// can't pretend to have parts that it has not.
fn escape(part: &mut String, value: &str) {
    let end = value.len();
    for (at, c) in value.char_indices() {
        let edge = c == ' ' && (at == 0 || at + 1 == end) || c == '#' && at == 0;
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' | '=' => part.extend(['\\', c]),
            _ if edge => part.extend(['\\', c]),
            _ if c.is_control() => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    let _ = write!(part, "\\{byte:02x}");
                }
            }
            _ => part.push(c),
        }
    }
}

/// RFC 5280, section 4.1.2.5: `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`.
fn unix_time(tag: u8, text: &[u8]) -> Option<i64> {
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let pair =
        |at: usize| Some(i64::from(digits.get(at)? - b'0') * 10 + i64::from(digits.get(at + 1)? - b'0'));
    let (year, rest) = match (tag, digits.len()) {
        (UTC_TIME, 12) => (pair(0).map(|y| if y >= 50 { 1900 + y } else { 2000 + y })?, 2),
        (GENERALIZED_TIME, 14) => (pair(0)? * 100 + pair(2)?, 4),
        _ => return None,
    };
    let (month, day) = (pair(rest)?, pair(rest + 2)?);
    let (hour, minute, second) = (pair(rest + 4)?, pair(rest + 6)?, pair(rest + 8)?);
    if !(1..=12).contains(&month) {
        return None;
    }
    // Days since the epoch in the proleptic Gregorian calendar, with years that begin in March.
    let shifted = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (shifted.div_euclid(400), shifted.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468;
    Some(days * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn made() -> Vec<u8> {
        let mut params =
            CertificateParams::new(["A.example.com".to_owned(), "*.example.org".into()]).unwrap();
        params.subject_alt_names.push(SanType::URI("spiffe://example.org/client".try_into().unwrap()));
        params.subject_alt_names.push(SanType::IpAddress("192.0.2.1".parse().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Example, Ltd");
        params.distinguished_name.push(DnType::CommonName, "client\n#1");
        params.not_before = rcgen::date_time_ymd(2024, 2, 29);
        params.not_after = rcgen::date_time_ymd(2051, 3, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads() {
        let read = PeerCertificate::read(&made());
        assert_eq!(read.subject, "CN=client\\0a#1,O=Example\\, Ltd");
        assert_eq!(read.dns_names, ["a.example.com", "*.example.org"]);
        assert_eq!(read.uris, ["spiffe://example.org/client"]);
        assert_eq!(read.not_before, Some(1_709_164_800));
        assert_eq!(read.not_after, Some(2_561_241_600));
    }

    #[test]
    fn warns() {
        let read =
            PeerCertificate { not_before: Some(1_000_000), not_after: Some(9_000_000), ..Default::default() };
        let check = |now: u64, expect: Option<&str>| {
            let says = validity_warning(&read, "file c.pem", Wall(now * 1_000_000_000));
            assert_eq!(
                says.as_deref().map(|s| &s["the certificate in file c.pem ".len()..]),
                expect,
                "{now}"
            );
        };
        check(9_100_000, Some("expired 1 day ago; peers will refuse it until it is renewed"));
        check(8_800_000, Some("expires in 2 days"));
        check(5_000_000, None);
        check(990_000, Some("becomes valid in less than a day; peers will refuse it until then"));
    }

    #[test]
    fn dotted_ids() {
        let mut text = String::new();
        dotted(&mut text, &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d]);
        assert_eq!(text, "1.2.840.113549");
    }

    proptest! {
        #[test]
        fn survives_anything(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            PeerCertificate::read(&bytes);
        }

        #[test]
        fn survives_damage(at in any::<prop::sample::Index>(), value in any::<u8>(), cut in any::<prop::sample::Index>()) {
            let mut der = made();
            let at = at.index(der.len());
            der[at] = value;
            PeerCertificate::read(&der);
            der.truncate(cut.index(der.len()));
            PeerCertificate::read(&der);
        }
    }
}
