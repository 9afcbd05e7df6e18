//! The settings: from files to what the gate uses.
//!
//! Provides [`load`], which reads `tollgate.yaml` and every file that belongs to it and gives [`Settings`] as
//! used, or every mistake of every file at once with its place. There are two levels of settings: as written
//! (`file`, and the `Written` types of the lowering modules) and as used (all that is public here). It
//! deliberately opens no certificate and no key, resolves no name and asks no Vault: that is the gate's when it
//! starts. Settings hold no secret, only where to find it, and no environment variable has a say.

mod agreement;
mod attention;
mod cases;
mod catalogue;
mod exception;
mod fields;
mod file;
mod gate;
mod host;
mod inputs;
mod mistake;
mod placement;
mod revoked;
mod roles;
mod rule;
mod scalar;
mod source;
mod value;

use std::{
    collections::{BTreeMap, HashMap},
    path::{Path, PathBuf},
    sync::Arc,
};

use aws_lc_rs::digest::{Context, SHA256};
use time::Date;

use self::{agreement::Files, file::Node, mistake::Findings, value::Value};
pub(crate) use self::{
    cases::{Case, Expected, cases},
    catalogue::{AllowStatic, Credential},
    exception::{Danger, Exception, Exceptions},
    fields::distance,
    gate::{
        Admin, Bundle, Dns, Gate, KeyPair, Proxy, Resolves, Root, Vault, VaultLogin, VaultSecretId,
    },
    inputs::{Digest, Inputs},
    mistake::{Holds, Mistake, Mistakes, NamedFile},
    revoked::{Revoked, RevokedFile},
    source::Source,
};
use crate::{identity::SpiffeId, scope::Role};

/// How many hexadecimal digits of the hash over all files name a version of the settings.
const VERSION_DIGITS: usize = 12;

/// Everything the files say, as used.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Where `tollgate.yaml` is.
    pub(crate) path: PathBuf,
    /// The first 12 hexadecimal digits of a SHA-256 over all files: what events call the snapshot.
    pub(crate) version: String,
    /// How the gate runs.
    pub(crate) gate: Gate,
    /// Every role, by name.
    pub(crate) roles: Vec<Arc<Role>>,
    /// The one role of each identity.
    pub(crate) role_of: HashMap<SpiffeId, Arc<Role>>,
    /// The catalogue, by name.
    pub(crate) credentials: BTreeMap<Arc<str>, Arc<Credential>>,
    /// Who is let in no more.
    pub(crate) revoked: Revoked,
    /// What is worth a look, in the order of the places.
    pub(crate) warnings: Vec<Mistake>,
    /// Every file that the settings name and that was not opened.
    pub(crate) files: Vec<NamedFile>,
}

impl Settings {
    /// The dangers that are allowed to `role`.
    pub(crate) fn exceptions_of(&self, role: &Role) -> Exceptions {
        Exceptions::of(&self.gate.exceptions, &role.name)
    }
}

/// Reads the settings whose `tollgate.yaml` is at `path`; `today` decides only about warnings.
///
/// # Errors
/// Every mistake of every file, sorted by place. A file that cannot be read at all is one mistake, and the
/// others are read all the same.
pub(crate) fn load(path: &Path, today: Date) -> Result<Settings, Mistakes> {
    read(path, today).0
}

/// The same, and which files that depends on, whether they load or not.
pub(crate) fn read(path: &Path, today: Date) -> (Result<Settings, Mistakes>, Inputs) {
    let findings = Findings::default();
    let mut reading = Reading {
        findings: &findings,
        contents: Context::new(&SHA256),
        inputs: Inputs::default(),
    };
    let settings = reading.settings(path, today);
    let mut inputs = reading.inputs;
    findings.each_file(|file| inputs.add(file));
    let loaded = findings
        .finish(settings)
        .map(|(settings, remarks)| Settings {
            warnings: remarks.warnings,
            files: remarks.files,
            ..settings
        });
    (loaded, inputs)
}

/// A day as settings write it, with what is wrong with it in one sentence.
pub(crate) fn date(text: &str) -> Result<Date, String> {
    scalar::date(text).map_err(|wrong| wrong.to_string())
}

/// The event file that the `tollgate.yaml` at `path` names, if it names one; mistakes elsewhere in the settings do not
/// matter to whoever reads the log.
///
/// # Errors
/// The file cannot be read as YAML, or what it says of events is wrong.
pub(crate) fn event_file(path: &Path) -> Result<Option<PathBuf>, Mistakes> {
    let (reading, lowering) = (Findings::default(), Findings::default());
    let file = name(path);
    let text = file::read(path, &file, &reading);
    let tree = text.and_then(|text| file::parse(&file, &text, &reading));
    let Some(tree) = tree else {
        return reading.finish(None).map(|(found, _)| found);
    };
    let found = gate::event_file(Value::new(&tree, &lowering));
    lowering.finish(found).map(|(found, _)| found)
}

