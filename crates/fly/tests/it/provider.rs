//! What the ports of the flows do about single answers that the simulated Fly.io does not give, or not on request.

use std::time::Duration;

use durable::Setback;
use flows::ports::{Apps, MachineSpec, MachineState, Machines, Placed, VolumeSpec, Volumes};
use fly::Provider;
use serde_json::{Value, json};

use crate::scripted::{Line, Scripted, json as reply};

const APP: &str = "rp-test-1";
const MACHINE: &str = "148e21f71d9e89";

fn provider(fly: &Scripted) -> Provider {
    Provider::new(fly.client.clone(), "acme")
}

fn error(status: u16, text: &str) -> Line {
    reply(status, json!({ "error": text }))
}

fn app(org: &str, network: &str) -> Line {
    reply(200, json!({ "name": APP, "organization": { "slug": org }, "network": network }))
}

fn app_list(apps: Value) -> Line {
    reply(200, json!({ "apps": apps }))
}

fn machine(state: &str) -> Value {
    let config = json!({ "metadata": { "rockpool_instance": "ins_1" }, "mounts": [{ "volume": "vol_1", "path": "/data" }] });
    json!({ "id": MACHINE, "name": "gateway-1", "state": state, "region": "fra", "config": config })
}

pub(crate) fn machine_spec(app: &str, volume: &str) -> MachineSpec {
    let map = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    MachineSpec {
        app: app.to_owned(),
        name: "gateway-1".to_owned(),
        region: "fra".parse().unwrap(),
        volume: volume.to_owned(),
        mount_path: "/data".to_owned(),
        size: domain::PlanId::Pro.plan().machine,
        image: "registry.fly.io/rockpool-tenant:openclaw-1".to_owned(),
        env: map("ROCKPOOL_FAMILY", "openclaw"),
        files: map("/etc/rockpool/gateway.json", "{}"),
        metadata: map("rockpool_instance", "ins_1"),
        internal_port: 8080,
        metrics_port: 9091,
        check_path: "/_rockpool/live".to_owned(),
        stop_timeout_seconds: 10,
        min_secrets_version: 0,
    }
}

pub(crate) fn volume_spec(app: &str, region: &str) -> VolumeSpec {
    VolumeSpec {
        app: app.to_owned(),
        name: "data_1".to_owned(),
        region: region.parse().unwrap(),
        size_gb: 5,
        machine: domain::PlanId::Pro.plan().machine,
    }
}

fn fatal<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> String {
    match attempt {
        Err(Setback::Fatal { why }) => why,
        other => panic!("expected the end, got {other:?}"),
    }
}

fn not_yet<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> Duration {
    match attempt {
        Err(Setback::NotYet { look_again_in, .. }) => look_again_in,
        other => panic!("expected a pause, got {other:?}"),
    }
}

fn retry<T: std::fmt::Debug>(attempt: Result<T, Setback>) -> Option<Duration> {
    match attempt {
        Err(Setback::Retry { after, .. }) => after,
        other => panic!("expected another attempt, got {other:?}"),
    }
}

#[tokio::test]
async fn an_app_whose_name_is_taken_is_ours_only_in_our_organisation_and_on_its_network() {
    let name_taken = || reply(422, json!({ "error": "Validation failed: Name has already been taken", "status": "name_taken" }));
    let older = || error(409, "a text of an older version");
    let unknown_network = || reply(200, json!({ "name": APP, "organization": { "slug": "acme" } }));
    let found = [
        (vec![name_taken(), app("acme", APP)], true),
        (vec![older(), app("acme", APP)], true),
        (vec![name_taken(), unknown_network(), app_list(json!([{ "name": APP, "network": APP }]))], true),
        (vec![name_taken(), unknown_network(), app_list(json!([{ "name": APP, "network": "default" }]))], false),
        (vec![name_taken(), app("other", APP)], false),
        (vec![name_taken(), app("acme", "default")], false),
        (vec![name_taken(), error(403, "forbidden")], false),
    ];
    for (script, ours) in found {
        let fly = Scripted::new(script).await;
        let made = provider(&fly).ensure_app(APP, APP).await;
        fly.finished();
        if ours {
            made.unwrap();
        } else {
            assert!(fatal(made).contains("is not this deployment's"));
        }
    }
    let fly = Scripted::new([name_taken(), unknown_network(), app_list(json!([{ "name": "another" }]))]).await;
    retry(provider(&fly).ensure_app(APP, APP).await);
}

