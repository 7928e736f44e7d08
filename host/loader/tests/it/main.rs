//! Plugins as files: found, refused, loaded, called. Linux only where a test patches ELF files or links C.

mod abi_1_0;
mod cache;
mod calls;
mod examples;
mod files;
mod fuzz;
mod support;
mod versions;
