use axum::extract::FromRequestParts;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::problem::Problem;

/// The parameters after the question mark. `T` should deny unknown fields, so that a misspelt parameter is not ignored.
#[derive(Debug, Clone, Copy)]
pub struct Query<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::try_from_uri(&parts.uri);
        query.map(|axum::extract::Query(value)| Self(value)).map_err(|rejection| {
            // The rejection's own text repeats the library's words; its source says what is wrong with which parameter.
            let reason = std::error::Error::source(&rejection).map_or_else(|| rejection.body_text(), ToString::to_string);
            Problem::invalid_query(format_args!("The query cannot be used: {reason}. Correct or remove the parameter."))
        })
    }
}
