//! Cursors of lists, and problem documents.

use axum::response::IntoResponse as _;
use domain::OrganisationId;
use edge::{Cursors, Problem};
use http_body_util::BodyExt as _;
use serde_json::Value;
use std::sync::LazyLock;
use std::time::Duration;
use tokio::runtime::Runtime;

use super::text;

const ORGANISATION: &str = "org_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f";

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| tokio::runtime::Builder::new_current_thread().build().unwrap());

/// A cursor that somebody sends back, or a position that is sealed. What opens is sealed alike, and a sealed one opens nowhere else.
pub fn cursor(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let (cursors, mine, theirs) = (Cursors::new(&[7; 32]), ORGANISATION.parse().unwrap(), OrganisationId::generate());
    let opened = cursors.open("instances", mine, text);
    if let Ok(position) = &opened {
        assert_eq!(cursors.seal("instances", mine, position), text);
    }
    let sealed = cursors.seal("instances", mine, text);
    // Longer ones than can be given out are refused unread.
    assert!(sealed.len() > 2048 || cursors.open("instances", mine, &sealed).ok().as_deref() == Some(text));
    assert!(cursors.open("operations", mine, &sealed).is_err() && cursors.open("instances", theirs, &sealed).is_err());
    opened.is_ok()
}

/// A text that a problem is about: two of them where there are two lines.
pub fn problem(input: &[u8]) -> bool {
    let Some(text) = text(input) else { return false };
    let (one, other) = text.split_once('\n').unwrap_or((text, text));
    for problem in about(one, other) {
        let (parts, body) = problem.clone().into_response().into_parts();
        let body = RUNTIME.block_on(body.collect()).unwrap().to_bytes();
        let document: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(document["type"], problem.kind().uri(), "a member has taken the place of the type");
        assert_eq!(document["status"], parts.status.as_u16());
        assert!(parts.headers.values().all(|value| value.to_str().is_ok()) && body.len() < 16 * 1024);
        // A browser that is shown it must not take it for a page, nor a terminal for commands.
        assert!(!body.contains(&0x1b) && !body.contains(&b'\n'));
    }
    true
}

fn about(one: &str, other: &str) -> Vec<Problem> {
    vec![
        Problem::not_json(one),
        Problem::wrong_type(Some(one), other),
        Problem::unknown_field(one, other),
        Problem::invalid_query(one),
        Problem::not_found(one),
        Problem::name_taken(one),
        Problem::state_forbids(one, other, ["running"]),
        Problem::name_invalid(one),
        Problem::unknown_region(one, other),
        Problem::unknown_version(one, [other]),
        Problem::plan_too_small(one, other, 1, Some(one)),
        Problem::unavailable(Duration::from_secs(u64::try_from(one.len()).unwrap())),
        Problem::internal(one),
    ]
}
