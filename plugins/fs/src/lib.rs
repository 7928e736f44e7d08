//! The bundled plugin `fs`: lists, reads, writes, copies, moves, deletes, hashes, packs and unpacks files.

mod archive;
mod change;
mod extract;
mod format;
mod limits;
mod list;
mod read;

use jackfield_file_access::Files;
use jackfield_plugin_api::prelude::*;

const FILES: Files = Files::of("fs");
/// Bytes handled between two looks at whether the call is cancelled.
const CHUNK_BYTES: usize = 256 * 1024;

export_plugin! {
    name: "fs",
    description: "lists, reads, writes, copies, moves, deletes, hashes, packs and unpacks files",
    fs_read: &["**"],
    fs_write: &["**"],
    methods: [
        list { idempotent, description: "lists files by pattern or directory. Example: {\"glob\": \"data/*.csv\"}" },
        read { idempotent, description: "reads a file as text or base64. Example: {\"path\": \"a.txt\"}" },
        hash { idempotent, description: "computes the SHA-256 of a file. Example: {\"path\": \"a.bin\"}" },
        write { description: "writes a file, which appears only when it is complete. \
            Example: {\"path\": \"a.txt\", \"text\": \"hello\"}" },
        copy { description: "copies a file. Example: {\"from\": \"a.txt\", \"to\": \"b.txt\"}" },
        move = relocate { description: "renames a file or directory. Example: {\"from\": \"a.txt\", \"to\": \"b.txt\"}" },
        delete { description: "deletes a file or an empty directory. Example: {\"path\": \"a.txt\"}" },
        archive { description: "packs a file or directory into a zip or tar.gz, which appears only when it is complete. \
            Example: {\"from\": \"data\", \"to\": \"data.tar.gz\"}" },
        extract { description: "unpacks a zip or tar.gz into a directory, all of it or nothing. \
            Example: {\"from\": \"data.tar.gz\", \"to\": \"data\"}" },
    ],
}

fn list(ctx: &Context, p: list::List) -> Result<list::Listed, Error> {
    list::list(&p, &|| ctx.is_cancelled())
}

fn read(_ctx: &Context, p: read::Read) -> Result<read::Content, Error> {
    read::read(&p)
}

fn hash(ctx: &Context, p: read::Hash) -> Result<read::Hashed, Error> {
    read::hash(&p, &|| ctx.is_cancelled())
}

fn write(_ctx: &Context, p: change::Write) -> Result<change::Changed, Error> {
    change::write(&p)
}

fn copy(ctx: &Context, p: change::Transfer) -> Result<change::Changed, Error> {
    change::copy(&p, &|| ctx.is_cancelled())
}

fn relocate(ctx: &Context, p: change::Transfer) -> Result<change::Changed, Error> {
    change::relocate(&p, &|| ctx.is_cancelled())
}

fn delete(_ctx: &Context, p: change::Delete) -> Result<change::Deleted, Error> {
    change::delete(&p)
}

fn archive(ctx: &Context, p: archive::Archive) -> Result<archive::Archived, Error> {
    archive::archive(&p, &|| ctx.is_cancelled())
}

fn extract(ctx: &Context, p: extract::Extract) -> Result<extract::Extracted, Error> {
    extract::extract(&p, &|| ctx.is_cancelled())
}

#[cfg(test)]
mod tests;
