use serde::{Deserialize, Serialize};

use crate::{InstanceId, InstanceName, OrganisationId};

/// Something an organisation is told about: recorded exactly once, with the end of the run that causes it, and delivered at least once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Unique for ever; a receiver drops a repeated one.
    pub id: String,
    /// Who is told.
    pub organisation: OrganisationId,
    /// What it is about.
    pub instance: InstanceId,
    /// Its name when it happened.
    pub instance_name: InstanceName,
    /// What happened, in the past tense: `instance_ready`, `instance_degraded`.
    pub event: String,
    /// One sentence for a person.
    pub message: String,
    /// When it was recorded, RFC 3339.
    pub recorded_at: jiff::Timestamp,
}
