//! The clients that act for one role each, under a token of its own.
//!
//! Ending a role is one revocation: its token goes, and with it all that was got with it.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::task::JoinSet;

use super::{
    Login, Parent, Vault, VaultSettings,
    engine::Question,
    envelope::Answer,
    error::VaultError,
    line::Line,
    login::{Child, PerRole},
    wire::Repeat,
};

/// The clients by the roles that they act for.
#[derive(Default)]
pub(super) struct Roles(Mutex<HashMap<String, Arc<Vault>>>);

impl Roles {
    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Vault>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault {
    /// Who asks for the role: a client of its own where the settings say so, which logs in when it is first used; else
    /// this one.
    ///
    /// # Errors
    ///
    /// As [`Vault::new`].
    pub(crate) fn for_role(self: &Arc<Vault>, role: &str) -> Result<Arc<Vault>, VaultError> {
        let settings = self.line.load().settings.clone();
        let Some(kind) = settings.per_role.clone() else {
            return Ok(Arc::clone(self));
        };
        let mut roles = self.roles.all();
        if let Some(client) = roles.get(role) {
            return Ok(Arc::clone(client));
        }
        let settings = self.settings_of_role(&settings, role, kind);
        let mut client = Vault::new(settings, Arc::clone(&self.errors))?;
        // It is one server: what one of them finds out about it holds for all.
        client.rest = Arc::clone(&self.rest);
        let client = Arc::new(client);
        roles.insert(role.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    /// Gives back what the role has, which is one revocation: its token goes, and with it all that was got with it. Its
    /// client goes on as one that has not logged in. Does nothing for a role that acts under the gate's own token. Must
    /// be called inside a tokio runtime.
    pub(crate) fn end_role(&self, role: &str) {
        let client = self.roles.all().get(role).cloned();
        let begun = client.map(|client| client.begin_anew());
        if let Some(Err(error)) = begun {
            // The settings made a client before.
            tracing::error!(%error, role, "the role's token is not given back");
        }
    }

    fn begin_anew(&self) -> Result<(), VaultError> {
        let settings = self.line.load().settings.clone();
        let fresh = Line::new(settings, &self.memory, &self.errors)?;
        let ended = self.line.swap(Arc::new(fresh));
        let leases = self.leases.take_all_but_those_of(None);
        let mut lines = std::mem::take(&mut *self.replaced());
        lines.push(Arc::clone(&ended));
        tokio::spawn(async move {
            ended.end_leases(leases).await;
            for line in lines {
                // Said already. It ends whatever holds for the end of the process.
                let _lapses = line.session.close().await;
            }
        });
        Ok(())
    }

    /// Gives back what all roles have.
    pub(super) async fn end_roles(&self) {
        let mut ending: JoinSet<_> = std::mem::take(&mut *self.roles.all())
            .into_values()
            .map(|client| async move { client.close_itself().await })
            .collect();
        while ending.join_next().await.is_some() {}
    }

    /// Has the clients of the roles go on with what the gate's own goes on with.
    pub(super) fn adopt_for_roles(
        self: &Arc<Vault>,
        settings: &VaultSettings,
    ) -> Result<(), VaultError> {
        let Some(kind) = &settings.per_role else {
            let vault = Arc::clone(self);
            tokio::spawn(async move { vault.end_roles().await });
            return Ok(());
        };
        for (role, client) in &*self.roles.all() {
            client.adopt(self.settings_of_role(settings, role, kind.clone()))?;
        }
        Ok(())
    }

    fn settings_of_role(
        self: &Arc<Vault>,
        settings: &VaultSettings,
        role: &str,
        kind: PerRole,
    ) -> VaultSettings {
        let child = Child {
            of: Arc::downgrade(self),
            role: role.to_owned(),
            kind,
        };
        VaultSettings {
            login: Login::Child(child),
            per_role: None,
            ..settings.clone()
        }
    }

    /// Asks with the gate's own token, where that was got, for something that is made.
    pub(super) async fn ask_as_itself(
        &self,
        question: &Question,
    ) -> Result<(Answer, Arc<Parent>), VaultError> {
        let line = self.line.load_full();
        let token = line.session.token().await?;
        line.ask_over(&line.of_login, token, (question, Repeat::IfUndone))
            .await
    }
}
