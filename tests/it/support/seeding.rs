use domain::{Family, Health, Instance, InstanceId, OperationId, OrganisationId, Placement, PlanId, Region, Release, State, Wanted};
use durable::{Claim, Ended, Ending, Guard, Held, Journal, Outcome, OwnerId, Phase, RunId};
use dynamo::{Created, NewInstance, Store};
use flows::{Deployment, plan};
use jiff::Timestamp;
use serde_json::Value;

/// Puts instances into a store without anybody who makes them.
pub(crate) struct Seeding<'a> {
    pub(crate) store: &'a Store,
    pub(crate) deployment: &'a Deployment,
    pub(crate) now: Timestamp,
}

impl Seeding<'_> {
    /// An instance as its owner orders it.
    pub(crate) fn ordered(&self, id: InstanceId, organisation: OrganisationId, region: &str) -> Instance {
        Instance {
            id,
            organisation,
            name: "my-assistant".parse().unwrap(),
            plan: PlanId::Pro,
            release: Release { family: Family::Openclaw, version: "2026.9.6".to_owned() },
            regions: vec![region.parse::<Region>().unwrap()],
            wanted: Wanted::Running,
            wanted_rev: 1,
            state: State::Provisioning,
            operation: Some(OperationId::generate()),
            placement: None,
            ever_ran: false,
            trouble: None,
            health: Health::default(),
            created_at: self.now,
            updated_at: self.now,
        }
    }

    /// An instance that is being provisioned, and its run.
    pub(crate) async fn provisioning(&self, instance: Instance) -> (Instance, RunId) {
        let run = plan::provision(self.deployment, &instance, instance.operation.unwrap());
        match self.store.create(NewInstance { instance, run, key: None, quota: 1 }).await.unwrap() {
            Created::New { instance, record } => (instance, record.id),
            replayed @ Created::Replayed { .. } => panic!("{replayed:?}"),
        }
    }

    /// The place of an instance that was made.
    pub(crate) fn placement(&self, instance: &Instance) -> Placement {
        let app = self.deployment.app(&instance.id);
        Placement {
            region: instance.preferred_region(),
            address: self.deployment.origin(&app),
            app,
            machine: "148e21ec7e0389".to_owned(),
            volume: "vol_4y8z1q5j3k2m".to_owned(),
            generation: 1,
        }
    }

    /// Ends a run as a worker would.
    pub(crate) async fn end(&self, run: &RunId, outcome: Outcome, value: Value, notices: Vec<Value>) {
        let owner = OwnerId("the bench".to_owned());
        let claim = Claim { owner: owner.clone(), now: self.now, lease_until: self.now + std::time::Duration::from_secs(150) };
        let mut record = self.store.claim(run, &claim).await.unwrap().expect("the run is to be had");
        let held = Held { owner, rev: record.rev };
        record.rev += 1;
        record.phase = Phase::Done { outcome: outcome.clone() };
        (record.lease_until, record.not_before, record.overdue_at, record.ended_at) = (None, None, None, Some(self.now));
        let ending = Ending { outcome, value, notices };
        let ended = self.store.end(&held, &record, &ending, Guard::None).await.unwrap();
        assert!(matches!(ended, Ended::Yes { .. }), "{ended:?}");
    }

    /// An instance that runs.
    pub(crate) async fn running(&self, instance: Instance) -> Instance {
        let (instance, run) = self.provisioning(instance).await;
        let placement = serde_json::to_value(self.placement(&instance)).unwrap();
        self.end(&run, Outcome::Succeeded, placement, Vec::new()).await;
        self.store.instance(&instance.organisation, &instance.id).await.unwrap().expect("it is there")
    }
}
