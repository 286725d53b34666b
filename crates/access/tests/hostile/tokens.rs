//! The rules, written down a second time: whatever is accepted keeps every one of them, and whatever keeps them is accepted.

use access::{AccessError, Kind, Request};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

use crate::forge::{INSTANCE, NOW, at, key, sign, verifier};

const ORDER: Request<'static> = Request { method: "PUT", path: "/_rockpool/config?x=1", body: b"{\"config\":{}}" };

/// Whether a well-signed token is one of the kind for the request at hand, by the crate's own documentation.
fn keeps_the_rules(kind: Kind, header: &Value, claims: &Value, now: i64) -> bool {
    let text = |name: &str| claims[name].as_str();
    // A time that no calendar holds is none.
    let second = |name: &str| claims[name].as_i64().filter(|second| jiff::Timestamp::from_second(*second).is_ok());
    let header_fits = header["alg"] == "EdDSA"
        && header["typ"] == kind.typ()
        && header["kid"] == key(1).public().id()
        && header.get("crit").is_none_or(Value::is_null);
    let named = text("iss") == Some("rockpool")
        && text("aud") == Some(INSTANCE)
        && text("sub").is_some_and(|sub| !sub.is_empty())
        && text("jti").is_some_and(|jti| !jti.is_empty());
    let in_time = match (second("iat"), second("nbf"), second("exp")) {
        (Some(iat), Some(nbf), Some(exp)) => {
            let life = i128::from(exp) - i128::from(iat);
            let longest = if kind == Kind::Access { 3600 } else { 60 };
            (1..=longest).contains(&life) && nbf <= now + 5 && iat <= now + 5 && exp > now - 5
        }
        _ => false,
    };
    let own = match kind {
        Kind::Access | Kind::Link => text("name").is_some(),
        Kind::Control => {
            let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(ORDER.body));
            text("htm") == Some(ORDER.method) && text("htu") == Some(ORDER.path) && text("bd") == Some(&digest)
        }
    };
    header_fits && named && in_time && own
}

fn verdict(kind: Kind, token: &str, now: i64) -> Result<(), AccessError> {
    match kind {
        Kind::Access => verifier().access(token, at(now)).map(drop),
        Kind::Link => verifier().link(token, at(now)).map(drop),
        Kind::Control => verifier().control(token, &ORDER, at(now)).map(drop),
    }
}

/// The right value most of the time, so that whole tokens are good often enough for the other direction to be tested too.
fn mostly(right: Value, wrong: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![40 => Just(Some(right)), 2 => prop::sample::select(wrong).prop_map(Some), 1 => Just(None)]
}

/// A second that is near a boundary of some rule, or far from all of them.
fn second() -> impl Strategy<Value = Option<Value>> {
    let edges = [0, -1, 1, -4, -5, -6, 4, 5, 6, 54, 55, 56, 59, 60, 61, -54, -55, -56, -60, -65, 3595, 3600, 3601, -3600];
    let wrong =
        vec![json!(null), json!("1800000000"), json!(1.8e9), json!(i64::MAX), json!(i64::MIN), json!(u64::MAX), json!(-1), json!([NOW])];
    prop_oneof![
        30 => prop::sample::select(edges.to_vec()).prop_map(|edge| Some(json!(NOW + edge))),
        1 => prop::sample::select(wrong).prop_map(Some),
        1 => any::<i64>().prop_map(|second| Some(json!(second))),
        1 => Just(None),
    ]
}

