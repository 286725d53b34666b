//! The whole client and every port against the simulated Fly.io: exactly one of everything, and nothing left over.

use std::collections::BTreeMap;
use std::time::Duration;

use durable::{Attempt, Setback};
use flows::ports::{Apps, MachineState, Machines, Placed, SecretValues, VolumeSpec, Volumes};
use fly::Refusal;
use fly::api::{LogQuery, MachineConfig, MachineFilter, Mount, NewVolume, UpdateMachine, WaitFor, Waited};
use fly_sim::host::LogLine;
use fly_sim::{Fault, HostLatencies, Match};

use crate::provider::{machine_spec, volume_spec};
use crate::simulated::Fly;

const APP: &str = "rp-test-1";

fn secrets() -> SecretValues {
    SecretValues(BTreeMap::from([("ROCKPOOL_SESSION_KEY".to_owned(), "hunter2".to_owned())]))
}

/// What the durable engine does with setbacks, without its pauses: again, as long as it is worth it.
async fn persist<T>(attempt: impl AsyncFn() -> Attempt<T>) -> T {
    let mut last = None;
    for _ in 0..20 {
        match attempt().await {
            Ok(value) => return value,
            Err(setback @ Setback::Fatal { .. }) => panic!("{setback}"),
            Err(setback) => last = Some(setback),
        }
    }
    panic!("twenty attempts were not enough: {last:?}")
}

fn at(placed: Placed<String>) -> String {
    match placed {
        Placed::At(id) => id,
        Placed::Full => panic!("there is room"),
    }
}

/// Volume and machine of a provisioned instance.
struct Made {
    volume: String,
    machine: String,
}

async fn provision(fly: &Fly) -> Made {
    let provider = &fly.provider;
    persist(async || provider.ensure_app(APP, APP).await).await;
    let version = persist(async || provider.set_secrets(APP, &secrets()).await).await;
    persist(async || provider.ensure_addresses(APP).await).await;
    let volume = at(persist(async || provider.ensure_volume(&volume_spec(APP, "fra")).await).await);
    let mut spec = machine_spec(APP, &volume);
    spec.min_secrets_version = version;
    let machine = at(persist(async || provider.ensure_machine(&spec).await).await);
    persist(async || provider.delete_surplus(APP, "data_1", &machine, &volume).await).await;
    persist(async || provider.await_state(APP, &machine, MachineState::Started).await).await;
    Made { volume, machine }
}

async fn retire(fly: &Fly) {
    let provider = &fly.provider;
    persist(async || provider.delete_machines(APP, "gateway-1").await).await;
    persist(async || provider.delete_volumes(APP, "data_1", None).await).await;
    persist(async || provider.delete_app(APP).await).await;
    assert!(fly.simulator.inventory().is_empty(), "{:?} is left", fly.simulator.inventory());
    assert!(fly.host.running().is_empty());
}

fn assert_exactly_one_of_everything(fly: &Fly) {
    let there = fly.simulator.inventory();
    assert_eq!(there.apps, [APP]);
    assert_eq!(there.machines, [format!("{APP}/gateway-1")]);
    assert_eq!(there.volumes, [format!("{APP}/data_1")]);
    assert_eq!(there.secrets, [format!("{APP}/ROCKPOOL_SESSION_KEY")]);
    assert_eq!(there.ips.len(), 2, "{:?}", there.ips);
    assert_eq!(fly.host.running().len(), 1);
}

#[tokio::test]
async fn an_instance_is_made_used_and_removed() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    assert_exactly_one_of_everything(&fly);
    let boot = fly.host.boots().pop().unwrap();
    assert_eq!((boot.machine.as_str(), boot.secrets["ROCKPOOL_SESSION_KEY"].as_str()), (made.machine.as_str(), "hunter2"));

    let (provider, machine) = (&fly.provider, &made.machine);
    assert!(provider.volume_exists(APP, machine, &made.volume).await.unwrap());
    persist(async || provider.stop(APP, machine).await).await;
    persist(async || provider.await_state(APP, machine, MachineState::Stopped).await).await;
    assert_eq!(provider.observe(APP, machine).await.unwrap(), MachineState::Stopped);
    persist(async || provider.start(APP, machine).await).await;
    persist(async || provider.await_state(APP, machine, MachineState::Started).await).await;
    persist(async || provider.restart(APP, machine).await).await;
    persist(async || provider.await_state(APP, machine, MachineState::Started).await).await;
    assert_eq!(fly.host.boots().len(), 3);

    retire(&fly).await;
    assert_eq!(provider.observe(APP, machine).await.unwrap(), MachineState::Gone);
    assert!(!provider.volume_exists(APP, machine, &made.volume).await.unwrap());
    retire(&fly).await;
}

