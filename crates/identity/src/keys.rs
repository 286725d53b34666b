//! An issuer's keys, each bound to the one algorithm it may be used with (RFC 8725, section 3.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use serde::Deserialize;

/// The signature algorithms that exist for us. There is no symmetric one, so a public key can never be taken for a shared secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub(crate) fn of_header(name: &str) -> Option<Self> {
        match name {
            "RS256" => Some(Self::Rs256),
            "ES256" => Some(Self::Es256),
            "EdDSA" => Some(Self::EdDsa),
            _ => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

#[derive(Debug, Clone)]
pub(crate) struct Key {
    id: Option<String>,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

impl Key {
    /// Whether `signature` (base64url) over `message` was made with this key.
    pub(crate) fn signed(&self, message: &[u8], signature: &str) -> bool {
        let algorithm = match self.algorithm {
            Algorithm::Rs256 => jsonwebtoken::Algorithm::RS256,
            Algorithm::Es256 => jsonwebtoken::Algorithm::ES256,
            Algorithm::EdDsa => jsonwebtoken::Algorithm::EdDSA,
        };
        jsonwebtoken::crypto::verify(signature, message, &self.decoding, algorithm).unwrap_or(false)
    }
}

/// What a set of keys has for a token.
#[derive(Debug)]
pub(crate) enum Found<'a> {
    Key(&'a Key),
    /// The key exists, but for another algorithm: asking the issuer again would not help.
    OtherAlgorithm,
    Nothing,
}

/// The usable keys of a JSON Web Key Set (RFC 7517, section 5).
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Key>);

impl KeySet {
    /// Keys beyond this number are ignored: real issuers publish two or three.
    const MOST: usize = 64;

    /// Reads a set. Keys that are not usable here (another type, for encryption, too short) are passed over, as RFC 7517 asks.
    /// `None` if it is no set at all or nothing in it is usable.
    pub(crate) fn parse(json: &[u8]) -> Option<Self> {
        #[derive(Deserialize)]
        struct Wire {
            keys: Vec<serde_json::Value>,
        }
        let wire: Wire = serde_json::from_slice(json).ok()?;
        let keys: Vec<Key> = wire.keys.into_iter().take(Self::MOST).filter_map(usable).collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// The key for a token's header. Without a `kid` there must be exactly one key of the algorithm, or the choice would be a guess.
    pub(crate) fn find(&self, kid: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let named = || self.0.iter().filter(|key| kid.is_none() || key.id.as_deref() == kid);
        let mut fitting = named().filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(key),
            (None, _) if kid.is_some() && named().next().is_some() => Found::OtherAlgorithm,
            _ => Found::Nothing,
        }
    }
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    kid: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
}

fn usable(json: serde_json::Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(json).ok()?;
    let for_signatures = jwk.usage.as_deref().is_none_or(|usage| usage == "sig")
        && jwk.key_ops.as_ref().is_none_or(|operations| operations.iter().any(|operation| operation == "verify"));
    if !for_signatures {
        return None;
    }
    let (algorithm, decoding) = match (jwk.kty.as_str(), jwk.crv.as_deref()) {
        ("RSA", _) => {
            let (modulus, exponent) = (bytes(jwk.n.as_ref())?, bytes(jwk.e.as_ref())?);
            // RFC 7518, section 3.3: at least 2048 bits. The upper bound keeps one verification cheap.
            let fits = (256..=1024).contains(&modulus.len()) && (1..=8).contains(&exponent.len());
            (Algorithm::Rs256, fits.then(|| DecodingKey::from_rsa_raw_components(&modulus, &exponent))?)
        }
        ("EC", Some("P-256")) => {
            let (x, y) = (coordinate(jwk.x.as_ref())?, coordinate(jwk.y.as_ref())?);
            // The uncompressed point of SEC 1, section 2.3.3.
            (Algorithm::Es256, DecodingKey::from_ec_der(&[&[4], x.as_slice(), y.as_slice()].concat()))
        }
        ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, DecodingKey::from_ed_der(&coordinate(jwk.x.as_ref())?)),
        _ => return None,
    };
    let meant = jwk.alg.as_deref().is_none_or(|name| name == algorithm.name());
    meant.then_some(Key { id: jwk.kid, algorithm, decoding })
}

fn bytes(text: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text?).ok()
}

fn coordinate(text: Option<&String>) -> Option<Vec<u8>> {
    bytes(text).filter(|bytes| bytes.len() == 32)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{Kind, SigningKey};

    fn public(kind: Kind, kid: &str) -> Value {
        SigningKey::generate(kind, kid).public()
    }

    fn with(mut key: Value, name: &str, value: Value) -> Value {
        key[name] = value;
        key
    }

    fn parse(keys: &[Value]) -> Option<KeySet> {
        KeySet::parse(json!({ "keys": keys }).to_string().as_bytes())
    }

    #[test]
    fn keys_that_cannot_be_used_are_passed_over() {
        let key = public(Kind::Ed25519, "a");
        let short = URL_SAFE_NO_PAD.encode([0xff; 128]);
        for unusable in [
            json!(null),
            json!("key"),
            json!({}),
            json!({ "kty": "oct", "k": "c2VjcmV0", "kid": "a" }),
            with(key.clone(), "use", json!("enc")),
            with(key.clone(), "key_ops", json!(["sign"])),
            with(key.clone(), "crv", json!("Ed448")),
            with(key.clone(), "alg", json!("ES256")),
            with(key.clone(), "x", json!("AAAA")),
            with(public(Kind::P256, "a"), "crv", json!("secp256k1")),
            with(public(Kind::P256, "a"), "y", json!("not base64!")),
            with(public(Kind::P256, "a"), "alg", json!("HS256")),
            json!({ "kty": "RSA", "kid": "a", "n": short, "e": "AQAB" }),
        ] {
            assert!(parse(std::slice::from_ref(&unusable)).is_none(), "{unusable} was taken");
            let beside = parse(&[unusable, key.clone()]).expect("one key is usable");
            assert!(matches!(beside.find(Some("a"), Algorithm::EdDsa), Found::Key(_)));
        }
    }

    #[test]
    fn a_key_is_found_for_its_own_algorithm_only() {
        let set = parse(&[public(Kind::P256, "ec"), public(Kind::Ed25519, "ed")]).expect("two keys");
        assert!(matches!(set.find(Some("ec"), Algorithm::Es256), Found::Key(_)));
        assert!(matches!(set.find(Some("ec"), Algorithm::EdDsa), Found::OtherAlgorithm));
        assert!(matches!(set.find(Some("ec"), Algorithm::Rs256), Found::OtherAlgorithm));
        assert!(matches!(set.find(Some("other"), Algorithm::Es256), Found::Nothing));
    }

    #[test]
    fn without_a_kid_the_choice_must_be_certain() {
        let set = parse(&[public(Kind::P256, "ec"), public(Kind::Ed25519, "one"), public(Kind::Ed25519, "two")]).expect("three keys");
        assert!(matches!(set.find(None, Algorithm::Es256), Found::Key(_)));
        assert!(matches!(set.find(None, Algorithm::EdDsa), Found::Nothing));
        assert!(matches!(set.find(None, Algorithm::Rs256), Found::Nothing));
    }

    #[test]
    fn what_is_no_key_set_gives_none() {
        for text in ["", "[]", "{}", "{\"keys\":{}}", "{\"keys\":[]}", "<html>", "null"] {
            assert!(KeySet::parse(text.as_bytes()).is_none(), "{text} was taken");
        }
    }
}