#[tokio::test]
async fn an_app_that_is_refused_for_its_name_is_the_end_and_one_that_is_being_deleted_is_not() {
    let fly = Scripted::new([
        error(422, "Validation failed: Name under 63 chars using numbers, lowercase letters and dashes"),
        error(404, "no app"),
    ])
    .await;
    assert!(fatal(provider(&fly).ensure_app(APP, APP).await).contains("Name under 63 chars"));
    let fly = Scripted::new([error(422, "Name has already been taken"), error(404, "no app")]).await;
    assert_eq!(not_yet(provider(&fly).ensure_app(APP, APP).await), Duration::from_secs(2));
}

#[tokio::test]
async fn after_an_answer_that_means_anything_nobody_looks_for_two_seconds() {
    for line in [Line::Hang, error(500, "x"), error(408, "deadline_exceeded")] {
        let fly = Scripted::new([line.clone(), reply(200, json!([])), line.clone(), line]).await;
        let provider = provider(&fly);
        let two = Some(Duration::from_secs(2));
        assert_eq!(retry(provider.ensure_app(APP, APP).await), two);
        assert_eq!(retry(provider.ensure_volume(&volume_spec(APP, "fra")).await), two);
        assert_eq!(retry(provider.ensure_machine(&machine_spec(APP, "vol_1")).await), two);
        assert_eq!(fly.finished().len(), 4);
    }
}

#[tokio::test]
async fn a_limit_is_a_pause_as_long_as_the_server_asks_and_no_attempt() {
    let limited = crate::scripted::answer(429, "retry-after: 17\r\n", "{}");
    let fly = Scripted::new([limited]).await;
    assert_eq!(not_yet(provider(&fly).ensure_addresses(APP).await), Duration::from_secs(17));
}

#[tokio::test]
async fn an_app_that_was_made_a_moment_ago_may_not_answer_yet() {
    for line in
        [error(404, "app not found"), error(401, "Authenticate: token validation error"), error(400, "could not find app \"rp-test-1\"")]
    {
        let fly = Scripted::new([line]).await;
        assert!(retry(provider(&fly).ensure_addresses(APP).await).is_some());
    }
}

#[tokio::test]
async fn deleting_an_app_ends_when_it_is_gone() {
    let accepted = || reply(202, Value::Null);
    for script in [
        vec![error(404, "x")],
        vec![error(400, "could not find app \"rp-test-1\"")],
        vec![accepted(), error(404, "x")],
        vec![accepted(), error(403, "it went to somebody else")],
        vec![error(403, "x"), app_list(json!([{ "name": "another" }]))],
    ] {
        let fly = Scripted::new(script).await;
        provider(&fly).delete_app(APP).await.unwrap();
        fly.finished();
    }
    let fly = Scripted::new([accepted(), app("acme", APP)]).await;
    not_yet(provider(&fly).delete_app(APP).await);
    let fly = Scripted::new([error(403, "x"), app_list(json!([{ "name": APP }]))]).await;
    assert!(fatal(provider(&fly).delete_app(APP).await).contains("forbidden"), "ours, and the token may not: a person must look");
}

#[tokio::test]
async fn addresses_are_assigned_once_and_a_repeat_that_is_refused_is_done() {
    let one = json!({ "ip": "66.241.1.1", "shared": true });
    let both = json!({ "ips": [one, { "ip": "2a09::1" }] });
    let fly = Scripted::new([reply(200, both)]).await;
    provider(&fly).ensure_addresses(APP).await.unwrap();
    assert_eq!(fly.finished().len(), 1);

    let fly = Scripted::new([reply(200, json!({ "ips": [one] })), error(409, "already has one")]).await;
    provider(&fly).ensure_addresses(APP).await.unwrap();
    assert_eq!(fly.asked()[1].json(), json!({ "type": "v6" }));
    fly.finished();
}

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
    provider(&fly).delete_surplus(APP, "data_1", "vol_1").await.unwrap();
    assert_eq!(fly.finished().last().unwrap(), "DELETE /v1/apps/rp-test-1/volumes/vol_2");

    let fly = Scripted::new([list(), kept("pending_destroy")]).await;
    assert!(fatal(provider(&fly).delete_surplus(APP, "data_1", "vol_1").await).contains("may hold its data"));
    fly.finished();
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

