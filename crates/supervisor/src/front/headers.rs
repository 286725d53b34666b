//! Which headers pass between a caller and the gateway.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use access::looks_like_token;
use gateway::{Family, USER_HEADER};
use http::header::{
    AUTHORIZATION, CONNECTION, COOKIE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL, SET_COOKIE, UPGRADE, VIA,
};

use super::caller::{Caller, PROTOCOL, PROTOCOL_WITH_TOKEN, protocols};
use super::session;
use crate::Settings;

/// Where Fly's edge says who called (<https://fly.io/docs/networking/request-headers/>).
const FLY_CLIENT_IP: &str = "fly-client-ip";
/// Stands for a client that is on this host, or unknown. OpenClaw wants an address that is not loopback; this one is nobody's (RFC 5737).
const NOBODY: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

/// The headers that are for one connection alone (RFC 9110, 7.6.1), besides those that `Connection` names.
const HOP_BY_HOP: [&str; 8] =
    ["connection", "keep-alive", "proxy-connection", "proxy-authenticate", "proxy-authorization", "te", "trailer", "transfer-encoding"];

/// Turns the headers of a caller's request into those of a request to the gateway.
pub(super) fn to_gateway(headers: &mut HeaderMap, settings: &Settings, caller: &Caller, peer: SocketAddr, websocket: bool) {
    let client = client_address(headers, peer);
    remove_hop_by_hop(headers);
    // hyper has sent `100 Continue` by itself when the body is asked for.
    headers.remove(EXPECT);
    let claims: Vec<HeaderName> = headers.keys().filter(|name| claims_a_source(name)).cloned().collect();
    for name in claims {
        headers.remove(name);
    }
    remove_ours(headers);
    if websocket {
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    }
    match settings.release.family {
        Family::Openclaw => {
            let mut set = |name: &'static str, value: &str| {
                headers.insert(name, HeaderValue::from_str(value).expect("addresses, origins and encoded names are visible ASCII"));
            };
            set("host", &settings.origin.authority);
            set(USER_HEADER, &encoded(&caller.visitor.subject));
            set("x-forwarded-preferred-username", &encoded(&caller.visitor.name));
            set("x-forwarded-for", &client.to_string());
            set("x-forwarded-proto", &settings.origin.scheme);
            set("x-forwarded-host", &settings.origin.authority);
            headers.append(VIA, HeaderValue::from_static("1.1 rockpool"));
        }
        // It has no mode for proxies: whoever seems to be on the same host is trusted, and nobody else comes through.
        Family::Clawdbot => {
            headers.insert(HOST, HeaderValue::from_static("127.0.0.1"));
        }
    }
}

/// Turns the headers of the gateway's response into those of the response to the caller.
pub(super) fn to_caller(headers: &mut HeaderMap) {
    remove_hop_by_hop(headers);
    headers.remove(UPGRADE);
    // The gateway, or what its agent serves through it, must not give anybody a session of ours or end one.
    let cookies: Vec<HeaderValue> = headers.get_all(SET_COOKIE).iter().cloned().collect();
    headers.remove(SET_COOKIE);
    for cookie in cookies {
        if !session::is_ours(&String::from_utf8_lossy(cookie.as_bytes())) {
            headers.append(SET_COOKIE, cookie);
        }
    }
}

/// The subprotocol to answer a WebSocket with whose gateway chose none. A browser that offered some fails a handshake without one, so one
/// of ours is taken if it was offered: the plain one, or else the one with the token, which tells the client nothing that it did not say.
pub(super) fn protocol_of_ours(headers: &HeaderMap) -> Option<HeaderValue> {
    let chosen =
        protocols(headers).find(|name| *name == PROTOCOL).or_else(|| protocols(headers).find(|name| name.starts_with(PROTOCOL_WITH_TOKEN)));
    chosen.and_then(|name| HeaderValue::from_str(name).ok())
}

/// Whether it is a WebSocket handshake (RFC 6455, 4.1): the only protocol that connections are switched to here.
pub(super) fn is_websocket(method: &http::Method, headers: &HeaderMap) -> bool {
    let lists = |name: HeaderName, word: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    method == http::Method::GET && lists(CONNECTION, "upgrade") && lists(UPGRADE, "websocket")
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let named: Vec<String> = values.flat_map(|value| value.split(',')).map(|name| name.trim().to_ascii_lowercase()).collect();
    for name in named.iter().map(String::as_str).chain(HOP_BY_HOP) {
        headers.remove(name);
    }
    headers.remove(UPGRADE);
}

