//! What AWS does between a queue and a function: polls, invokes within a time-out, and deletes what succeeded.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A function behind a queue: it gets a batch and the time by which it must be done, and answers with what failed.
pub(crate) type Function = Arc<dyn Fn(SqsEvent, Timestamp) -> BoxFuture<'static, SqsBatchResponse> + Send + Sync>;

/// How a queue is connected to its function.
#[derive(Clone)]
pub(crate) struct EventSource {
    /// The queue.
    pub(crate) queue_url: String,
    /// Messages per invocation.
    pub(crate) batch_size: i32,
    /// Invocations at the same time.
    pub(crate) concurrency: usize,
    /// What an invocation may take.
    pub(crate) timeout: Duration,
    /// The function.
    pub(crate) function: Function,
}

impl EventSource {
    /// Polls until it is told to stop, then waits for the invocations under way.
    pub(crate) async fn run(self, client: Client, stop: CancellationToken) {
        let invocations = Arc::new(Semaphore::new(self.concurrency));
        let running = tokio_util::task::TaskTracker::new();
        loop {
            let Some(permit) = stop.run_until_cancelled(invocations.clone().acquire_owned()).await else { break };
            let permit = permit.expect("the semaphore is never closed");
            let Some(messages) = stop.run_until_cancelled(self.receive(&client)).await else { break };
            if messages.is_empty() {
                continue;
            }
            let (source, client) = (self.clone(), client.clone());
            running.spawn(async move {
                source.invoke(&client, messages).await;
                drop(permit);
            });
        }
        running.close();
        running.wait().await;
    }

    async fn receive(&self, client: &Client) -> Vec<Message> {
        let request = client.receive_message().queue_url(&self.queue_url).max_number_of_messages(self.batch_size).wait_time_seconds(20);
        match request.send().await {
            Ok(received) => received.messages.unwrap_or_default(),
            Err(error) => {
                tracing::warn!(queue = self.queue_url, error = %aws_sdk_sqs::error::DisplayErrorContext(error), "could not be polled");
                tokio::time::sleep(Duration::from_secs(1)).await;
                Vec::new()
            }
        }
    }

    async fn invoke(&self, client: &Client, messages: Vec<Message>) {
        let deadline = Timestamp::now() + self.timeout;
        let event = event(&messages);
        let Ok(response) = tokio::time::timeout(self.timeout, (self.function)(event, deadline)).await else {
            tracing::warn!(queue = self.queue_url, "an invocation ran into its time-out; its messages come back");
            return;
        };
        let failed = |message: &Message| {
            response.batch_item_failures.iter().any(|failure| Some(&failure.item_identifier) == message.message_id.as_ref())
        };
        let done = messages.iter().filter(|message| !failed(message));
        let entries: Vec<_> = done.zip(0..).filter_map(|(message, place)| entry(message, place)).collect();
        if entries.is_empty() {
            return;
        }
        let deleted = client.delete_message_batch().queue_url(&self.queue_url).set_entries(Some(entries)).send().await;
        if let Err(error) = deleted {
            // They come back, and whoever gets them twice can live with that.
            tracing::warn!(queue = self.queue_url, error = %aws_sdk_sqs::error::DisplayErrorContext(error), "messages were not deleted");
        }
    }
}

fn event(messages: &[Message]) -> SqsEvent {
    let record = |message: &Message| {
        let mut record = SqsMessage::default();
        record.message_id = message.message_id.clone();
        record.body = message.body.clone();
        record
    };
    let mut event = SqsEvent::default();
    event.records = messages.iter().map(record).collect();
    event
}

fn entry(message: &Message, place: usize) -> Option<DeleteMessageBatchRequestEntry> {
    let handle = message.receipt_handle.clone()?;
    DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(handle).build().ok()
}
