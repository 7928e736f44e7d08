//! Which addresses may be reached. The check is made on the addresses that are then connected to, so that a name that
//! changes its address between check and connection gains nothing; redirects pass through it as well.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;

/// An address that may not be reached.
#[derive(Clone, Debug, thiserror::Error)]
#[error("`{host}` is at {address}, which is not a public address")]
pub(crate) struct Blocked {
    pub(crate) host: String,
    pub(crate) address: IpAddr,
}

/// Resolves names and refuses addresses that are not public.
#[derive(Debug, Default)]
pub(crate) struct Guard {
    resolver: DefaultResolver,
    allow_private: bool,
    /// Where connections were tried last.
    tried: Tried,
}

/// The addresses of the last host that was resolved, for error messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tried(Arc<Mutex<Vec<SocketAddr>>>);

impl Tried {
    pub(crate) fn list(&self) -> String {
        let addresses = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl Guard {
    pub(crate) fn new(allow_private: bool, tried: Tried) -> Self {
        Self { resolver: DefaultResolver::default(), allow_private, tried }
    }
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = self.resolver.resolve(uri, config, timeout)?;
        let forbidden = found.iter().map(SocketAddr::ip).find(|ip| !self.allow_private && !is_public(*ip));
        if let Some(address) = forbidden {
            let host = uri.host().unwrap_or_default().to_owned();
            return Err(ureq::Error::Other(Box::new(Blocked { host, address })));
        }
        *self.tried.0.lock().unwrap_or_else(PoisonError::into_inner) = found.iter().copied().collect();
        Ok(found)
    }
}

/// Whether an address lies in the public part of the Internet (IANA special-purpose address registries).
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match address.to_ipv4_mapped() {
            Some(mapped) => is_public_v4(mapped),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_multicast()
        || address.is_broadcast()
        || address.is_documentation()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 198 && (18..20).contains(&b));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let first = address.segments()[0];
    let is_special = address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || (first == 0x2001 && address.segments()[1] == 0x0db8)
        // the translation prefixes can name any IPv4 address
        || (first == 0x0064 && address.segments()[1] == 0xff9b)
        || first == 0x2002;
    !is_special
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_not_public() {
        let special = "127.0.0.1 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 0.0.0.0 100.64.0.1 224.0.0.1 255.255.255.255 \
            198.18.0.1 192.0.0.8 240.0.0.1 ::1 :: fe80::1 fc00::1 ff02::1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 64:ff9b::7f00:1 2002:7f00:1::";
        for text in special.split_whitespace() {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
        for text in ["1.1.1.1", "93.184.216.34", "100.128.0.1", "172.32.0.1", "2606:4700::1111"] {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
    }
}
