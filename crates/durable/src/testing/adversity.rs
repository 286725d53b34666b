use std::fmt;
use std::str::FromStr;

/// Something that goes wrong at one point of a performance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Adversity {
    /// The worker dies before the point is reached; nothing of it happens.
    CrashBefore,
    /// It happens, and the worker dies before it learns so.
    CrashAfter,
    /// It does not happen and says so; another time it may.
    RefuseOnce,
    /// It does not happen, now or ever: an effect of this name is refused for good.
    RefuseForGood,
    /// It happens, but the answer is lost.
    LostAnswer,
    /// The first answer is lost, the client library asks again, and that answer arrives: the write is received twice.
    AskedTwice,
    /// It is said to have timed out, and happens a second and a half later.
    LateEffect,
    /// It hangs. A write is stored when another worker has long taken over; an effect never answers.
    Stall,
    /// Another's transaction on the same items comes first: the scene's rival acts, the store cancels the write with
    /// `TransactionConflict`, and repeats it a moment later upon what is stored then.
    Conflict,
    /// Too much is asked. The store writes and reads nothing, for anybody, for four minutes from here on, which is longer than a lease; the
    /// world answers whatever call with 429 for one.
    Throttling,
    /// Somebody asks to cancel just before.
    Cancel,
    /// The message is delivered again just before, and a second worker runs beside the first.
    Duplicate,
    /// For ten minutes from here on the sweep reads the index of overdue runs as it was before this write.
    StaleIndex,
}

impl Adversity {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::RefuseOnce,
        Self::RefuseForGood,
        Self::LostAnswer,
        Self::AskedTwice,
        Self::LateEffect,
        Self::Stall,
        Self::Conflict,
        Self::Throttling,
        Self::Cancel,
        Self::Duplicate,
        Self::StaleIndex,
    ];

    /// Whether it comes from outside and leaves the point itself alone.
    pub(crate) const fn is_from_outside(self) -> bool {
        matches!(self, Self::Cancel | Self::Duplicate | Self::StaleIndex)
    }

    /// Whether it can happen at such a point.
    #[must_use]
    pub const fn applies_to(self, kind: PointKind) -> bool {
        match self {
            Self::CrashBefore | Self::CrashAfter | Self::RefuseOnce | Self::LostAnswer | Self::Cancel | Self::Duplicate => true,
            Self::RefuseForGood | Self::LateEffect => matches!(kind, PointKind::Effect),
            Self::AskedTwice => !matches!(kind, PointKind::Effect),
            Self::Stall | Self::Throttling => !matches!(kind, PointKind::Message),
            Self::Conflict | Self::StaleIndex => matches!(kind, PointKind::Write),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::CrashBefore => "crash_before",
            Self::CrashAfter => "crash_after",
            Self::RefuseOnce => "refuse_once",
            Self::RefuseForGood => "refuse_for_good",
            Self::LostAnswer => "lost_answer",
            Self::AskedTwice => "asked_twice",
            Self::LateEffect => "late_effect",
            Self::Stall => "stall",
            Self::Conflict => "conflict",
            Self::Throttling => "throttling",
            Self::Cancel => "cancel",
            Self::Duplicate => "duplicate",
            Self::StaleIndex => "stale_index",
        }
    }
}

/// What happens at a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointKind {
    /// A write of the journal: claim, checkpoint or end.
    Write,
    /// A message to the queue.
    Message,
    /// A call to the world.
    Effect,
}

/// A place in a performance where something can go wrong; they are counted from nought.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    /// What happens there.
    pub kind: PointKind,
    /// Its name, for the person who reads a replay: `claim`, `checkpoint create_app`, `create_app`.
    pub name: String,
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.kind {
            PointKind::Write => "write",
            PointKind::Message => "message",
            PointKind::Effect => "effect",
        };
        write!(f, "{kind} {}", self.name)
    }
}

/// What goes wrong, and at which points; ordered by point. Written as `3:crash_after 17:cancel`, and `calm` if nothing does.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Schedule(pub Vec<(usize, Adversity)>);

impl Schedule {
    /// Nothing goes wrong.
    #[must_use]
    pub const fn calm() -> Self {
        Self(Vec::new())
    }

    /// One more thing goes wrong.
    #[must_use]
    pub fn and(&self, point: usize, adversity: Adversity) -> Self {
        let mut all = self.0.clone();
        all.push((point, adversity));
        Self(all)
    }

    pub(crate) fn at(&self, point: usize) -> impl Iterator<Item = Adversity> {
        self.0.iter().filter(move |(at, _)| *at == point).map(|(_, adversity)| *adversity)
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("calm");
        }
        let all: Vec<String> = self.0.iter().map(|(point, adversity)| format!("{point}:{}", adversity.name())).collect();
        f.write_str(&all.join(" "))
    }
}

/// A schedule is not written as one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no schedule; write for example `3:crash_after 17:cancel`")]
pub struct ScheduleError(String);

impl FromStr for Schedule {
    type Err = ScheduleError;

    fn from_str(text: &str) -> Result<Self, ScheduleError> {
        if text == "calm" {
            return Ok(Self::calm());
        }
        let one = |part: &str| {
            let (point, name) = part.split_once(':')?;
            let adversity = Adversity::ALL.into_iter().find(|adversity| adversity.name() == name)?;
            Some((point.parse().ok()?, adversity))
        };
        text.split(' ').map(one).collect::<Option<Vec<_>>>().map(Self).ok_or_else(|| ScheduleError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_read_as_it_is_written() {
        let all = Schedule(Adversity::ALL.into_iter().enumerate().collect());
        assert_eq!(all.to_string().parse(), Ok(all));
        assert_eq!("calm".parse(), Ok(Schedule::calm()));
        assert!("3:sunshine".parse::<Schedule>().is_err());
        assert!("crash_after".parse::<Schedule>().is_err());
    }
}
