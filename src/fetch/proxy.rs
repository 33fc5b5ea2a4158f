//! Which proxy a request goes through, if any.

use crate::config::model;
use std::net::IpAddr;
use std::str::FromStr;

/// Proxies, and the hosts that are reached without them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    http: Option<String>,
    https: Option<String>,
    direct: Vec<Rule>,
}

/// Where a request goes: scheme, host and port after defaults.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ProxyTarget<'a> {
    pub is_https: bool,
    /// ASCII; IPv6 addresses may have brackets.
    pub host: &'a str,
    pub port: u16,
}

/// One item of `noProxy`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Rule {
    Everything,
    Network { address: IpAddr, prefix_bits: u8 },
    Host { host: Host, port: Option<u16> },
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Address(IpAddr),
    /// The name and everything below it.
    Name(String),
    /// Only names below it; stored with the leading dot.
    Below(String),
}

impl Proxies {
    /// The proxies of a config.
    pub fn of(proxy: &model::Proxy) -> Self {
        let non_empty = |url: &Option<String>| url.clone().filter(|u| !u.is_empty());
        Proxies {
            http: non_empty(&proxy.http_proxy),
            https: non_empty(&proxy.https_proxy),
            direct: rules(&proxy.no_proxy),
        }
    }

    /// URL of the proxy for `target`; none means direct. https targets use only the https proxy, http targets only the
    /// http proxy.
    pub(super) fn choose(&self, target: ProxyTarget<'_>) -> Option<&str> {
        let proxy = if target.is_https {
            &self.https
        } else {
            &self.http
        };
        let proxy = proxy.as_deref()?;
        (!self.is_direct(target)).then_some(proxy)
    }

    /// True if an http request may need TLS just to reach its proxy.
    pub(super) fn http_proxy_uses_tls(&self) -> bool {
        let scheme = self.http.as_deref().and_then(|u| u.get(..6));
        scheme.is_some_and(|s| s.eq_ignore_ascii_case("https:"))
    }

    fn is_direct(&self, target: ProxyTarget<'_>) -> bool {
        let host = target.host.to_ascii_lowercase();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let address = IpAddr::from_str(host).ok().map(|a| a.to_canonical());
        if host == "localhost" || address.is_some_and(|a| a.is_loopback()) {
            return true;
        }
        self.direct
            .iter()
            .any(|rule| rule.matches(host, address, target.port))
    }
}

impl Rule {
    fn matches(&self, name: &str, address: Option<IpAddr>, at_port: u16) -> bool {
        match self {
            Rule::Everything => true,
            Rule::Network {
                address: network,
                prefix_bits,
            } => address.is_some_and(|a| in_network(a, *network, *prefix_bits)),
            Rule::Host {
                port: Some(port), ..
            } if *port != at_port => false,
            Rule::Host { host, .. } => match (host, address) {
                (Host::Address(wanted), Some(address)) => *wanted == address,
                (Host::Name(wanted), None) => name
                    .strip_suffix(wanted)
                    .is_some_and(|p| p.is_empty() || p.ends_with('.')),
                (Host::Below(suffix), None) => {
                    name.len() > suffix.len() && name.ends_with(suffix.as_str())
                }
                _ => false,
            },
        }
    }
}

/// An item of the list may itself hold several, separated by commas.
fn rules(list: &[String]) -> Vec<Rule> {
    let items = list
        .iter()
        .flat_map(|item| item.split(','))
        .map(|i| i.trim().to_lowercase());
    let mut rules = Vec::new();
    for item in items.filter(|i| !i.is_empty()) {
        if item == "*" {
            return vec![Rule::Everything];
        }
        rules.extend(network(&item).or_else(|| host_rule(&item)));
    }
    rules
}

fn network(item: &str) -> Option<Rule> {
    let (address, bits) = item.split_once('/')?;
    let address = IpAddr::from_str(address).ok()?;
    let prefix_bits = bits.parse().ok()?;
    let width = if address.is_ipv4() { 32 } else { 128 };
    (prefix_bits <= width).then_some(Rule::Network {
        address,
        prefix_bits,
    })
}

fn in_network(address: IpAddr, network: IpAddr, prefix_bits: u8) -> bool {
    let (a, n, width) = match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(n)) => (u128::from(u32::from(a)), u128::from(u32::from(n)), 32),
        (IpAddr::V6(a), IpAddr::V6(n)) => (u128::from(a), u128::from(n), 128),
        _ => return false,
    };
    // A shift by the full width overflows, hence the checked shift.
    (a ^ n)
        .checked_shr(width - u32::from(prefix_bits))
        .is_none_or(|differing| differing == 0)
}

fn host_rule(item: &str) -> Option<Rule> {
    let (host, port) = split_port(item);
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    let host = match IpAddr::from_str(bare) {
        Ok(address) => Host::Address(address.to_canonical()),
        Err(_) if bare.starts_with("*.") => Host::Below(bare[1..].into()),
        Err(_) if bare.starts_with('.') => Host::Below(bare.into()),
        Err(_) if bare.is_empty() => return None,
        Err(_) => Host::Name(bare.into()),
    };
    Some(Rule::Host { host, port })
}

