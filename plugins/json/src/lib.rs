//! The bundled plugin `json`: JSON files and values.

mod file;
mod value;

#[cfg(test)]
mod tests;

use jackfield_file_access::Files;
use jackfield_plugin_api::prelude::*;
use serde_json::Value;

const FILES: Files = Files::of("json");

export_plugin! {
    name: "json",
    description: "reads, writes, queries, merges and checks JSON",
    fs_read: &["**"],
    fs_write: &["**"],
    methods: [
        load { idempotent, description: "reads a JSON file. Example: {\"path\": \"data/cities.json\"}" },
        save { idempotent, description: "writes a JSON file, which appears only when it is complete. \
            Example: {\"path\": \"out/report.json\", \"value\": {\"ok\": true}, \"pretty\": true}" },
        query { pure, description: "finds the values that a JSONPath (RFC 9535) names. \
            Example: {\"value\": {\"cities\": [{\"name\": \"Seattle\"}]}, \"path\": \"$.cities[*].name\"}" },
        merge { pure, description: "puts objects together, later ones winning. \
            Example: {\"values\": [{\"a\": 1}, {\"a\": 2, \"b\": 3}]}" },
        validate { pure, description: "checks a value against a JSON Schema. \
            Example: {\"value\": 3, \"schema\": {\"type\": \"integer\", \"minimum\": 0}}" },
    ],
}

fn load(_ctx: &Context, p: file::Load) -> Result<Value, Error> {
    file::load(&p)
}

fn save(_ctx: &Context, p: file::Save) -> Result<file::Saved, Error> {
    file::save(&p)
}

fn query(_ctx: &Context, p: value::Query) -> Result<value::Found, Error> {
    value::query(&p)
}

fn merge(_ctx: &Context, p: value::Merge) -> Result<Value, Error> {
    value::merge(p)
}

fn validate(_ctx: &Context, p: value::Validate) -> Result<value::Checked, Error> {
    value::validate(&p)
}
