use jiff::Timestamp;
use serde::Deserialize;

use crate::api::apps::App;
use crate::call::{Call, Upstream};
use crate::error::CallError;
use crate::lenient;

/// Which lines of an app's log to read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogQuery {
    /// Where the last page ended, or a Unix time in nanoseconds to begin at; without it, the last day.
    pub next_token: Option<String>,
    /// Only this machine's.
    pub machine: Option<String>,
    /// Only this region's.
    pub region: Option<String>,
}

/// At most a hundred lines, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The lines.
    pub entries: Vec<LogEntry>,
    /// What to ask with for the next page, also when this one is empty.
    pub next_token: Option<String>,
}

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct LogEntry {
    /// When.
    #[serde(default, deserialize_with = "lenient::time")]
    pub timestamp: Option<Timestamp>,
    /// The line.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub message: String,
    /// `info`, `error`…
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub level: String,
    /// The machine.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub instance: String,
    /// Its region.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub region: String,
}

impl App<'_> {
    /// A page of the app's log, from the endpoint that `fly logs` uses. Idempotent. Kept for about seven days; back off from 64 ms to 4 s
    /// while pages are empty.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn logs(&self, query: &LogQuery) -> Result<LogPage, CallError> {
        #[derive(Deserialize)]
        struct Form {
            #[serde(default, deserialize_with = "lenient::or_default")]
            data: Vec<Item>,
            #[serde(default, deserialize_with = "lenient::or_default")]
            meta: Meta,
        }
        #[derive(Deserialize)]
        struct Item {
            attributes: LogEntry,
        }
        #[derive(Default, Deserialize)]
        struct Meta {
            #[serde(default, deserialize_with = "lenient::id")]
            next_token: Option<String>,
        }
        let call = Call::get("read_logs", &["api", "v1", "apps", self.name, "logs"])
            .to(Upstream::Logs)
            .query_if("next_token", query.next_token.as_ref())
            .query_if("instance", query.machine.as_ref())
            .query_if("region", query.region.as_ref());
        let page: Form = self.client.read(call).await?;
        Ok(LogPage { entries: page.data.into_iter().map(|item| item.attributes).collect(), next_token: page.meta.next_token })
    }
}
