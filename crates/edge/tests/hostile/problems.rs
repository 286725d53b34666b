//! Whatever a problem is about, it can be sent: as whole JSON of bounded length, with headers that end where they should.

use std::time::Duration;

use axum::response::IntoResponse as _;
use edge::Problem;
use http_body_util::BodyExt as _;
use proptest::prelude::*;

/// Every constructor that takes a text, given this one.
fn about(text: &str, seconds: u64) -> Vec<Problem> {
    vec![
        Problem::not_json(text),
        Problem::wrong_type(Some(text), text),
        Problem::invalid_body(text),
        Problem::unknown_field(text, text),
        Problem::invalid_query(text),
        Problem::not_found(text),
        Problem::name_taken(text),
        Problem::busy(text),
        Problem::state_forbids(text, text, ["running"]),
        Problem::region_in_use(text),
        Problem::not_cancellable(text),
        Problem::quota_exceeded(text, 1),
        Problem::name_too_long(text),
        Problem::name_invalid(text),
        Problem::unknown_region(text, text),
        Problem::unknown_plan(text),
        Problem::unknown_version(text, ["openclaw 2026.9.6"]),
        Problem::plan_too_small(text, text, 1, Some(text)),
        Problem::unavailable(Duration::new(seconds, 999_999_999)),
        Problem::internal(text),
    ]
}

fn check(text: &str, seconds: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    for problem in about(text, seconds) {
        let (parts, body) = problem.clone().into_response().into_parts();
        let body = runtime.block_on(body.collect()).unwrap().to_bytes();
        let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(json["status"], parts.status.as_u16());
        assert_eq!(json["type"], problem.kind().uri(), "a member has taken the place of the type");
        assert!(parts.headers.values().all(|value| value.to_str().is_ok()), "{:?}", parts.headers);
        assert!(body.len() < 16 * 1024, "{} bytes", body.len());
        if let Some(after) = parts.headers.get("retry-after") {
            assert!(after.to_str().unwrap().parse::<u64>().unwrap() >= 1);
        }
    }
}

proptest! {
    #[test]
    fn every_problem_about_any_text_is_whole(text in "[\\PC\r\n\u{0}\"\\\\<>&\u{202e}]{0,80}", seconds in 0_u64..u64::MAX) {
        check(&text, seconds);
    }
}

#[test]
fn a_problem_about_a_megabyte_is_as_short_as_any() {
    check(&"☂".repeat(1 << 18), u64::MAX);
    check(&"\u{1}".repeat(1 << 20), 0);
}

#[test]
fn a_cause_is_for_the_log_alone() {
    let problem = Problem::internal("s3cret").caused_by("s3cret");
    assert!(!serde_json::to_string(&problem.document(Some("id"))).unwrap().contains("s3cret"));
}
