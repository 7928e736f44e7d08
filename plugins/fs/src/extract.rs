//! `extract`: unpacks an archive into a directory.
//!
//! Everything is unpacked into a hidden directory first and moved to its place when all of it is there: what is refused
//! on the way, or cancelled, leaves the target as it was.

mod metered;
mod open;
mod stage;
mod unpack;

use crate::format::Format;
use crate::{FILES, limits};
use jackfield_plugin_api::prelude::*;
use stage::Stage;
use std::fs::File;
use std::path::PathBuf;
use unpack::Unpacker;

/// What to unpack, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Extract {
    /// The archive.
    from: PathBuf,
    /// The directory that its entries go to; it is made if it is missing.
    to: PathBuf,
    /// How the archive is laid out; if it is missing, the name tells: `.zip`, `.tar.gz` or `.tgz`.
    format: Option<Format>,
    /// Whether links, pipes and devices in the archive are left out; if not, they are an error. They are never made.
    #[serde(default)]
    skip_special: bool,
    /// Whether files that are already there are replaced.
    #[serde(default)]
    overwrite: bool,
    /// Whether missing directories on the way to `to` are made.
    #[serde(default)]
    create_dirs: bool,
    /// More bytes in all files together are an error, however small the archive is.
    #[serde(default = "limits::max_bytes")]
    max_bytes: u64,
    /// More files and directories are an error.
    #[serde(default = "limits::max_entries")]
    max_entries: u64,
}

/// What was unpacked.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Extracted {
    /// The directory.
    path: PathBuf,
    /// How the archive is laid out.
    format: Format,
    /// Files and directories that were unpacked.
    entries: u64,
    /// Links and special files that were left out.
    skipped: u64,
    /// Length of the archive in bytes.
    bytes_in: u64,
    /// Length of all files together in bytes.
    bytes_out: u64,
}

/// Performs `extract`. Files get the time of now; on Unix those that could be executed still can be.
///
/// # Errors
/// `validation` for an unknown format, `fs.unsafe_entry` for one that would leave the directory, `fs.special_file`,
/// `fs.too_large`, `fs.too_many`, `fs.bad_archive`, `fs.unsupported` for ciphers and rare compressions, `fs.not_utf8`
/// for a name, `fs.already_exists`, errors of the files, `cancelled`. The directory is then as it was, unless moving
/// the files to their places itself fails.
pub(crate) fn extract(p: &Extract, is_cancelled: &dyn Fn() -> bool) -> Result<Extracted, Error> {
    let failed = |error| FILES.error("cannot extract", &p.from, error);
    let format = Format::of(&p.from, p.format)?;
    let file = File::open(&p.from).map_err(failed)?;
    let bytes_in = file.metadata().map_err(failed)?.len();
    let stage = Stage::make(p)?;
    let mut unpacker = Unpacker::new(p, stage.dir(), is_cancelled);
    match format {
        Format::Zip => open::zip(p, file, &mut unpacker)?,
        Format::TarGz => open::tar_gz(p, file, &mut unpacker)?,
    }
    let found = unpacker.found();
    stage.place(p, is_cancelled)?;
    Ok(Extracted {
        path: p.to.clone(),
        format,
        entries: found.entries,
        skipped: found.skipped,
        bytes_in,
        bytes_out: found.bytes,
    })
}

#[cfg(test)]
mod tests;
