//! A secret id that comes wrapped: the file has a token, and whoever shows it first gets the secret id.
//!
//! That the token is still good shows that nobody else saw the secret id on its way, and where it was made shows that
//! nobody put another in its place. What fails here is not tried again with the same token, and somebody must look.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use http::HeaderValue;
use serde::Deserialize;

use super::{
    super::{super::file, envelope::Text, token},
    Question, VaultError, Wire,
};
use crate::secret::Secret;

/// The last wrapping token and what it gave, for as long as its file holds it: a client that goes on with other
/// settings cannot unwrap it a second time.
#[derive(Default)]
pub(super) struct Unwrapped(Mutex<Option<Known>>);

struct Known {
    wrapping: Secret,
    outcome: Outcome,
}

type Outcome = Result<Arc<Secret>, VaultError>;

/// The secret id that the token in `file` gives, which must have been made at `creation_path`.
///
/// # Errors
///
/// [`VaultError::Intercepted`] when the token was used before, is unknown, or was made elsewhere; else why the file
/// cannot be used or the server does not answer.
pub(super) async fn secret_id(
    file: &Path,
    creation_path: &str,
    (wire, unwrapped): (&Wire, &Unwrapped),
) -> Outcome {
    let wrapping = file::read(file).await?;
    if let Some(outcome) = unwrapped.of(&wrapping) {
        return outcome;
    }
    let outcome = unwrap(&wrapping, creation_path, wire).await;
    if let Err(VaultError::Intercepted(why)) = &outcome {
        tracing::error!(
            file = %file.display(),
            "security alarm: somebody may have vault's secret id for the gate: {why}"
        );
    }
    if matches!(&outcome, Ok(_) | Err(VaultError::Intercepted(_))) {
        unwrapped.note(wrapping, outcome.clone());
    }
    outcome
}

async fn unwrap(wrapping: &Secret, creation_path: &str, wire: &Wire) -> Outcome {
    let lookup = Question::new(
        "sys/wrapping/lookup".into(),
        &[("token", wrapping.expose())],
    );
    let answer = wire.ask(&lookup, None).await?;
    let made_at = match answer.status {
        200 => answer.envelope::<Lookup>()?.data,
        400 | 403 | 404 => return Err(USED),
        _ => return Err(answer.fault()),
    };
    let made_at = made_at.and_then(|lookup| lookup.creation_path);
    if made_at.as_deref() != Some(creation_path) {
        return Err(VaultError::Intercepted(
            "its wrapping token was not made for the gate's role",
        ));
    }
    let question = Question::new("sys/wrapping/unwrap".into(), &[]);
    let shown: HeaderValue = token::header(wrapping)?;
    let answer = wire.ask(&question, Some(&shown)).await?;
    let given = match answer.status {
        200 => answer.envelope::<Given>()?.data,
        400 | 403 | 404 => return Err(USED),
        _ => return Err(answer.fault()),
    };
    let secret_id = given.and_then(|given| given.secret_id);
    let secret_id = secret_id.ok_or(VaultError::Malformed("it unwrapped no secret id"))?;
    let secret_id = Secret::from_outside(secret_id.0).map_err(VaultError::Unfit)?;
    Ok(Arc::new(secret_id))
}

const USED: VaultError =
    VaultError::Intercepted("its wrapping token was used before, has ended, or never was one");

#[derive(Deserialize)]
struct Lookup {
    creation_path: Option<String>,
}

#[derive(Deserialize)]
struct Given {
    secret_id: Option<Text>,
}

impl Unwrapped {
    fn of(&self, wrapping: &Secret) -> Option<Outcome> {
        let known = self.known();
        let known = known.as_ref()?;
        (known.wrapping.expose() == wrapping.expose()).then(|| known.outcome.clone())
    }

    fn note(&self, wrapping: Secret, outcome: Outcome) {
        *self.known() = Some(Known { wrapping, outcome });
    }

    fn known(&self) -> MutexGuard<'_, Option<Known>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
