//! What the flows' port for volumes does about single answers.

use flows::ports::{Placed, Volumes};
use serde_json::{Value, json};

use super::{APP, MACHINE, error, fatal, machine, not_yet, provider, retry, volume_spec};
use crate::scripted::{Line, Scripted, json as reply};

#[tokio::test]
async fn of_several_volumes_the_oldest_usable_one_of_the_region_is_kept() {
    let volume = |id: &str, region: &str, state: &str, host: &str, day: u32| json!({ "id": id, "name": "data_1", "region": region, "state": state, "host_status": host, "created_at": format!("2026-11-{day}T10:00:00Z") });
    let list = json!([
        volume("vol_new", "fra", "created", "ok", 23),
        volume("vol_away", "ams", "created", "ok", 10),
        volume("vol_gone", "fra", "pending_destroy", "ok", 11),
        volume("vol_dark", "fra", "created", "unreachable", 12),
        volume("vol_stale", "fra", "created", "ok", 13),
        volume("vol_old", "fra", "created", "ok", 14),
        { "id": "vol_else", "name": "data_2", "region": "fra", "state": "created" },
    ]);
    let script = [
        reply(200, list),
        reply(200, volume("vol_stale", "fra", "pending_destroy", "ok", 13)),
        reply(200, volume("vol_old", "fra", "created", "ok", 14)),
    ];
    let fly = Scripted::new(script).await;
    assert_eq!(provider(&fly).ensure_volume(&volume_spec(APP, "fra")).await.unwrap(), Placed::At("vol_old".to_owned()));
    fly.finished();
}

#[tokio::test]
async fn a_volume_is_placed_where_its_machine_fits() {
    let fly = Scripted::new([reply(200, json!([])), reply(200, json!({ "id": "vol_1", "state": "creating" }))]).await;
    assert_eq!(provider(&fly).ensure_volume(&volume_spec(APP, "fra")).await.unwrap(), Placed::At("vol_1".to_owned()));
    let compute = json!({ "cpu_kind": "shared", "cpus": 2, "memory_mb": 2048 });
    assert_eq!(fly.asked()[1].json(), json!({ "name": "data_1", "region": "fra", "size_gb": 5, "compute": compute }));
}

#[tokio::test]
async fn surplus_volumes_go_only_while_the_kept_one_is_there() {
    let list = || {
        reply(
            200,
            json!([{ "id": "vol_1", "name": "data_1", "state": "created" }, { "id": "vol_2", "name": "data_1", "state": "created" }]),
        )
    };
    let kept = |state: &str| reply(200, json!({ "id": "vol_1", "name": "data_1", "state": state }));
    let fly = Scripted::new([list(), kept("created"), reply(200, json!({ "id": "vol_2" }))]).await;
    provider(&fly).delete_surplus(APP, "data_1", MACHINE, "vol_1").await.unwrap();
    assert_eq!(fly.finished().last().unwrap(), "DELETE /v1/apps/rp-test-1/volumes/vol_2");

    let fly = Scripted::new([list(), kept("pending_destroy")]).await;
    assert!(fatal(provider(&fly).delete_surplus(APP, "data_1", MACHINE, "vol_1").await).contains("may hold its data"));
    fly.finished();
}

#[tokio::test]
async fn the_copy_with_which_a_machine_was_moved_is_no_surplus() {
    let listed = |id: &str, holder: Value| json!({ "id": id, "name": "data_1", "state": "created", "attached_machine_id": holder });
    let fly = Scripted::new([reply(200, json!([listed("vol_2", json!(MACHINE))]))]).await;
    provider(&fly).delete_surplus(APP, "data_1", MACHINE, "vol_1").await.unwrap();
    fly.finished();

    let list = reply(200, json!([listed("vol_2", json!(MACHINE)), listed("vol_3", Value::Null)]));
    let kept = reply(200, json!({ "id": "vol_1", "name": "data_1", "state": "pending_destroy" }));
    let fly = Scripted::new([list, kept, reply(200, json!({ "id": "vol_3" }))]).await;
    provider(&fly).delete_surplus(APP, "data_1", MACHINE, "vol_1").await.unwrap();
    assert_eq!(fly.finished().last().unwrap(), "DELETE /v1/apps/rp-test-1/volumes/vol_3");
}

#[tokio::test]
async fn the_machine_that_holds_a_volume_to_be_deleted_is_removed_and_the_volume_deleted_later() {
    let list = |holder: Value| reply(200, json!([{ "id": "vol_1", "name": "data_1", "state": "created", "attached_machine_id": holder }]));
    let named = || error(412, "failed_precondition: volume is currently bound to machine: 148e21f71d9e89");
    let unnamed = || error(412, "failed_precondition: volume already claimed by machine");
    let removed = format!("DELETE /v1/apps/{APP}/machines/{MACHINE}?force=true");
    let removes = [
        (vec![list(Value::Null), named(), reply(200, machine("started")), reply(200, json!({ "ok": true }))], true),
        (vec![list(Value::Null), named(), error(404, "machine not found"), reply(200, json!({ "ok": true }))], true),
        (vec![list(json!(MACHINE)), unnamed(), reply(200, machine("stopped")), reply(200, json!({ "ok": true }))], true),
        // It is on its way, or gone, and the volume not yet free.
        (vec![list(Value::Null), named(), reply(200, machine("destroying"))], false),
        (vec![list(json!(MACHINE)), unnamed(), reply(200, machine("destroyed"))], false),
        (vec![list(Value::Null), unnamed()], false),
    ];
    for (script, removes) in removes {
        let fly = Scripted::new(script).await;
        not_yet(provider(&fly).delete_volumes(APP, "data_1", None).await);
        assert_eq!(fly.finished().contains(&removed), removes);
    }
}