#[tokio::test]
async fn an_instance_whose_machine_was_moved_is_started_on_what_it_had() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    let (provider, machine) = (&fly.provider, &made.machine);
    assert!(fly.host.write(&made.volume, "state"));
    let boots_with = || fly.host.boots().last().unwrap().config["mounts"][0]["volume"].as_str().unwrap().to_owned();
    let stop = async || {
        persist(async || provider.stop(APP, machine).await).await;
        persist(async || provider.await_state(APP, machine, MachineState::Stopped).await).await;
    };
    // What a flow does, with the volume that is on record.
    let start = async || {
        assert!(persist(async || provider.volume_exists(APP, machine, &made.volume).await).await);
        persist(async || provider.start(APP, machine).await).await;
        persist(async || provider.await_state(APP, machine, MachineState::Started).await).await;
        assert_eq!(fly.host.contents(&boots_with()).as_deref(), Some("state"));
        assert_exactly_one_of_everything(&fly);
    };
    // While it rests, while it runs, and with the start itself.
    stop().await;
    assert!(fly.simulator.migrate(machine).await);
    start().await;
    assert_ne!(boots_with(), made.volume);
    assert!(fly.simulator.migrate(machine).await);
    stop().await;
    start().await;
    stop().await;
    assert!(fly.simulator.migrate_at_start(machine));
    start().await;

    // Without its machine nobody can say that any volume is its own.
    persist(async || provider.delete_machines(APP, "gateway-1").await).await;
    persist(async || provider.delete_volumes(APP, "data_1", None).await).await;
    assert!(!persist(async || provider.volume_exists(APP, machine, &made.volume).await).await);
    retire(&fly).await;
}

#[tokio::test]
async fn everything_asked_for_twice_is_there_once() {
    let fly = Fly::new().await;
    let first = provision(&fly).await;
    let second = provision(&fly).await;
    assert_eq!((first.volume, first.machine), (second.volume, second.machine));
    assert_exactly_one_of_everything(&fly);
    retire(&fly).await;
}

/// Every call that a provision makes, in its order.
const PROVISION: [&str; 8] =
    ["create_app", "set_secrets", "list_ips", "assign_ip", "list_volumes", "create_volume", "create_machine", "wait_machine"];

/// Everything that can befall a call and passes.
fn adversities() -> [Fault; 6] {
    [
        Fault::AnswerLost,
        Fault::timeout(),
        Fault::LateEffect(Duration::ZERO),
        Fault::status(500, "internal"),
        Fault::status(503, "upstream connect error"),
        Fault::too_many_requests(None),
    ]
}

#[tokio::test]
async fn whatever_befalls_one_call_of_a_provision_there_is_one_of_everything_and_then_nothing() {
    for action in PROVISION {
        for fault in adversities() {
            let fly = Fly::new().await;
            fly.simulator.script().on(Match::action(action)).then(fault.clone());
            provision(&fly).await;
            assert!(fly.simulator.script().unplayed().is_empty(), "{action} was never asked for");
            assert_exactly_one_of_everything(&fly);
            retire(&fly).await;
        }
    }
}

#[tokio::test]
async fn whatever_befalls_one_call_of_a_removal_nothing_is_left() {
    for action in ["list_machines", "delete_machine", "wait_machine", "list_volumes", "delete_volume", "delete_app", "get_app"] {
        for fault in adversities() {
            let fly = Fly::new().await;
            provision(&fly).await;
            fly.simulator.script().on(Match::action(action)).then(fault.clone());
            retire(&fly).await;
            assert!(fly.simulator.script().unplayed().is_empty(), "{action} was never asked for");
        }
    }
}