/// One reading of all files.
struct Reading<'f> {
    findings: &'f Findings,
    contents: Context,
    inputs: Inputs,
}

impl Reading<'_> {
    fn settings(&mut self, path: &Path, today: Date) -> Option<Settings> {
        let text = self.text(path)?;
        let tree = file::parse(&name(path), &text, self.findings);
        let gate = tree.and_then(|tree| gate::lower(Value::new(&tree, self.findings)));
        let gate = gate.unwrap_or_else(|| gate::Written::unread(path));
        let catalogue = gate
            .credentials
            .as_ref()
            .and_then(|path| self.catalogue(path));
        let manifests = gate.roles.as_ref().and_then(|path| self.manifests(path));
        let revoked = gate.revoked.as_ref().and_then(|file| self.revoked(file));
        let files = Files {
            gate: &gate,
            catalogue: catalogue.as_deref(),
            roles: manifests.as_deref(),
            findings: self.findings,
        };
        files.check();
        files.remark(today);
        let roles = roles(manifests?)?;
        Some(Settings {
            path: path.to_owned(),
            version: self.version(),
            gate: gate.gate?,
            role_of: by_identity(&roles),
            roles,
            credentials: credentials(catalogue?)?,
            revoked: revoked?,
            warnings: Vec::new(),
            files: Vec::new(),
        })
    }

    fn catalogue(&mut self, path: &Path) -> Option<Vec<catalogue::Written>> {
        let tree = self.tree(path)?;
        catalogue::lower(Value::new(&tree, self.findings))
    }

    fn manifests(&mut self, directory: &Path) -> Option<Vec<roles::Written>> {
        self.inputs.add_directory(directory);
        let manifests = roles::manifests(directory, self.findings)?;
        let written = manifests.iter().map(|(name, path)| match self.tree(path) {
            Some(tree) => roles::lower(name, Value::new(&tree, self.findings)),
            None => roles::Written::unread(name),
        });
        Some(written.collect())
    }

    fn revoked(&mut self, file: &RevokedFile) -> Option<Revoked> {
        let text = file.text(self.findings)?;
        self.digest(&file.path, &text);
        Some(revoked::parse(&file.name(), &text, self.findings))
    }

    fn tree(&mut self, path: &Path) -> Option<Node> {
        let text = self.text(path)?;
        file::parse(&name(path), &text, self.findings)
    }

    fn text(&mut self, path: &Path) -> Option<String> {
        self.inputs.add(path);
        let text = file::read(path, &name(path), self.findings)?;
        self.digest(path, &text);
        Some(text)
    }

    /// Each file counts with its name and its length, so that no two sets of files have the same version.
    fn digest(&mut self, path: &Path, text: &str) {
        let file = path.file_name().unwrap_or_default().as_encoded_bytes();
        for part in [file, text.as_bytes()] {
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            self.contents.update(&length.to_be_bytes());
            self.contents.update(part);
        }
    }

    fn version(&self) -> String {
        let digest = self.contents.clone().finish();
        let hex: String = digest
            .as_ref()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        hex.chars().take(VERSION_DIGITS).collect()
    }
}

/// What a file is called in mistakes: its path as given.
fn name(path: &Path) -> Arc<str> {
    path.to_string_lossy().into()
}

/// All roles, or `None` if one of them has a mistake.
fn roles(manifests: Vec<roles::Written>) -> Option<Vec<Arc<Role>>> {
    manifests
        .into_iter()
        .map(|manifest| manifest.role.map(Arc::new))
        .collect()
}

fn by_identity(roles: &[Arc<Role>]) -> HashMap<SpiffeId, Arc<Role>> {
    let identities = |role: &Arc<Role>| role.identities.clone();
    let pairs = roles
        .iter()
        .flat_map(|role| identities(role).into_iter().zip(std::iter::repeat(role)));
    pairs.map(|(id, role)| (id, Arc::clone(role))).collect()
}

/// All credentials, or `None` if one of them has a mistake.
fn credentials(catalogue: Vec<catalogue::Written>) -> Option<BTreeMap<Arc<str>, Arc<Credential>>> {
    let credentials = catalogue.into_iter().map(|entry| entry.credential);
    credentials
        .map(|credential| credential.map(|c| (Arc::clone(&c.name), Arc::new(c))))
        .collect()
}

#[cfg(test)]
mod tests;
