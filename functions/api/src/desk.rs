use std::sync::Arc;

use access::{Audience, Signer};
use domain::{Instance, InstanceId, OperationId, OrganisationId, State, Verb, Verdict, Wanted};
use durable::{CancelReply, Engine, Record};
use dynamo::{Created, IdempotencyKey, NewInstance, Page, Patch, Store};
use edge::Problem;
use flows::{Ask, Deployment, Kind};
use identity::Caller;
use jiff::SignedDuration;

use crate::refusals;
use crate::requests::{Changes, Wish};
use crate::views::{self, Accepted, AccessView};

/// How long an instance token opens its gateway: the longest that supervisors accept.
const ACCESS: SignedDuration = SignedDuration::from_hours(1);

/// Takes wishes: records each with the run that fulfils it, and wakes the run. What is deleted, or wanted so, is there for nobody.
#[derive(Clone)]
pub(crate) struct Desk {
    pub(crate) store: Store,
    pub(crate) engine: Engine,
    pub(crate) deployment: Deployment,
    pub(crate) signer: Arc<Signer>,
}

impl Desk {
    pub(crate) async fn create(&self, owner: OrganisationId, wish: Wish, key: Option<IdempotencyKey>) -> Result<Accepted, Problem> {
        let plan = wish.plan;
        let operation = OperationId::generate();
        let instance = self.planned(owner, wish, operation);
        let run = flows::plan::provision(&self.deployment, &instance, operation);
        let new = NewInstance { instance, run, key, quota: plan.plan().instances };
        match self.store.create(new).await.map_err(|error| refusals::create(error, plan))? {
            Created::New { instance, record } => {
                self.engine.start_sent(&record.id).await;
                Accepted::new(instance, Some(record))
            }
            Created::Replayed { instance, record } => Accepted::new(instance, Some(record)),
        }
    }

    fn planned(&self, organisation: OrganisationId, wish: Wish, operation: OperationId) -> Instance {
        let now = self.engine.clock.now();
        Instance {
            id: InstanceId::generate(),
            organisation,
            name: wish.name,
            plan: wish.plan,
            release: wish.release,
            regions: wish.regions,
            wanted: Wanted::Running,
            wanted_rev: 1,
            state: State::Provisioning,
            operation: Some(operation),
            placement: None,
            ever_ran: false,
            trouble: None,
            health: domain::Health::default(),
            created_at: now,
            updated_at: now,
        }
    }

    pub(crate) async fn instance(&self, owner: OrganisationId, id: InstanceId) -> Result<Instance, Problem> {
        let found = self.store.instance(&owner, &id).await.map_err(refusals::store)?;
        found.filter(is_there).ok_or_else(refusals::no_instance)
    }

    /// A page may hold fewer than `limit` although another follows, because what is deleted is left out.
    pub(crate) async fn instances(&self, owner: OrganisationId, after: Option<InstanceId>, limit: u32) -> Result<Page<Instance>, Problem> {
        let mut page = self.store.instances(&owner, after, limit).await.map_err(refusals::store)?;
        page.items.retain(is_there);
        Ok(page)
    }

    pub(crate) async fn change(&self, owner: OrganisationId, id: InstanceId, changes: Changes) -> Result<Instance, Problem> {
        let present = self.instance(owner, id).await?;
        if let Some(regions) = &changes.regions {
            match &present.placement {
                Some(placement) if !regions.contains(&placement.region) => return Err(Problem::region_in_use(placement.region)),
                Some(_) => {}
                // The run under way was planned with the old list and may be about to choose from it.
                None => present.operation.map_or(Ok(()), |operation| Err(Problem::busy(operation)))?,
            }
        }
        let patch = Patch { name: changes.name, regions: changes.regions };
        self.store.update(&owner, &id, patch).await.map_err(refusals::update)
    }

    pub(crate) async fn ask(
        &self,
        owner: OrganisationId,
        id: InstanceId,
        ask: Ask,
        key: Option<IdempotencyKey>,
    ) -> Result<Accepted, Problem> {
        let asked = self.store.ask(&owner, &id, ask, key).await.map_err(|error| refusals::ask(error, ask.verb))?;
        if let Some(run) = &asked.wake {
            self.engine.start_sent(run).await;
        }
        Accepted::new(asked.instance, asked.record)
    }

    pub(crate) async fn access(&self, caller: &Caller, id: InstanceId) -> Result<AccessView, Problem> {
        let instance = self.instance(caller.organisation, id).await?;
        let placement = match (instance.state.allows(Verb::Access), &instance.placement, instance.operation) {
            (Verdict::Run, Some(placement), _) => placement,
            (Verdict::Busy, _, Some(operation)) => return Err(Problem::busy(operation)),
            (Verdict::Gone, ..) => return Err(refusals::no_instance()),
            _ => return Err(Problem::state_forbids(Verb::Access.as_str(), instance.state, Verb::Access.states())),
        };
        let (now, instance) = (self.engine.clock.now(), id.to_string());
        let to = Audience { instance: &instance, subject: &caller.subject, name: &caller.display_name };
        let token = self.signer.access(&to, ACCESS, now).map_err(Problem::internal)?;
        let link = self.signer.link(&to, now).map_err(Problem::internal)?;
        Ok(AccessView {
            expires_at: token.expires_at(),
            token: token.as_str().to_owned(),
            link_expires_at: link.expires_at(),
            link: format!("{}/_rockpool/enter?token={}", placement.address, link.as_str()),
            address: placement.address.clone(),
        })
    }

    /// An operation outlives its instance: it is there for as long as its record is.
    pub(crate) async fn operation(&self, owner: OrganisationId, id: OperationId) -> Result<Record, Problem> {
        self.store.operation(&owner, &id).await.map_err(refusals::store)?.ok_or_else(refusals::no_operation)
    }

    pub(crate) async fn operations(
        &self,
        owner: OrganisationId,
        instance: InstanceId,
        after: Option<OperationId>,
        limit: u32,
    ) -> Result<Page<Record, OperationId>, Problem> {
        self.instance(owner, instance).await?;
        self.store.operations(&owner, &instance, after, limit).await.map_err(refusals::store)
    }

    pub(crate) async fn cancel(&self, owner: OrganisationId, id: OperationId) -> Result<Record, Problem> {
        let record = self.operation(owner, id).await?;
        // Until its first step has been recorded the journal would let a deletion be cancelled; for its owner the instance is gone already.
        if record.kind == Kind::Retire.as_str() {
            return Err(Problem::not_cancellable(views::state(&record.phase)));
        }
        let reply = self.engine.cancel(&record.id).await.map_err(refusals::journal)?;
        let record = self.operation(owner, id).await?;
        match reply {
            CancelReply::Accepted { .. } => Ok(record),
            CancelReply::TooLate => Err(Problem::not_cancellable(views::state(&record.phase))),
            CancelReply::Unknown => Err(refusals::no_operation()),
        }
    }
}

fn is_there(instance: &Instance) -> bool {
    instance.wanted != Wanted::Deleted && instance.state != State::Deleting
}