/// Whether a header tells the gateway where a request comes from or who makes it. Underscores count as hyphens: some programs read them so.
fn claims_a_source(name: &HeaderName) -> bool {
    let name = name.as_str().replace('_', "-");
    matches!(name.as_str(), "forwarded" | "x-real-ip" | "x-client-ip" | "true-client-ip" | "cf-connecting-ip" | "via")
        || ["x-forwarded", "x-original-", "fly-"].iter().any(|prefix| name.starts_with(prefix))
}

/// Removes what the caller was let in with, and whatever else is a token of ours.
fn remove_ours(headers: &mut HeaderMap) {
    // In whatever scheme and however often: a second header, or a form that is not understood here, must not carry a token past.
    if headers.get_all(AUTHORIZATION).iter().any(|value| holds_token(&String::from_utf8_lossy(value.as_bytes()))) {
        headers.remove(AUTHORIZATION);
    }
    match session::without_ours(headers).filter(|others| !others.to_str().is_ok_and(holds_token)) {
        Some(others) => headers.insert(COOKIE, others),
        None => headers.remove(COOKIE),
    };
    let ours = |name: &str| name == PROTOCOL || name.starts_with(PROTOCOL_WITH_TOKEN) || holds_token(name);
    let others: Vec<&str> = protocols(headers).filter(|name| !ours(name)).collect();
    let others = HeaderValue::from_str(&others.join(", ")).ok().filter(|value| !value.is_empty());
    match others {
        Some(others) => headers.insert(SEC_WEBSOCKET_PROTOCOL, others),
        None => headers.remove(SEC_WEBSOCKET_PROTOCOL),
    };
}

/// Whether there is a token of ours anywhere in a text: three parts joined by dots, with anything else around them.
fn holds_token(text: &str) -> bool {
    let runs = text.split(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_' | '.'));
    runs.map(|run| run.split('.').collect::<Vec<_>>()).any(|parts| parts.windows(3).any(|three| looks_like_token(&three.join("."))))
}

/// The address of the client, for the gateway's log and limits: what Fly's edge says, else the peer, and never this host.
fn client_address(headers: &HeaderMap, peer: SocketAddr) -> IpAddr {
    let said = headers.get(FLY_CLIENT_IP).and_then(|value| value.to_str().ok()?.trim().parse::<IpAddr>().ok());
    let address = said.unwrap_or_else(|| peer.ip()).to_canonical();
    if address.is_loopback() || address.is_unspecified() { NOBODY } else { address }
}

/// A name as a header value: what is not plainly visible is percent-encoded, so that nobody's name can end a header or begin another.
fn encoded(name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~@:|+/= ".contains(&byte);
    let encode = |byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") };
    name.trim().bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_s_name_can_end_a_header() {
        assert_eq!(encoded("auth0|12 34"), "auth0|12 34");
        assert_eq!(encoded("Zoë, x\r\nX-Forwarded-User: root"), "Zo%C3%AB%2C x%0D%0AX-Forwarded-User: root");
    }

    #[test]
    fn the_client_is_who_fly_says_else_the_peer_and_never_this_host() {
        let says = |text: &'static str| HeaderMap::from_iter([(HeaderName::from_static(FLY_CLIENT_IP), HeaderValue::from_static(text))]);
        let peer: SocketAddr = "203.0.113.9:1".parse().unwrap();
        let local: SocketAddr = "[::ffff:127.0.0.1]:1".parse().unwrap();
        assert_eq!(client_address(&says("2001:db8::7"), local).to_string(), "2001:db8::7");
        assert_eq!(client_address(&HeaderMap::new(), peer).to_string(), "203.0.113.9");
        assert_eq!(client_address(&HeaderMap::new(), local), NOBODY);
        assert_eq!(client_address(&says("::1"), peer), NOBODY);
        assert_eq!(client_address(&says("10.0.0.1, 8.8.8.8"), peer).to_string(), "203.0.113.9");
    }

    #[test]
    fn what_connection_names_goes_no_further() {
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("close, X-Private"));
        headers.insert("x-private", HeaderValue::from_static("1"));
        headers.insert("te", HeaderValue::from_static("trailers"));
        headers.insert("x-public", HeaderValue::from_static("1"));
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["x-public"]);
    }

    #[test]
    fn the_gateway_can_set_any_cookie_but_ours() {
        let mut headers = HeaderMap::new();
        headers.append(SET_COOKIE, HeaderValue::from_static("a=1; Path=/"));
        headers.append(SET_COOKIE, HeaderValue::from_static(" __HOST-rockpool =x; Path=/; Secure"));
        headers.append(SET_COOKIE, HeaderValue::from_static("b=2"));
        to_caller(&mut headers);
        let left: Vec<_> = headers.get_all(SET_COOKIE).iter().collect();
        assert_eq!(left, ["a=1; Path=/", "b=2"]);
    }
}
