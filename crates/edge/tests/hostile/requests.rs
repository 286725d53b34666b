//! Addresses, queries and headers.

use futures::future::join_all;
use http::Request;
use proptest::prelude::*;

use crate::{ask, send};

fn header() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof!["[ -~]{0,80}".prop_map(String::into_bytes), prop::collection::vec(any::<u8>(), 0..80)]
}

proptest! {
    #[test]
    fn any_address_and_method_is_answered_in_the_same_form(
        method in "GET|HEAD|POST|PUT|DELETE|PATCH|OPTIONS|TRACE|BREW", path in "/(items|wish|key|\\.\\.|%[0-9a-f]{2}|[ -~]{0,9}|/)(/[!-~]{0,40})?", query in "(\\?[!-~]{0,40})?",
    ) {
        let answer = ask(&method, &format!("{path}{query}"), &[], "");
        if let Some(answer) = answer.filter(|_| method != "HEAD") {
            answer.check();
        }
    }

    #[test]
    fn a_query_is_read_strictly(
        limit in prop::option::of("[0-9]{1,12}|-1|\\+1|%31|1e1|[a-z]{0,3}"), cursor in prop::option::of("[!-~]{0,30}"), other in prop::option::weighted(0.2, "[a-z]{1,5}=1"),
    ) {
        let pairs: Vec<String> =
            [limit.map(|limit| format!("limit={limit}")), cursor.map(|cursor| format!("cursor={cursor}")), other].into_iter().flatten().collect();
        let target = format!("/items/ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f?{}", pairs.join("&"));
        if let Some(answer) = ask("GET", &target, &[], "") {
            answer.check();
        }
        let twice = format!("/items/ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f?limit=1&limit=2&{}", pairs.join("&"));
        if let Some(answer) = ask("GET", &twice, &[], "") {
            prop_assert_eq!(answer.check().status, 400);
        }
    }

    #[test]
    fn nobody_is_let_in_by_a_header_that_is_no_token(value in header(), second in prop::option::of(header())) {
        let headers: Vec<_> = std::iter::once(value).chain(second).map(|value| ("authorization", value)).collect();
        if let Some(answer) = ask("GET", "/whoami", &headers, "") {
            prop_assert_eq!(answer.check().status, 401);
            prop_assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer realm="));
        }
    }

    #[test]
    fn a_request_id_is_kept_only_if_it_can_confuse_nobody(value in header()) {
        if let Some(answer) = ask("GET", "/nowhere", &[("x-request-id", value.clone())], "") {
            let id = answer.check().headers["x-request-id"].to_str().unwrap();
            let sane = (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
            prop_assert!(sane, "{}", id);
        }
    }

    #[test]
    fn an_idempotency_key_is_visible_ascii_or_refused(value in header(), second in prop::option::of(header())) {
        let headers: Vec<_> = std::iter::once(value.clone()).chain(second).map(|value| ("idempotency-key", value)).collect();
        if let Some(answer) = ask("POST", "/key", &headers, "") {
            let fits = headers.len() == 1 && (1..=255).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
            prop_assert_eq!(answer.check().status.is_success(), fits);
        }
    }
}

#[test]
fn nothing_of_one_request_is_seen_in_the_answer_to_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    let asked = (0..400).map(|number| {
        let marker = format!("marker-{number:04}-end");
        let request = match number % 4 {
            0 => Request::post("/wish").header("content-type", "application/json").body(format!("{{\"name\":\"{marker}\"}}").into()),
            1 => Request::post("/wish").header("content-type", "application/json").body(format!("{{\"{marker}\":1}}").into()),
            2 => Request::get(format!("/items/ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f?cursor={marker}")).body("".into()),
            _ => Request::get(format!("/{marker}")).header("x-request-id", &marker).body("".into()),
        };
        async move { (marker, send(request.unwrap()).await) }
    });
    for (marker, answer) in runtime.block_on(join_all(asked)) {
        let said = format!("{} {:?}", String::from_utf8_lossy(&answer.check().body), answer.headers);
        assert!(said.contains(&marker), "{said}");
        assert_eq!(said.matches("marker-").count(), said.matches(&marker).count(), "another request is in {said}");
    }
}
