//! The form of a token: JWS compact serialisation (RFC 7515, section 7.1).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::keys::{Algorithm, Key};
use crate::verifier::Refusal;

/// Tokens longer than this are refused unread. API Gateway passes 10 KB of headers in all.
const LONGEST: usize = 8 * 1024;

/// A token cut into its parts. Nothing of it is to be believed before [`Token::payload`] has seen the signature.
#[derive(Debug)]
pub(crate) struct Token<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) kid: Option<String>,
    pub(crate) typ: Option<String>,
    signed: &'a str,
    payload: &'a str,
    signature: &'a str,
}

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<serde_json::Value>,
}

/// Reads a JSON object (RFC 7519, section 7.2), and nothing else: serde would take an array for a struct, its elements for the members.
pub(crate) fn object<T: DeserializeOwned>(json: &[u8]) -> Option<T> {
    let begins = json.trim_ascii_start().first() == Some(&b'{');
    begins.then(|| serde_json::from_slice(json).ok()).flatten()
}

impl<'a> Token<'a> {
    pub(crate) fn cut(text: &'a str) -> Result<Self, Refusal> {
        if text.len() > LONGEST {
            return Err(Refusal::Malformed);
        }
        let (signed, signature) = text.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if payload.contains('.') {
            return Err(Refusal::Malformed);
        }
        let header = URL_SAFE_NO_PAD.decode(header).map_err(|_| Refusal::Malformed)?;
        let header: Header = object(&header).ok_or(Refusal::Malformed)?;
        // RFC 7515, section 4.1.11: whoever does not understand a critical extension must refuse the token. We understand none.
        if header.crit.is_some() {
            return Err(Refusal::Malformed);
        }
        let algorithm = Algorithm::of_header(&header.alg).ok_or(Refusal::Algorithm)?;
        Ok(Self { algorithm, kid: header.kid, typ: header.typ, signed, payload, signature })
    }

    /// The payload's bytes, once `key` is known to have signed them.
    pub(crate) fn payload(&self, key: &Key) -> Result<Vec<u8>, Refusal> {
        if !key.signed(self.signed.as_bytes(), self.signature) {
            return Err(Refusal::Signature);
        }
        URL_SAFE_NO_PAD.decode(self.payload).map_err(|_| Refusal::Malformed)
    }

    /// Whether the header's media type is this one. Case and the prefix `application/` do not count (RFC 7515, section 4.1.9).
    pub(crate) fn is_of_type(&self, expected: &str) -> bool {
        let bare = |text: &str| {
            let lower = text.to_ascii_lowercase();
            lower.strip_prefix("application/").map(str::to_owned).unwrap_or(lower)
        };
        self.typ.as_deref().is_some_and(|typ| bare(typ) == bare(expected))
    }
}
