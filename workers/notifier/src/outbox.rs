use async_trait::async_trait;
use domain::Notice;
use reqwest::Client;

use crate::{Sink, SinkError};

/// An address that takes notices as JSON, one `PUT` each, at a path that ends in the notice's identifier: putting it twice is putting
/// it once.
pub struct Outbox {
    http: Client,
    address: String,
}

impl Outbox {
    /// The outbox at an address such as `http://127.0.0.1:8080/outbox`.
    #[must_use]
    pub fn new(http: Client, address: impl Into<String>) -> Self {
        Self { http, address: address.into() }
    }
}

#[async_trait]
impl Sink for Outbox {
    async fn deliver(&self, notice: &Notice) -> Result<(), SinkError> {
        let url = format!("{}/{}", self.address, notice.id);
        let answer = self.http.put(url).json(notice).send().await.map_err(|error| SinkError(error.without_url().to_string()))?;
        if answer.status().is_success() { Ok(()) } else { Err(SinkError(format!("it answered {}", answer.status()))) }
    }
}