#[tokio::test]
async fn whatever_refuses_a_machine_an_earlier_attempts_machine_is_found() {
    let taken = format!("already_exists: unique machine name violation, machine ID {MACHINE} already exists with name \"gateway-1\"");
    for script in [
        vec![error(409, &taken), reply(200, machine("starting"))],
        vec![error(409, "unique machine name violation"), reply(200, json!([machine("starting")]))],
        vec![error(412, "volume already claimed by machine"), reply(200, json!([machine("created")]))],
        vec![
            error(412, "insufficient resources to create new machine with existing volume id 'vol_1'"),
            reply(200, json!([machine("started")])),
        ],
    ] {
        let fly = Scripted::new(script).await;
        assert_eq!(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await.unwrap(), Placed::At(MACHINE.to_owned()));
        fly.finished();
    }
}

#[tokio::test]
async fn a_full_region_and_a_full_host_are_answers_and_no_setbacks() {
    for refusal in [
        reply(422, json!({ "error": "could not find a candidate host", "status": "insufficient_capacity" })),
        error(409, "aborted: could not reserve resource for machine: insufficient memory available to fulfill request"),
        reply(
            412,
            json!({ "error": "insufficient resources to create new machine with existing volume id 'vol_1'", "status": "volume_placement_capacity" }),
        ),
    ] {
        let fly = Scripted::new([refusal.clone(), reply(200, json!([])), reply(200, json!([])), refusal]).await;
        let provider = provider(&fly);
        assert_eq!(provider.ensure_machine(&machine_spec(APP, "vol_1")).await.unwrap(), Placed::Full);
        assert_eq!(provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap(), Placed::Full);
        fly.finished();
    }
}

#[tokio::test]
async fn a_machine_of_the_name_that_is_another_instances_is_left_alone() {
    let mut foreign = machine("started");
    foreign["config"]["metadata"]["rockpool_instance"] = json!("ins_2");
    let fly = Scripted::new([error(409, "unique machine name violation"), reply(200, json!([foreign]))]).await;
    assert!(fatal(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await).contains("is not this instance's"));
    fly.finished();
}

#[tokio::test]
async fn a_machine_that_appeared_late_for_a_place_that_was_given_up_is_removed() {
    let mut elsewhere = machine("started");
    elsewhere["region"] = json!("ams");
    let mut other_volume = machine("started");
    other_volume["config"]["mounts"][0]["volume"] = json!("vol_0");
    for leftover in [elsewhere, other_volume] {
        let fly =
            Scripted::new([error(409, "unique machine name violation"), reply(200, json!([leftover])), reply(200, json!({ "ok": true }))])
                .await;
        not_yet(provider(&fly).ensure_machine(&machine_spec(APP, "vol_1")).await);
        assert_eq!(fly.finished().last().unwrap(), &format!("DELETE /v1/apps/{APP}/machines/{MACHINE}?force=true"));
    }
}

#[tokio::test]
async fn start_and_stop_look_first() {
    let fly = Scripted::new([
        reply(200, machine("started")),
        reply(200, machine("stopped")),
        reply(200, machine("stopped")),
        reply(200, json!({})),
        reply(200, machine("started")),
        reply(200, json!({ "ok": true })),
    ])
    .await;
    let provider = provider(&fly);
    provider.start(APP, MACHINE).await.unwrap();
    provider.stop(APP, MACHINE).await.unwrap();
    provider.start(APP, MACHINE).await.unwrap();
    provider.stop(APP, MACHINE).await.unwrap();
    let posts: Vec<_> = fly.finished().into_iter().filter(|line| line.starts_with("POST")).collect();
    assert_eq!(posts, [format!("POST /v1/apps/{APP}/machines/{MACHINE}/start"), format!("POST /v1/apps/{APP}/machines/{MACHINE}/stop")]);
}

