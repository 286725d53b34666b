use domain::{Instance, InstanceId, InstanceName, OperationId, PlanId, Region, Release, State, Trouble, Wanted};
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema};

/// A hosted gateway.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Instance)]
pub(crate) struct InstanceView {
    #[schema(value_type = String, example = "ins_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")]
    id: InstanceId,
    /// Unique within the organisation.
    #[schema(value_type = String, example = "my-assistant")]
    name: InstanceName,
    /// What it is seen to do.
    #[schema(schema_with = states)]
    state: State,
    /// What is wanted of it.
    #[schema(schema_with = wishes)]
    wanted: Wanted,
    #[schema(value_type = String, example = "pro")]
    plan: PlanId,
    gateway: GatewayView,
    /// Where it lives; before it lives anywhere, where it is meant to.
    #[schema(value_type = String, example = "fra")]
    region: Region,
    /// Every region it may live in, the preferred one first.
    #[schema(value_type = Vec<String>, example = json!(["fra", "ams"]))]
    allowed_regions: Vec<Region>,
    /// Its origin, once it lives somewhere.
    #[schema(example = "https://rp-prod-0190c5a0a1b27c3d8e4f5a6b7c8d9e0f.fly.dev")]
    address: Option<String>,
    /// The operation that is at work on it.
    #[schema(value_type = Option<String>, example = "op_0190c5a0a1b27c3d8e4f5a6b7c8d9e0f")]
    operation: Option<OperationId>,
    /// Why it is degraded or failed.
    trouble: Option<TroubleView>,
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

/// The program that an instance runs.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Gateway)]
pub(crate) struct GatewayView {
    #[schema(example = "openclaw")]
    family: &'static str,
    #[schema(example = "2026.9.6")]
    version: String,
}

/// What is wrong with an instance.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Trouble)]
pub(crate) struct TroubleView {
    /// One sentence.
    message: String,
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
}

/// One page of the organisation's instances, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct InstanceList {
    pub(crate) instances: Vec<InstanceView>,
    /// Send it as `cursor` for the next page; absent on the last.
    pub(crate) next_cursor: Option<String>,
}

impl From<Instance> for InstanceView {
    fn from(instance: Instance) -> Self {
        Self {
            id: instance.id,
            region: instance.placement.as_ref().map_or_else(|| instance.preferred_region(), |placement| placement.region),
            name: instance.name,
            state: instance.state,
            wanted: instance.wanted,
            plan: instance.plan,
            gateway: instance.release.into(),
            allowed_regions: instance.regions,
            address: instance.placement.map(|placement| placement.address),
            operation: instance.operation,
            trouble: instance.trouble.map(|Trouble { message, since }| TroubleView { message, since }),
            created_at: instance.created_at,
            updated_at: instance.updated_at,
        }
    }
}

impl From<Release> for GatewayView {
    fn from(release: Release) -> Self {
        Self { family: release.family.as_str(), version: release.version }
    }
}

fn states() -> RefOr<Schema> {
    one_of(State::ALL.map(State::as_str))
}

fn wishes() -> RefOr<Schema> {
    one_of(["running", "stopped", "deleted"])
}

/// A text that is one of these.
pub(super) fn one_of<const N: usize>(values: [&'static str; N]) -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(utoipa::openapi::schema::Type::String).enum_values(Some(values)).into()
}
