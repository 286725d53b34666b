use std::time::Duration;

use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use crate::api::machines::MachineHandle;
use crate::call::{Call, Repeat};
use crate::error::CallError;
use crate::lenient;

/// A lease on a machine: while it lasts, only who shows its nonce may change the machine.
#[derive(Debug, Clone, Deserialize)]
pub struct Lease {
    /// What proves that the lease is ours. Absent when somebody else's lease is looked at.
    #[serde(default, deserialize_with = "lenient::secret")]
    pub nonce: Option<SecretString>,
    /// Unix time in seconds.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub expires_at: i64,
    /// Who holds it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub owner: String,
    /// What for.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub description: String,
    /// The machine's version when the lease was taken.
    #[serde(default, deserialize_with = "lenient::id")]
    pub version: Option<String>,
}

/// The documentation wraps a lease, the OpenAPI file does not; both are read.
#[derive(Deserialize)]
#[serde(untagged)]
enum Form {
    Wrapped { data: Lease },
    Flat(Lease),
}

impl From<Form> for Lease {
    fn from(form: Form) -> Self {
        match form {
            Form::Wrapped { data } => data,
            Form::Flat(lease) => lease,
        }
    }
}

/// A lease that is ours: without its nonce it would lock us out like anybody else.
#[derive(Deserialize)]
#[serde(try_from = "Form")]
struct Taken(Lease);

impl TryFrom<Form> for Taken {
    type Error = &'static str;

    fn try_from(form: Form) -> Result<Self, &'static str> {
        let lease = Lease::from(form);
        if lease.nonce.is_some() { Ok(Self(lease)) } else { Err("a lease without its nonce") }
    }
}

impl MachineHandle<'_> {
    /// Takes the lease, or prolongs it if this handle holds its nonce. Taking it is not idempotent: a lost answer leaves a lease that
    /// nobody can give back before it ends.
    ///
    /// # Errors
    /// [`CallError`]; [`crate::Refusal::LeaseHeld`] if somebody else has it.
    pub async fn take_lease(&self, lasts: Duration, description: &str) -> Result<Lease, CallError> {
        #[derive(Serialize)]
        struct Request<'a> {
            ttl: u64,
            description: &'a str,
        }
        let repeat = if self.nonce.is_some() { Repeat::Safe } else { Repeat::Never };
        let call = Call::post("take_lease", repeat, &self.path(&["lease"])).nonce(self.nonce.as_ref());
        let call = call.json(&Request { ttl: lasts.as_secs().max(1), description })?;
        Ok(self.app.client.read::<Taken>(call).await?.0)
    }

    /// The lease that is on the machine, if there is one. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn lease(&self) -> Result<Option<Lease>, CallError> {
        match self.app.client.read::<Form>(Call::get("get_lease", &self.path(&["lease"]))).await {
            Ok(form) => Ok(Some(form.into())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the lease back; one that is already gone is given back. Idempotent.
    ///
    /// # Errors
    /// [`CallError`].
    pub async fn release_lease(&self) -> Result<(), CallError> {
        let call = Call::delete("release_lease", &self.path(&["lease"])).nonce(self.nonce.as_ref());
        match self.app.client.send(call).await {
            Err(error) if !error.is_not_found() => Err(error),
            _ => Ok(()),
        }
    }
}
