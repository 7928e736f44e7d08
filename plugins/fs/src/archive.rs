//! `archive`: packs a file or a directory into one file.
//!
//! The same files give the same bytes: entries are sorted by name, times are 1980-01-01, owners are left out, and of
//! the permissions only "may be executed" is kept.

mod contents;
mod pack;

use crate::format::Format;
use crate::{FILES, limits, read};
use jackfield_file_access::{Output, Target};
use jackfield_plugin_api::prelude::*;
use pack::Packer;
use std::io::{Seek as _, Write as _};
use std::path::PathBuf;

/// What to pack, and where.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Archive {
    /// A file, or a directory with all that is below it; names in the archive begin after this.
    from: PathBuf,
    /// The archive. It is left out of itself if it lies in `from`.
    to: PathBuf,
    /// A pattern of names in the archive, such as `**/*.csv`: `*` stays within one directory, `**` does not. What does
    /// not match is left out.
    glob: Option<String>,
    /// How the archive is laid out; if it is missing, the name tells: `.zip`, `.tar.gz` or `.tgz`.
    format: Option<Format>,
    /// Whether symbolic links, pipes, sockets and devices are left out; if not, they are an error. They are never
    /// followed or packed.
    #[serde(default)]
    skip_special: bool,
    /// Whether a file that is already there is replaced.
    #[serde(default = "yes")]
    overwrite: bool,
    /// Whether missing directories on the way are made.
    #[serde(default)]
    create_dirs: bool,
    /// More bytes in all files together are an error.
    #[serde(default = "limits::max_bytes")]
    max_bytes: u64,
    /// More files and directories are an error.
    #[serde(default = "limits::max_entries")]
    max_entries: u64,
}

const fn yes() -> bool {
    true
}

/// What was packed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Archived {
    /// The archive.
    path: PathBuf,
    /// How it is laid out.
    format: Format,
    /// Files and directories in it.
    entries: u64,
    /// Links and special files that were left out.
    skipped: u64,
    /// Length of all files together in bytes.
    bytes_in: u64,
    /// Length of the archive in bytes.
    bytes_out: u64,
    /// SHA-256 of the archive in lower-case hexadecimal digits.
    sha256: String,
}

/// Performs `archive`.
///
/// # Errors
/// `validation` for a wrong pattern or an unknown format, `fs.too_large`, `fs.too_many`, `fs.special_file`,
/// `fs.not_utf8` for a name, `fs.changed` if a file changes meanwhile, errors of the files, `cancelled`. The target is
/// then as it was.
pub(crate) fn archive(p: &Archive, is_cancelled: &dyn Fn() -> bool) -> Result<Archived, Error> {
    let format = Format::of(&p.to, p.format)?;
    // before the write begins, whose partial file may lie in the directory that is packed
    let contents = contents::collect(p, is_cancelled)?;
    let mut packer = Packer::new(p, is_cancelled);
    let mut sha256 = String::new();
    let target = Target { overwrite: p.overwrite, create_dirs: p.create_dirs };
    let bytes_out = FILES.write(&p.to, target, |out| {
        match format {
            Format::Zip => packer.zip(&contents.entries, out)?,
            Format::TarGz => packer.tar_gz(&contents.entries, out)?,
        }
        sha256 = hash(p, out, is_cancelled)?;
        Ok(())
    })?;
    let (entries, bytes_in) = (contents.entries.len() as u64, packer.bytes_in());
    Ok(Archived {
        path: p.to.clone(),
        format,
        entries,
        skipped: contents.skipped,
        bytes_in,
        bytes_out,
        sha256,
    })
}

/// The hash of all that was written. It is read again, because a zip file is not written from start to end.
fn hash(p: &Archive, out: &mut Output<'_>, is_cancelled: &dyn Fn() -> bool) -> Result<String, Error> {
    let failed = |error| FILES.error("cannot write", &p.to, error);
    out.flush().map_err(failed)?;
    out.rewind().map_err(failed)?;
    Ok(read::digest(out.get_mut(), failed, is_cancelled)?.sha256)
}

#[cfg(test)]
mod tests;
