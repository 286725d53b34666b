//! How runs are addressed: the organisation is in the key, so that a foreign identifier finds nothing.

use domain::{IdError, InstanceId, OperationId, OrganisationId};
use durable::RunId;

/// A text is not the address of a run or of an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// It has not two parts.
    #[error("`{0}` is not two identifiers joined by a dot")]
    Form(String),
    /// A part is no identifier.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// The run behind an operation.
#[must_use]
pub fn run_id(organisation: &OrganisationId, operation: &OperationId) -> RunId {
    RunId(format!("{organisation}.{operation}"))
}

/// The organisation and the operation that a run's identifier names.
///
/// # Errors
/// If the text was not made by [`run_id`].
pub fn parse_run_id(id: &RunId) -> Result<(OrganisationId, OperationId), AddressError> {
    let (organisation, operation) = split(&id.0)?;
    Ok((organisation.parse()?, operation.parse()?))
}

/// The subject of a run: an instance with its owner.
#[must_use]
pub fn subject(organisation: &OrganisationId, instance: &InstanceId) -> String {
    format!("{organisation}.{instance}")
}

/// The owner and the instance that a run's subject names.
///
/// # Errors
/// If the text was not made by [`subject`].
pub fn parse_subject(subject: &str) -> Result<(OrganisationId, InstanceId), AddressError> {
    let (organisation, instance) = split(subject)?;
    Ok((organisation.parse()?, instance.parse()?))
}

fn split(text: &str) -> Result<(&str, &str), AddressError> {
    text.split_once('.').ok_or_else(|| AddressError::Form(text.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_survive_their_text_form() {
        let (organisation, operation, instance) = (OrganisationId::generate(), OperationId::generate(), InstanceId::generate());
        assert_eq!(parse_run_id(&run_id(&organisation, &operation)), Ok((organisation, operation)));
        assert_eq!(parse_subject(&subject(&organisation, &instance)), Ok((organisation, instance)));
        for bad in ["", "a", "org_1.op_2", &operation.to_string()] {
            assert!(parse_run_id(&RunId(bad.to_owned())).is_err(), "{bad} was accepted");
        }
    }
}