#[tokio::test]
async fn a_volume_that_a_lagging_list_hid_is_surplus_and_goes() {
    let fly = Fly::with(HostLatencies::default(), Duration::from_secs(1)).await;
    persist(async || fly.provider.ensure_app(APP, APP).await).await;
    fly.simulator.script().on(Match::action("create_volume")).then(Fault::AnswerLost);
    let spec = volume_spec(APP, "fra");
    assert!(matches!(fly.provider.ensure_volume(&spec).await, Err(Setback::Retry { .. })));
    // The engine waits two seconds here. Whoever does not, makes a second one.
    let kept = at(fly.provider.ensure_volume(&spec).await.unwrap());
    assert_eq!(fly.simulator.inventory().volumes.len(), 2);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(10);
    while fly.simulator.inventory().volumes.len() > 1 {
        assert!(tokio::time::Instant::now() < deadline, "the surplus volume stays");
        fly.provider.delete_surplus(APP, "data_1", "148e21f71d9e89", &kept).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(fly.provider.volume_exists(APP, "148e21f71d9e89", &kept).await.unwrap(), "the one that is recorded is kept");
}

#[tokio::test]
async fn a_removal_right_after_a_creation_is_not_deceived_by_lists_that_lag() {
    let hour = Fault::Lag(Duration::from_secs(3600));
    // The machines' list never shows it: the volume names it. Nor does the volumes' list at first: then the refusal does.
    for volumes_lag_too in [false, true] {
        let fly = Fly::new().await;
        provision(&fly).await;
        fly.simulator.script().on(Match::action("list_machines").always()).then(hour.clone());
        if volumes_lag_too {
            fly.simulator.script().on(Match::action("list_volumes")).then(hour.clone());
        }
        persist(async || fly.provider.delete_machines(APP, "gateway-1").await).await;
        assert_eq!(fly.host.running().len(), usize::from(volumes_lag_too));
        persist(async || fly.provider.delete_volumes(APP, "data_1", None).await).await;
        let left = fly.simulator.inventory();
        assert!(left.machines.is_empty() && left.volumes.is_empty(), "{left:?}");
        retire(&fly).await;
        assert!(fly.simulator.script().unplayed().is_empty());
    }
}

#[tokio::test]
async fn reads_that_lag_behind_a_creation_delay_what_is_asked_and_change_nothing_about_it() {
    let hour = Fault::Lag(Duration::from_secs(3600));
    let fly = Fly::new().await;
    let Made { volume, machine } = provision(&fly).await;
    let (provider, machine) = (&fly.provider, &machine);
    let lags = |action: &str| fly.simulator.script().on(Match::action(action)).then(hour.clone());

    lags("get_machine");
    persist(async || provider.stop(APP, machine).await).await;
    lags("wait_machine");
    persist(async || provider.await_state(APP, machine, MachineState::Stopped).await).await;
    lags("get_volume");
    assert!(persist(async || provider.volume_exists(APP, "148e21f71d9e89", &volume).await).await);
    lags("get_machine");
    persist(async || provider.start(APP, machine).await).await;
    persist(async || provider.await_state(APP, machine, MachineState::Started).await).await;
    lags("get_machine");
    persist(async || provider.restart(APP, machine).await).await;
    persist(async || provider.await_state(APP, machine, MachineState::Started).await).await;
    assert!(fly.simulator.script().unplayed().is_empty());
    assert_eq!(fly.host.boots().len(), 3, "made, started, restarted");
    retire(&fly).await;
}

#[tokio::test]
async fn a_full_region_is_told_and_what_it_left_behind_does_not_serve_the_next() {
    let fly = Fly::new().await;
    let provider = &fly.provider;
    provider.ensure_app(APP, APP).await.unwrap();
    let volume = at(provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap());
    fly.simulator.set_region_full("fra", true);
    assert_eq!(provider.ensure_machine(&machine_spec(APP, &volume)).await.unwrap(), Placed::Full);
    let elsewhere = at(provider.ensure_volume(&volume_spec(APP, "ams")).await.unwrap());
    assert_ne!(volume, elsewhere);
    provider.delete_surplus(APP, "data_1", "148e21f71d9e89", &elsewhere).await.unwrap();
    assert_eq!(provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap(), Placed::Full);
    let mut spec = machine_spec(APP, &elsewhere);
    spec.region = "ams".parse().unwrap();
    at(provider.ensure_machine(&spec).await.unwrap());
    retire(&fly).await;
}

#[tokio::test]
async fn an_app_of_somebody_else_is_neither_used_nor_deleted() {
    let fly = Fly::new().await;
    fly.simulator.take_name(APP);
    assert!(matches!(fly.provider.ensure_app(APP, APP).await, Err(Setback::Fatal { .. })));
    fly.provider.delete_app(APP).await.unwrap();
    fly.client.app("rp-test-2").get().await.unwrap_err();
    assert_eq!(fly.client.app(APP).get().await.unwrap_err().refusal(), Some(&Refusal::Forbidden));
}

#[tokio::test]
async fn a_machine_that_cannot_boot_ends_the_wait() {
    let fly = Fly::new().await;
    let provider = &fly.provider;
    fly.host.refuse_boot("gateway-1", Some("no such image"));
    provider.ensure_app(APP, APP).await.unwrap();
    let volume = at(provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap());
    let machine = at(provider.ensure_machine(&machine_spec(APP, &volume)).await.unwrap());
    // How the simulator's machine ends, `failed` or `destroyed`, is its own affair; neither may be waited for until the deadline.
    let client = fly.client.within(Duration::from_secs(3));
    let brief = fly::Provider::new(client, "acme");
    assert!(matches!(brief.await_state(APP, &machine, MachineState::Started).await, Err(Setback::Fatal { .. })));
    retire(&fly).await;
}

#[tokio::test]
async fn a_machine_that_takes_its_time_is_not_yet_there_and_its_volume_not_yet_free() {
    let latencies = HostLatencies { boot: Duration::from_secs(3600), destroy: Duration::from_secs(3600), ..HostLatencies::default() };
    let fly = Fly::with(latencies, Duration::ZERO).await;
    let VolumeSpec { name, .. } = volume_spec(APP, "fra");
    fly.provider.ensure_app(APP, APP).await.unwrap();
    let volume = at(fly.provider.ensure_volume(&volume_spec(APP, "fra")).await.unwrap());
    let machine = at(fly.provider.ensure_machine(&machine_spec(APP, &volume)).await.unwrap());
    assert_eq!(fly.client.app(APP).machine(&machine).wait(WaitFor::Started, Duration::from_secs(1)).await.unwrap(), Waited::NotYet);
    fly.client.app(APP).machine(&machine).destroy().await.unwrap();
    let setback = fly.provider.delete_volumes(APP, &name, None).await.unwrap_err();
    assert!(matches!(&setback, Setback::NotYet { why, .. } if why.contains(&machine)), "{setback}");
}

#[tokio::test]
async fn a_lease_keeps_others_out_and_lets_its_holder_in() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    let app = fly.client.app(APP);
    let machine = app.machine(&made.machine);
    assert!(machine.lease().await.unwrap().is_none());
    let lease = machine.take_lease(Duration::from_secs(60), "test").await.unwrap();
    assert_eq!(machine.lease().await.unwrap().unwrap().description, "test");
    assert_eq!(machine.take_lease(Duration::from_secs(60), "again").await.unwrap_err().refusal(), Some(&Refusal::LeaseHeld));
    assert!(matches!(fly.client.app(APP).machine(&made.machine).start().await.unwrap_err().refusal(), Some(Refusal::LeaseHeld)));
    let held = app.machine(&made.machine).holding(lease.nonce.unwrap());
    held.take_lease(Duration::from_secs(90), "longer").await.unwrap();
    held.stop().await.unwrap();
    assert_eq!(held.wait(WaitFor::Stopped, Duration::from_secs(10)).await.unwrap(), Waited::Reached);
    held.release_lease().await.unwrap();
    held.release_lease().await.unwrap();
    machine.start().await.unwrap();
}