/// `host:port` and `[v6]:port`, but not the colons of a bare IPv6 address.
fn split_port(item: &str) -> (&str, Option<u16>) {
    match item.rsplit_once(':') {
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => match port.parse() {
            Ok(port) => (host, Some(port)),
            Err(_) => (item, None),
        },
        _ => (item, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(no_proxy: &str, https: bool, host: &str, port: u16) -> bool {
        let proxies = Proxies::of(&model::Proxy {
            http_proxy: Some("http://proxy:3128".into()),
            https_proxy: Some("http://secure:3128".into()),
            no_proxy: vec![no_proxy.into()],
        });
        let chosen = proxies.choose(ProxyTarget {
            is_https: https,
            host,
            port,
        });
        let expected = if https {
            "http://secure:3128"
        } else {
            "http://proxy:3128"
        };
        assert!(chosen.is_none_or(|c| c == expected), "{chosen:?}");
        chosen.is_some()
    }

    #[test]
    fn no_proxy_table() {
        const DIRECT: bool = false;
        const PROXIED: bool = true;
        let cases = [
            ("example.com", false, "example.com", 80, DIRECT),
            ("example.com", false, "a.example.com", 80, DIRECT),
            ("example.com", false, "a.EXAMPLE.com", 80, DIRECT),
            ("EXAMPLE.com", true, "a.example.com", 443, DIRECT),
            ("example.com", false, "notexample.com", 80, PROXIED),
            (".example.com", false, "example.com", 80, PROXIED),
            (".example.com", false, "a.example.com", 80, DIRECT),
            ("*.example.com", false, "example.com", 80, PROXIED),
            ("*.example.com", false, "b.a.example.com", 80, DIRECT),
            ("example.com:8080", false, "example.com", 80, PROXIED),
            ("example.com:8080", false, "example.com", 8080, DIRECT),
            ("example.com:443", true, "a.example.com", 443, DIRECT),
            (":8080", false, "example.com", 8080, PROXIED),
            ("10.0.0.0/8", false, "10.1.2.3", 80, DIRECT),
            ("10.0.0.0/8", false, "11.1.2.3", 80, PROXIED),
            ("10.0.0.0/8", false, "ten.example.com", 80, PROXIED),
            ("0.0.0.0/0", false, "11.1.2.3", 80, DIRECT),
            ("10.1.2.3/32", false, "10.1.2.3", 80, DIRECT),
            ("10.1.2.3/33", false, "10.1.2.3", 80, PROXIED),
            ("fd00::/8", false, "[fd12::1]", 80, DIRECT),
            ("fd00::/8", false, "[fe80::1]", 80, PROXIED),
            ("::/0", false, "[fe80::1]", 80, DIRECT),
            ("10.1.2.3:80", false, "10.1.2.3", 80, DIRECT),
            ("10.1.2.3:80", true, "10.1.2.3", 443, PROXIED),
            ("10.1.2.3", true, "10.1.2.3", 443, DIRECT),
            ("2001:db8::1", false, "[2001:db8::1]", 80, DIRECT),
            ("[2001:db8::1]:81", false, "[2001:db8::1]", 80, PROXIED),
            ("[2001:db8::1]:81", false, "[2001:db8::1]", 81, DIRECT),
            ("3", false, "10.1.2.3", 80, PROXIED),
            ("", false, "localhost", 9, DIRECT),
            ("", false, "127.8.8.8", 80, DIRECT),
            ("", true, "[::1]", 443, DIRECT),
            ("", false, "localhost.example.com", 80, PROXIED),
            ("*", false, "example.com", 80, DIRECT),
            ("a.test, *, b.test", true, "example.com", 443, DIRECT),
            ("a.test, b.test,,", false, "b.test", 80, DIRECT),
        ];
        for (no_proxy, https, host, port, expected) in cases {
            assert_eq!(
                choose(no_proxy, https, host, port),
                expected,
                "{no_proxy:?} {host}:{port}"
            );
        }
    }

    #[test]
    fn each_scheme_has_its_own_proxy() {
        let only = |http: &str, https: &str| {
            Proxies::of(&model::Proxy {
                http_proxy: Some(http.into()),
                https_proxy: Some(https.into()),
                no_proxy: Vec::new(),
            })
        };
        let http = ProxyTarget {
            is_https: false,
            host: "h",
            port: 80,
        };
        let https = ProxyTarget {
            is_https: true,
            host: "h",
            port: 443,
        };
        assert_eq!(only("http://p", "").choose(http), Some("http://p"));
        assert_eq!(only("http://p", "").choose(https), None);
        assert_eq!(only("", "https://q").choose(http), None);
        assert_eq!(only("", "https://q").choose(https), Some("https://q"));
        assert!(only("HTTPS://p", "").http_proxy_uses_tls());
        assert!(!only("http://p", "https://q").http_proxy_uses_tls());
    }
}
