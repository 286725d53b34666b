//! The header fields that an edge removes and adds.

use std::net::SocketAddr;

use http::header::{CONNECTION, HOST, TE, TRANSFER_ENCODING, UPGRADE, VIA};
use http::{HeaderMap, HeaderName, HeaderValue, Version};

/// The fields that concern one connection only, besides those that `Connection` names (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] =
    [CONNECTION, HeaderName::from_static("proxy-connection"), HeaderName::from_static("keep-alive"), TE, TRANSFER_ENCODING, UPGRADE];

/// Removes what the sender meant for this connection.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = connection_options(headers).filter_map(|option| option.parse().ok()).collect();
    for name in HOP_BY_HOP.into_iter().chain(named) {
        // A request that calls its own Host hop-by-hop still needs one.
        if name != HOST {
            headers.remove(name);
        }
    }
}

fn connection_options(headers: &HeaderMap) -> impl Iterator<Item = String> {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|option| option.trim().to_ascii_lowercase())
}

/// Whether the sender wants to speak WebSocket. Other protocols are not offered on: `h2c`, above all, would carry requests past this edge unseen.
pub(super) fn wants_websocket(headers: &HeaderMap) -> bool {
    let upgrades = headers.get_all(UPGRADE).iter().filter_map(|value| value.to_str().ok());
    connection_options(headers).any(|option| option == "upgrade")
        && upgrades.flat_map(|value| value.split(',')).any(|protocol| protocol.trim().eq_ignore_ascii_case("websocket"))
}

/// Marks a message as the beginning, or the acceptance, of a WebSocket.
pub(super) fn set_websocket(headers: &mut HeaderMap) {
    headers.insert(CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
}

/// Adds what Fly's edge tells a machine about the client: <https://fly.io/docs/networking/request-headers/>. `X-Forwarded-For` is added to, as
/// there; everything else the client cannot set.
pub(super) fn add_forwarded(headers: &mut HeaderMap, client: SocketAddr, port: u16, region: &str, version: Version) {
    let ip = client.ip().to_canonical().to_string();
    append_to_list(headers, HeaderName::from_static("x-forwarded-for"), &ip);
    let request_id = uuid::Uuid::now_v7().simple().to_string();
    for (name, value) in [
        ("x-forwarded-proto", "http"),
        ("x-forwarded-ssl", "off"),
        ("x-forwarded-port", &port.to_string()),
        ("fly-forwarded-proto", "http"),
        ("fly-forwarded-ssl", "off"),
        ("fly-forwarded-port", &port.to_string()),
        ("fly-client-ip", &ip),
        ("fly-region", region),
        ("fly-request-id", &request_id),
    ] {
        match HeaderValue::from_str(value) {
            Ok(value) => headers.insert(HeaderName::from_static(name), value),
            Err(_) => headers.remove(name),
        };
    }
    add_via(headers, version);
}

/// Adds this edge to `Via` (RFC 9110, section 7.6.3).
pub(super) fn add_via(headers: &mut HeaderMap, version: Version) {
    let received = if version == Version::HTTP_10 { "1.0 fly.io" } else { "1.1 fly.io" };
    append_to_list(headers, VIA, received);
}

/// Ends a comma-separated list with one more element. Several lines of one field become one (RFC 9110, section 5.3), so that a reader who looks at the last line only is not misled.
fn append_to_list(headers: &mut HeaderMap, name: HeaderName, element: &str) {
    let mut list: Vec<&[u8]> = headers.get_all(&name).iter().map(HeaderValue::as_bytes).filter(|value| !value.is_empty()).collect();
    list.push(element.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&list.join(&b", "[..])) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[(&'static str, &'static str)]) -> HeaderMap {
        fields.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value))).collect()
    }

    #[test]
    fn fields_of_the_connection_and_those_it_names_are_removed() {
        let mut fields = headers(&[
            ("connection", "close, X-Private"),
            ("connection", "host"),
            ("keep-alive", "timeout=5"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("x-private", "1"),
            ("host", "a.localhost"),
            ("accept", "*/*"),
        ]);
        remove_hop_by_hop(&mut fields);
        assert_eq!(fields, headers(&[("host", "a.localhost"), ("accept", "*/*")]));
    }

    #[test]
    fn only_a_websocket_is_an_upgrade() {
        assert!(wants_websocket(&headers(&[("connection", "keep-alive, Upgrade"), ("upgrade", "WebSocket")])));
        assert!(!wants_websocket(&headers(&[("connection", "Upgrade"), ("upgrade", "h2c")])));
        assert!(!wants_websocket(&headers(&[("upgrade", "websocket")])));
    }

    #[test]
    fn what_a_client_says_of_itself_is_appended_to_or_replaced() {
        let mut fields =
            headers(&[("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8"), ("fly-client-ip", "1.2.3.4"), ("via", "1.1 me")]);
        add_forwarded(&mut fields, "[::ffff:127.0.0.1]:5".parse().unwrap(), 8082, "fra", Version::HTTP_11);
        assert_eq!(fields["x-forwarded-for"], "1.2.3.4, 5.6.7.8, 127.0.0.1");
        assert_eq!(fields["fly-client-ip"], "127.0.0.1");
        assert_eq!((&fields["x-forwarded-port"], &fields["fly-region"]), (&HeaderValue::from(8082), &HeaderValue::from_static("fra")));
        assert_eq!(fields["via"], "1.1 me, 1.1 fly.io");
    }
}
