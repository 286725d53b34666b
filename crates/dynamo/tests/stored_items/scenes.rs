//! What is stored when, written by the store itself. Identifiers and times are always the same.

use std::time::Duration;

use domain::{Climbed, Health, Instance, InstanceId, Notice, OperationId, OrganisationId, Rung, State, Trouble};
use durable::{Act, CancelReply, Claim, Entry, Guard, Journal, NewRun, Outcome, OwnerId, Phase, Record, RunId, Trying, Undone, Why};
use dynamo::{Incident, NewInstance};
use flows::plan;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::attributes::Item;
use crate::support::{Bench, done, held, key, next};

/// A state in which a deployment may meet what is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scene {
    InTheMiddle,
    HalfTried,
    Unwinding,
    Parked,
    AskedToCancel,
    Paused,
    Ended,
    InstanceMade,
    InstanceSuspected,
    NoticeDue,
    NoticeDelivered,
    Incident,
}

/// Every file, with what it shows. The last one of a scene is as today's code writes it, those before are as older code did.
pub(crate) const FILES: [(&str, Scene); 12] = [
    ("run-1-in-the-middle", Scene::InTheMiddle),
    ("run-1-half-tried", Scene::HalfTried),
    ("run-1-unwinding", Scene::Unwinding),
    ("run-1-parked", Scene::Parked),
    ("run-1-asked-to-cancel", Scene::AskedToCancel),
    ("run-1-paused", Scene::Paused),
    ("run-1-ended", Scene::Ended),
    ("instance-1-made", Scene::InstanceMade),
    ("instance-1-suspected", Scene::InstanceSuspected),
    ("notice-1-due", Scene::NoticeDue),
    ("notice-1-delivered", Scene::NoticeDelivered),
    ("incident-1", Scene::Incident),
];

/// What code makes of the items.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Meaning {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) run: Option<Record>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) instance: Option<Instance>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) notice: Option<Notice>,
    /// Whether the notice was delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) delivered: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) incident: Option<Incident>,
}

pub(crate) fn organisation() -> OrganisationId {
    "org_0190000000007000800000000000b001".parse().unwrap()
}

pub(crate) fn instance_id() -> InstanceId {
    "ins_0190000000007000800000000000a001".parse().unwrap()
}

pub(crate) fn run_id() -> RunId {
    flows::run_id(&organisation(), &operation())
}

fn operation() -> OperationId {
    "op_01900000000070008000000000000001".parse().unwrap()
}

/// The minute that the bench's clock shows.
pub(crate) fn minute(bench: &Bench) -> i64 {
    bench.now().as_second() / 60
}

/// An instance at its beginning, and what it was asked for with.
pub(crate) fn new_instance(bench: &Bench) -> NewInstance {
    let drawn = bench.new_instance(organisation(), "aria").instance;
    let instance = Instance { id: instance_id(), operation: Some(operation()), ..drawn };
    NewInstance { run: plan::provision(&bench.deployment, &instance, operation()), instance, key: key("the-key"), quota: 1 }
}

impl Scene {
    /// Has the store write it to an empty table.
    pub(crate) async fn write(self, bench: &Bench) {
        match self {
            Self::InstanceMade => made(bench, new_instance(bench)).await,
            Self::InstanceSuspected => suspected(bench).await,
            Self::NoticeDue | Self::NoticeDelivered => noticed(bench, self == Self::NoticeDelivered).await,
            Self::Incident => disturbed(bench).await,
            _ => self.run(bench).await,
        }
    }

    /// Whether an item belongs to what the scene shows.
    pub(crate) fn shows(self, item: &Item) -> bool {
        let sk = item["sk"].as_s().unwrap();
        self != Self::InstanceSuspected || sk.starts_with("INSTANCE#")
    }

    async fn run(self, bench: &Bench) {
        let new = NewRun {
            id: run_id(),
            kind: "provision".to_owned(),
            version: 2,
            // About no instance: what stands beside a run is another scene's.
            subject: "nothing".to_owned(),
            plan: json!({ "app": "rp", "regions": ["fra"], "generation": 1, "deep": { "none": null, "yes": true } }),
        };
        bench.store.start(new).await.unwrap();
        bench.advance(3);
        let owner = OwnerId("recorded".to_owned());
        let claim = Claim { owner, now: bench.now(), lease_until: bench.now() + Duration::from_secs(150) };
        let claimed = bench.store.claim(&run_id(), &claim).await.unwrap().expect("it is to be had");
        let mut record = next(&claimed);
        record.journal = vec![entry(bench, 1, "create_app", Act::Step), entry(bench, 2, "create_volume", Act::Step)];
        match self {
            Self::InTheMiddle => {
                record.journal.extend([entry(bench, 3, "commit", Act::Commit), entry(bench, 4, "delete_volume", Act::Release)]);
                (record.committed, record.claims) = (true, 0);
            }
            Self::HalfTried => record.trying = Some(trying(bench, "create_machine", 2)),
            Self::Unwinding => {
                record.phase = Phase::Unwinding { why: Why::Failed { step: "create_machine".to_owned(), message: "no room".to_owned() } };
                record.undone = undone(bench);
                record.trying = Some(trying(bench, "delete_secret", 0));
            }
            Self::Parked => {
                let was = Box::new(Phase::Unwinding { why: Why::Cancelled });
                record.phase = Phase::Parked { why: "delete_secret: it was refused".to_owned(), was };
                record.undone = undone(bench);
                record.trying = Some(trying(bench, "delete_secret", 0));
                (record.lease_until, record.overdue_at, record.claims) = (None, None, 12);
            }
            Self::AskedToCancel => record.claims = 2,
            Self::Paused => {
                record.not_before = Some(bench.now() + Duration::from_secs(20));
                (record.lease_until, record.overdue_at) = (None, Some(bench.now() + Duration::from_secs(35)));
                record.trying = Some(trying(bench, "await_healthy", 2));
            }
            Self::Ended => {
                let outcome = Outcome::Failed { step: "create_machine".to_owned(), message: "no room".to_owned() };
                record.undone = undone(bench);
                record = Record { rev: record.rev, ..done(&record, outcome, bench.now()) };
            }
            other => panic!("{other:?} is no run's"),
        }
        bench.store.checkpoint(&held(&claimed), &record, Guard::None).await.unwrap();
        bench.advance(40);
        if self == Self::AskedToCancel {
            let reply = bench.store.request_cancel(&run_id(), bench.now()).await.unwrap();
            assert_eq!(reply, CancelReply::Accepted { send: false });
        }
        if self == Self::Paused {
            let overdue = bench.store.overdue(bench.now(), 10).await.unwrap().remove(0);
            assert!(bench.store.postpone(&overdue, bench.now() + Duration::from_secs(60)).await.unwrap());
        }
    }