#[tokio::test]
async fn a_start_too_early_is_not_yet_and_a_start_of_nothing_is_the_end() {
    let fly = Scripted::new([
        reply(200, machine("stopping")),
        error(412, "failed_precondition: unable to start machine from current state: 'stopping'"),
    ])
    .await;
    not_yet(provider(&fly).start(APP, MACHINE).await);
    let fly = Scripted::new([reply(200, machine("destroyed"))]).await;
    assert!(fatal(provider(&fly).start(APP, MACHINE).await).contains("is gone"));
}

#[tokio::test]
async fn a_machine_on_record_that_is_not_found_is_looked_for_again() {
    let two = Some(Duration::from_secs(2));
    let not_found = || error(404, "machine not found");
    let fly = Scripted::new([not_found(), not_found(), not_found(), reply(200, machine("started")), not_found()]).await;
    let provider = provider(&fly);
    assert_eq!(retry(provider.start(APP, MACHINE).await), two);
    assert_eq!(retry(provider.restart(APP, MACHINE).await), two);
    assert_eq!(retry(provider.stop(APP, MACHINE).await), two);
    assert_eq!(retry(provider.stop(APP, MACHINE).await), two, "it was seen, so that a 404 says nothing about it");
    fly.finished();
}

#[tokio::test]
async fn a_restart_whose_answer_was_lost_is_not_repeated_once_it_has_begun() {
    let with_event = |state: &str, id: &str| {
        let mut machine = machine(state);
        machine["events"] = json!([{ "id": id, "type": "start", "timestamp": 1 }]);
        reply(200, machine)
    };
    for after in [with_event("restarting", "1"), with_event("started", "2")] {
        let fly = Scripted::new([with_event("started", "1"), Line::Hang, after]).await;
        provider(&fly).restart(APP, MACHINE).await.unwrap();
        fly.finished();
    }
    let fly = Scripted::new([with_event("started", "1"), Line::Hang, with_event("started", "1")]).await;
    retry(provider(&fly).restart(APP, MACHINE).await);
    let fly = Scripted::new([with_event("restarting", "1")]).await;
    provider(&fly).restart(APP, MACHINE).await.unwrap();
}

#[tokio::test]
async fn a_wait_says_whether_it_can_still_come_true() {
    let ran_out = || error(408, "deadline_exceeded: machine failed to reach desired state, started, currently created");
    let seen = async |state: &str, wanted| {
        let fly = Scripted::new([ran_out(), reply(200, machine(state))]).await;
        provider(&fly).await_state(APP, MACHINE, wanted).await
    };
    not_yet(seen("created", MachineState::Started).await);
    seen("started", MachineState::Started).await.unwrap();
    assert!(fatal(seen("launch_failed", MachineState::Started).await).contains("could not boot"));
    assert!(fatal(seen("destroyed", MachineState::Started).await).contains("is gone"));
    not_yet(seen("stopping", MachineState::Stopped).await);
    seen("failed", MachineState::Stopped).await.unwrap();
    let fly = Scripted::new([error(404, "machine not found"), error(404, "machine not found")]).await;
    retry(provider(&fly).await_state(APP, MACHINE, MachineState::Started).await);
}

#[tokio::test]
async fn machines_are_destroyed_by_name_and_waited_for() {
    let mut other = machine("started");
    other["name"] = json!("gateway-2");
    let fly = Scripted::new([
        reply(200, json!([machine("started"), other])),
        reply(200, json!({ "ok": true })),
        error(408, "deadline_exceeded"),
        reply(200, json!([machine("destroying")])),
        reply(200, json!({ "ok": true, "state": "destroyed" })),
    ])
    .await;
    let provider = provider(&fly);
    not_yet(provider.delete_machines(APP, "gateway-1").await);
    provider.delete_machines(APP, "gateway-1").await.unwrap();
    assert_eq!(fly.finished().iter().filter(|line| line.starts_with("DELETE")).count(), 1, "one that is on its way out is not hurried");
}
