//! Identifiers by plan, so that a simulation that failed can be replayed: the waits of a run are drawn from its identifier.
//!
//! Behind the cargo feature `testing`. A plan holds for its thread and until the next one.

use std::cell::RefCell;

use uuid::Uuid;

type Source = Box<dyn FnMut() -> Uuid>;

thread_local! {
    static PLANNED: RefCell<Option<Source>> = const { RefCell::new(None) };
}

/// From now on every identifier that is generated on this thread comes from `source`; without one they are fresh again.
pub fn identifiers_from(source: Option<Source>) {
    PLANNED.set(source);
}

pub(crate) fn planned() -> Option<Uuid> {
    PLANNED.with_borrow_mut(|source| source.as_mut().map(|next| next()))
}

#[cfg(test)]
mod tests {
    use crate::InstanceId;

    #[test]
    fn identifiers_come_from_the_plan_until_it_is_taken_back() {
        let mut count = 0;
        super::identifiers_from(Some(Box::new(move || {
            count += 1;
            uuid::Uuid::from_u128(count)
        })));
        let drawn = [InstanceId::generate(), InstanceId::generate()];
        assert_eq!(drawn.map(|id| id.digits().trim_start_matches('0').to_owned()), ["1", "2"]);
        super::identifiers_from(None);
        assert_ne!(InstanceId::generate(), InstanceId::generate());
    }
}
