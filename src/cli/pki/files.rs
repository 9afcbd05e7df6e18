//! Certificates and keys as files: whole or not at all, and nobody's by accident.

use std::{
    fs::{self, Permissions},
    io::{self, Write as _},
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use super::{Failure, Pair};

const CERTIFICATE_MODE: u32 = 0o644;
const KEY_MODE: u32 = 0o600;

/// Writes each pair as `<name>.crt` and `<name>.key`, and returns the paths. A key is its owner's only from its
/// first byte on; a file appears under its name when it is complete, and replaces another only when told to.
pub(super) fn write(
    dir: &Path,
    pairs: &[(&str, &Pair)],
    force: bool,
) -> Result<Vec<PathBuf>, Failure> {
    if !force {
        check_free(dir, pairs)?;
    }
    fs::create_dir_all(dir).map_err(|err| not_written(dir, &err))?;
    let mut written = Vec::with_capacity(pairs.len() * 2);
    for (name, pair) in pairs {
        for (path, text, mode) in [
            (key_path(dir, name), pair.key.expose(), KEY_MODE),
            (
                certificate_path(dir, name),
                pair.certificate.as_str(),
                CERTIFICATE_MODE,
            ),
        ] {
            write_one(dir, &path, text, mode, force).map_err(|err| not_written(&path, &err))?;
            written.push(path);
        }
    }
    Ok(written)
}

/// Refuses to go on while a file of one of `pairs` is there, and lists all that are.
fn check_free(dir: &Path, pairs: &[(&str, &Pair)]) -> Result<(), Failure> {
    let in_the_way: Vec<String> = pairs
        .iter()
        .flat_map(|(name, _)| [certificate_path(dir, name), key_path(dir, name)])
        .filter(|path| path.symlink_metadata().is_ok())
        .map(|path| format!("\n  {}", path.display()))
        .collect();
    if in_the_way.is_empty() {
        return Ok(());
    }
    Err(Failure::Run(format!(
        "nothing written, since these files are there already (--force replaces them):{}",
        in_the_way.concat()
    )))
}

fn write_one(dir: &Path, path: &Path, text: &str, mode: u32, force: bool) -> io::Result<()> {
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(dir)?;
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    let put = if force {
        file.persist(path)
    } else {
        file.persist_noclobber(path)
    };
    put.map(drop).map_err(|err| err.error)
}

fn certificate_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.crt"))
}

fn key_path(dir: &Path, name: &str) -> PathBuf {
    dir.join(format!("{name}.key"))
}

fn not_written(path: &Path, err: &io::Error) -> Failure {
    Failure::Run(format!("cannot write {}: {err}", path.display()))
}
