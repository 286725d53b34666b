//! What is no token at all: cut, joined, changed, huge.

use std::time::{Duration, Instant};

use access::{Audience, Kind, Request, Signer, looks_like_token};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::json;

use crate::forge::{INSTANCE, NOW, at, key, sign_text, verifier};

const RESTART: Request<'static> = Request { method: "POST", path: "/_rockpool/restart", body: b"" };

fn issue(kind: Kind, subject: &str) -> String {
    let (signer, to) = (Signer::new(key(1)), Audience { instance: INSTANCE, subject, name: "Ada" });
    let token = match kind {
        Kind::Access => signer.access(&to, jiff::SignedDuration::from_secs(60), at(NOW)),
        Kind::Link => signer.link(&to, at(NOW)),
        Kind::Control => signer.control(INSTANCE, subject, &RESTART, at(NOW)),
    };
    token.unwrap().as_str().to_owned()
}

/// Whether any of the three doors opens.
fn opens_something(text: &str) -> bool {
    let verifier = verifier();
    verifier.access(text, at(NOW)).is_ok() || verifier.link(text, at(NOW)).is_ok() || verifier.control(text, &RESTART, at(NOW)).is_ok()
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

proptest! {
    #[test]
    fn parts_of_two_good_tokens_make_no_third(one in any_kind(), other in any_kind(), cut in prop::array::uniform3(any::<bool>())) {
        let (one, other) = (issue(one, "user-1"), issue(other, "user-2"));
        let parts: Vec<&str> =
            one.split('.').zip(other.split('.')).zip(cut).map(|((one, other), first)| if first { one } else { other }).collect();
        let joined = parts.join(".");
        prop_assert!(joined == one || joined == other || !opens_something(&joined));
    }

    #[test]
    fn a_token_with_bytes_put_in_taken_out_or_repeated_opens_nothing(
        kind in any_kind(), place in any::<prop::sample::Index>(), more in "[A-Za-z0-9_.=\\- \r\n\u{e4}]{0,4}", less in 0_usize..4,
    ) {
        let token = issue(kind, "user-1");
        let place = place.index(token.len());
        let changed = format!("{}{more}{}", &token[..place], &token[(place + less).min(token.len())..]);
        prop_assert!(changed == token || !opens_something(&changed), "{changed}");
    }

    #[test]
    fn any_text_in_the_place_of_header_and_claims_opens_nothing(header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        prop_assert!(!opens_something(&sign_text(1, &header, &claims)));
    }

    #[test]
    fn a_token_of_any_kind_is_known_for_one_and_other_text_does_no_harm(kind in any_kind(), text in "\\PC{0,120}") {
        prop_assert!(looks_like_token(&issue(kind, "user-1")));
        prop_assert!(!looks_like_token(&text) || text.contains('.'));
    }
}

#[test]
fn known_tricks_open_nothing() {
    let header = json!({ "alg": "EdDSA", "typ": "rp-access+jwt", "kid": key(1).public().id() }).to_string();
    let claims = json!({
        "iss": "rockpool", "sub": "u", "aud": INSTANCE, "iat": NOW, "nbf": NOW, "exp": NOW + 60, "jti": "j", "name": "Ada",
    })
    .to_string();
    let good = sign_text(1, &header, &claims);
    assert!(opens_something(&good), "what the tricks are played on is good");
    let twice = |text: &str, member: &str| format!("{},{member}}}", text.strip_suffix('}').unwrap());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let tricks = [
        // The same member twice: one reader takes the first, another the last.
        sign_text(1, &twice(&header, r#""alg":"none""#), &claims),
        sign_text(1, &twice(&header, r#""typ":"rp-link+jwt""#), &claims),
        sign_text(1, &header, &twice(&claims, r#""aud":"ins_2""#)),
        sign_text(1, &header, &twice(&claims, r#""exp":9999999999"#)),
        // Arrays for objects, and trailing text.
        sign_text(1, &header, &format!("[{claims}]")),
        sign_text(1, &header, &format!("{claims}{{}}")),
        sign_text(1, &header, &format!("\u{feff}{claims}")),
        // No signature, half a signature, one with padding, one in the other alphabet.
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.{}", &signature[..43]),
        format!("{good}=="),
        format!("{signed}.{}", base64::engine::general_purpose::STANDARD.encode(URL_SAFE_NO_PAD.decode(signature).unwrap())),
        // A signature that is all zeros, and the small-order point that some verifiers let pass (RFC 8032, 5.1.7).
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{signed}.{}", URL_SAFE_NO_PAD.encode([[1].as_slice(), &[0; 63]].concat())),
        // Deep nesting.
        sign_text(1, &header, &format!("{{\"name\":{}", "[".repeat(2000))),
        sign_text(1, &"[".repeat(2000), &claims),
    ];
    for trick in tricks {
        assert!(!opens_something(&trick), "{trick}");
    }
}

#[test]
fn a_text_of_ten_megabytes_is_refused_at_once() {
    let began = Instant::now();
    for text in ["a".repeat(10 << 20), ".".repeat(10 << 20), format!("{}.{}", issue(Kind::Access, "u"), "A".repeat(10 << 20))] {
        assert!(!opens_something(&text));
    }
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
