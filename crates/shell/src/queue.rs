use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::MessageAttributeValue;
use durable::{RunId, Wake, WakeError};
use flows::ports::{Queue, QueueError};

use crate::chain::Chain;
use crate::settings::QueueSettings;
use crate::trace::{TRACEPARENT, TraceContext};

/// The longest delay of a message, in seconds.
/// Source: <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-timers.html>.
const LONGEST_DELAY: u64 = 900;

/// A queue of Amazon SQS. A message is an identifier, no more; beside it goes the trace of the work that sent it.
#[derive(Debug, Clone)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue of these settings.
    #[must_use]
    pub fn new(client: Client, settings: &QueueSettings) -> Self {
        Self { client, url: settings.url.clone() }
    }

    /// Sends a message that arrives not before `delay` has passed, rounded up to whole seconds.
    ///
    /// # Errors
    /// If the delay is above 900 s, or SQS did not take the message.
    pub async fn send_delayed(&self, body: &str, delay: Duration) -> Result<(), QueueError> {
        let seconds = delay.as_secs().saturating_add(u64::from(delay.subsec_nanos() > 0));
        if seconds > LONGEST_DELAY {
            return Err(QueueError(format!("a delay of {seconds} s is above the {LONGEST_DELAY} s that SQS takes")));
        }
        let seconds = i32::try_from(seconds).expect("at most 900");
        let mut message = self.client.send_message().queue_url(&self.url).message_body(body).delay_seconds(seconds);
        if let Some(trace) = TraceContext::current() {
            let context = MessageAttributeValue::builder().data_type("String").string_value(trace.traceparent());
            message = message.message_attributes(TRACEPARENT, context.build().expect("it has its type"));
        }
        message.send().await.map(drop).map_err(|error| QueueError(Chain(&error).to_string()))
    }
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, body: &str) -> Result<(), QueueError> {
        self.send_delayed(body, Duration::ZERO).await
    }
}

/// The queue of runs to move on.
#[derive(Debug, Clone)]
pub struct FlowQueue(pub SqsQueue);

#[async_trait]
impl Wake for FlowQueue {
    async fn wake(&self, run: &RunId, delay: Duration) -> Result<(), WakeError> {
        self.0.send_delayed(&run.0, delay).await.map_err(|error| WakeError(error.to_string()))
    }
}
