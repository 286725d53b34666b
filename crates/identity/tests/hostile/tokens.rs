//! The rules, written down a second time: whatever is accepted keeps every one of them, and whatever keeps them is accepted.

use std::sync::Arc;
use std::time::Duration;

use identity::testing::{Issuer, Kind, SigningKey};
use identity::{Refusal, Settings};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::{NOW, verdict};

/// What is expected of tokens beside what always is.
#[derive(Debug, Clone)]
struct Narrowed {
    audience: bool,
    party: bool,
    token_use: bool,
    typ: bool,
    leeway: u8,
}

impl Narrowed {
    fn settings(&self) -> Settings {
        Settings {
            audience: self.audience.then(|| "https://api".to_owned()),
            allowed_parties: if self.party { vec!["web".to_owned(), "cli".to_owned()] } else { Vec::new() },
            token_use: self.token_use.then(|| "access".to_owned()),
            typ: self.typ.then(|| "at+jwt".to_owned()),
            leeway: Duration::from_secs(self.leeway.into()),
            ..Settings::of_issuer(Issuer::ADDRESS)
        }
    }

    /// RFC 7519, RFC 8725 and this crate's own documentation.
    fn keeps_the_rules(&self, header: &Value, claims: &Value) -> bool {
        let given = |object: &Value, name: &str| object.get(name).filter(|value| !value.is_null()).cloned();
        let text_or_none = |object: &Value, name: &str| given(object, name).is_none_or(|value| value.is_string());
        let second = |name: &str| claims[name].as_f64().filter(|second| (0.0..=253_402_300_799.0).contains(second)).map(f64::floor);
        let (now, leeway) = (NOW as f64, f64::from(self.leeway));

        let signed_as_agreed = header["alg"] == "EdDSA" && given(header, "kid").is_none_or(|kid| kid == "key-1");
        let header_fits = signed_as_agreed && given(header, "crit").is_none() && text_or_none(header, "typ");
        let subject =
            claims["sub"].as_str().is_some_and(|sub| (1..=255).contains(&sub.chars().count()) && !sub.chars().any(char::is_control));
        let in_time = second("exp").is_some_and(|exp| now < exp + leeway)
            && (given(claims, "nbf").is_none() || second("nbf").is_some_and(|nbf| nbf <= now + leeway));
        let audiences = match given(claims, "aud") {
            None => Some(Vec::new()),
            Some(Value::String(one)) => Some(vec![one]),
            Some(Value::Array(many)) => many.iter().map(|one| one.as_str().map(str::to_owned)).collect(),
            Some(_) => None,
        };
        let audience = audiences.is_some_and(|audiences| !self.audience || audiences.iter().any(|audience| audience == "https://api"));
        let parties: Vec<Value> = ["azp", "client_id"].into_iter().filter_map(|name| given(claims, name)).collect();
        let allowed = |party: &Value| party == "web" || party == "cli";
        let party = parties.iter().all(Value::is_string) && (!self.party || (!parties.is_empty() && parties.iter().all(allowed)));
        let token_use = text_or_none(claims, "token_use") && (!self.token_use || claims["token_use"] == "access");
        let typ =
            !self.typ || header["typ"].as_str().is_some_and(|typ| matches!(&*typ.to_ascii_lowercase(), "at+jwt" | "application/at+jwt"));
        header_fits && claims["iss"] == Issuer::ADDRESS && subject && in_time && audience && party && token_use && typ
    }
}

fn narrowed() -> impl Strategy<Value = Narrowed> {
    (prop::array::uniform4(any::<bool>()), prop::sample::select(vec![5_u8, 10, 60]))
        .prop_map(|([audience, party, token_use, typ], leeway)| Narrowed { audience, party, token_use, typ, leeway })
}

fn mostly(right: Value, others: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop_oneof![20 => Just(Some(right)), 4 => prop::sample::select(others).prop_map(Some), 1 => Just(None)]
}

