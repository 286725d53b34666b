//! How large a world is, and what it is like there: all of it from its seed.

use std::fmt;
use std::time::Duration;

use domain::Region;

use crate::chance::Chance;
use crate::post::PostWeather;
use crate::provider::ProviderWeather;
use crate::storm::StoreWeather;

/// The table that a world's store stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// In memory, without the AWS SDK: some microseconds a call.
    Memory,
    /// The AWS SDK on the embedded DynamoDB: a millisecond or more a call.
    Embedded,
}

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scale {
    /// Places for instances; most are taken most of the time.
    pub instances: usize,
    /// How long it lives.
    pub hours: u32,
    /// Wishes of each customer in that time, on average.
    pub wishes: u32,
    /// What its store stands on.
    pub table: Table,
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, hours, wishes, table } = self;
        write!(f, "{instances}:{hours}:{wishes}:{}", if *table == Table::Memory { "memory" } else { "embedded" })
    }
}

/// What a world is like.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Conditions {
    pub(crate) regions: Vec<Region>,
    pub(crate) hosts_per_region: usize,
    pub(crate) store: StoreWeather,
    pub(crate) post: PostWeather,
    pub(crate) provider: ProviderWeather,
    /// Invocations that are ended in the middle.
    pub(crate) kills: f64,
    /// Answers of the API that never arrive.
    pub(crate) lost_answers: f64,
    pub(crate) sink_refuses: f64,
    pub(crate) chance_miss: f64,
    /// Minutes of the schedule that are lost, and that come twice.
    pub(crate) lost_minutes: f64,
    pub(crate) doubled_minutes: f64,
    /// The mean time between two calamities of one gateway.
    pub(crate) calamity_mean: Duration,
    /// Hosts, regions and our own eyes that fail, each so often in a world.
    pub(crate) host_outages: usize,
    pub(crate) region_outages: usize,
    pub(crate) own_outages: usize,
    pub(crate) store_outages: usize,
    pub(crate) deployments: usize,
}

impl Conditions {
    pub(crate) fn of(seed: u64, scale: Scale) -> Self {
        let chance = Chance::of(seed, "conditions");
        // From a calm day to three times the usual trouble.
        let roughness = [0.2, 1.0, 1.0, 1.0, 3.0][chance.below(5)];
        let rate = |usual: f64| usual * roughness;
        let days = (scale.hours as usize).div_ceil(24);
        let some = |most: usize| chance.below(most * days + 1);
        let codes = ["ams", "fra", "iad", "nrt", "sin", "syd"];
        Self {
            regions: codes[..3 + chance.below(4)].iter().map(|code| code.parse().expect("the code of a region")).collect(),
            hosts_per_region: 4 + chance.below(5),
            store: StoreWeather {
                conflict: rate(0.01),
                throttled: rate(0.004),
                lost_request: rate(0.004),
                lost_answer: rate(0.008),
                lag: Duration::from_secs_f64(rate(0.5)),
            },
            post: PostWeather { refused: rate(0.005), lost: rate(0.01), doubled: rate(0.03), late: rate(0.02) },
            provider: ProviderWeather { refused: rate(0.02), limited: rate(0.02), lost: rate(0.01), late: rate(0.01), full: rate(0.03) },
            kills: rate(0.01),
            lost_answers: rate(0.02),
            sink_refuses: rate(0.05),
            chance_miss: rate(0.001),
            lost_minutes: rate(0.005),
            doubled_minutes: rate(0.02),
            calamity_mean: Duration::from_hours(if roughness > 1.0 { 8 } else { 20 }),
            host_outages: some(3),
            region_outages: some(1),
            own_outages: some(1),
            store_outages: some(1),
            deployments: some(2),
        }
    }
}
