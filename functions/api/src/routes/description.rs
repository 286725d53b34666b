use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

/// Made once: it is the same until the next deployment.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::openapi().to_json().expect("the description consists of texts and numbers"));

/// The API's description. It describes itself well enough to be left out of itself.
pub(crate) async fn openapi_json() -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "public, max-age=300")], DOCUMENT.as_str())
}