#[tokio::test]
async fn metadata_events_and_updates_are_read_and_written() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    let app = fly.client.app(APP);
    let machine = app.machine(&made.machine);
    machine.set_metadata("rockpool_note", "a b").await.unwrap();
    assert_eq!(machine.metadata().await.unwrap()["rockpool_note"], "a b");
    let by = |value: &str| MachineFilter {
        metadata: BTreeMap::from([("rockpool_note".to_owned(), value.to_owned())]),
        ..MachineFilter::default()
    };
    assert_eq!(app.machines(&by("a b")).await.unwrap().len(), 1);
    assert_eq!(app.machines(&by("other")).await.unwrap().len(), 0);
    machine.remove_metadata("rockpool_note").await.unwrap();
    assert!(!machine.metadata().await.unwrap().contains_key("rockpool_note"));

    let before = machine.get().await.unwrap();
    assert_eq!(before.known_config().unwrap().mounts[0].volume, made.volume);
    let config = MachineConfig {
        image: "registry.fly.io/rockpool-tenant:openclaw-2".to_owned(),
        mounts: vec![Mount { volume: made.volume.clone(), path: "/data".to_owned() }],
        ..MachineConfig::default()
    };
    let update = UpdateMachine { config, current_version: before.instance_id.clone(), min_secrets_version: None, skip_launch: false };
    let after = machine.update(&update).await.unwrap();
    assert!(after.instance_id != before.instance_id);
    machine.update(&update).await.unwrap_err();
    let kinds: Vec<_> = machine.events(50).await.unwrap().into_iter().map(|event| event.kind).collect();
    assert!(kinds.contains(&"update".to_owned()) && kinds.last() == Some(&"launch".to_owned()), "newest first: {kinds:?}");
}

