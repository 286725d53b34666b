//! Where notices arrive on a machine without mail. It keeps each once, whatever is put twice.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::put;
use axum::{Json, Router};
use domain::Notice;
use rusqlite::{Connection, OptionalExtension, params};

use crate::error::{StartError, starting};

/// The path below the platform's address.
pub const PATH: &str = "/outbox";

/// How many notices the page shows.
const SHOWN: u32 = 50;

/// The outbox.
#[derive(Clone)]
pub struct Outbox {
    database: Arc<Mutex<Connection>>,
}

impl Outbox {
    /// The outbox in this file, made if absent.
    ///
    /// # Errors
    /// If the file cannot be used.
    pub fn open(file: PathBuf) -> Result<Self, StartError> {
        let database = Connection::open(file).map_err(starting("the outbox"))?;
        let create = "CREATE TABLE IF NOT EXISTS notice (id TEXT PRIMARY KEY, recorded_at TEXT NOT NULL, body TEXT NOT NULL)";
        database.execute(create, []).map_err(starting("the outbox"))?;
        Ok(Self { database: Arc::new(Mutex::new(database)) })
    }

    /// The newest notices, newest first.
    #[must_use]
    pub fn notices(&self) -> Vec<Notice> {
        self.read().unwrap_or_else(|error| {
            tracing::error!(%error, "the outbox cannot be read");
            Vec::new()
        })
    }

    fn read(&self) -> rusqlite::Result<Vec<Notice>> {
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let mut query = database.prepare("SELECT id, body FROM notice ORDER BY recorded_at DESC, id LIMIT ?1")?;
        let mut rows = query.query(params![SHOWN])?;
        let mut notices = Vec::new();
        while let Some(row) = rows.next()? {
            let (id, body): (String, String) = (row.get(0)?, row.get(1)?);
            match serde_json::from_str(&body) {
                Ok(notice) => notices.push(notice),
                // One that nobody can read must not hide the others.
                Err(error) => tracing::error!(notice = %id, %error, "a notice in the outbox cannot be read"),
            }
        }
        Ok(notices)
    }

    fn keep(&self, notice: &Notice) -> rusqlite::Result<bool> {
        let body = serde_json::to_string(notice).expect("a notice consists of texts");
        let database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let insert = "INSERT INTO notice VALUES (?1, ?2, ?3) ON CONFLICT (id) DO NOTHING RETURNING 1";
        let kept = database.query_row(insert, params![notice.id, notice.recorded_at.to_string(), body], |_| Ok(())).optional()?;
        Ok(kept.is_some())
    }

    /// Takes notices, below [`PATH`].
    pub fn router(&self) -> Router {
        Router::new().route("/{id}", put(take)).with_state(self.clone())
    }
}

async fn take(State(outbox): State<Outbox>, Path(id): Path<String>, Json(notice): Json<Notice>) -> StatusCode {
    if id != notice.id {
        return StatusCode::BAD_REQUEST;
    }
    match outbox.keep(&notice) {
        Ok(true) => StatusCode::CREATED,
        Ok(false) => StatusCode::OK,
        Err(error) => {
            tracing::error!(%error, "the outbox cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_that_cannot_be_read_hides_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let outbox = Outbox::open(folder.path().join("outbox.sqlite")).unwrap();
        let notice = |id: &str| -> Notice {
            let notice = serde_json::json!({
                "id": id, "organisation": format!("org_{:032x}", 1), "instance": format!("ins_{:032x}", 1), "instance_name": "demo",
                "event": "instance_ready", "message": "It is ready.", "recorded_at": "2026-11-30T00:00:00Z",
            });
            serde_json::from_value(notice).unwrap()
        };
        assert!(outbox.keep(&notice("1")).unwrap());
        assert!(!outbox.keep(&notice("1")).unwrap(), "put twice");
        outbox.database.lock().unwrap().execute("INSERT INTO notice VALUES ('2', '2026-11-30T00:00:00Z', 'x')", []).unwrap();
        assert_eq!(outbox.notices().iter().map(|notice| notice.id.as_str()).collect::<Vec<_>>(), ["1"]);
    }
}
