//! Every route that the description names, with identifiers, queries, headers and bodies of somebody who tries.

use std::sync::LazyLock;

use proptest::prelude::*;

use crate::APP;

/// Method and path of every operation in the description.
static ROUTES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let document = serde_json::to_value(api::openapi()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let methods = ["get", "put", "post", "delete", "patch"];
    let operations = |(path, item): (&String, &serde_json::Value)| {
        let named = methods.into_iter().filter(|method| item.get(method).is_some());
        named.map(|method| (method.to_uppercase(), path.clone())).collect::<Vec<_>>()
    };
    paths.iter().flat_map(operations).collect()
});

fn identifier() -> impl Strategy<Value = String> {
    let tricks = [
        "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f",
        "op_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f",
        "INS_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f",
        "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f%00",
        "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f%20",
        "ins_0190C5A0A1B27C3D8E4F5A6B7C8D9E0F",
        "org_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f",
        "%2e%2e",
        "..",
        ".",
        "%2f",
        "%ff%fe",
        "%",
        "INSTANCE%23ins_1",
        "0",
        "*",
        "null",
        "%7b%7d",
        "ins_%F0%9F%A6%9E",
    ];
    prop_oneof![prop::sample::select(tricks.map(str::to_owned).to_vec()), "[!-~]{1,60}", "ins_[0-9a-f]{32}", "op_[0-9a-f]{32}"]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let tricks = [
        "",
        "{}",
        "[]",
        "null",
        "0",
        "\"\"",
        "{",
        "{\"scope\":\"planet\"}",
        "{\"scope\":[\"process\"]}",
        "[\"process\"]",
        "{\"name\":{}}",
        "{\"allowed_regions\":[[]]}",
        "{\"__proto__\":{}}",
        "{\"name\":\"a\",\"name\":\"b\"}",
        "{\"name\":\"\\ud800\"}",
        "\u{feff}{}",
        "{\"\":0}",
    ];
    prop_oneof![prop::sample::select(tricks.map(|text| text.as_bytes().to_vec()).to_vec()), prop::collection::vec(any::<u8>(), 0..80)]
}

fn header() -> impl Strategy<Value = (&'static str, Vec<u8>)> {
    let names = [
        "content-type",
        "idempotency-key",
        "x-request-id",
        "accept",
        "content-length",
        "transfer-encoding",
        "x-forwarded-for",
        "host",
        "content-encoding",
        "expect",
        "x-http-method-override",
        "cookie",
    ];
    (
        prop::sample::select(names.to_vec()),
        prop_oneof!["[ -~]{0,40}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..40)],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases * 4))]

    #[test]
    fn every_route_answers_everything_with_a_success_or_the_caller_s_problem(
        route in prop::sample::select(ROUTES.clone()), id in identifier(), query in "(\\?[!-~]{0,30})?", body in body(),
        headers in prop::collection::vec(header(), 0..3), known in prop::bool::weighted(0.9), json in prop::bool::weighted(0.7),
    ) {
        let (method, path) = route;
        let target = format!("{}{query}", path.replace("{id}", &id));
        let bearer = format!("Bearer {}", APP.somebody());
        let mut all: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (*name, value.as_slice())).collect();
        if known {
            all.push(("authorization", bearer.as_bytes()));
        }
        if json {
            all.push(("content-type", b"application/json"));
        }
        if let Some(answer) = APP.ask(&method, &target, &all, body) {
            answer.check();
            let open = matches!(path.as_str(), "/v1/plans" | "/v1/regions" | "/v1/health" | "/health" | "/openapi.json");
            prop_assert!(known || open || !answer.status.is_success(), "{} {} is open to everybody", method, target);
        }
    }
}

#[test]
fn the_description_names_the_routes_that_are_tried() {
    assert!(ROUTES.len() >= 14, "{ROUTES:?}");
    assert!(ROUTES.iter().filter(|(_, path)| path.contains("{id}")).count() >= 9, "{ROUTES:?}");
}

#[test]
fn a_body_of_ten_megabytes_is_refused_on_every_route_that_reads_one() {
    let began = std::time::Instant::now();
    let token = APP.somebody();
    for (method, path) in [("POST", "/v1/instances"), ("PATCH", "/v1/instances/ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")] {
        let answer = APP.call(&token, method, path, &"x".repeat(10 << 20)).unwrap();
        assert_eq!(answer.check().status, 413, "{method} {path}");
    }
    assert!(began.elapsed() < std::time::Duration::from_secs(2), "{:?}", began.elapsed());
}
