use domain::{CpuKind, Machine, Money, PLANS, Plan, Region};
use gateway::Pin;
use serde::Serialize;
use utoipa::ToSchema;

use super::instance::GatewayView;

/// The plans on sale, smallest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlanList {
    plans: Vec<PlanView>,
}

/// What can be bought.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Plan)]
struct PlanView {
    #[schema(example = "pro")]
    id: &'static str,
    #[schema(example = "Pro")]
    name: &'static str,
    /// Per month; absent where a contract says it.
    price: Option<MoneyView>,
    machine: MachineView,
    disk_gb: u32,
    /// How many instances an organisation may have.
    instances: u32,
    /// The gateways that its machine has enough memory for.
    gateways: Vec<GatewayView>,
}

/// An amount of money.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Money)]
struct MoneyView {
    /// In the currency's smallest unit: cents of a dollar.
    #[schema(example = 1900)]
    minor_units: i64,
    /// ISO 4217.
    #[schema(example = "USD")]
    currency: &'static str,
}

/// The machine that each instance runs on.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Machine)]
struct MachineView {
    /// `shared` or `performance`.
    cpu_kind: &'static str,
    cpus: u32,
    memory_mb: u32,
}

/// The regions in which instances can live.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RegionList {
    regions: Vec<RegionView>,
}

/// A place where instances can live.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Region)]
struct RegionView {
    #[schema(example = "fra")]
    code: &'static str,
    #[schema(example = "Frankfurt, Germany")]
    city: &'static str,
}

/// The service answers and reaches its state.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Health)]
pub(crate) struct HealthView {
    #[schema(example = "ok")]
    pub(crate) status: &'static str,
}

impl PlanList {
    pub(crate) fn on_sale() -> Self {
        Self { plans: PLANS.iter().map(PlanView::from).collect() }
    }
}

impl RegionList {
    pub(crate) fn on_sale() -> Self {
        Self { regions: Region::all().map(|region| RegionView { code: region.code(), city: region.city() }).collect() }
    }
}

impl From<&Plan> for PlanView {
    fn from(plan: &Plan) -> Self {
        let Machine { cpu_kind, cpus, memory_mb } = plan.machine;
        let cpu_kind = match cpu_kind {
            CpuKind::Shared => "shared",
            CpuKind::Performance => "performance",
        };
        Self {
            id: plan.id.as_str(),
            name: plan.name,
            price: plan.price.map(|Money { minor_units, currency }| MoneyView { minor_units, currency }),
            machine: MachineView { cpu_kind, cpus, memory_mb },
            disk_gb: plan.disk_gb,
            instances: plan.instances,
            gateways: gateway::pins().iter().filter(|pin| pin.fits(memory_mb).is_ok()).map(Pin::release).map(Into::into).collect(),
        }
    }
}
