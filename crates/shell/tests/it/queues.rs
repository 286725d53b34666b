use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sim::{AwsSim, Options, Refusal, Verdict};
use durable::{RunId, Wake};
use flows::ports::Queue;
use shell::{FlowQueue, QueueSettings, SqsQueue};

/// A queue, and the delays with which messages were sent to it.
async fn queue() -> (AwsSim, SqsQueue, Arc<Mutex<Vec<i64>>>) {
    let aws = AwsSim::open(Options::default()).await.unwrap();
    let url = aws.sqs().create_queue().queue_name("flows").send().await.unwrap().queue_url.unwrap();
    let delays = Arc::new(Mutex::new(Vec::new()));
    let seen = delays.clone();
    aws.set_fault(move |call| {
        if call.operation == "SendMessage" {
            seen.lock().unwrap().push(call.body["DelaySeconds"].as_i64().unwrap());
        }
        Verdict::Pass
    });
    let queue = SqsQueue::new(aws.sqs(), &QueueSettings { url });
    (aws, queue, delays)
}

#[tokio::test]
async fn a_delay_is_whole_seconds_and_never_shorter_than_asked() {
    let (_, queue, delays) = queue().await;
    for delay in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1500), Duration::from_secs(900)] {
        queue.send_delayed("run", delay).await.unwrap();
    }
    assert_eq!(*delays.lock().unwrap(), [0, 1, 2, 900]);
}

#[tokio::test]
async fn a_delay_above_what_sqs_takes_is_refused_before_it_is_sent() {
    let (_, queue, delays) = queue().await;
    for delay in [Duration::from_secs(901), Duration::from_millis(900_001), Duration::MAX] {
        let error = queue.send_delayed("run", delay).await.expect_err("SQS takes at most 900 s");
        assert!(error.to_string().contains("900 s"), "{error}");
    }
    assert!(delays.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_message_is_an_identifier_and_no_more() {
    let (aws, queue, _) = queue().await;
    queue.send("one").await.unwrap();
    let run = RunId("org_1.op_1".to_owned());
    FlowQueue(queue).wake(&run, Duration::ZERO).await.unwrap();
    let url = aws.sqs().get_queue_url().queue_name("flows").send().await.unwrap().queue_url.unwrap();
    let received = aws.sqs().receive_message().queue_url(url).max_number_of_messages(10).send().await.unwrap().messages.unwrap();
    let mut bodies: Vec<_> = received.into_iter().map(|message| message.body.unwrap()).collect();
    bodies.sort();
    assert_eq!(bodies, ["one", "org_1.op_1"]);
}

#[tokio::test]
async fn a_queue_that_does_not_answer_says_so_and_works_later() {
    let (aws, queue, _) = queue().await;
    aws.set_fault(|_| Verdict::Refuse(Refusal::Throttled));
    let error = queue.send("one").await.expect_err("it is throttled");
    assert!(error.to_string().contains("ThrottlingException"), "{error}");
    assert!(FlowQueue(queue.clone()).wake(&RunId("one".to_owned()), Duration::ZERO).await.is_err());
    aws.clear_fault();
    queue.send("one").await.unwrap();

    let nowhere = SqsQueue::new(aws.sqs(), &QueueSettings { url: "https://sqs.us-east-1.amazonaws.com/123456789012/none".to_owned() });
    assert!(nowhere.send("one").await.is_err());
}
