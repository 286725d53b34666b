//! What callers get. The words are those of the domain, the journal, the dashboard and the runbook.

mod accepted;
mod access;
mod catalogue;
mod instance;
mod operation;

pub(crate) use accepted::{Accepted, AcceptedView};
pub(crate) use access::AccessView;
pub(crate) use catalogue::{HealthView, PlanList, RegionList};
pub(crate) use instance::{InstanceList, InstanceView};
pub(crate) use operation::{OperationList, OperationView, state};
