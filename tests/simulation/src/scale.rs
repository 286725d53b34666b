//! How large a world is, and what it is like there: all of it from its seed.

use std::fmt;
use std::time::Duration;

use domain::Region;

use crate::chance::Chance;
use crate::post::PostWeather;
use crate::provider::ProviderWeather;
use crate::storm::StoreWeather;

/// How large a world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::Args)]
pub struct Scale {
    /// Places for instances; most are taken most of the time.
    #[arg(long, default_value_t = 500)]
    pub instances: usize,
    /// Hours that a world lives: a week, unless said otherwise.
    #[arg(long, default_value_t = 168)]
    pub hours: u32,
    /// Wishes of each customer in a week, on average.
    #[arg(long, default_value_t = 1)]
    pub wishes: u32,
    /// The AWS SDK on the embedded DynamoDB instead of the table in memory: a millisecond and more for each call.
    #[arg(long)]
    pub embedded: bool,
}

impl Scale {
    /// How long a world lives.
    pub(crate) const fn life(self) -> Duration {
        Duration::from_hours(self.hours as u64)
    }

    /// The mean time between two wishes of a customer.
    pub(crate) fn between_wishes(self) -> Duration {
        Duration::from_hours(24 * 7) / self.wishes.max(1)
    }
}

impl fmt::Display for Scale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { instances, hours, wishes, embedded } = self;
        write!(f, "--instances {instances} --hours {hours} --wishes {wishes}{}", if *embedded { " --embedded" } else { "" })
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

/// Fewer instances than this may be fewer than three in a region.
const FEW: usize = 100;

impl Conditions {
    pub(crate) fn of(seed: u64, scale: Scale) -> Self {
        let chance = Chance::of(seed, "conditions");
        // From a calm day to three times the usual trouble.
        let roughness = [0.2, 1.0, 1.0, 1.0, 3.0][chance.below(5)];
        let rate = |usual: f64| usual * roughness;
        // At most so many in a week, and as many fewer as the world lives shorter.
        let some = |most: usize| {
            let weeks = f64::from(scale.hours) / 168.0;
            (chance.below(most + 1) as f64 * weeks + chance.below(1000) as f64 / 1000.0) as usize
        };
        // In every second world within the two seconds for which nobody looks after an ambiguous answer, in the others by up to fifteen.
        let [late_by, lists_lag] = [(); 2].map(|()| match chance.below(2) {
            0 => Duration::from_millis(1500),
            _ => chance.between(Duration::from_secs(2), Duration::from_secs(15)),
        });
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
            provider: ProviderWeather {
                refused: rate(0.02),
                refused_for_good: rate(0.000_2),
                limited: rate(0.02),
                lost: rate(0.01),
                late: rate(0.01),
                late_by,
                lists_lag,
                full: rate(0.03),
                broken_boot: rate(0.002),
            },
            kills: rate(0.01),
            lost_answers: rate(0.02),
            sink_refuses: rate(0.05),
            chance_miss: rate(0.000_04),
            lost_minutes: rate(0.005),
            doubled_minutes: rate(0.02),
            calamity_mean: Duration::from_hours(if roughness > 1.0 { 48 } else { 168 }),
            host_outages: some(8),
            region_outages: some(1),
            // The brake takes fewer than three who do not answer in a region for sick, whoever is blind.
            own_outages: if scale.instances < FEW { 0 } else { some(1) },
            store_outages: some(3),
            deployments: some(5),
        }
    }
}
