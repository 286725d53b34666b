//! What callers send: the form on the wire, and the meaning that the domain accepts.

use domain::{Family, InstanceName, NameError, OrganisationId, Plan, PlanId, Region, Release, RestartScope};
use edge::{Cursors, Object, Problem, Request};
use gateway::Pin;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

/// A new instance, as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateInstance {
    /// Its name: a DNS label, unique within the organisation.
    #[schema(example = "my-assistant", max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    name: String,
    /// What is bought; `GET /v1/plans` lists the plans.
    #[schema(example = "pro")]
    plan: String,
    /// Where it should live; `GET /v1/regions` lists the regions.
    #[schema(example = "fra")]
    region: String,
    /// Where else it may live when that region is full, in order of preference. It never lives anywhere else.
    #[serde(default)]
    #[schema(example = json!(["ams"]))]
    allowed_regions: Vec<String>,
    /// The gateway it runs; without it the newest OpenClaw.
    #[serde(default)]
    #[schema(value_type = Option<GatewayChoice>)]
    gateway: Option<Object<GatewayChoice>>,
}

/// A gateway, as it is asked for.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct GatewayChoice {
    /// `openclaw` or `clawdbot`.
    #[schema(example = "openclaw")]
    family: String,
    /// The version, exactly; without it the one that new instances of the family get.
    #[serde(default)]
    #[schema(example = "2026.9.6")]
    version: Option<String>,
}

/// A new instance, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) name: InstanceName,
    pub(crate) plan: PlanId,
    pub(crate) release: Release,
    pub(crate) regions: Vec<Region>,
}

impl Request for Wish {
    type Wire = CreateInstance;

    fn parse(wire: CreateInstance) -> Result<Self, Problem> {
        let plan: PlanId = wire.plan.parse().map_err(Problem::unknown_plan)?;
        let preferred = region("region", &wire.region)?;
        let pin = pin(wire.gateway)?;
        if pin.fits(plan.plan().machine.memory_mb).is_err() {
            let fits = Plan::smallest_with(pin.memory_floor_mb).map(|plan| plan.id);
            return Err(Problem::plan_too_small(plan, pin.release(), pin.memory_floor_mb, fits));
        }
        let mut regions = vec![preferred];
        add_regions(&mut regions, &wire.allowed_regions)?;
        Ok(Self { name: name(&wire.name)?, plan, release: pin.release(), regions })
    }
}

/// Changes to an instance, as they are asked for. What is absent stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchInstance {
    /// The new name.
    #[schema(example = "my-assistant", max_length = 63, pattern = "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$")]
    name: Option<String>,
    /// Every region it may live in from now on, the preferred one first.
    #[schema(example = json!(["fra", "ams"]), min_items = 1)]
    allowed_regions: Option<Vec<String>>,
}

/// Changes to an instance, understood: at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changes {
    pub(crate) name: Option<InstanceName>,
    pub(crate) regions: Option<Vec<Region>>,
}

impl Request for Changes {
    type Wire = PatchInstance;

    fn parse(wire: PatchInstance) -> Result<Self, Problem> {
        let name = wire.name.as_deref().map(name).transpose()?;
        let mut regions = None;
        if let Some(texts) = wire.allowed_regions {
            add_regions(regions.insert(Vec::new()), &texts)?;
        }
        if regions.as_ref().is_some_and(Vec::is_empty) {
            return Err(Problem::invalid_body("The field `allowed_regions` is empty. Name at least one region, the preferred one first."));
        }
        if name.is_none() && regions.is_none() {
            return Err(Problem::invalid_body("Nothing is to be changed. Send `name`, `allowed_regions` or both."));
        }
        Ok(Self { name, regions })
    }
}

/// A restart, as it is asked for.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Restart {
    /// `process` restarts the gateway inside its machine and is the quickest; `machine` restarts all of it.
    #[serde(default)]
    #[schema(value_type = String, example = "process", pattern = "^(process|machine)$")]
    pub(crate) scope: RestartScope,
}

impl Request for Restart {
    type Wire = Self;

    fn parse(wire: Self) -> Result<Self, Problem> {
        Ok(wire)
    }
}

/// Which part of a list is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Paging {
    /// At most so many, 1 to 100; 50 without it. A page may hold fewer although another follows.
    #[param(minimum = 1, maximum = 100)]
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
}

impl Paging {
    pub(crate) fn limit(&self) -> Result<u32, Problem> {
        let limit = self.limit.unwrap_or(50);
        if (1..=100).contains(&limit) {
            Ok(limit)
        } else {
            Err(Problem::invalid_query("`limit` is a number from 1 to 100. Correct or remove it."))
        }
    }
}

impl Paging {
    /// The position after which the page begins.
    pub(crate) fn after<Id: std::str::FromStr>(&self, cursors: &Cursors, list: &str, owner: OrganisationId) -> Result<Option<Id>, Problem> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let position = cursors.open(list, owner, cursor)?;
        position.parse().map(Some).map_err(|_| Problem::invalid_cursor())
    }
}

fn name(text: &str) -> Result<InstanceName, Problem> {
    text.parse().map_err(|why| match why {
        NameError::TooLong { .. } => Problem::name_too_long(why),
        NameError::Empty | NameError::NotALabel => Problem::name_invalid(why),
    })
}

fn region(field: &str, text: &str) -> Result<Region, Problem> {
    text.parse().map_err(|why| Problem::unknown_region(field, why))
}

fn add_regions(regions: &mut Vec<Region>, texts: &[String]) -> Result<(), Problem> {
    for text in texts {
        let region = region("allowed_regions", text)?;
        if !regions.contains(&region) {
            regions.push(region);
        }
    }
    Ok(())
}

fn pin(choice: Option<Object<GatewayChoice>>) -> Result<&'static Pin, Problem> {
    let Some(Object(GatewayChoice { family, version })) = choice else { return Ok(gateway::pin(Family::Openclaw)) };
    let unknown = || {
        let asked = version.as_ref().map_or_else(|| family.clone(), |version| format!("{family} {version}"));
        Problem::unknown_version(asked, gateway::pins().iter().map(Pin::release))
    };
    let parsed: Family = family.parse().map_err(|_| unknown())?;
    match &version {
        None => Ok(gateway::pin(parsed)),
        Some(version) => gateway::find(&Release { family: parsed, version: version.clone() }).map_err(|_| unknown()),
    }
}
