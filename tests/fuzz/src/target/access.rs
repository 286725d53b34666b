//! Our own tokens, published keys and private keys.

use access::{AccessError, KeySet, Kind, Request, SigningKey, Verifier};
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde_json::Value;

use super::text;

const NOW: i64 = 1_800_000_000;
const INSTANCE: &str = "ins_1";
const SEED: [u8; 32] = [1; 32];
const ORDER: Request<'static> = Request { method: "POST", path: "/_rockpool/restart", body: b"{}" };

/// A header and claims, a line each, which are then signed properly; a single line is a token as it stands. What opens a door is of its
/// kind, for this instance and of a life as long as its kind's; nothing opens two.
pub fn access_token(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let verifier = Verifier::new(KeySet::of([SigningKey::from_seed(&SEED).unwrap().public()]), INSTANCE);
    let now = Timestamp::from_second(NOW).unwrap();
    let Some((header, claims)) = text.split_once('\n') else {
        assert!(opened(&verifier, text, now).is_empty(), "{text} opens something");
        return false;
    };
    let kinds = opened(&verifier, &sign(header, claims), now);
    assert!(kinds.len() <= 1, "{header} {claims} is of {} kinds", kinds.len());
    let Some(kind) = kinds.first().copied() else { return false };
    let (header, claims): (Value, Value) = (serde_json::from_str(header).unwrap(), serde_json::from_str(claims).unwrap());
    assert!(header["typ"] == kind.typ() && header["alg"] == "EdDSA", "{header} opens the door of {}", kind.typ());
    assert!(claims["aud"] == INSTANCE && claims["iss"] == "rockpool", "{claims} is somebody else's");
    let life = i128::from(claims["exp"].as_i64().unwrap()) - i128::from(claims["iat"].as_i64().unwrap());
    assert!((1..=3600).contains(&life), "{claims} is good for {life} s");
    assert!(kind != Kind::Control || claims["htu"] == ORDER.path, "{claims} is another order");
    true
}

/// A key set or a private key. What is read is written again as it was read; a refusal does not repeat it.
pub fn access_keys(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let set = KeySet::from_jwks(text);
    if let Ok(set) = &set {
        assert_eq!(KeySet::from_jwks(&set.to_jwks()).as_ref(), Ok(set), "{text}");
        assert!(!text.contains("\"d\":\""), "a private half was taken: {text}");
    }
    // The words of a refusal may stand in the text; then they are those of other refusals too.
    let (said, usual) = (said_of(text), ["", "AA", "?"].map(said_of));
    assert!(text.len() < 16 || !said.contains(text) || usual.iter().any(|usual| usual.contains(text)), "{said}");
    set.is_ok() || SigningKey::from_text(text).is_ok()
}

/// What is shown of a private key, or of its refusal.
fn said_of(text: &str) -> String {
    match SigningKey::from_text(text) {
        Ok(key) => format!("{key:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

fn opened(verifier: &Verifier, token: &str, now: Timestamp) -> Vec<Kind> {
    let opens = |kind| -> Result<(), AccessError> {
        match kind {
            Kind::Access => verifier.access(token, now).map(drop),
            Kind::Link => verifier.link(token, now).map(drop),
            Kind::Control => verifier.control(token, &ORDER, now).map(drop),
        }
    };
    Kind::ALL.into_iter().filter(|kind| opens(*kind).is_ok()).collect()
}

/// Signs without the library that is under test.
fn sign(header: &str, claims: &str) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap().sign(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}
