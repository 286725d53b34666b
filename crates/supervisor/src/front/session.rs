use access::Visit;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The cookie. Its prefix makes browsers hold it to this host, to `Secure` and to the path `/` (RFC 6265bis, 4.1.3.2), so that neither a
/// sibling instance nor anything on plain HTTP can set it.
pub(super) const COOKIE_NAME: &str = "__Host-rockpool";

/// A session lasts as long as the longest access token.
const LIFETIME: SignedDuration = access::Kind::Access.max_lifetime();

/// A person whom the platform vouches for, until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Visitor {
    pub(super) subject: String,
    pub(super) name: String,
    pub(super) expires_at: Timestamp,
}

impl From<Visit> for Visitor {
    fn from(visit: Visit) -> Self {
        Self { subject: visit.subject, name: visit.name, expires_at: visit.expires_at }
    }
}

/// Browser sessions. They are not stored: a cookie's value says who it is and is authenticated with a key, so it survives a restart.
pub(super) struct Sessions {
    key: Hmac<Sha256>,
}

#[derive(Serialize, Deserialize)]
struct Claims {
    sub: String,
    name: String,
    exp: i64,
}

impl Sessions {
    pub(super) fn new(key: &[u8; 32], instance: &str) -> Self {
        let mut key = Hmac::new_from_slice(key).expect("HMAC takes keys of any length");
        // The context comes first: a value made for another purpose or instance with the same key is none here.
        key.update(format!("rockpool session 1\n{instance}\n").as_bytes());
        Self { key }
    }

    /// The `Set-Cookie` for a person who came with a link. `Lax`, because `Strict` is withheld from the page that the link leads to; that
    /// other sites' requests do no harm is seen to by the rule on `Origin`.
    pub(super) fn cookie_for(&self, visit: &Visit, now: Timestamp) -> Option<HeaderValue> {
        let exp = now.as_second().saturating_add(LIFETIME.as_secs());
        let claims = Claims { sub: visit.subject.clone(), name: visit.name.clone(), exp };
        let payload = URL_SAFE_NO_PAD.encode(serde_json::to_vec(&claims).ok()?);
        let mac = URL_SAFE_NO_PAD.encode(self.key.clone().chain_update(&payload).finalize().into_bytes());
        let lifetime = LIFETIME.as_secs();
        let cookie = format!("{COOKIE_NAME}={payload}.{mac}; Max-Age={lifetime}; Path=/; Secure; HttpOnly; SameSite=Lax");
        HeaderValue::from_str(&cookie).ok()
    }

    /// The person of the first cookie of ours that is genuine and in time.
    pub(super) fn visitor(&self, headers: &HeaderMap, now: Timestamp) -> Option<Visitor> {
        pairs(headers).filter_map(|pair| pair.strip_prefix(COOKIE_NAME)?.strip_prefix('=')).find_map(|value| self.verify(value, now))
    }

    fn verify(&self, value: &str, now: Timestamp) -> Option<Visitor> {
        let (payload, mac) = value.split_once('.')?;
        let mac = URL_SAFE_NO_PAD.decode(mac).ok()?;
        self.key.clone().chain_update(payload).verify_slice(&mac).ok()?;
        let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).ok()?).ok()?;
        let expires_at = Timestamp::from_second(claims.exp).ok()?;
        (now < expires_at).then_some(Visitor { subject: claims.sub, name: claims.name, expires_at })
    }
}

/// The `Cookie` headers without ours, or `None` where nothing else was in them.
pub(super) fn without_ours(headers: &HeaderMap) -> Option<HeaderValue> {
    let others: Vec<&str> = pairs(headers).filter(|pair| !is_ours(pair)).collect();
    HeaderValue::from_str(&others.join("; ")).ok().filter(|value| !value.is_empty())
}

/// Whether a cookie pair, or a `Set-Cookie` that begins with one, bears the name of ours.
pub(super) fn is_ours(pair: &str) -> bool {
    pair.split('=').next().is_some_and(|name| name.trim().eq_ignore_ascii_case(COOKIE_NAME))
}

fn pairs(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(';')).map(str::trim).filter(|pair| !pair.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(now: Timestamp) -> Visit {
        Visit { subject: "user-1".into(), name: "Ada ☂".into(), token_id: "t".into(), issued_at: now, expires_at: now }
    }

    fn with(cookie: &str) -> HeaderMap {
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(cookie).unwrap())])
    }

    #[test]
    fn a_session_lasts_an_hour_at_its_own_instance_with_its_own_key() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let sessions = Sessions::new(&[1; 32], "ins_1");
        let set = sessions.cookie_for(&visit(now), now).unwrap();
        let set = set.to_str().unwrap();
        assert!(set.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"), "{set}");
        let sent = with(&format!("theme=dark; {}", set.split(';').next().unwrap()));

        let visitor = sessions.visitor(&sent, now).unwrap();
        assert_eq!((visitor.subject.as_str(), visitor.name.as_str()), ("user-1", "Ada ☂"));
        let later = now + SignedDuration::from_secs(3600);
        assert!(sessions.visitor(&sent, later - SignedDuration::from_secs(1)).is_some());
        assert_eq!(sessions.visitor(&sent, later), None);
        assert!(Sessions::new(&[1; 32], "ins_1").visitor(&sent, now).is_some(), "a restarted supervisor knows it");
        assert_eq!(Sessions::new(&[2; 32], "ins_1").visitor(&sent, now), None);
        assert_eq!(Sessions::new(&[1; 32], "ins_2").visitor(&sent, now), None);
    }

    #[test]
    fn a_changed_cookie_is_none() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let sessions = Sessions::new(&[1; 32], "ins_1");
        let set = sessions.cookie_for(&visit(now), now).unwrap();
        let good = set.to_str().unwrap().split(';').next().unwrap().to_owned();
        for position in COOKIE_NAME.len() + 1..good.len() {
            let mut changed = good.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert_eq!(sessions.visitor(&with(std::str::from_utf8(&changed).unwrap()), now), None);
        }
    }

    #[test]
    fn other_cookies_are_passed_on_and_ours_is_not() {
        let mut headers = with("a=1; __Host-rockpool=x.y ;b=2");
        headers.append(COOKIE, HeaderValue::from_static("__host-rockpool=z; c=__Host-rockpool"));
        assert_eq!(without_ours(&headers).unwrap(), "a=1; b=2; c=__Host-rockpool");
        assert_eq!(without_ours(&with("__Host-rockpool=x.y")), None);
    }
}
