use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;
use winterbaume_core::{MockResponse, MockService};
use winterbaume_sqs::SqsService;

use crate::connector::forwarded;
use crate::fault::error;
use crate::hidden::Hidden;

/// SQS (<https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/>): the embedded service, with AWS's limits that it does not
/// hold and a long poll that wakes when a message is sent or shows again.
pub(crate) struct Queues {
    service: SqsService,
    sent: Notify,
    hidden: Hidden,
}

/// The longest delay that SQS accepts.
const LONGEST_DELAY_SECONDS: i64 = 900;

/// The most entries of one batch.
const BATCH: usize = 10;

/// How long a poll rests at most between two looks. It is woken for every message that is sent and at every moment at which one is known to
/// show again; what is left are delays that belong to a queue, and a clock that somebody has set.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

impl Queues {
    pub(crate) fn new() -> Self {
        Self { service: SqsService::new(), sent: Notify::new(), hidden: Hidden::default() }
    }

    pub(crate) async fn call(&self, operation: &str, body: Value) -> (u16, Value) {
        match operation {
            "SendMessage" => match delay_refused(&body) {
                Some(reason) => error(400, "InvalidParameterValue", &reason),
                None => self.sending(operation, &body).await,
            },
            "SendMessageBatch" => self.send_batch(body).await,
            "ReceiveMessage" => self.receive(body).await,
            _ => self.sending(operation, &body).await,
        }
    }

    /// Whatever may make a message visible also wakes those who wait for one.
    async fn sending(&self, operation: &str, body: &Value) -> (u16, Value) {
        let answer = self.forward(operation, body).await;
        self.hidden.note_call(operation, body);
        self.sent.notify_waiters();
        answer
    }

    /// Entries fail one by one, as in AWS: one bad delay does not hold back its neighbours.
    async fn send_batch(&self, mut body: Value) -> (u16, Value) {
        let entries = body["Entries"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if entries.is_empty() {
            return error(
                400,
                "AWS.SimpleQueueService.EmptyBatchRequest",
                "There should be at least one SendMessageBatchRequestEntry in the request.",
            );
        }
        if entries.len() > BATCH {
            let message = format!("Maximum number of entries per request are {BATCH}. You have sent {}.", entries.len());
            return error(400, "AWS.SimpleQueueService.TooManyEntriesInBatchRequest", &message);
        }
        let mut failed = Vec::new();
        let mut accepted = Vec::new();
        for entry in entries {
            match delay_refused(&entry) {
                Some(reason) => {
                    failed.push(json!({ "Id": entry["Id"], "Code": "InvalidParameterValue", "Message": reason, "SenderFault": true }))
                }
                None => accepted.push(entry),
            }
        }
        if accepted.is_empty() {
            return (200, json!({ "Successful": [], "Failed": failed }));
        }
        body["Entries"] = accepted.into();
        let (status, mut answer) = self.sending("SendMessageBatch", &body).await;
        if status == 200 && !failed.is_empty() {
            answer["Failed"] = failed.into();
        }
        (status, answer)
    }

    /// The long poll is kept here, because the embedded one looks only every 100 ms.
    async fn receive(&self, mut body: Value) -> (u16, Value) {
        let Some(wait) = self.wait_seconds(&body).await else {
            return self.look(&body).await.0;
        };
        body["WaitTimeSeconds"] = 0.into();
        let deadline = Instant::now() + Duration::from_secs(wait);
        loop {
            let sent = self.sent.notified();
            tokio::pin!(sent);
            // Registered before looking, so that a message sent between the look and the wait is not slept over.
            sent.as_mut().enable();
            let (answer, found) = self.look(&body).await;
            let left = deadline.saturating_duration_since(Instant::now());
            if answer.0 != 200 || found || left.is_zero() {
                return answer;
            }
            let rest = self.hidden.next().unwrap_or(LOOK_AGAIN).min(LOOK_AGAIN);
            tokio::select! {
                () = sent => {}
                () = tokio::time::sleep(left.min(rest)) => {}
            }
        }
    }

    /// One look at a queue, and whether it found anything. What it found is hidden from now on.
    async fn look(&self, body: &Value) -> ((u16, Value), bool) {
        let (status, answer) = self.forward("ReceiveMessage", body).await;
        let found = answer.get("Messages").and_then(Value::as_array).is_some_and(|messages| !messages.is_empty());
        if found {
            let asked = body.get("VisibilityTimeout").and_then(Value::as_u64);
            let seconds = match asked.or_else(|| self.hidden.visibility(body["QueueUrl"].as_str()?)) {
                Some(seconds) => Some(seconds),
                None => self.attribute(body, "VisibilityTimeout").await,
            };
            if let (Some(seconds), Some(queue)) = (seconds, body["QueueUrl"].as_str()) {
                if asked.is_none() {
                    self.hidden.remember_visibility(queue, seconds);
                }
                self.hidden.note(seconds);
            }
        }
        ((status, answer), found)
    }

    /// How long a receive may wait, from 1 to 20 seconds; none if it shall not.
    async fn wait_seconds(&self, body: &Value) -> Option<u64> {
        let asked = match body.get("WaitTimeSeconds").and_then(Value::as_u64) {
            Some(seconds) => seconds,
            None => self.attribute(body, "ReceiveMessageWaitTimeSeconds").await?,
        };
        (asked > 0).then_some(asked.min(20))
    }

    /// A numeric attribute of the queue that a request names.
    async fn attribute(&self, request: &Value, name: &str) -> Option<u64> {
        let attributes = json!({ "QueueUrl": request["QueueUrl"], "AttributeNames": ["All"] });
        let (_, answer) = self.forward("GetQueueAttributes", &attributes).await;
        answer["Attributes"][name].as_str()?.parse().ok()
    }

    async fn forward(&self, operation: &str, body: &Value) -> (u16, Value) {
        let MockResponse { status, body, .. } = self.service.handle(forwarded("sqs", &format!("AmazonSQS.{operation}"), body)).await;
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }
}

/// Why SQS would not take this message's delay.
fn delay_refused(message: &Value) -> Option<String> {
    let delay = message.get("DelaySeconds")?.as_i64()?;
    let allowed = (0..=LONGEST_DELAY_SECONDS).contains(&delay);
    (!allowed).then(|| {
        format!("Value {delay} for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= {LONGEST_DELAY_SECONDS}.")
    })
}
