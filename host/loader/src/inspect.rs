//! Looks at the bytes of a plugin file without running any of its code: is it whole, is it for this machine, and what
//! does its manifest say. A damaged library can kill the process that opens it, so everything is checked here before.

use crate::error::LoadError;
use jackfield_plugin_api::abi::JF_ABI_MAJOR;
use jackfield_plugin_api::manifest::{Manifest, SECTION, SECTION_MACH_O};
use object::read::{Object, ObjectSection, ObjectSegment};
use object::{Architecture, BinaryFormat, FileKind, ObjectKind};
use std::path::Path;

/// Reads the static manifest of a whole, fitting plugin file. `file` is only named in errors.
///
/// # Errors
/// If the bytes are no shared library for this machine with a manifest that this host understands.
pub(crate) fn inspect(file: &Path, bytes: &[u8]) -> Result<Manifest, LoadError> {
    if bytes.is_empty() {
        return Err(LoadError::Empty { file: file.to_owned() });
    }
    let library = parse(file, bytes)?;
    check_machine(file, &library)?;
    check_whole(file, bytes, &library)?;
    if library.kind() != ObjectKind::Dynamic {
        return Err(not_a_plugin(file, "it is no shared library"));
    }
    let manifest = manifest_section(file, &library)?;
    let manifest = Manifest::parse(manifest)
        .map_err(|error| LoadError::ManifestInvalid { file: file.to_owned(), reason: error.to_string() })?;
    check_abi(&manifest)?;
    Ok(manifest)
}

fn parse<'a>(file: &Path, bytes: &'a [u8]) -> Result<object::File<'a>, LoadError> {
    let kind = FileKind::parse(bytes).map_err(|_| match bytes.starts_with(b"\x7fELF") {
        true => truncated(file, "the file header is incomplete"),
        false => not_a_plugin(file, "it is no library of a known format"),
    })?;
    match kind {
        FileKind::Elf32
        | FileKind::Elf64
        | FileKind::MachO32
        | FileKind::MachO64
        | FileKind::Pe32
        | FileKind::Pe64 => object::File::parse(bytes).map_err(|error| truncated(file, &error.to_string())),
        other => Err(not_a_plugin(file, &format!("it is a file of the kind {other:?}"))),
    }
}

fn check_machine(file: &Path, library: &object::File<'_>) -> Result<(), LoadError> {
    let found = (library.format(), library.architecture(), library.is_64(), library.is_little_endian());
    let needed =
        (format(), architecture(), cfg!(target_pointer_width = "64"), cfg!(target_endian = "little"));
    // an architecture without a name here is left to the system's loader
    if found == (needed.0, needed.1.unwrap_or(found.1), needed.2, needed.3) {
        return Ok(());
    }
    let name = |(format, architecture, is_64, is_little_endian): (_, Architecture, bool, bool)| {
        let bits = if is_64 { 64 } else { 32 };
        let order = if is_little_endian { "little" } else { "big" };
        format!("{architecture:?} ({bits} bit, {order}-endian, {format:?})")
    };
    Err(LoadError::WrongArchitecture {
        file: file.to_owned(),
        found: name(found),
        needed: name((needed.0, needed.1.unwrap_or(Architecture::Unknown), needed.2, needed.3)),
    })
}

fn format() -> BinaryFormat {
    if cfg!(windows) {
        BinaryFormat::Pe
    } else if cfg!(target_vendor = "apple") {
        BinaryFormat::MachO
    } else {
        BinaryFormat::Elf
    }
}

fn architecture() -> Option<Architecture> {
    match std::env::consts::ARCH {
        "x86_64" => Some(Architecture::X86_64),
        "x86" => Some(Architecture::I386),
        "aarch64" => Some(Architecture::Aarch64),
        "arm" => Some(Architecture::Arm),
        "riscv64" => Some(Architecture::Riscv64),
        "powerpc64" => Some(Architecture::PowerPc64),
        "s390x" => Some(Architecture::S390x),
        "loongarch64" => Some(Architecture::LoongArch64),
        _ => None,
    }
}

/// Every segment and section must lie inside the file. The system's loader maps them without asking, and dies later.
fn check_whole(file: &Path, bytes: &[u8], library: &object::File<'_>) -> Result<(), LoadError> {
    let len = bytes.len() as u64;
    let is_inside = |(offset, size): (u64, u64)| offset.checked_add(size).is_some_and(|end| end <= len);
    for segment in library.segments() {
        if !is_inside(segment.file_range()) {
            return Err(truncated(file, "a segment ends behind the end of the file"));
        }
    }
    for section in library.sections() {
        if !section.file_range().is_none_or(is_inside) {
            return Err(truncated(file, "a section ends behind the end of the file"));
        }
    }
    Ok(())
}

fn manifest_section<'a>(file: &Path, library: &object::File<'a>) -> Result<&'a [u8], LoadError> {
    let name = if library.format() == BinaryFormat::MachO { SECTION_MACH_O } else { SECTION };
    let section = library
        .section_by_name(name)
        .ok_or_else(|| not_a_plugin(file, &format!("it has no section `{name}`")))?;
    let bytes = section.data().map_err(|error| truncated(file, &error.to_string()))?;
    // PE files fill sections up with zeroes
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(&bytes[..end])
}

fn check_abi(manifest: &Manifest) -> Result<(), LoadError> {
    if manifest.abi.min > JF_ABI_MAJOR {
        let plugin = manifest.name.clone();
        return Err(LoadError::AbiTooNew { plugin, needs: manifest.abi.min, has: JF_ABI_MAJOR });
    }
    if manifest.abi.max < JF_ABI_MAJOR {
        let plugin = manifest.name.clone();
        return Err(LoadError::AbiTooOld { plugin, knows: manifest.abi.max, has: JF_ABI_MAJOR });
    }
    Ok(())
}

fn truncated(file: &Path, reason: &str) -> LoadError {
    LoadError::Truncated { file: file.to_owned(), reason: reason.to_owned() }
}

fn not_a_plugin(file: &Path, reason: &str) -> LoadError {
    LoadError::NotAPlugin { file: file.to_owned(), reason: reason.to_owned() }
}
