//! Writes entries in either format, in blocks.

use super::Archive;
use super::contents::Entry;
use crate::{CHUNK_BYTES, FILES, limits};
use flate2::{Compression, GzBuilder};
use jackfield_file_access::Output;
use jackfield_plugin_api::prelude::*;
use std::fs::{self, File};
use std::io::{self, Read as _, Write};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// 1980-01-01 in seconds since 1970, the earliest time that a zip file can hold.
const TIME: u64 = 315_532_800;
/// Length of what a tar file consists of.
const TAR_BLOCK_BYTES: u64 = 512;
/// From here on a file in a zip file gets a header for more than 4 GiB. Less than that, as packing may lengthen it.
const ZIP_LARGE_BYTES: u64 = 0xF000_0000;

/// Packs the files of one archive.
pub(super) struct Packer<'a> {
    p: &'a Archive,
    is_cancelled: &'a dyn Fn() -> bool,
    chunk: Vec<u8>,
    bytes_in: u64,
}

/// An opened file.
struct Source {
    file: File,
    bytes: u64,
    mode: u32,
}

impl<'a> Packer<'a> {
    pub(super) fn new(p: &'a Archive, is_cancelled: &'a dyn Fn() -> bool) -> Self {
        Self { p, is_cancelled, chunk: vec![0; CHUNK_BYTES], bytes_in: 0 }
    }

    /// Length of all packed files together.
    pub(super) fn bytes_in(&self) -> u64 {
        self.bytes_in
    }

    /// Writes a zip file.
    pub(super) fn zip(&mut self, entries: &[Entry], out: &mut Output<'_>) -> Result<(), Error> {
        let mut zip = ZipWriter::new(out);
        let options = SimpleFileOptions::default().last_modified_time(zip::DateTime::DEFAULT);
        for entry in entries {
            if entry.is_dir {
                let options = options.unix_permissions(0o755);
                zip.add_directory(entry.name.as_str(), options).map_err(|error| self.unwritten(error))?;
                continue;
            }
            let source = self.open(entry)?;
            let options = options.unix_permissions(source.mode).large_file(source.bytes >= ZIP_LARGE_BYTES);
            zip.start_file(entry.name.as_str(), options).map_err(|error| self.unwritten(error))?;
            self.copy(entry, source, &mut zip)?;
        }
        zip.finish().map_err(|error| self.unwritten(error))?;
        Ok(())
    }

    /// Writes a tar file through gzip.
    pub(super) fn tar_gz(&mut self, entries: &[Entry], out: &mut Output<'_>) -> Result<(), Error> {
        let gzip = GzBuilder::new().mtime(0).write(out, Compression::default());
        let mut tar = tar::Builder::new(gzip);
        for entry in entries {
            let mut header = tar::Header::new_gnu();
            header.set_mtime(TIME);
            header.set_uid(0);
            header.set_gid(0);
            header.set_mode(0o755);
            header.set_size(0);
            if entry.is_dir {
                header.set_entry_type(tar::EntryType::Directory);
                tar.append_data(&mut header, &entry.name, io::empty())
                    .map_err(|error| self.unwritten(error))?;
                continue;
            }
            let source = self.open(entry)?;
            let bytes = source.bytes;
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(source.mode);
            header.set_size(bytes);
            // only the header: the content follows in blocks that can be cancelled
            tar.append_data(&mut header, &entry.name, io::empty()).map_err(|error| self.unwritten(error))?;
            self.copy(entry, source, tar.get_mut())?;
            let padding = (TAR_BLOCK_BYTES - bytes % TAR_BLOCK_BYTES) % TAR_BLOCK_BYTES;
            io::copy(&mut io::repeat(0).take(padding), tar.get_mut())
                .map_err(|error| self.unwritten(error))?;
        }
        tar.into_inner().and_then(|gzip| gzip.finish()).map_err(|error| self.unwritten(error))?;
        Ok(())
    }

    fn open(&self, entry: &Entry) -> Result<Source, Error> {
        let failed = |error| FILES.error("cannot read", &entry.path, error);
        let file = File::open(&entry.path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        Ok(Source { file, bytes: metadata.len(), mode: mode_of(&metadata) })
    }

    /// Copies exactly as many bytes as the header says.
    fn copy(&mut self, entry: &Entry, source: Source, out: &mut dyn Write) -> Result<(), Error> {
        self.bytes_in += source.bytes;
        if self.bytes_in > self.p.max_bytes {
            return Err(limits::too_large(&self.p.from, self.p.max_bytes));
        }
        // one byte more shows that the file has grown
        let mut file = source.file.take(source.bytes.saturating_add(1));
        let mut left = source.bytes;
        loop {
            if (self.is_cancelled)() {
                return Err(Error::cancelled());
            }
            let len =
                file.read(&mut self.chunk).map_err(|error| FILES.error("cannot read", &entry.path, error))?;
            if len == 0 && left == 0 {
                return Ok(());
            }
            if len == 0 || len as u64 > left {
                let message = format!("`{}` changed while it was packed", entry.path.display());
                return Err(Error::new("fs.changed", message));
            }
            out.write_all(&self.chunk[..len]).map_err(|error| self.unwritten(error))?;
            left -= len as u64;
        }
    }

    fn unwritten(&self, error: impl Into<io::Error>) -> Error {
        FILES.error("cannot write", &self.p.to, error.into())
    }
}

/// 755 if the owner may execute the file, else 644.
#[cfg(unix)]
fn mode_of(metadata: &fs::Metadata) -> u32 {
    use std::os::unix::fs::PermissionsExt;
    if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 }
}

/// Permissions to execute exist on Unix only.
#[cfg(not(unix))]
fn mode_of(_metadata: &fs::Metadata) -> u32 {
    0o644
}
