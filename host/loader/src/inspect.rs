//! Looks at the bytes of a plugin file without running any of its code: is it whole, is it for this machine, and what
//! does its manifest say. A damaged library can kill the process that opens it, so everything is checked here before.

use crate::error::LoadError;
use crate::refusal::{Identity, Refusal, Refused};
use jackfield_plugin_api::abi::JF_ABI_MAJOR;
use jackfield_plugin_api::manifest::{Manifest, SECTION, SECTION_MACH_O, is_plugin_name};
use object::read::{Object, ObjectSection, ObjectSegment};
use object::{Architecture, BinaryFormat, FileKind, ObjectKind};
use std::path::Path;

/// What a plugin file says about itself.
#[derive(Debug)]
pub(crate) struct Inspected {
    pub(crate) manifest: Manifest,
    /// The manifest as it stands in the file.
    pub(crate) manifest_text: String,
}

/// Reads the static manifest of a whole, fitting plugin file.
///
/// # Errors
/// If the bytes are no shared library for this machine with a manifest that this host understands.
pub(crate) fn inspect(bytes: &[u8]) -> Result<Inspected, Refused> {
    if bytes.is_empty() {
        return Err(Refused { why: Refusal::Empty, plugin: None });
    }
    let library = parse(bytes).map_err(|why| Refused { why, plugin: None })?;
    inspect_library(bytes, &library).map_err(|why| Refused { why, plugin: identity(&library) })
}

/// Looks at the contents of a plugin file without running any of it; `file` is for messages. Answers with the static manifest.
///
/// # Errors
/// If they are no shared library for this machine with a manifest that this host understands.
pub fn inspect_file(file: &Path, bytes: &[u8]) -> Result<Manifest, LoadError> {
    inspect(bytes).map(|inspected| inspected.manifest).map_err(|refused| refused.why.of(file))
}

fn inspect_library(bytes: &[u8], library: &object::File<'_>) -> Result<Inspected, Refusal> {
    check_machine(library)?;
    check_whole(bytes, library)?;
    if library.kind() != ObjectKind::Dynamic {
        return Err(Refusal::not_a_plugin("it is no shared library"));
    }
    let invalid = |reason: String| Refusal::ManifestInvalid { reason };
    let section = manifest_section(library)?;
    let manifest = Manifest::parse(section).map_err(|error| invalid(error.to_string()))?;
    check_abi(&manifest)?;
    let manifest_text = std::str::from_utf8(section).map_err(|error| invalid(error.to_string()))?.to_owned();
    Ok(Inspected { manifest, manifest_text })
}

/// Which plugin a library is that cannot be used, if its manifest can be found nevertheless.
fn identity(library: &object::File<'_>) -> Option<Identity> {
    let section = manifest_section(library).ok()?;
    let identity: Identity = serde_json::from_slice(section).ok()?;
    is_plugin_name(&identity.name).then_some(identity)
}

fn parse(bytes: &[u8]) -> Result<object::File<'_>, Refusal> {
    let kind = FileKind::parse(bytes).map_err(|_| match bytes.starts_with(b"\x7fELF") {
        true => Refusal::truncated("the file header is incomplete"),
        false => Refusal::not_a_plugin("it is no library of a known format"),
    })?;
    match kind {
        FileKind::Elf32
        | FileKind::Elf64
        | FileKind::MachO32
        | FileKind::MachO64
        | FileKind::Pe32
        | FileKind::Pe64 => object::File::parse(bytes).map_err(|error| Refusal::truncated(error.to_string())),
        other => Err(Refusal::not_a_plugin(format!("it is a file of the kind {other:?}"))),
    }
}

fn check_machine(library: &object::File<'_>) -> Result<(), Refusal> {
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
    Err(Refusal::WrongArchitecture {
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
fn check_whole(bytes: &[u8], library: &object::File<'_>) -> Result<(), Refusal> {
    let len = bytes.len() as u64;
    let is_inside = |(offset, size): (u64, u64)| offset.checked_add(size).is_some_and(|end| end <= len);
    for segment in library.segments() {
        if !is_inside(segment.file_range()) {
            return Err(Refusal::truncated("a segment ends behind the end of the file"));
        }
    }
    for section in library.sections() {
        if !section.file_range().is_none_or(is_inside) {
            return Err(Refusal::truncated("a section ends behind the end of the file"));
        }
    }
    Ok(())
}

fn manifest_section<'a>(library: &object::File<'a>) -> Result<&'a [u8], Refusal> {
    let name = if library.format() == BinaryFormat::MachO { SECTION_MACH_O } else { SECTION };
    let section = library
        .section_by_name(name)
        .ok_or_else(|| Refusal::not_a_plugin(format!("it has no section `{name}`")))?;
    let bytes = section.data().map_err(|error| Refusal::truncated(error.to_string()))?;
    // PE files fill sections up with zeroes
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    Ok(&bytes[..end])
}

fn check_abi(manifest: &Manifest) -> Result<(), Refusal> {
    if manifest.abi.min > JF_ABI_MAJOR {
        let plugin = manifest.name.clone();
        return Err(Refusal::AbiTooNew { plugin, needs: manifest.abi.min });
    }
    if manifest.abi.max < JF_ABI_MAJOR {
        let plugin = manifest.name.clone();
        return Err(Refusal::AbiTooOld { plugin, knows: manifest.abi.max });
    }
    Ok(())
}
