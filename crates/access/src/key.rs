use aws_lc_rs::encoding::{AsBigEndian, Curve25519SeedBin};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{DecodingKey, EncodingKey};
use sha2::{Digest, Sha256};

use crate::AccessError;

/// An Ed25519 private key. Its `Debug` form shows the key's identifier alone.
#[derive(Clone)]
pub struct SigningKey {
    seed: [u8; 32],
    encoding: EncodingKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new random key.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when the operating system has no random numbers.
    pub fn generate() -> Result<Self, AccessError> {
        Self::from_pair(&Ed25519KeyPair::generate().map_err(|_| AccessError::SigningKey("no random numbers"))?)
    }

    /// The key that a PKCS#8 document (RFC 5958, DER) holds.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when it holds no Ed25519 key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, AccessError> {
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der);
        Self::from_pair(&pair.map_err(|_| AccessError::SigningKey("not an Ed25519 key in PKCS#8"))?)
    }

    /// The key of a seed: the 32 bytes that RFC 8032 calls the private key.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when they are not 32 bytes.
    pub fn from_seed(seed: &[u8]) -> Result<Self, AccessError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed);
        Self::from_pair(&pair.map_err(|_| AccessError::SigningKey("a seed has 32 bytes"))?)
    }

    /// Reads the form that [`Self::expose_text`] writes, or base64url of a PKCS#8 document.
    ///
    /// # Errors
    /// [`AccessError::SigningKey`] when the text is neither.
    pub fn from_text(text: &str) -> Result<Self, AccessError> {
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| AccessError::SigningKey("not base64url without padding"))?;
        if bytes.len() == 32 { Self::from_seed(&bytes) } else { Self::from_pkcs8(&bytes) }
    }

    /// The seed as base64url without padding, for a secret store. Whoever has it can issue tokens.
    #[must_use]
    pub fn expose_text(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.seed)
    }

    /// The other half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        self.public.clone()
    }

    pub(crate) fn encoding(&self) -> &EncodingKey {
        &self.encoding
    }

    fn from_pair(pair: &Ed25519KeyPair) -> Result<Self, AccessError> {
        let unusable = |_| AccessError::SigningKey("the key cannot be written out");
        let seed: Curve25519SeedBin<'_> = pair.seed().and_then(|seed| seed.as_be_bytes()).map_err(unusable)?;
        let seed = seed.as_ref().try_into().map_err(|_| AccessError::SigningKey("a seed has 32 bytes"))?;
        let public = PublicKey::from_bytes(pair.public_key().as_ref()).ok_or(AccessError::SigningKey("a public key has 32 bytes"))?;
        let der = pair.to_pkcs8().map_err(unusable)?;
        Ok(Self { seed, encoding: EncodingKey::from_ed_der(der.as_ref()), public })
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SigningKey").field("id", &self.public.id).finish_non_exhaustive()
    }
}

/// An Ed25519 public key.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: [u8; 32],
    id: String,
}

impl PublicKey {
    /// The key of the 32 bytes of RFC 8032; `None` when they are not 32.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; 32] = bytes.try_into().ok()?;
        // RFC 7638: the required members in lexical order, without white space.
        let canonical = format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{}"}}"#, URL_SAFE_NO_PAD.encode(bytes));
        Some(Self { bytes, id: URL_SAFE_NO_PAD.encode(Sha256::digest(canonical)) })
    }

    /// The key's identifier (`kid`): its JWK thumbprint with SHA-256 (RFC 7638), so that it cannot name another key.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.bytes)
    }

    pub(crate) fn decoding(&self) -> DecodingKey {
        DecodingKey::from_ed_der(&self.bytes)
    }
}

impl std::fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("PublicKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_rfc_8037_has_the_thumbprint_that_it_prints() {
        let seed = URL_SAFE_NO_PAD.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(key.public().x(), "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo");
        assert_eq!(key.public().id(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_survives_its_text_form_and_pkcs8() {
        let key = SigningKey::generate().unwrap();
        assert_eq!(SigningKey::from_text(&key.expose_text()).unwrap().public(), key.public());
        let der = Ed25519KeyPair::generate().unwrap().to_pkcs8().unwrap();
        assert!(SigningKey::from_text(&URL_SAFE_NO_PAD.encode(der.as_ref())).is_ok());
    }

    #[test]
    fn what_is_no_key_is_refused_and_nothing_prints_one() {
        for text in ["", "AAAA", "not base64!", &URL_SAFE_NO_PAD.encode([7; 31]), &URL_SAFE_NO_PAD.encode([7; 64])] {
            assert!(SigningKey::from_text(text).is_err(), "{text} was accepted");
        }
        let key = SigningKey::generate().unwrap();
        assert!(!format!("{key:?}").contains(&key.expose_text()));
    }
}
