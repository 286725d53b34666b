//! SQS as workers use it.

#![allow(clippy::unwrap_used, reason = "a test ends at its first surprise")]

use std::time::{Duration, Instant};

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, QueueAttributeName, SendMessageBatchRequestEntry};
use aws_sim::{AwsSim, Options};

async fn client() -> Client {
    AwsSim::open(Options::default()).await.unwrap().sqs()
}

async fn queue(sqs: &Client, name: &str, attributes: &[(QueueAttributeName, &str)]) -> String {
    let mut request = sqs.create_queue().queue_name(name);
    for (name, value) in attributes {
        request = request.attributes(name.clone(), *value);
    }
    request.send().await.unwrap().queue_url.unwrap()
}

async fn receive(sqs: &Client, url: &str, wait_seconds: i32) -> Vec<Message> {
    let received = sqs.receive_message().queue_url(url).wait_time_seconds(wait_seconds).max_number_of_messages(10).send().await;
    received.unwrap().messages.unwrap_or_default()
}

#[tokio::test]
async fn a_delayed_message_arrives_when_its_delay_is_over_and_not_before() {
    let sqs = client().await;
    let url = queue(&sqs, "delayed", &[]).await;
    let sent = Instant::now();
    sqs.send_message().queue_url(&url).message_body("op_1").delay_seconds(1).send().await.unwrap();
    assert!(receive(&sqs, &url, 0).await.is_empty());
    let received = receive(&sqs, &url, 5).await;
    assert_eq!(received[0].body(), Some("op_1"));
    assert!(sent.elapsed() >= Duration::from_millis(990), "after {:?}", sent.elapsed());
}

/// A message that is polled for is there within some milliseconds of the moment at which it shows, however it was hidden.
#[tokio::test]
async fn a_waiting_receiver_gets_a_hidden_message_when_it_shows() {
    let sqs = client().await;
    let url = queue(&sqs, "showing", &[(QueueAttributeName::VisibilityTimeout, "1")]).await;
    sqs.send_message().queue_url(&url).message_body("op_1").delay_seconds(1).send().await.unwrap();
    let mut late = Vec::new();
    for _ in 0..3 {
        let hidden = Instant::now();
        assert_eq!(receive(&sqs, &url, 5).await[0].body(), Some("op_1"));
        late.push(hidden.elapsed().saturating_sub(Duration::from_secs(1)));
    }
    // The best of some, because the machine may be busy with something else meanwhile.
    assert!(late.iter().min().unwrap() < &Duration::from_millis(40), "late by {late:?}");
}

