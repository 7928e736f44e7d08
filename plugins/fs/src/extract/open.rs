//! Reads either format and hands the entries on, one after the other.

use super::Extract;
use super::metered::{Allowance, Metered};
use super::unpack::{Kind, Unpacker};
use crate::limits;
use flate2::bufread::MultiGzDecoder;
use jackfield_plugin_api::prelude::*;
use std::fs::File;
use std::io::{self, BufReader};
use zip::ZipArchive;
use zip::read::ZipFile;

/// Bytes between the contents of two entries of a tar file, such as long names; also what may follow the last one.
const TAR_HEADERS_BYTES: u64 = 1024 * 1024;
/// Bytes that an entry takes in the directory of a zip file, on average. Two hundred are much.
const ZIP_HEADER_BYTES: u64 = 1024;
/// Bytes that every zip file may take to have its directory found.
const ZIP_END_BYTES: u64 = 1024 * 1024;

/// Which bits of a mode say what a file is, and two of their values.
const MODE_KIND: u32 = 0o170_000;
const MODE_FILE: u32 = 0o100_000;
const MODE_DIRECTORY: u32 = 0o040_000;

/// Unpacks a zip file.
pub(super) fn zip(p: &Extract, file: File, unpacker: &mut Unpacker<'_>) -> Result<(), Error> {
    let failed = |error: zip::result::ZipError| match error {
        // its own words, without "i/o error" in front
        zip::result::ZipError::Io(error) => limits::unreadable(&p.from, error),
        error => limits::unreadable(&p.from, error.into()),
    };
    let most = p.max_entries.saturating_mul(ZIP_HEADER_BYTES).saturating_add(ZIP_END_BYTES);
    let allowance = Allowance::of(most);
    let opened = ZipArchive::new(BufReader::new(Metered::new(file, &allowance)));
    if allowance.is_used_up() {
        return Err(limits::too_many(&p.from, p.max_entries));
    }
    allowance.lift();
    let mut archive = opened.map_err(failed)?;
    if archive.has_duplicate_names() {
        return Err(limits::bad_archive(&p.from, "two of its entries have the same name"));
    }
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(failed)?;
        let name = entry.name().map_err(failed)?.into_owned();
        unpacker.entry(&name, zip_kind(&entry), &mut entry)?;
    }
    Ok(())
}

fn zip_kind(entry: &ZipFile<'_, impl io::Read>) -> Kind {
    let mode = entry.unix_mode().unwrap_or_default();
    match mode & MODE_KIND {
        0 | MODE_FILE | MODE_DIRECTORY if entry.is_dir() => Kind::Directory,
        0 | MODE_FILE => Kind::File { is_executable: mode & 0o100 != 0 },
        MODE_DIRECTORY => Kind::Directory,
        _ => Kind::Special,
    }
}

/// Unpacks a tar file that gzip compressed.
pub(super) fn tar_gz(p: &Extract, file: File, unpacker: &mut Unpacker<'_>) -> Result<(), Error> {
    let failed = |error| limits::unreadable(&p.from, error);
    let allowance = Allowance::of(TAR_HEADERS_BYTES);
    let unzipped = MultiGzDecoder::new(BufReader::new(file));
    let mut archive = tar::Archive::new(Metered::new(unzipped, &allowance));
    for entry in archive.entries().map_err(failed)? {
        allowance.lift();
        let mut entry = entry.map_err(failed)?;
        let name = String::from_utf8(entry.path_bytes().into_owned())
            .map_err(|error| limits::name_not_utf8(&p.from, &String::from_utf8_lossy(error.as_bytes())))?;
        let header = entry.header().entry_type();
        if !header.is_pax_global_extensions() {
            let is_executable = entry.header().mode().map_err(failed)? & 0o100 != 0;
            unpacker.entry(&name, tar_kind(header, &name, is_executable), &mut entry)?;
        }
        // what is left of an entry that was not read is skipped within the allowance
        allowance.set(TAR_HEADERS_BYTES);
    }
    // the rest is zeros; only its end shows whether the file is whole
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(failed)?;
    Ok(())
}

fn tar_kind(kind: tar::EntryType, name: &str, is_executable: bool) -> Kind {
    // old programs know no directories, only names that end so
    if kind.is_dir() || (kind.is_file() && name.ends_with('/')) {
        return Kind::Directory;
    }
    if kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse() {
        return Kind::File { is_executable };
    }
    Kind::Special
}
