//! The bundled plugin `csv`: CSV files become rows, and rows become CSV files.

mod cell;
mod format;
mod read;
mod write;

use jackfield_file_access::Files;
use jackfield_plugin_api::prelude::*;

/// One row: column name to value, in the order of the columns.
type Row = serde_json::Map<String, serde_json::Value>;

const FILES: Files = Files::of("csv");

export_plugin! {
    name: "csv",
    description: "reads and writes CSV files",
    fs_read: &["**"],
    fs_write: &["**"],
    methods: [
        load {
            idempotent,
            description: "reads a CSV file into rows; rows that do not fit are set aside and counted. \
                Example: {\"path\": \"data/weather.csv\", \"columns\": [\"date\", \"temp_max\"]}",
        },
        save {
            idempotent,
            description: "writes rows to a CSV file, which appears only when it is complete. \
                Example: {\"path\": \"out/monthly.csv\", \"rows\": [{\"month\": 1, \"mean\": 4.2}]}",
        },
        append {
            description: "adds rows to the end of a CSV file under its columns; begins the file if there is none. \
                Example: {\"path\": \"log.csv\", \"rows\": [{\"at\": \"2026-01-01\", \"ok\": true}]}",
        },
    ],
}

fn load(ctx: &Context, p: read::Load) -> Result<read::Loaded, Error> {
    let loaded = read::load(&p, &|| ctx.is_cancelled())?;
    if loaded.bad_row_count > 0 {
        ctx.log(
            Level::Warn,
            "rows were set aside",
            &serde_json::json!({ "path": p.path, "bad_rows": loaded.bad_row_count }),
        );
    }
    Ok(loaded)
}

fn save(ctx: &Context, p: write::Save) -> Result<write::Saved, Error> {
    write::save(&p, &|| ctx.is_cancelled())
}

fn append(ctx: &Context, p: write::Append) -> Result<write::Saved, Error> {
    write::append(&p, &|| ctx.is_cancelled())
}

#[cfg(test)]
mod tests {
    use super::*;
    use jackfield_plugin_api::testing::TestCall;
    use serde_json::json;

    #[test]
    fn rows_that_were_set_aside_are_logged() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.csv");
        std::fs::write(&path, "a,b\n1,2\n3\n").unwrap();
        let call = TestCall::new();
        let p = serde_json::from_value(json!({ "path": path })).unwrap();
        let loaded = call.run(|ctx| load(ctx, p)).unwrap();
        assert_eq!((loaded.row_count, loaded.bad_row_count), (1, 1));
        assert_eq!(
            (call.logs()[0].level, call.logs()[0].message.as_str()),
            (Level::Warn, "rows were set aside")
        );
    }
}