    /// What the store makes of what is there.
    pub(crate) async fn read(self, bench: &Bench) -> Meaning {
        let store = &bench.store;
        match self {
            Self::Incident => Meaning { incident: store.incident().await.unwrap(), ..Meaning::default() },
            Self::NoticeDue | Self::NoticeDelivered => {
                let mut notices = store.notices_of(&run_id().0).await.unwrap();
                let (notice, delivered) = notices.pop().unzip();
                assert!(notices.is_empty(), "{notices:?}");
                Meaning { notice, delivered: delivered.unwrap_or_default(), ..Meaning::default() }
            }
            _ => {
                let instance = store.instance(&organisation(), &instance_id()).await.unwrap();
                let run = Journal::read(store, &run_id()).await.unwrap();
                Meaning { run, instance, ..Meaning::default() }
            }
        }
    }
}

fn entry(bench: &Bench, number: u64, name: &str, act: Act) -> Entry {
    let at = bench.now() + Duration::from_millis(number);
    let result = json!({ "Ok": { "id": "vol_1", "n": -7, "none": null, "list": [true, 0.5] } });
    Entry { name: name.to_owned(), act, result, started_at: at, finished_at: at + Duration::from_nanos(1), attempts: 3 }
}

fn trying(bench: &Bench, name: &str, place: u32) -> Trying {
    let since = bench.now() + Duration::from_millis(9);
    Trying { name: name.to_owned(), place, since, attempts: 2, said: "not yet".to_owned() }
}

/// Both undone, the later one first; of it something is left.
fn undone(bench: &Bench) -> Vec<Undone> {
    let at = bench.now() + Duration::from_millis(7);
    let one = |place, name: &str, left: Option<&str>| Undone {
        place,
        name: name.to_owned(),
        left: left.map(str::to_owned),
        started_at: at,
        finished_at: at + Duration::from_nanos(1),
    };
    vec![one(2, "delete_volume", Some("vol_1 in fra")), one(1, "delete_app", None)]
}

async fn made(bench: &Bench, new: NewInstance) {
    assert!(matches!(bench.store.create(new).await.unwrap(), dynamo::Created::New { .. }));
}

/// An instance of which everything is known that can be.
async fn suspected(bench: &Bench) {
    let mut new = new_instance(bench);
    let instance = &mut new.instance;
    (instance.state, instance.operation, instance.ever_ran, instance.wanted_rev) = (State::Running, None, true, 4);
    instance.placement = Some(bench.placement(instance));
    instance.trouble = Some(Trouble { message: "it did not answer".to_owned(), since: bench.now() });
    let climbed = [Rung::Process, Rung::Machine].map(|rung| Climbed { rung, at: bench.now() - jiff::SignedDuration::from_hours(1) });
    instance.health = Health { misses: 3, last_miss_minute: Some(minute(bench)), climbed: climbed.to_vec() };
    made(bench, new).await;
}

async fn noticed(bench: &Bench, delivered: bool) {
    let notice = Notice {
        id: format!("{}-1", run_id()),
        organisation: organisation(),
        instance: instance_id(),
        instance_name: "aria".parse().unwrap(),
        event: "instance_ready".to_owned(),
        message: "It is ready.".to_owned(),
        recorded_at: bench.now(),
    };
    bench.store.record_notice(&notice).await.unwrap();
    let due = bench.store.due_notices(bench.now(), 10).await.unwrap().remove(0);
    assert!(bench.store.postpone_notice(&due, bench.now() + Duration::from_secs(60)).await.unwrap());
    if delivered {
        assert!(bench.store.delivered(&notice.id).await.unwrap());
    }
}

/// The provider's incident, and the minute whose repairs were taken.
async fn disturbed(bench: &Bench) {
    let now = minute(bench);
    let regions = ["fra", "ams"].map(|region| region.parse().unwrap()).to_vec();
    let incident = Incident { regions, ours: true, opened_minute: now - 5, last_seen_minute: now };
    assert!(bench.store.set_incident(None, Some(&incident)).await.unwrap());
    assert!(bench.store.take_repairs(now).await.unwrap());
}
