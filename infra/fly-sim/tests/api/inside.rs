use fly_sim::host::Executed;
use http::Method;
use serde_json::{Value, json};

use crate::harness::{Fly, image, machine, text};

#[tokio::test]
async fn a_command_is_answered_200_even_when_it_fails() {
    let fly = Fly::new().await;
    let id = fly.started(image()).await;
    fly.host.answer_commands(|name, command| Executed {
        stdout: format!("{name}: {}", command.join("|")),
        exit_code: if command[0] == "false" { 1 } else { 0 },
        ..Executed::default()
    });
    let exec = async |body: Value| fly.post(&machine(&id, "/exec"), body).await;
    let answer = json!({ "stdout": "m: echo|a b", "stderr": "", "exit_code": 0, "exit_signal": 0 });
    assert_eq!(exec(json!({ "command": ["echo", "a b"] })).await, (200, answer.clone()));
    assert_eq!(exec(json!({ "cmd": "echo 'a b'", "timeout": 5 })).await, (200, answer), "as Fly's own client sends it");
    assert_eq!(exec(json!({ "command": ["false"] })).await.1["exit_code"], 1);
    for bad in [json!({}), json!({ "command": [] }), json!({ "cmd": "unclosed '" }), json!({ "command": ["a"], "timeout": 61 })] {
        assert_eq!(exec(bad.clone()).await.0, 400, "{bad}");
    }
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    let (status, refused) = exec(json!({ "command": ["echo"] })).await;
    assert_eq!((status, text(&refused)), (412, "failed_precondition: unable to exec machine from current state: 'stopped'"));
}

#[tokio::test]
async fn the_processes_and_the_memory_of_a_machine_that_runs_are_told() {
    let fly = Fly::new().await;
    let id = fly.started(json!({ "image": "i", "guest": { "cpu_kind": "shared", "cpus": 1, "memory_mb": 1024 } })).await;
    let (_, processes) = fly.get(&machine(&id, "/ps")).await;
    assert_eq!((&processes[0]["pid"], &processes[0]["listen_sockets"]), (&json!(1), &json!([])));
    let memory = machine(&id, "/memory");
    assert_eq!(fly.get(&memory).await, (200, json!({ "limit_mb": 1024, "available_mb": 1024 })));
    assert_eq!(fly.put(&memory, json!({ "limit_mb": 512 })).await.0, 200);
    assert_eq!(fly.put(&memory, json!({ "limit_mb": 2048 })).await.0, 400);
    assert_eq!(fly.get(&memory).await.1["limit_mb"], 512);
    assert_eq!(fly.post(&machine(&id, "/memory/reclaim"), json!({ "amount_mb": 64 })).await, (200, json!({ "actual_mb": 64 })));
    fly.post(&machine(&id, "/restart"), Value::Null).await;
    fly.reach(&id, "started").await;
    assert_eq!(fly.get(&memory).await.1["limit_mb"], 1024, "a boot begins with all of it");
    fly.post(&machine(&id, "/stop"), json!({})).await;
    fly.reach(&id, "stopped").await;
    assert_eq!(fly.get(&machine(&id, "/ps")).await.0, 412);
    assert_eq!(fly.get(&memory).await.0, 412);
}

#[tokio::test]
async fn placements_tell_where_there_is_room_and_reserve_nothing() {
    let fly = Fly::new().await;
    fly.simulator.set_region_full("fra", true);
    let simulate = async |body: Value| fly.call(Method::POST, "/v1/platform/placements", body).await;
    let regions = |answer: &Value| -> Vec<String> {
        answer["Regions"].as_array().unwrap().iter().map(|region| region["Region"].as_str().unwrap().to_owned()).collect()
    };
    let (status, europe) = simulate(json!({ "org_slug": "personal", "region": "eu", "count": 0, "weights": null, "compute": null })).await;
    assert_eq!((status, regions(&europe)), (200, ["ams", "arn", "cdg", "lhr"].map(str::to_owned).to_vec()));
    assert_eq!(europe["Regions"][0]["Count"], 50);
    let (_, next) = simulate(json!({ "org_slug": "personal", "region": "fra,cdg", "count": 2 })).await;
    assert_eq!(next, json!({ "Regions": [{ "Region": "cdg", "Count": 2, "Concurrency": 2 }] }));
    assert_eq!(simulate(json!({ "org_slug": "personal", "region": "fra", "count": 2 })).await.1, json!({ "Regions": [] }));
    assert_eq!(regions(&simulate(json!({ "org_slug": "personal" })).await.1).len(), 17);
    assert_eq!(simulate(json!({ "org_slug": "other" })).await.0, 404);
    assert_eq!(simulate(json!({ "org_slug": "personal", "region": "moon" })).await.0, 400);
    assert_eq!(simulate(json!({ "org_slug": "personal", "compute": { "cpus": 3 } })).await.0, 400);
}