fn object<const N: usize>(members: [(&'static str, Option<Value>); N]) -> Value {
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>())
}

fn any_kind() -> impl Strategy<Value = Kind> {
    prop::sample::select(Kind::ALL.to_vec())
}

fn header() -> impl Strategy<Value = Value> {
    let algorithms = ["none", "HS256", "RS256", "eddsa", "EdDSA ", "ES256", ""].map(|name| json!(name)).to_vec();
    let ids = vec![json!(key(2).public().id()), json!(""), json!("../key"), json!(null)];
    let alg = mostly(json!("EdDSA"), algorithms);
    let typ = prop_oneof![
        20 => any_kind().prop_map(|kind| Some(json!(kind.typ()))),
        1 => prop::sample::select(["JWT", "RP-ACCESS+JWT", "rp-access+jwt ", ""].to_vec()).prop_map(|typ| Some(json!(typ))),
        1 => Just(None),
    ];
    let kid = mostly(json!(key(1).public().id()), ids);
    let crit = prop_oneof![30 => Just(None), 1 => Just(Some(json!(["exp"]))), 1 => Just(Some(json!([]))), 1 => Just(Some(json!(null)))];
    (alg, typ, kid, crit).prop_map(|(alg, typ, kid, crit)| object([("alg", alg), ("typ", typ), ("kid", kid), ("crit", crit)]))
}

fn claims() -> impl Strategy<Value = Value> {
    let names = (
        mostly(json!("rockpool"), vec![json!("rockpool "), json!("Rockpool"), json!(["rockpool"]), json!(null)]),
        mostly(json!("user-1"), vec![json!(""), json!(7), json!(["user-1"]), json!("a\u{0}b")]),
        mostly(json!(INSTANCE), vec![json!("ins_2"), json!("ins_1 "), json!(["ins_1"]), json!("")]),
        mostly(json!("j"), vec![json!(""), json!(0), json!({})]),
        mostly(json!("Ada"), vec![json!(""), json!(null), json!(["Ada"]), json!("\r\nX-Forwarded-User: root")]),
    );
    let digest = URL_SAFE_NO_PAD.encode(Sha256::digest(ORDER.body));
    let bound = (
        mostly(json!("PUT"), vec![json!("put"), json!("POST"), json!("")]),
        mostly(json!(ORDER.path), vec![json!("/_rockpool/config"), json!("/_rockpool/config?x=1&"), json!("/")]),
        mostly(json!(digest.clone()), vec![json!(""), json!(format!("{digest}=")), json!(&digest[..42])]),
    );
    let times = (second(), second(), second());
    (names, times, bound).prop_map(|((iss, sub, aud, jti, name), (iat, nbf, exp), (htm, htu, bd))| {
        object([
            ("iss", iss),
            ("sub", sub),
            ("aud", aud),
            ("jti", jti),
            ("name", name),
            ("iat", iat),
            ("nbf", nbf),
            ("exp", exp),
            ("htm", htm),
            ("htu", htu),
            ("bd", bd),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 16))]

    #[test]
    fn a_token_is_accepted_exactly_when_it_keeps_every_rule(
        header in header(), claims in claims(), kind in any_kind(), signed_by in prop_oneof![9 => Just(1_u8), 1 => Just(2)],
    ) {
        let token = sign(signed_by, &header, &claims);
        let verdict = verdict(kind, &token, NOW);
        let expected = signed_by == 1 && keeps_the_rules(kind, &header, &claims, NOW);
        prop_assert_eq!(verdict.is_ok(), expected, "{:?}: {} {}", verdict, header, claims);
        if let Err(error) = verdict {
            let said = format!("{error} {error:?}");
            prop_assert!(token.split('.').filter(|part| part.len() > 8).all(|part| !said.contains(part)), "{said} repeats the token");
        }
    }

    #[test]
    fn an_order_is_for_the_request_it_was_signed_for_and_no_other(
        signed in request(), asked in request(),
    ) {
        let token = access::Signer::new(key(1)).control(INSTANCE, "op_1", &signed.borrow(), at(NOW)).unwrap();
        let verdict = verifier().control(token.as_str(), &asked.borrow(), at(NOW));
        prop_assert_eq!(verdict.is_ok(), signed == asked, "{:?}", verdict);
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    method: String,
    path: String,
    body: Vec<u8>,
}

impl Asked {
    fn borrow(&self) -> Request<'_> {
        Request { method: &self.method, path: &self.path, body: &self.body }
    }
}

/// Few enough requests that two are often the same, and alike enough that a careless comparison would take one for another.
fn request() -> impl Strategy<Value = Asked> {
    let methods = prop::sample::select(["PUT", "POST", "put", "PUT "].to_vec());
    let paths =
        prop::sample::select(["/_rockpool/config", "/_rockpool/config?", "/_rockpool/config/", "/_rockpool/%63onfig", "/"].to_vec());
    let bodies = prop::sample::select([&b""[..], b"{}", b"{} ", b"\0", b"{}\n"].to_vec());
    (methods, paths, bodies).prop_map(|(method, path, body)| Asked { method: method.into(), path: path.into(), body: body.to_vec() })
}
