//! What AWS does between a queue and a function: polls, invokes within a time-out, and deletes what succeeded.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html>.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage, SqsMessageAttribute};
use aws_sdk_sqs::Client;
use aws_sdk_sqs::config::StalledStreamProtectionConfig;
use aws_sdk_sqs::config::timeout::TimeoutConfig;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageAttributeValue};
use futures::future::BoxFuture;
use jiff::Timestamp;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

/// A function behind a queue: it gets a batch and the time by which it must be done, and answers with what failed.
pub type Function = Arc<dyn Fn(SqsEvent, Timestamp) -> BoxFuture<'static, SqsBatchResponse> + Send + Sync>;

/// Seconds for which one poll waits for a message: the longest that SQS takes.
const POLL_SECONDS: i32 = 20;

/// How a queue is connected to its function.
#[derive(Clone)]
pub struct EventSource {
    /// The queue.
    pub queue_url: String,
    /// Messages per invocation.
    pub batch_size: i32,
    /// Invocations at the same time.
    pub concurrency: usize,
    /// What an invocation may take.
    pub timeout: Duration,
    /// The function.
    pub function: Function,
}

impl EventSource {
    /// Polls until it is told to stop, then waits for the invocations under way.
    pub async fn run(self, client: Client, stop: CancellationToken) {
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
        let request = client.receive_message().queue_url(&self.queue_url).max_number_of_messages(self.batch_size);
        // As Lambda does: https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html#example-standard-queue-message-event.
        let request = request.message_attribute_names("All");
        // A client's time-outs are made for calls that answer at once. One that ends a poll loses what the poll was about to bring: the
        // message stays hidden for the whole visibility time-out. None is long enough for a computer that was suspended, and the queue is on
        // this computer too: it answers when the poll's own time is over.
        let patient = aws_sdk_sqs::Config::builder().timeout_config(TimeoutConfig::disabled());
        // A poll that waits looks like a stalled download to the client, which would end it on a busy machine.
        let patient = patient.stalled_stream_protection(StalledStreamProtectionConfig::disabled());
        match request.wait_time_seconds(POLL_SECONDS).customize().config_override(patient).send().await {
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
        record.message_attributes =
            message.message_attributes.iter().flatten().map(|(name, value)| (name.clone(), attribute(value))).collect();
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

fn attribute(value: &MessageAttributeValue) -> SqsMessageAttribute {
    let mut attribute = SqsMessageAttribute::default();
    attribute.string_value = value.string_value.clone();
    attribute.data_type = Some(value.data_type.clone());
    attribute
}

#[cfg(test)]
mod tests {
    use aws_sim::{AwsSim, Options, Verdict};
    use tokio::sync::mpsc;
    use tokio::time::Instant;

    use super::*;

    struct Bench {
        sim: AwsSim,
        sqs: Client,
        queue_url: String,
        stop: CancellationToken,
        arrived: mpsc::UnboundedReceiver<String>,
    }

    /// A source on a queue, with a client as workers have it, whose function passes on what arrives and fails for `bad`.
    async fn start() -> Bench {
        let sim = AwsSim::open(Options::default()).await.unwrap();
        let settings =
            shell::AwsSettings { region: AwsSim::REGION.to_owned(), credentials: AwsSim::credentials(), endpoints: [None, None, None] };
        let sqs = shell::Aws::through(settings, sim.http_client()).sqs();
        let queue_url = sqs.create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
        let (sender, arrived) = mpsc::unbounded_channel();
        let function: Function = Arc::new(move |event, _| {
            let sender = sender.clone();
            let handle = move |body: String| {
                let bad = body == "bad";
                sender.send(body).unwrap();
                async move { if bad { Err(std::io::Error::other("bad")) } else { Ok(()) } }
            };
            Box::pin(shell::each_record(event, handle))
        });
        let timeout = Duration::from_secs(60);
        let source = EventSource { queue_url: queue_url.clone(), batch_size: 10, concurrency: 2, timeout, function };
        let stop = CancellationToken::new();
        tokio::spawn(source.run(sqs.clone(), stop.clone()));
        Bench { sim, sqs, queue_url, stop, arrived }
    }

    #[tokio::test(start_paused = true)]
    async fn an_idle_poll_is_not_cut_off_by_the_time_outs_of_other_calls() {
        let bench = start().await;
        tokio::time::sleep(Duration::from_secs(90)).await;
        assert_eq!(bench.sim.consumed().calls("sqs.ReceiveMessage"), 5, "one for every 20 seconds begun");
        bench.stop.cancel();
    }

    #[tokio::test(start_paused = true)]
    async fn a_poll_that_was_suspended_with_the_computer_brings_what_it_found() {
        let mut bench = start().await;
        bench.sim.set_fault(|call| match call.operation {
            "ReceiveMessage" => Verdict::Slow(Duration::from_secs(600)),
            _ => Verdict::Pass,
        });
        bench.sqs.send_message().queue_url(&bench.queue_url).message_body("good").send().await.unwrap();
        let arrived = tokio::time::timeout(Duration::from_secs(601), bench.arrived.recv()).await;
        assert_eq!(arrived.unwrap().as_deref(), Some("good"));
        bench.stop.cancel();
    }

    #[tokio::test]
    async fn what_is_done_for_a_message_belongs_to_the_trace_of_whoever_sent_it() {
        let sim = AwsSim::open(Options::default()).await.unwrap();
        let queue_url = sim.sqs().create_queue().queue_name("q").send().await.unwrap().queue_url.unwrap();
        let (sender, mut traces) = mpsc::unbounded_channel();
        let function: Function = Arc::new(move |event, _| {
            let sender = sender.clone();
            let handle = move |_| {
                let sent = sender.send(shell::TraceContext::current().expect("every message belongs to a trace").to_string());
                async move { sent.map_err(std::io::Error::other) }
            };
            Box::pin(shell::each_record(event, handle))
        });
        let stop = CancellationToken::new();
        let source =
            EventSource { queue_url: queue_url.clone(), batch_size: 1, concurrency: 1, timeout: Duration::from_secs(60), function };
        tokio::spawn(source.run(sim.sqs(), stop.clone()));
        let queue = shell::SqsQueue::new(sim.sqs(), &shell::QueueSettings { url: queue_url });
        let trace = shell::TraceContext::begin();
        trace.within("test", queue.send_delayed("run", Duration::ZERO)).await.unwrap();
        assert_eq!(traces.recv().await, Some(trace.to_string()));
        queue.send_delayed("run", Duration::ZERO).await.unwrap();
        let another = traces.recv().await.unwrap();
        assert_ne!(another, trace.to_string(), "a message without a trace begins one");
        stop.cancel();
    }

    #[tokio::test]
    async fn a_message_is_picked_up_when_it_is_sent() {
        let mut bench = start().await;
        let mut fastest = Duration::MAX;
        // The best of some, because the machine may be busy with something else meanwhile.
        for _ in 0..20 {
            let sent = Instant::now();
            bench.sqs.send_message().queue_url(&bench.queue_url).message_body("good").send().await.unwrap();
            assert_eq!(bench.arrived.recv().await.as_deref(), Some("good"));
            fastest = fastest.min(sent.elapsed());
        }
        assert!(fastest < Duration::from_millis(40), "the fastest of 20 took {fastest:?}");
        bench.stop.cancel();
    }

    #[tokio::test]
    async fn what_succeeded_is_deleted_and_what_failed_stays() {
        let mut bench = start().await;
        for body in ["good", "bad"] {
            bench.sqs.send_message().queue_url(&bench.queue_url).message_body(body).send().await.unwrap();
            assert_eq!(bench.arrived.recv().await.as_deref(), Some(body));
        }
        bench.stop.cancel();
        let count = async || {
            let asked = bench.sqs.get_queue_attributes().queue_url(&bench.queue_url);
            let asked = asked.attribute_names(aws_sdk_sqs::types::QueueAttributeName::All).send().await.unwrap();
            let number = |name: &str| asked.attributes().unwrap().iter().find(|(key, _)| key.as_str() == name).unwrap().1.clone();
            [number("ApproximateNumberOfMessages"), number("ApproximateNumberOfMessagesNotVisible")]
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while count().await != ["0", "1"] {
            assert!(Instant::now() < deadline, "the queue holds {:?}", count().await);
            tokio::task::yield_now().await;
        }
    }
}
