use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::{AccessError, PublicKey};

/// The public keys that may sign: several at once, so that a key can be replaced without a gap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<PublicKey>,
}

/// A JSON Web Key Set (RFC 7517, 5).
#[derive(Serialize, Deserialize)]
struct Jwks {
    keys: Vec<Jwk>,
}

/// An octet key pair's public half (RFC 8037, 2).
#[derive(Serialize, Deserialize)]
struct Jwk {
    kty: String,
    crv: String,
    x: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    usage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<String>,
    #[serde(skip_serializing)]
    d: Option<serde::de::IgnoredAny>,
}

impl KeySet {
    /// The set of the given keys.
    #[must_use]
    pub fn of(keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self { keys: keys.into_iter().collect() }
    }

    /// Reads a JWKS. Strict, because it comes from our own configuration: an empty set, a key of another kind, a `kid` that is not the
    /// key's thumbprint, or a private key in it is a mistake that must stop the program that reads it.
    ///
    /// # Errors
    /// [`AccessError::KeySet`] saying what is wrong.
    pub fn from_jwks(json: &str) -> Result<Self, AccessError> {
        let set: Jwks = serde_json::from_str(json).map_err(|error| AccessError::KeySet(format!("not a JWKS ({error})")))?;
        if set.keys.is_empty() {
            return Err(AccessError::KeySet("it is empty".to_owned()));
        }
        set.keys.into_iter().map(public_key).collect::<Result<Vec<_>, _>>().map(|keys| Self { keys })
    }

    /// The set as a JWKS.
    #[must_use]
    pub fn to_jwks(&self) -> String {
        let keys = self.keys.iter().map(|key| Jwk {
            kty: "OKP".to_owned(),
            crv: "Ed25519".to_owned(),
            x: key.x(),
            kid: Some(key.id().to_owned()),
            usage: Some("sig".to_owned()),
            alg: Some("EdDSA".to_owned()),
            d: None,
        });
        serde_json::to_string(&Jwks { keys: keys.collect() }).expect("strings in a list always become JSON")
    }

    /// Whether a key is in both sets. Sets for different kinds of tokens must not overlap.
    #[must_use]
    pub fn shares_a_key_with(&self, other: &Self) -> bool {
        self.keys.iter().any(|key| other.keys.contains(key))
    }

    pub(crate) fn get(&self, id: &str) -> Option<&PublicKey> {
        self.keys.iter().find(|key| key.id() == id)
    }
}

fn public_key(jwk: Jwk) -> Result<PublicKey, AccessError> {
    let refused = |why: &str| Err(AccessError::KeySet(why.to_owned()));
    if jwk.kty != "OKP" || jwk.crv != "Ed25519" {
        return refused("a key is not an Ed25519 key");
    }
    if jwk.usage.is_some_and(|usage| usage != "sig") || jwk.alg.is_some_and(|alg| alg != "EdDSA") {
        return refused("a key is not for EdDSA signatures");
    }
    if jwk.d.is_some() {
        return refused("a key is private");
    }
    let Some(key) = URL_SAFE_NO_PAD.decode(&jwk.x).ok().as_deref().and_then(PublicKey::from_bytes) else {
        return refused("a key has no 32 bytes of base64url in `x`");
    };
    if jwk.kid.is_some_and(|kid| kid != key.id()) {
        return refused("a `kid` is not the key's thumbprint");
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::SigningKey;

    #[test]
    fn a_set_survives_its_text_form() {
        let set = KeySet::of([SigningKey::generate().unwrap().public(), SigningKey::generate().unwrap().public()]);
        assert_eq!(KeySet::from_jwks(&set.to_jwks()), Ok(set));
    }

    #[test]
    fn a_mistaken_set_is_refused() {
        let good = KeySet::of([SigningKey::generate().unwrap().public()]).to_jwks();
        assert!(KeySet::from_jwks(&good).is_ok());
        let spoiled = [
            good.replace("OKP", "EC"),
            good.replace("Ed25519", "X25519"),
            good.replace("EdDSA", "HS256"),
            good.replace(r#""sig""#, r#""enc""#),
            good.replace(r#""kid":""#, r#""kid":"A"#),
            good.replace(r#""x":""#, r#""x":"A"#),
            good.replace(r#""kty""#, r#""d":"AAAA","kty""#),
            r#"{"keys":[]}"#.to_owned(),
            "[]".to_owned(),
            String::new(),
        ];
        for json in spoiled {
            assert!(KeySet::from_jwks(&json).is_err(), "{json} was accepted");
        }
    }
}
