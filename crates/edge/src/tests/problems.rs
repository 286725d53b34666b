use std::collections::BTreeSet;
use std::time::Duration;

use axum::response::IntoResponse as _;

use super::*;
use crate::Kind;

#[test]
fn every_kind_has_its_own_address_and_a_title() {
    let addresses: BTreeSet<String> = Kind::ALL.iter().map(|kind| kind.uri()).collect();
    assert_eq!(addresses.len(), Kind::ALL.len());
    for kind in Kind::ALL {
        let slug = kind.uri().strip_prefix("https://rockpool.dev/problems/").unwrap().to_owned();
        assert!(slug.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{slug}");
        assert!(kind.status().is_client_error() || kind.status().is_server_error());
        assert!(!kind.title().ends_with('.'), "a title is no sentence: {}", kind.title());
    }
}

fn document(problem: &Problem) -> Value {
    serde_json::to_value(problem.document(None)).unwrap()
}

#[test]
fn a_program_finds_what_it_needs_beside_the_sentence() {
    let busy = document(&Problem::busy("op_1"));
    assert_eq!(
        busy,
        json!({
            "type": "https://rockpool.dev/problems/busy",
            "title": "The instance is busy",
            "status": 409,
            "detail": "Operation op_1 is at work on it. Wait until it has ended, or cancel it, and try again.",
            "operation": "op_1",
        })
    );
    let forbidden = document(&Problem::state_forbids("restart", domain::State::Stopped, domain::Verb::Restart.states()));
    assert_eq!((&forbidden["state"], &forbidden["allowed"]), (&json!("stopped"), &json!(["running", "degraded"])));
    let small = document(&Problem::plan_too_small("starter", "openclaw 2026.9.6", 2048, Some("pro")));
    assert_eq!((&small["fits"], &small["needs_memory_mb"]), (&json!("pro"), &json!(2048)));
    assert!(small["detail"].as_str().unwrap().contains("`pro`"));
    assert_eq!(document(&Problem::plan_too_small("starter", "x", 99_999, None::<&str>))["fits"], json!(null));
    let quota = document(&Problem::quota_exceeded("starter", 1));
    assert_eq!((&quota["plan"], &quota["limit"]), (&json!("starter"), &json!(1)));
    let version = document(&Problem::unknown_version("openclaw 1", ["openclaw 2026.9.6"]));
    assert_eq!(version["known"], json!(["openclaw 2026.9.6"]));
}

#[test]
fn every_detail_tells_what_to_do() {
    let soon = Duration::from_millis(1500);
    for problem in [
        Problem::invalid_cursor(),
        Problem::invalid_idempotency_key(),
        Problem::unauthorised(),
        Problem::bad_token(identity::Refusal::Expired),
        Problem::bad_token(identity::Refusal::Issuer),
        Problem::bad_token(identity::Refusal::Malformed),
        Problem::not_json("x"),
        Problem::wrong_type(Some("a"), "x"),
        Problem::forbidden("instances:read"),
        Problem::not_found("such instance"),
        Problem::method_not_allowed(),
        Problem::name_taken("a"),
        Problem::busy("op_1"),
        Problem::state_forbids("stop", "failed", ["running"]),
        Problem::region_in_use("fra"),
        Problem::not_cancellable("succeeded"),
        Problem::quota_exceeded("pro", 3),
        Problem::body_too_large(1),
        Problem::unsupported_media_type(),
        Problem::name_too_long("x"),
        Problem::name_invalid("x"),
        Problem::unknown_region("region", "`xyz` is not a region; `GET /v1/regions` lists them"),
        Problem::unknown_plan("`x` is not a plan; `GET /v1/plans` lists them"),
        Problem::unknown_version("x", ["openclaw 2026.9.6"]),
        Problem::plan_too_small("starter", "openclaw 2026.9.6", 2048, Some("pro")),
        Problem::idempotency_key_reused(),
        Problem::unavailable(soon),
        Problem::internal("x"),
    ] {
        let detail = document(&problem)["detail"].as_str().unwrap().to_owned();
        let tells = [
            "Use", "Send", "Sign", "Ask", "Check", "Choose", "Correct", "Add", "choose", "Wait", "Read", "try", "tell", "possible", "Only",
            "example",
        ];
        assert!(detail.ends_with('.') && tells.iter().any(|word| detail.contains(word)), "{detail}");
    }
}

#[test]
fn waiting_times_are_whole_seconds_rounded_up() {
    for (wait, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (30_000, 30)] {
        let response = Problem::unavailable(Duration::from_millis(wait)).into_response();
        assert_eq!(response.headers()["retry-after"], *seconds.to_string(), "{wait} ms");
    }
}

#[test]
fn every_reason_to_refuse_a_token_fits_into_a_header() {
    use identity::Refusal::*;
    for refusal in [Malformed, Algorithm, UnknownKey, Signature, Claims, Issuer, Expired, NotYetValid, Audience, Party, Type, Subject] {
        let response = Problem::bad_token(refusal).into_response();
        let challenge = response.headers()["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge.matches('"').count(), 6, "a quote in the text would end it: {challenge}");
    }
}

#[test]
fn the_cause_is_kept_for_the_log_with_its_own_causes() {
    #[derive(Debug)]
    struct Outer(std::io::Error);
    impl std::fmt::Display for Outer {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the store failed")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let problem = Problem::internal(Outer(std::io::Error::other("disk full")));
    assert_eq!(problem.cause().as_deref(), Some("the store failed: disk full"));
    assert!(!document(&problem).to_string().contains("disk"));
}
