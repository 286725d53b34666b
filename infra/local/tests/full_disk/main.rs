//! A disk that runs full: it is said in one line, and nothing is lost. It is a small one of the test's own, which takes the right to mount.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod small_disk;
#[path = "../support/mod.rs"]
mod support;

use std::fs::File;
use std::process::Stdio;
use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::small_disk::SmallDisk;
use crate::support::{PATIENCE, Platform, command, started, until_no_process};

/// The built-in gateway, and ports of the system's choosing.
const STAND_IN: [&str; 4] = ["--gateway", "stand-in", "--port", "0"];

/// The platform on the disk; what it says of errors goes to a file elsewhere.
fn start(disk: &SmallDisk, arguments: &[&str], errors: &File) -> Platform {
    let mut command = disk.beside(&command(&disk.data(), arguments));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors.try_clone().unwrap());
    started(command, &disk.data())
}

#[tokio::test]
async fn a_full_disk_is_said_in_one_line_and_nothing_is_lost() {
    let disk = SmallDisk::new();
    let elsewhere = tempfile::NamedTempFile::new().unwrap();
    let mut platform = start(&disk, &STAND_IN, elsewhere.as_file());
    let first = platform.create("first", json!({})).await;
    let first = first["instance"]["id"].as_str().unwrap();
    let address = platform.settled(first, "running", PATIENCE).await["address"].as_str().unwrap().to_owned();

    // In the middle of a creation.
    let second = platform.create("second", json!({})).await;
    disk.fill();
    let lines = || {
        let said = std::fs::read_to_string(elsewhere.path()).unwrap();
        said.lines().filter(|line| line.starts_with("rockpool-local:")).map(str::to_owned).collect::<Vec<_>>()
    };
    let deadline = Instant::now() + PATIENCE;
    while lines().is_empty() {
        assert!(Instant::now() < deadline, "nothing was said");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (status, refused) =
        platform.call(Method::POST, "/v1/instances", Some(json!({ "name": "third", "plan": "pro", "region": "fra" }))).await;
    assert!(status.is_server_error() && refused["type"].is_string(), "what cannot be kept is not accepted: {status} {refused}");
    platform.until_it_answers(&address).await;
    let said = lines();
    assert!(said.len() == 1 && said[0].contains(" is full ("), "{said:?}");
    platform.kill();
    until_no_process(&disk.data()).await;

    let mut again = disk.beside(&command(&disk.data(), &STAND_IN[..2]));
    let refused = again.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.lines().count() == 1 && said.contains("is full (0 MB left"), "{said}");

    disk.make_room();
    let mut platform = start(&disk, &STAND_IN[..2], elsewhere.as_file());
    let ended = platform.ended(second["operation"]["id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    for instance in [first, second["instance"]["id"].as_str().unwrap()] {
        let running = platform.settled(instance, "running", PATIENCE).await;
        platform.until_it_answers(running["address"].as_str().unwrap()).await;
    }

    // It also goes on without another start.
    disk.fill();
    let (status, _) = platform.call(Method::DELETE, &format!("/v1/instances/{first}"), None).await;
    assert!(status.is_server_error(), "{status}");
    disk.make_room();
    let (status, deleting) = platform.call(Method::DELETE, &format!("/v1/instances/{first}"), None).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{deleting}");
    let ended = platform.ended(deleting["operation"]["id"].as_str().unwrap(), PATIENCE).await;
    assert_eq!(ended["state"], "succeeded", "{ended}");
    platform.end();
    until_no_process(&disk.data()).await;
}
