//! Which app a request is for.

use http::Request;
use http::header::HOST;

/// Why a request names no app.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nameless {
    /// RFC 9112, section 3.2: a request without exactly one `Host` is answered 400.
    BadHost,
    /// A host that is not `<app>.localhost`.
    Stranger,
}

/// The app of `<app>.localhost[:port]`. A request line with an authority of its own outweighs `Host` (RFC 9112, section 3.2.2).
pub(super) fn app<B>(request: &Request<B>) -> Result<String, Nameless> {
    let mut hosts = request.headers().get_all(HOST).iter();
    let host = hosts.next().ok_or(Nameless::BadHost)?;
    if hosts.next().is_some() {
        return Err(Nameless::BadHost);
    }
    let host = host.to_str().map_err(|_| Nameless::BadHost)?;
    let authority = request.uri().authority().map_or(host, |authority| authority.as_str());
    let name = match authority.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => authority,
    };
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let app = name.strip_suffix(".localhost").ok_or(Nameless::Stranger)?;
    let well_formed = !app.is_empty() && app.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if well_formed { Ok(app.to_owned()) } else { Err(Nameless::Stranger) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(uri: &str, hosts: &[&str], expected: Result<&str, Nameless>) {
        let mut request = Request::builder().uri(uri);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        assert_eq!(app(&request.body(()).unwrap()), expected.map(str::to_owned), "{uri} {hosts:?}");
    }

    #[test]
    fn the_app_is_the_label_before_localhost() {
        check("/", &["rp-a1.localhost"], Ok("rp-a1"));
        check("/", &["RP-A1.Localhost:8082"], Ok("rp-a1"));
        check("/", &["rp-a1.localhost.:8082"], Ok("rp-a1"));
        check("http://b.localhost:8082/x", &["a.localhost"], Ok("b"));
    }

    #[test]
    fn other_hosts_name_no_app() {
        for host in ["localhost", "127.0.0.1:8082", "a.b.localhost", ".localhost", "a_b.localhost", "a.localhost.example", "[::1]:80", ""] {
            check("/", &[host], Err(Nameless::Stranger));
        }
    }

    #[test]
    fn a_request_has_exactly_one_host() {
        check("/", &[], Err(Nameless::BadHost));
        check("/", &["a.localhost", "b.localhost"], Err(Nameless::BadHost));
    }
}