#[tokio::test]
async fn a_queue_hides_what_is_received_for_as_long_as_its_attributes_say_now() {
    let sqs = client().await;
    let url = queue(&sqs, "changing", &[(QueueAttributeName::VisibilityTimeout, "600")]).await;
    for body in ["op_1", "op_2"] {
        sqs.send_message().queue_url(&url).message_body(body).send().await.unwrap();
    }
    let one = async || sqs.receive_message().queue_url(&url).send().await.unwrap().messages.unwrap().remove(0);
    one().await;
    sqs.set_queue_attributes().queue_url(&url).attributes(QueueAttributeName::VisibilityTimeout, "1").send().await.unwrap();
    let second = one().await;
    let begun = Instant::now();
    assert_eq!(receive(&sqs, &url, 5).await[0].message_id(), second.message_id());
    assert!(begun.elapsed() < Duration::from_secs(4), "after {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_delay_beyond_fifteen_minutes_is_refused_as_by_aws() {
    let sqs = client().await;
    let url = queue(&sqs, "limits", &[]).await;
    sqs.send_message().queue_url(&url).message_body("a").delay_seconds(900).send().await.unwrap();
    let refused = sqs.send_message().queue_url(&url).message_body("b").delay_seconds(901).send().await.unwrap_err();
    assert_eq!(refused.into_service_error().meta().code(), Some("InvalidParameterValue"));
}

#[tokio::test]
async fn a_batch_fails_entry_by_entry() {
    let sqs = client().await;
    let url = queue(&sqs, "batches", &[]).await;
    let entry = |id: &str, delay| {
        SendMessageBatchRequestEntry::builder().id(id).message_body(format!("op_{id}")).delay_seconds(delay).build().unwrap()
    };
    let sent = sqs.send_message_batch().queue_url(&url).entries(entry("a", 0)).entries(entry("b", 901)).entries(entry("c", 0)).send().await;
    let sent = sent.unwrap();
    assert_eq!(sent.successful.iter().map(|entry| entry.id.as_str()).collect::<Vec<_>>(), ["a", "c"]);
    assert_eq!(sent.failed.iter().map(|entry| (entry.id.as_str(), entry.sender_fault)).collect::<Vec<_>>(), [("b", true)]);

    let received = receive(&sqs, &url, 1).await;
    assert_eq!(received.len(), 2);
    let entries = received.iter().enumerate().map(|(place, message)| {
        let handle = message.receipt_handle().unwrap();
        DeleteMessageBatchRequestEntry::builder().id(place.to_string()).receipt_handle(handle).build().unwrap()
    });
    let deleted = sqs.delete_message_batch().queue_url(&url).set_entries(Some(entries.collect())).send().await.unwrap();
    assert_eq!(deleted.successful.len(), 2);

    let eleven = (0..11).map(|place| entry(&place.to_string(), 0)).collect();
    let refused = sqs.send_message_batch().queue_url(&url).set_entries(Some(eleven)).send().await.unwrap_err().into_service_error();
    assert!(refused.is_too_many_entries_in_batch_request(), "{refused:?}");
}

#[tokio::test]
async fn a_received_message_is_hidden_until_its_visibility_ends_or_is_given_back() {
    let sqs = client().await;
    let url = queue(&sqs, "hidden", &[(QueueAttributeName::VisibilityTimeout, "30")]).await;
    sqs.send_message().queue_url(&url).message_body("op_1").send().await.unwrap();
    let first = receive(&sqs, &url, 1).await.remove(0);
    assert!(receive(&sqs, &url, 0).await.is_empty());

    let handle = first.receipt_handle().unwrap();
    sqs.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0).send().await.unwrap();
    let second = receive(&sqs, &url, 1).await.remove(0);
    assert_eq!(second.message_id(), first.message_id());
    assert_ne!(second.receipt_handle(), first.receipt_handle());
}

#[tokio::test]
async fn a_message_that_fails_too_often_goes_to_the_dead_letter_queue() {
    let sqs = client().await;
    let dead = queue(&sqs, "dead", &[]).await;
    let attributes = sqs.get_queue_attributes().queue_url(&dead).attribute_names(QueueAttributeName::QueueArn).send().await.unwrap();
    let arn = attributes.attributes.unwrap().remove(&QueueAttributeName::QueueArn).unwrap();
    let policy = format!(r#"{{"deadLetterTargetArn":"{arn}","maxReceiveCount":"2"}}"#);
    let url = queue(&sqs, "alive", &[(QueueAttributeName::RedrivePolicy, &policy)]).await;
    sqs.send_message().queue_url(&url).message_body("not an id").send().await.unwrap();

    for _ in 0..2 {
        let message = receive(&sqs, &url, 1).await.remove(0);
        let handle = message.receipt_handle().unwrap();
        sqs.change_message_visibility().queue_url(&url).receipt_handle(handle).visibility_timeout(0).send().await.unwrap();
    }
    assert!(receive(&sqs, &url, 0).await.is_empty());
    assert_eq!(receive(&sqs, &dead, 1).await[0].body(), Some("not an id"));
}

#[tokio::test]
async fn a_waiting_receiver_wakes_when_a_message_is_sent() {
    let sqs = client().await;
    let url = queue(&sqs, "waiting", &[]).await;
    let waiting = tokio::spawn({
        let (sqs, url) = (sqs.clone(), url.clone());
        async move { (receive(&sqs, &url, 20).await, Instant::now()) }
    });
    tokio::task::yield_now().await;
    let sent = Instant::now();
    sqs.send_message().queue_url(&url).message_body("op_1").send().await.unwrap();
    let (received, at) = waiting.await.unwrap();
    assert_eq!(received.len(), 1);
    assert!(at - sent < Duration::from_secs(5), "it slept {:?}", at - sent);
}