#[tokio::test]
async fn lists_of_the_organisation_hold_what_is_there() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    assert_eq!(
        fly.client.apps("acme").await.unwrap().iter().map(|app| (app.name.as_str(), app.machine_count)).collect::<Vec<_>>(),
        [(APP, 1)]
    );
    let machines = fly.client.organisation_machines("acme", None).await.unwrap();
    let machine = &machines.items[0];
    assert_eq!((machine.app_name.as_str(), machine.id.as_str()), (APP, made.machine.as_str()));
    assert_eq!(machine.metadata().unwrap()["rockpool_instance"], "ins_1");
    let volumes = fly.client.organisation_volumes("acme", None).await.unwrap();
    assert_eq!(volumes.items[0].attached_machine_id.as_deref(), Some(made.machine.as_str()));
}

#[tokio::test]
async fn secrets_addresses_and_certificates_are_listed_and_removed() {
    let fly = Fly::new().await;
    provision(&fly).await;
    let app = fly.client.app(APP);
    assert_eq!(app.secrets().await.unwrap()[0].name, "ROCKPOOL_SESSION_KEY");
    let first = app.set_secrets(&BTreeMap::from([("B".to_owned(), Some("1".into()))])).await.unwrap();
    let second = app.set_secrets(&BTreeMap::from([("B".to_owned(), None)])).await.unwrap();
    assert!(second > first);
    assert_eq!(app.secrets().await.unwrap().len(), 1);

    for address in app.addresses().await.unwrap() {
        app.release_address(&address.ip).await.unwrap();
        app.release_address(&address.ip).await.unwrap();
    }
    assert!(app.addresses().await.unwrap().is_empty());

    for name in ["gateway.example.com", "*.example.com"] {
        app.request_certificate(name).await.unwrap();
        assert_eq!(app.certificate(name).await.unwrap().hostname, name);
        app.check_certificate(name).await.unwrap();
    }
    assert_eq!(app.certificates().await.unwrap().len(), 2);
    app.delete_certificate("*.example.com").await.unwrap();
    app.delete_certificate("*.example.com").await.unwrap();
    assert_eq!(app.certificates().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_log_is_read_to_its_end() {
    let fly = Fly::new().await;
    let made = provision(&fly).await;
    let now = i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap();
    let line = |n: i64| LogLine {
        timestamp_ns: now + n,
        machine: made.machine.clone(),
        region: "fra".to_owned(),
        level: "info".to_owned(),
        message: format!("line {n}"),
    };
    for n in 0..150 {
        fly.host.log(APP, line(n));
    }
    let (mut query, mut read) = (LogQuery { machine: Some(made.machine.clone()), ..LogQuery::default() }, Vec::new());
    for _ in 0..5 {
        let page = fly.client.app(APP).logs(&query).await.unwrap();
        if page.entries.is_empty() {
            break;
        }
        read.extend(page.entries.into_iter().map(|entry| entry.message));
        query.next_token = page.next_token;
    }
    assert_eq!(read, (0..150).map(|n| format!("line {n}")).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_missing_volume_and_a_bad_name_are_told_apart() {
    let fly = Fly::new().await;
    fly.provider.ensure_app(APP, APP).await.unwrap();
    let missing = fly.client.app(APP).volume("vol_0000000000000000").await.unwrap_err();
    assert!(missing.is_not_found() && missing.to_string().contains("request "), "{missing}");
    let bad = NewVolume { name: "not a name".to_owned(), region: "fra".to_owned(), size_gb: 1, compute: None };
    assert_eq!(fly.client.app(APP).create_volume(&bad).await.unwrap_err().refusal(), Some(&Refusal::Invalid));
    assert_eq!(fly.count("create_volume"), 1);
}