#[tokio::test]
async fn a_known_volume_is_deleted_although_no_list_shows_it() {
    let seen = |state: &str| reply(200, json!({ "id": "vol_1", "name": "data_1", "state": state }));
    let removed = format!("DELETE /v1/apps/{APP}/volumes/vol_1");
    for (script, removes) in [
        (vec![reply(200, json!([])), seen("created"), reply(200, json!({ "id": "vol_1" }))], true),
        (vec![reply(200, json!([])), seen("pending_destroy")], false),
        (vec![reply(200, json!([])), error(404, "volume not found")], false),
    ] {
        let fly = Scripted::new(script).await;
        provider(&fly).delete_volumes(APP, "data_1", Some("vol_1")).await.unwrap();
        assert_eq!(fly.finished().contains(&removed), removes);
    }
}

#[tokio::test]
async fn a_volume_is_missing_only_if_fly_says_so() {
    let list = |state: &str| reply(200, json!([{ "id": "vol_1", "name": "data_1", "state": state }]));
    let (gone, not_found) = (|| volume("vol_1", "pending_destroy", Value::Null), || error(404, "volume not found"));
    let same = || reply(200, machine("stopped"));
    for (script, there) in [
        (vec![volume("vol_1", "created", Value::Null)], true),
        (vec![reply(200, json!({ "id": "vol_1", "state": "hydrating", "host_status": "unreachable" }))], true),
        (vec![gone(), same(), reply(200, json!([]))], false),
        (vec![not_found(), same(), reply(200, json!([]))], false),
        (vec![not_found(), error(404, "machine not found"), list("pending_destroy")], false),
        (vec![error(404, "app not found"), error(404, "app not found"), error(404, "app not found")], false),
    ] {
        let fly = Scripted::new(script).await;
        assert_eq!(provider(&fly).volume_exists(APP, MACHINE, "vol_1").await.unwrap(), there);
        fly.finished();
    }
    for script in [
        vec![error(500, "x"), error(500, "x"), error(500, "x")],
        vec![not_found(), same(), list("created")],
        vec![not_found(), error(500, "x"), error(500, "x"), error(500, "x")],
    ] {
        let fly = Scripted::new(script).await;
        retry(provider(&fly).volume_exists(APP, MACHINE, "vol_1").await);
        fly.finished();
    }
}

fn volume(id: &str, state: &str, holder: Value) -> Line {
    reply(200, json!({ "id": id, "name": "data_1", "state": state, "attached_machine_id": holder }))
}

#[tokio::test]
async fn a_machine_that_was_moved_has_the_volume_that_it_names_and_holds() {
    let moved = |state: &str| {
        let mut moved = machine(state);
        moved["config"]["mounts"][0]["volume"] = json!("vol_2");
        reply(200, moved)
    };
    let gone = || volume("vol_1", "pending_destroy", Value::Null);
    let no_volumes = || reply(200, json!([]));
    for (script, there) in [
        (vec![gone(), moved("stopped"), volume("vol_2", "hydrating", json!(MACHINE))], true),
        (vec![error(404, "volume not found"), moved("failed"), volume("vol_2", "created", json!(MACHINE))], true),
        // Nobody's, another's, deleted too, and named by a machine that is gone.
        (vec![gone(), moved("stopped"), volume("vol_2", "created", Value::Null), no_volumes()], false),
        (vec![gone(), moved("stopped"), volume("vol_2", "created", json!("another")), no_volumes()], false),
        (vec![gone(), moved("stopped"), volume("vol_2", "pending_destroy", json!(MACHINE)), no_volumes()], false),
        (vec![gone(), moved("destroyed"), no_volumes()], false),
    ] {
        let fly = Scripted::new(script).await;
        assert_eq!(provider(&fly).volume_exists(APP, MACHINE, "vol_1").await.unwrap(), there);
        fly.finished();
    }
    let mut silent = machine("stopped");
    silent["incomplete_config"] = silent["config"].take();
    let held = reply(200, json!([{ "id": "vol_2", "name": "data_1", "state": "created", "attached_machine_id": MACHINE }]));
    for script in [
        vec![gone(), reply(200, silent)],
        vec![gone(), moved("stopped"), error(404, "volume not found"), held.clone()],
        vec![gone(), reply(200, machine("stopped")), held],
    ] {
        let fly = Scripted::new(script).await;
        retry(provider(&fly).volume_exists(APP, MACHINE, "vol_1").await);
        fly.finished();
    }
}
