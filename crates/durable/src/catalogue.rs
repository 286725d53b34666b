use std::pin::Pin;

use serde_json::Value;
use tracing::Span;

use crate::record::RunId;
use crate::run::{Flow, Run};

/// Finds the flow of a run: a `match` on kind and version.
pub trait Catalogue: Send + Sync {
    /// The flow with its plan read.
    ///
    /// # Errors
    /// [`Unknown`]: what this code cannot walk, it leaves alone.
    fn open(&self, kind: &str, version: u32, plan: &Value) -> Result<Box<dyn Execute + '_>, Unknown>;

    /// The span that a run's log lines are in. Who knows what a subject is, names it as all others do.
    fn span(&self, run: &RunId, kind: &str, subject: &str) -> Span {
        tracing::info_span!("run", %run, kind, subject)
    }
}

/// A flow with its plan, ready to be walked. It owns the typed plan, so that the undos of a [`Run`] can borrow from it.
pub trait Execute: Send + Sync {
    /// Walks the flow from the top. What it returns is recorded as the value of the run's end.
    fn walk<'r, 'a: 'r>(&'a self, run: &'r mut Run<'a>) -> Pin<Box<dyn Future<Output = Flow<Value>> + Send + 'r>>;
}

/// Why a run cannot be walked by this code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unknown {
    /// Newer code wrote it: it is left for the new code and looked at again by the next sweep.
    #[error("this code does not know the flow or its version")]
    Version,
    /// The plan is not of the form that this version writes: a person has to look.
    #[error("the plan cannot be read: {0}")]
    Plan(String),
}
