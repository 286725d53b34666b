//! What callers send: query strings, bodies, and the names of what they mean.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::Answer;
use super::admission::{Lag, ShortPage};
use super::refusal::Refusal;
use crate::records::{App, Machine};
use crate::tables::Tables;
use crate::world::World;

/// The query string as pairs, because names may repeat (`state`) and be open (`metadata.KEY`).
pub(crate) struct Params {
    pairs: Vec<(String, String)>,
    lag: Duration,
    /// How many rows a page may have at most, whatever was asked for.
    pub(crate) short_page: Option<usize>,
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Answer<Self> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let Query(pairs) = query.map_err(|rejection| Refusal::invalid(rejection.body_text()))?;
        let lag = parts.extensions.get::<Lag>().map_or(Duration::ZERO, |lag| lag.0);
        let short_page = parts.extensions.get::<ShortPage>().map(|page| page.0);
        Ok(Self { pairs, lag, short_page })
    }
}

impl Params {
    /// Lists show what was there at this time.
    pub(crate) fn list_seen(&self, world: &World) -> Timestamp {
        world.now() - self.lag - world.options.latencies.list_lag
    }

    /// Whether a read of one thing sees what was made at a time. It does, unless this call was told to lag.
    pub(crate) fn sees(&self, world: &World, created_at: Timestamp) -> bool {
        self.lag.is_zero() || created_at <= world.now() - self.lag
    }

    /// A destroyed machine is seen as destroyed if it was at this time.
    pub(crate) fn destroyed_seen(&self, world: &World) -> Timestamp {
        world.now() - self.lag - world.options.latencies.destroyed_lag
    }

    /// The last value of a parameter, unless it is empty.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter that may repeat and may hold a list with commas.
    pub(crate) fn list(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(key, _)| key == name).flat_map(|(_, value)| value.split(',')).filter(|value| !value.is_empty()).collect()
    }

    pub(crate) fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some("true" | "1"))
    }

    /// The pairs of an open family of parameters, without the prefix.
    pub(crate) fn family<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.pairs.iter().filter_map(move |(key, value)| key.strip_prefix(prefix).map(|key| (key, value.as_str())))
    }

    pub(crate) fn number(&self, name: &str) -> Answer<Option<usize>> {
        self.get(name).map(|text| text.parse().map_err(|_| Refusal::invalid(format!("{name} must be a number")))).transpose()
    }
}

/// Reads a JSON body. A missing body is an empty object, as several calls of Fly's own client send none.
pub(crate) fn body<T: DeserializeOwned>(bytes: &Bytes) -> Answer<T> {
    let text: &[u8] = if bytes.is_empty() { b"{}" } else { bytes };
    // Through a value, because the order of keys and repeated keys do not matter to Fly's decoder.
    let value: Value = serde_json::from_slice(text).map_err(|error| Refusal::invalid(format!("failed to decode request body: {error}")))?;
    serde_json::from_value(value).map_err(|error| Refusal::invalid(format!("failed to decode request body: {error}")))
}

pub(crate) fn nonce(headers: &HeaderMap) -> Option<&str> {
    headers.get("fly-machine-lease-nonce").and_then(|nonce| nonce.to_str().ok())
}

/// The app of a call on machines, volumes, secrets or logs.
pub(crate) fn app<'a>(tables: &'a Tables, name: &str) -> Answer<&'a App> {
    match tables.app(name) {
        Some(app) if app.foreign => Err(Refusal::new(StatusCode::FORBIDDEN, "permission_denied: unauthorized")),
        Some(app) if app.deleted => Err(Refusal::new(StatusCode::BAD_REQUEST, format!("could not find app \"{name}\""))),
        Some(app) => Ok(app),
        None => Err(Refusal::not_found(format!("could not find app \"{name}\""))),
    }
}

/// The app of a call on apps, certificates or addresses.
pub(crate) fn platform_app<'a>(tables: &'a Tables, name: &str) -> Answer<&'a App> {
    match tables.app(name) {
        Some(app) if app.foreign => Err(Refusal::platform(StatusCode::FORBIDDEN, "Not authorized to access this app")),
        Some(app) if !app.deleted => Ok(app),
        _ => Err(unknown_app()),
    }
}

pub(crate) fn unknown_app() -> Refusal {
    Refusal::platform(StatusCode::NOT_FOUND, "Could not find App")
}

pub(crate) fn machine<'a>(tables: &'a Tables, app_name: &str, id: &str) -> Answer<&'a Machine> {
    let app = app(tables, app_name)?;
    tables.machine(id).filter(|machine| machine.app_id == app.id).ok_or_else(|| Refusal::not_found("machine not found"))
}
