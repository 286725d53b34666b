use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// A number that goes up.
#[derive(Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

macro_rules! tally {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// What is counted while a world lives.
        #[derive(Default)]
        pub(crate) struct Tally {
            $($(#[$doc])* pub(crate) $name: Count,)*
        }

        /// What worlds came to, added up.
        #[derive(Debug, Clone, Default, PartialEq, Eq)]
        pub struct Report {
            /// Worlds.
            pub worlds: u64,
            $($(#[$doc])* pub $name: u64,)*
            /// The longest that an instance was down without an excuse, in minutes.
            pub longest_down_minutes: u64,
            /// The longest that an operation was under way, in minutes.
            pub longest_operation_minutes: u64,
        }

        impl Tally {
            pub(crate) fn report(&self, longest_down_minutes: u64, longest_operation_minutes: u64) -> Report {
                Report { worlds: 1, $($name: self.$name.get(),)* longest_down_minutes, longest_operation_minutes }
            }
        }

        impl Report {
            /// Adds another world's.
            pub fn add(&mut self, other: &Self) {
                self.worlds += other.worlds;
                $(self.$name += other.$name;)*
                self.longest_down_minutes = self.longest_down_minutes.max(other.longest_down_minutes);
                self.longest_operation_minutes = self.longest_operation_minutes.max(other.longest_operation_minutes);
            }
        }
    };
}

tally! {
    /// Instances that were created.
    instances,
    /// Requests of customers.
    requests,
    /// Requests that were sent again because the first answer was lost or was a 503.
    repeated_requests,
    /// Operations that ended.
    operations,
    /// Cancels that were accepted.
    cancels,
    /// Calls of the store.
    store_calls,
    /// Calls of the provider.
    provider_calls,
    /// Calls of the store or of the provider that went wrong by seed, and messages that were lost, late or doubled.
    faults,
    /// Workers that were ended in the middle of their work.
    kills,
    /// Runs that old code left for new code.
    left_for_newer_code,
    /// Invocations in which old code moved on a run of an old version of its flow.
    old_runs_by_old_code,
    /// Invocations in which new code did.
    old_runs_by_new_code,
    /// Things that befell gateways, machines and hosts.
    calamities,
    /// Minutes in which the sweep worked.
    sweeps,
    /// Minutes in which there was nothing for it to do, and which were passed over.
    quiet_minutes,
    /// Health checks.
    checks,
    /// Health checks that missed by chance alone.
    chance_misses,
    /// Repairs.
    repairs,
    /// Incidents that were opened.
    incidents,
    /// Things at the provider that came into being, or were started, when nobody looked any more: left for a search for orphans.
    out_of_sight,
    /// Runs that waited for a person.
    parked,
    /// Instances that a person mended.
    mended,
    /// Notices that were delivered, repetitions included.
    notices,
    /// Messages that no worker could handle.
    dead_letters,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { worlds, instances, requests, repeated_requests, operations, cancels, .. } = self;
        writeln!(
            f,
            "{worlds} worlds: {instances} instances, {operations} operations ({cancels} cancelled), {requests} requests ({repeated_requests} sent again)"
        )?;
        let Self { store_calls, provider_calls, faults, kills, left_for_newer_code, .. } = self;
        writeln!(
            f,
            "  {store_calls} calls of the store and {provider_calls} of the provider, {faults} of them or their messages went wrong"
        )?;
        writeln!(f, "  {kills} workers ended in the middle of their work")?;
        let Self { old_runs_by_old_code, old_runs_by_new_code, .. } = self;
        writeln!(
            f,
            "  {left_for_newer_code} times old code left a run for new code; runs of old versions were moved on {old_runs_by_old_code} times by old code and {old_runs_by_new_code} times by new code"
        )?;
        let Self { calamities, sweeps, quiet_minutes, checks, chance_misses, repairs, incidents, parked, mended, out_of_sight, .. } = self;
        writeln!(
            f,
            "  {calamities} calamities; {sweeps} sweeps and {quiet_minutes} quiet minutes; {checks} checks, {chance_misses} of them missed by chance"
        )?;
        writeln!(
            f,
            "  {repairs} repairs, {incidents} incidents; {parked} runs waited for a person, who mended {mended} instances; {out_of_sight} things came when nobody looked any more"
        )?;
        write!(
            f,
            "  {} notices, {} dead letters; down for {} minutes at most without an excuse, no operation under way for more than {} minutes",
            self.notices, self.dead_letters, self.longest_down_minutes, self.longest_operation_minutes
        )
    }
}
