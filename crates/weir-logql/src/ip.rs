//! Addresses of the internet protocol, and where they stand in a text.

use std::net::IpAddr;

/// What an address is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum IpTest {
    /// One address.
    One(IpAddr),
    /// The first so many bits.
    Network(IpAddr, u8),
    /// From one to another, both included.
    Range(IpAddr, IpAddr),
}

impl IpTest {
    /// `192.168.0.1`, `192.168.0.0/16` or `192.168.0.1-192.168.0.23`, or the like in IPv6.
    pub(crate) fn parse(pattern: &str) -> Result<Self, String> {
        let parse = || {
            if let Ok(one) = pattern.parse() {
                return Some(Self::One(one));
            }
            if let Some((network, bits)) = pattern.split_once('/') {
                let network: IpAddr = network.parse().ok()?;
                let plain = bits.bytes().all(|byte| byte.is_ascii_digit())
                    && !(bits.len() > 1 && bits.starts_with('0'));
                let bits: u8 = bits.parse().ok().filter(|&bits| plain && bits <= width(network))?;
                return Some(Self::Network(network, bits));
            }
            let (from, to) = pattern.split_once('-')?;
            let (from, to): (IpAddr, IpAddr) = (from.parse().ok()?, to.parse().ok()?);
            (from.is_ipv4() == to.is_ipv4() && from <= to).then_some(Self::Range(from, to))
        };
        parse().ok_or_else(|| format!("ip: invalid pattern: {}", crate::quote::quote(pattern)))
    }

    fn contains(&self, address: IpAddr) -> bool {
        match *self {
            Self::One(one) => one == address,
            Self::Network(network, bits) => {
                network.is_ipv4() == address.is_ipv4() && {
                    let unused = u32::from(width(network) - bits);
                    // A shift by all bits is none.
                    let top = |address: IpAddr| number(address).checked_shr(unused).unwrap_or(0);
                    top(network) == top(address)
                }
            }
            Self::Range(from, to) => from.is_ipv4() == address.is_ipv4() && (from..=to).contains(&address),
        }
    }

    /// Whether such an address stands anywhere in a text.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let is_part: fn(u8) -> bool = if begins_ipv4(rest) {
                |byte| byte.is_ascii_digit() || byte == b'.'
            } else if begins_ipv6(rest) {
                |byte| byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
            } else {
                at += 1;
                continue;
            };
            let length = rest.iter().position(|&byte| !is_part(byte)).unwrap_or(rest.len());
            // What has only such bytes is text.
            if let Ok(address) = text[at..at + length].parse()
                && self.contains(address)
            {
                return true;
            }
            at += length + 1;
        }
        false
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_bits().into(),
        IpAddr::V6(address) => address.to_bits(),
    }
}

/// Up to three characters and a dot, the first of which is a digit.
fn begins_ipv4(text: &[u8]) -> bool {
    text.len() > 3 && text[0].is_ascii_digit() && text[1..4].contains(&b'.')
}

/// Two colons and a digit, or up to four digits and a colon.
fn begins_ipv6(text: &[u8]) -> bool {
    let is_digit = |at: usize| text.get(at).is_some_and(u8::is_ascii_hexdigit);
    if text.starts_with(b"::") {
        return is_digit(2);
    }
    let digits = (0..5).take_while(|&at| is_digit(at)).count();
    (1..=4).contains(&digits) && text.get(digits) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found() {
        let check = |pattern: &str, text: &str, expect: bool| {
            assert_eq!(IpTest::parse(pattern).unwrap().is_in(text), expect, "{pattern} {text}");
        };
        check("192.168.0.0/16", "from 192.168.4.5:80 to 10.0.0.1", true);
        check("192.168.4.5/16", "192.168.99.1", true);
        check("192.168.0.0/16", "192.169.0.1", false);
        check("10.0.0.1", "192.168.4.5 10.0.0.1", true);
        check("10.0.0.1", "10.0.0.11", false);
        check("0.0.0.0/0", "1.2.3.4", true);
        check("0.0.0.0/0", "::1", false);
        check("192.168.4.5-192.168.4.20", "192.168.4.20", true);
        check("192.168.4.5-192.168.4.20", "192.168.4.21", false);
        check("2001:db8::/32", "addr=2001:db8::7 ok", true);
        check("2001:db8::1-2001:db8::8", "2001:db8::9", false);
        check("::1", "[::1]:80", true);
        check("::/0", "é::1é", true);
        check("10.0.0.1", "", false);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for pattern in [
            "",
            "notanip",
            "10.0.0.1/33",
            "10.0.0.1/08",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.1 - 10.0.0.2",
        ] {
            assert!(IpTest::parse(pattern).is_err(), "{pattern}");
        }
    }
}
