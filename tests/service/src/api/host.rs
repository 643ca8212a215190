//! Under which names the service answers.
//!
//! A web page may give its own name the address of this machine, and then reads from here as if
//! from itself (DNS rebinding); no signature is checked that could stop it. Such a request names that
//! page's host. An address is no name, so one that the service listens on is safe, and so is a name
//! that nobody on the internet can give an address.

use core::net::IpAddr;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::HOST;
use axum::http::uri::Authority;

/// Domains in which nobody registers names of their own: RFC 6761, RFC 6762, ICANN's resolution on
/// `.internal`, and AWS's own, for who sends its names here.
const CLOSED_DOMAINS: [&str; 5] = [
    ".amazonaws.com",
    ".internal",
    ".local",
    ".localhost",
    ".test",
];

/// The name and the address of the service.
#[derive(Debug, Clone)]
pub struct OwnHosts {
    name: String,
    address: IpAddr,
}

impl OwnHosts {
    /// A service that is reached as `name`, and listens on `address`.
    pub fn new(name: &str, address: IpAddr) -> Self {
        Self {
            name: name.to_owned(),
            address,
        }
    }

    /// Whether a request names no other host. One that names none was made by no browser.
    pub(super) fn answer_to(&self, request: &Request<Body>) -> bool {
        let headers = request.headers().get_all(HOST).iter();
        let mut named = headers.map(|host| host.to_str().ok()?.parse::<Authority>().ok());
        let in_line = request.uri().authority();
        named.all(|host| host.is_some_and(|host| self.include(&host)))
            && in_line.is_none_or(|host| self.include(host))
    }

    fn include(&self, authority: &Authority) -> bool {
        let host = authority.host();
        let host = host.strip_suffix('.').unwrap_or(host);
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        match bare.unwrap_or(host).parse::<IpAddr>() {
            Ok(ip) => ip.is_loopback() || ip == self.address || self.address.is_unspecified(),
            Err(_) => self.is_name(&host.to_ascii_lowercase()),
        }
    }

    /// Whether a name is the service's, that of a bucket below it, or one that is nobody's.
    fn is_name(&self, host: &str) -> bool {
        let bucket = host.strip_suffix(&self.name.to_ascii_lowercase());
        bucket.is_some_and(|bucket| bucket.is_empty() || bucket.ends_with('.'))
            || !host.contains('.')
            || CLOSED_DOMAINS.iter().any(|domain| host.ends_with(domain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answers(address: &str, uri: &str, hosts: &[&str]) -> bool {
        let own = OwnHosts::new("Box.example", address.parse().unwrap());
        let request = Request::builder().uri(uri);
        let request = hosts
            .iter()
            .fold(request, |request, host| request.header(HOST, *host));
        own.answer_to(&request.body(Body::empty()).unwrap())
    }

    #[test]
    fn the_services_own_names_are_answered_to() {
        for host in [
            "localhost",
            "LOCALHOST:9080",
            "localhost.:9080",
            "127.0.0.1:9080",
            "127.1.2.3",
            "[::1]:9080",
            "box.example",
            "BOX.EXAMPLE:1",
            "firmware.box.example",
            "10.0.0.7:9080",
        ] {
            assert!(answers("10.0.0.7", "/", &[host]), "{host}");
        }
        assert!(answers("127.0.0.1", "/", &[]));
        assert!(answers(
            "127.0.0.1",
            "http://localhost:9080/",
            &["localhost:9080"]
        ));
    }

    #[test]
    fn names_that_nobody_can_give_an_address_are_answered_to() {
        for host in [
            "jobs:9080",
            "firmware.localhost:9080",
            "host.docker.internal",
            "box.local",
            "iot.eu-west-1.amazonaws.com",
        ] {
            assert!(answers("127.0.0.1", "/", &[host]), "{host}");
        }
    }

    #[test]
    fn other_names_are_not() {
        for host in [
            "",
            "evil.example",
            "evil.example:9080",
            "localhost.evil.example",
            "localhost@evil.example",
            "127.0.0.1.evil.example",
            "10.0.0.8",
            "[::2]",
            "amazonaws.com.evil.example",
            "evilbox.example",
        ] {
            assert!(!answers("10.0.0.7", "/", &[host]), "{host:?}");
        }
        assert!(!answers(
            "127.0.0.1",
            "http://evil.example/",
            &["localhost"]
        ));
        assert!(!answers("127.0.0.1", "/", &["localhost", "evil.example"]));
    }

    #[test]
    fn who_listens_everywhere_answers_to_every_address_but_to_no_other_name() {
        assert!(answers("0.0.0.0", "/", &["192.168.1.5:9080"]));
        assert!(!answers("0.0.0.0", "/", &["evil.example"]));
    }
}
