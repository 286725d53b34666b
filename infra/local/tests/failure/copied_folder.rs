//! A data folder that was copied: to keep it, to try something, by a backup that nobody told about databases.

use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::STAND_IN;
use crate::bystander::Bystanders;
use crate::support::{PATIENCE, Platform, command, processes_of, start, until_no_process};

/// Whether every file was copied: in a folder in use, one may go between its listing and its turn.
pub(crate) fn copy(from: &Path, to: &Path) -> bool {
    Command::new("cp").arg("-r").args([from, to]).stderr(Stdio::null()).status().expect("cp is there").success()
}

/// A platform with one instance that answers, and its address.
async fn with_an_instance(data: &Path) -> (Platform, String) {
    let platform = start(data, &STAND_IN);
    let created = platform.create("demo", json!({})).await;
    let running = platform.settled(created["instance"]["id"].as_str().unwrap(), "running", PATIENCE).await;
    let address = running["address"].as_str().unwrap().to_owned();
    platform.until_it_answers(&address).await;
    (platform, address)
}

/// The processes in the folder's machines, by their numbers.
fn running_in(data: &Path) -> Vec<u32> {
    processes_of(data).into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn a_copy_is_refused_if_it_was_made_in_use_and_comes_up_if_it_was_made_at_rest() {
    let folder = tempfile::tempdir().unwrap();
    let [original, in_use, at_rest] = ["original", "in-use", "at-rest"].map(|name| folder.path().join(name));
    let (mut platform, address) = with_an_instance(&original).await;
    let mut bystanders = Bystanders::beside(&original);
    let before = running_in(&original);
    copy(&original, &in_use);

    for arguments in [&STAND_IN[..2], &STAND_IN[..]] {
        let refused = command(&in_use, arguments).output().unwrap();
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.lines().count() == 1, "{said}");
        assert!(said.contains("is a copy of") && said.contains("was made while Rockpool ran there"), "{said}");
    }
    assert_eq!(running_in(&original), before, "what ran in the original runs on");
    platform.until_it_answers(&address).await;
    platform.end();
    bystanders.are_left_alone(&original).await;

    assert!(copy(&original, &at_rest));
    let mut bystanders = Bystanders::beside(&at_rest);
    let mut copied = start(&at_rest, &STAND_IN[..2]);
    copied.until_it_answers(&address).await;
    copied.end();
    bystanders.are_left_alone(&at_rest).await;
}

#[tokio::test]
async fn what_runs_in_the_original_is_not_touched_by_a_platform_on_a_copy() {
    let folder = tempfile::tempdir().unwrap();
    let [original, copied] = ["original", "copied"].map(|name| folder.path().join(name));
    let (mut first, address) = with_an_instance(&original).await;
    let mut bystanders = Bystanders::beside(&original);
    let before = running_in(&original);
    copy(&original, &copied);
    // Somebody insists, by taking out what the refusals go by: the port in the addresses, and that the folder was in use.
    let label = copied.join("platform.json");
    let mut said: Value = serde_json::from_slice(&std::fs::read(&label).unwrap()).unwrap();
    said["in_use"] = json!(false);
    said["instances_port"] = json!(free_port() + 1);
    std::fs::write(&label, said.to_string()).unwrap();

    let mut second = start(&copied, &STAND_IN[..2]);
    let (_, port) = second.address.rsplit_once(':').unwrap();
    let edge: u16 = port.parse::<u16>().unwrap() + 1;
    let (host, _) = address.rsplit_once(':').unwrap();
    second.until_it_answers(&format!("{host}:{edge}")).await;
    assert_eq!(running_in(&original), before, "what ran in the original runs on");
    assert!(running_in(&copied).len() == 2 && running_in(&copied).iter().all(|id| !before.contains(id)));
    second.end();
    until_no_process(&copied).await;

    assert_eq!(running_in(&original), before, "what ran in the original runs on");
    assert_eq!(first.page(&format!("{address}/health"), None).await.status(), StatusCode::OK);
    first.end();
    bystanders.are_left_alone(&original).await;
}

/// A port of which the next is free too, as likely as not to stay so.
fn free_port() -> u16 {
    loop {
        let first = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if std::net::TcpListener::bind(("127.0.0.1", first)).and_then(|_| std::net::TcpListener::bind(("127.0.0.1", first + 1))).is_ok() {
            return first;
        }
    }
}
