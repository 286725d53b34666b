use durable::{Act, Entry, Trying, Undone, Why};

use super::*;
use crate::views::OperationView;

#[tokio::test]
async fn a_running_operation_is_cancelled_once_or_twice() {
    let app = App::start().await;
    let (_, operation) = app.create("a").await;
    app.sent();
    let path = format!("/v1/operations/{operation}");
    assert_eq!(app.get(&path).await.json()["cancellable"], json!(true));
    for _ in 0..2 {
        let answer = app.post(&format!("{path}/cancel")).await;
        assert_eq!(
            (answer.status.as_u16(), answer.at("/cancel_requested_at"), &answer.json()["cancellable"]),
            (202, NOW.into(), &json!(false))
        );
    }
    assert!(!app.sent().is_empty(), "nobody worked on it, so it is woken");
    app.end(&operation, Outcome::Cancelled, json!(null)).await;
    let late = app.post(&format!("{path}/cancel")).await;
    assert_eq!((late.problem(), late.at("/state")), (pair(409, "not-cancellable"), "cancelled".into()));
}

async fn shown(change: impl FnOnce(&mut durable::Record)) -> Value {
    let app = App::start().await;
    let (_, operation) = app.create("a").await;
    let mut record = app.store.operation(&organisation("alice"), &operation.parse().unwrap()).await.unwrap().unwrap();
    change(&mut record);
    let mut json = serde_json::to_value(OperationView::try_from(record).unwrap()).unwrap();
    json.as_object_mut().unwrap().retain(|name, _| !matches!(name.as_str(), "id" | "instance" | "created_at" | "kind"));
    json
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(1_790_000_000 + second).unwrap()
}

fn entry(name: &str, act: Act, second: i64) -> Entry {
    let result = json!({ "secret": "of the provider" });
    Entry { name: name.to_owned(), act, result, started_at: at(second), finished_at: at(second + 1), attempts: 1 }
}

fn trying(name: &str, said: &str) -> Option<Trying> {
    Some(Trying { name: name.to_owned(), place: 1, since: at(5), attempts: 2, said: said.to_owned() })
}

#[tokio::test]
async fn a_running_operation_shows_what_it_did_and_what_it_tries() {
    let json = shown(|record| {
        record.journal = vec![entry("create_app", Act::Step, 0), entry("delete_volume", Act::Release, 2)];
        record.trying = trying("create_machine", "the region has no room");
    })
    .await;
    assert!(!json.to_string().contains("secret"), "results are not for show");
    insta::assert_json_snapshot!(json, @r#"
    {
      "cancel_requested_at": null,
      "cancellable": true,
      "ended_at": null,
      "error": null,
      "state": "running",
      "steps": [
        {
          "attempts": 1,
          "finished_at": "2026-09-21T14:13:21Z",
          "message": null,
          "name": "create_app",
          "started_at": "2026-09-21T14:13:20Z",
          "state": "done"
        },
        {
          "attempts": 1,
          "finished_at": "2026-09-21T14:13:23Z",
          "message": null,
          "name": "delete_volume",
          "started_at": "2026-09-21T14:13:22Z",
          "state": "undone"
        },
        {
          "attempts": 2,
          "finished_at": null,
          "message": "the region has no room",
          "name": "create_machine",
          "started_at": "2026-09-21T14:13:25Z",
          "state": "trying"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_unwinding_operation_shows_why_and_what_it_took_back() {
    let json = shown(|record| {
        record.phase = Phase::Unwinding { why: Why::Failed { step: "create_machine".to_owned(), message: "refused".to_owned() } };
        record.journal = vec![entry("create_app", Act::Step, 0)];
        let undone = |name: &str, left: Option<&str>| Undone {
            place: 0,
            name: name.to_owned(),
            left: left.map(str::to_owned),
            started_at: at(3),
            finished_at: at(4),
        };
        record.undone = vec![undone("delete_machine", None), undone("delete_app", Some("the app is still there"))];
    })
    .await;
    insta::assert_json_snapshot!(json, @r#"
    {
      "cancel_requested_at": null,
      "cancellable": false,
      "ended_at": null,
      "error": {
        "message": "refused",
        "step": "create_machine"
      },
      "state": "unwinding",
      "steps": [
        {
          "attempts": 1,
          "finished_at": "2026-09-21T14:13:21Z",
          "message": null,
          "name": "create_app",
          "started_at": "2026-09-21T14:13:20Z",
          "state": "done"
        },
        {
          "attempts": 1,
          "finished_at": "2026-09-21T14:13:24Z",
          "message": null,
          "name": "delete_machine",
          "started_at": "2026-09-21T14:13:23Z",
          "state": "undone"
        },
        {
          "attempts": 1,
          "finished_at": "2026-09-21T14:13:24Z",
          "message": "the app is still there",
          "name": "delete_app",
          "started_at": "2026-09-21T14:13:23Z",
          "state": "left"
        }
      ]
    }
    "#);
}

#[tokio::test]
async fn an_operation_that_waits_for_us_says_so_and_no_more() {
    let json = shown(|record| {
        record.phase = Phase::Parked { why: "create_app: 403 from api.machines.dev".to_owned(), was: Box::new(Phase::Running) };
        record.trying = trying("create_app", "");
    })
    .await;
    assert!(!json.to_string().contains("403"), "{json}");
    assert_eq!((&json["state"], &json["cancellable"], &json["error"]["step"]), (&json!("attention"), &json!(false), &json!("create_app")));
}

#[tokio::test]
async fn what_has_passed_its_point_of_no_return_is_not_cancellable() {
    assert_eq!(shown(|record| record.committed = true).await["cancellable"], json!(false));
    assert_eq!(shown(|record| record.kind = "retire".to_owned()).await["cancellable"], json!(false));
    for (outcome, word) in [(Outcome::Succeeded, "succeeded"), (Outcome::Cancelled, "cancelled"), (Outcome::Abandoned, "abandoned")] {
        let json = shown(|record| record.phase = Phase::Done { outcome }).await;
        assert_eq!((&json["state"], &json["cancellable"], &json["error"]), (&json!(word), &json!(false), &json!(null)));
    }
}

#[tokio::test]
async fn a_deletion_is_not_called_off() {
    let app = App::start().await;
    let id = app.running("a").await;
    let operation = app.call("alice", "DELETE", &format!("/v1/instances/{id}"), None).await.at("/operation/id");
    let answer = app.post(&format!("/v1/operations/{operation}/cancel")).await;
    assert_eq!(answer.problem(), pair(409, "not-cancellable"));
    assert_eq!(app.get(&format!("/v1/operations/{operation}")).await.json()["cancel_requested_at"], json!(null));
}