fn object<const N: usize>(members: [(&'static str, Option<Value>); N]) -> Value {
    Value::Object(members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect::<Map<_, _>>())
}

fn header() -> impl Strategy<Value = Value> {
    let members = (
        mostly(json!("EdDSA"), vec![json!("none"), json!("HS256"), json!("RS256"), json!("ES256"), json!("eddsa"), json!(7), json!(null)]),
        mostly(json!("key-1"), vec![json!("key-2"), json!(""), json!(null), json!(1)]),
        mostly(json!("at+jwt"), vec![json!("JWT"), json!("application/AT+JWT"), json!("at+jwt "), json!(null), json!(1)]),
        prop_oneof![20 => Just(None), 1 => Just(Some(json!(["exp"]))), 1 => Just(Some(json!([]))), 1 => Just(Some(json!(null)))],
    );
    members.prop_map(|(alg, kid, typ, crit)| object([("alg", alg), ("kid", kid), ("typ", typ), ("crit", crit)]))
}

fn second(right: i64) -> impl Strategy<Value = Option<Value>> {
    let edges = [-61, -60, -59, -11, -10, -9, -6, -5, -4, -1, 0, 1, 5, 6, 10, 11, 60, 61].map(|edge| json!(NOW + edge)).to_vec();
    let odd = vec![
        json!(null),
        json!("1790000300"),
        json!(1e300),
        json!(-1),
        json!(i64::MAX),
        json!(1.790_000_5e9),
        json!(253_402_300_799_i64),
        json!([]),
    ];
    prop_oneof![
        20 => Just(Some(json!(right))),
        8 => prop::sample::select(edges).prop_map(Some),
        1 => prop::sample::select(odd).prop_map(Some),
        1 => any::<i64>().prop_map(|second| Some(json!(second))),
        1 => Just(None),
    ]
}

fn claims() -> impl Strategy<Value = Value> {
    let who = (
        mostly(json!(Issuer::ADDRESS), vec![json!("https://login.example.com"), json!(""), json!(null), json!([Issuer::ADDRESS])]),
        mostly(
            json!("alice"),
            vec![json!(""), json!("x".repeat(255)), json!("x".repeat(256)), json!("é".repeat(255)), json!("a\u{85}b"), json!(7)],
        ),
        mostly(
            json!("https://api"),
            vec![json!(["a", "https://api"]), json!(["a"]), json!([]), json!([7]), json!({}), json!(""), json!(null)],
        ),
    );
    let parties = vec![json!("cli"), json!("evil"), json!(null), json!(["web"]), json!("")];
    let rest = (
        mostly(json!("web"), parties.clone()),
        mostly(json!("web"), parties),
        mostly(json!("access"), vec![json!("id"), json!(null), json!(1)]),
        mostly(json!("Alice"), vec![json!(""), json!(7), json!("\u{0}\u{7}"), json!("☂".repeat(300)), json!({ "first": "A" })]),
    );
    (who, second(NOW + 300), second(NOW - 1), rest).prop_map(|((iss, sub, aud), exp, nbf, (azp, client_id, token_use, name))| {
        object([
            ("iss", iss),
            ("sub", sub),
            ("aud", aud),
            ("exp", exp),
            ("nbf", nbf),
            ("azp", azp),
            ("client_id", client_id),
            ("token_use", token_use),
            ("name", name),
        ])
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 8))]

    #[test]
    fn a_token_is_accepted_exactly_when_it_keeps_every_rule(
        narrowed in narrowed(), header in header(), claims in claims(), forged in prop::bool::weighted(0.1),
    ) {
        let issuer = Issuer::start();
        let forger = SigningKey::generate(Kind::Ed25519, "key-1");
        let token = if forged { forger.sign(&header, &claims) } else { issuer.key().sign(&header, &claims) };
        let verdict = verdict(issuer, narrowed.settings(), &token);
        let expected = !forged && narrowed.keeps_the_rules(&header, &claims);
        prop_assert_eq!(verdict.is_ok(), expected, "{:?}: {} {}", verdict, header, claims);
        match verdict {
            Ok(caller) => {
                prop_assert_eq!(Some(caller.subject.as_str()), claims["sub"].as_str());
                prop_assert!(caller.display_name.chars().count() <= 100 && !caller.display_name.chars().any(char::is_control));
                prop_assert!(!caller.display_name.is_empty() || caller.subject.trim().is_empty());
            }
            Err(refusal) => {
                let said = format!("{refusal} {refusal:?}");
                prop_assert!(token.split('.').all(|part| part.len() < 8 || !said.contains(part)), "{} repeats the token", said);
            }
        }
    }

    #[test]
    fn any_texts_in_the_place_of_header_and_claims_are_refused(header in "\\PC{0,60}", claims in "\\PC{0,60}") {
        let issuer = Issuer::start();
        let token = issuer.key().sign_text(&header, &claims);
        prop_assert!(verdict(issuer, Settings::of_issuer(Issuer::ADDRESS), &token).is_err());
    }
}

#[test]
fn a_header_or_claims_that_are_no_json_object_are_refused_although_the_issuer_signed_them() {
    let (header, claims) =
        (r#"{"alg":"EdDSA","kid":"key-1"}"#, format!(r#"{{"iss":"{}","sub":"alice","exp":{}}}"#, Issuer::ADDRESS, NOW + 300));
    let listed = format!(r#"["{}","alice",{},null,null,null,null,null,null,null,null]"#, Issuer::ADDRESS, NOW + 300);
    let issuer = Issuer::start();
    let check = |header: &str, claims: &str| {
        verdict(issuer.clone(), Settings::of_issuer(Issuer::ADDRESS), &issuer.key().sign_text(header, claims)).map(|caller| caller.subject)
    };
    assert_eq!(check(header, &claims), Ok("alice".to_owned()));
    // RFC 7519, section 7.2: both are completely valid JSON objects. Serde's structs would take lists of their members as well.
    assert_eq!(check(header, &listed), Err(Refusal::Claims));
    assert_eq!(check(r#"["EdDSA","key-1",null,null]"#, &claims), Err(Refusal::Malformed));
    assert_eq!(check(header, &format!("{claims} {{}}")), Err(Refusal::Claims));
    assert_eq!(check(header, &format!("{}{}", "[".repeat(3000), claims)), Err(Refusal::Claims));
}

#[test]
fn ten_megabytes_are_refused_at_once() {
    let began = std::time::Instant::now();
    let issuer = Issuer::start();
    for text in ["a".repeat(10 << 20), ".".repeat(10 << 20), format!("{}{}", issuer.token("alice"), "A".repeat(10 << 20))] {
        assert!(verdict(Arc::clone(&issuer) as _, Settings::of_issuer(Issuer::ADDRESS), &text).is_err());
    }
    assert_eq!(issuer.fetches(), 0, "nobody is asked about what is no token");
    assert!(began.elapsed() < Duration::from_secs(2), "{:?}", began.elapsed());
}
