//! An issuer inside the test's own process: it signs whatever it is told to, and can be down.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{self, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::cache::{FetchError, KeySource};

/// The kinds of keys that issuers use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// RSA of 2048 bits, RS256.
    Rsa,
    /// NIST P-256, ES256.
    P256,
    /// Ed25519, EdDSA.
    Ed25519,
}

enum Pair {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A private key with its `kid`.
pub struct SigningKey {
    kid: String,
    pair: Pair,
}

impl SigningKey {
    /// A new key.
    ///
    /// # Panics
    /// If the machine has no randomness.
    #[must_use]
    pub fn generate(kind: Kind, kid: &str) -> Self {
        let pair = match kind {
            Kind::Rsa => Pair::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).expect("an RSA key")),
            Kind::P256 => Pair::P256(EcdsaKeyPair::generate(&signature::ECDSA_P256_SHA256_FIXED_SIGNING).expect("a P-256 key")),
            Kind::Ed25519 => Pair::Ed25519(Ed25519KeyPair::generate().expect("an Ed25519 key")),
        };
        Self { kid: kid.to_owned(), pair }
    }

    /// The algorithm that goes with the key.
    #[must_use]
    pub fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Rsa(_) => "RS256",
            Pair::P256(_) => "ES256",
            Pair::Ed25519(_) => "EdDSA",
        }
    }

    /// The public half as a JSON Web Key.
    #[must_use]
    pub fn public(&self) -> Value {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let mut key = match &self.pair {
            Pair::Rsa(pair) => {
                let (n, e) = (pair.public_key().modulus(), pair.public_key().exponent());
                json!({ "kty": "RSA", "n": text(n.big_endian_without_leading_zero()), "e": text(e.big_endian_without_leading_zero()) })
            }
            Pair::P256(pair) => {
                let point = pair.public_key().as_ref();
                json!({ "kty": "EC", "crv": "P-256", "x": text(&point[1..33]), "y": text(&point[33..]) })
            }
            Pair::Ed25519(pair) => json!({ "kty": "OKP", "crv": "Ed25519", "x": text(pair.public_key().as_ref()) }),
        };
        key["kid"] = json!(self.kid);
        key["alg"] = json!(self.algorithm());
        key["use"] = json!("sig");
        key
    }

    /// A token with this header and these claims.
    #[must_use]
    pub fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    /// A token of whatever texts.
    ///
    /// # Panics
    /// If the machine has no randomness.
    #[must_use]
    pub fn sign_text(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let random = SystemRandom::new();
        let signature = match &self.pair {
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&signature::RSA_PKCS1_SHA256, &random, signed.as_bytes(), &mut signature).expect("a signature");
                signature
            }
            Pair::P256(pair) => pair.sign(&random, signed.as_bytes()).expect("a signature").as_ref().to_vec(),
            Pair::Ed25519(pair) => pair.sign(signed.as_bytes()).as_ref().to_vec(),
        };
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

/// An issuer with one key at a time. It is a [`KeySource`] and counts how often it was asked.
pub struct Issuer {
    key: Mutex<Arc<SigningKey>>,
    up: AtomicBool,
    fetches: AtomicUsize,
}

impl Issuer {
    /// What its tokens write as `iss`.
    pub const ADDRESS: &str = "https://login.example.com/";

    /// An issuer with a new Ed25519 key.
    #[must_use]
    pub fn start() -> Arc<Self> {
        Self::with_key(SigningKey::generate(Kind::Ed25519, "key-1"))
    }

    /// An issuer with this key.
    #[must_use]
    pub fn with_key(key: SigningKey) -> Arc<Self> {
        Arc::new(Self { key: Mutex::new(Arc::new(key)), up: true.into(), fetches: AtomicUsize::new(0) })
    }

    /// A verifier for its tokens, with the system's clock and nothing narrowed down.
    ///
    /// # Panics
    /// Never: the settings are sound.
    #[must_use]
    pub fn verifier(self: &Arc<Self>) -> crate::Verifier {
        let source: Arc<dyn KeySource> = Arc::<Self>::clone(self);
        crate::Verifier::new(crate::Settings::of_issuer(Self::ADDRESS), source).expect("the settings are sound")
    }

    /// A token for this person that is good for an hour from now on.
    #[must_use]
    pub fn token(&self, subject: &str) -> String {
        let now = jiff::Timestamp::now().as_second();
        self.sign(&json!({ "iss": Self::ADDRESS, "sub": subject, "name": subject, "iat": now, "exp": now + 3600 }))
    }

    /// A token with these claims and the header that goes with the key.
    #[must_use]
    pub fn sign(&self, claims: &Value) -> String {
        let key = self.key();
        key.sign(&json!({ "alg": key.algorithm(), "kid": key.kid, "typ": "JWT" }), claims)
    }

    /// The key in use.
    ///
    /// # Panics
    /// If a test panicked while it changed the key.
    #[must_use]
    pub fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.key.lock().expect("no test panicked in here"))
    }

    /// From now on another key is published and used.
    ///
    /// # Panics
    /// If a test panicked while it changed the key.
    pub fn rotate(&self, key: SigningKey) {
        *self.key.lock().expect("no test panicked in here") = Arc::new(key);
    }

    /// Whether it answers.
    pub fn set_up(&self, up: bool) {
        self.up.store(up, Ordering::SeqCst);
    }

    /// How often it was asked for its keys.
    #[must_use]
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl KeySource for Issuer {
    async fn fetch(&self) -> Result<Vec<u8>, FetchError> {
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if !self.up.load(Ordering::SeqCst) {
            return Err(FetchError::Status { url: Self::ADDRESS.to_owned(), status: 503 });
        }
        Ok(json!({ "keys": [self.key().public()] }).to_string().into_bytes())
    }
}
