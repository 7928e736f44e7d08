//! The tables, and how older files become like newer ones.

use crate::fault::{Fault, Result};
use rusqlite::{Connection, TransactionBehavior};

/// `JKFD`: marks the file as ours.
const APPLICATION_ID: i32 = 0x4a4b_4644;

/// Each takes a file one format further: the first makes format 1 from an empty file. Released ones never change.
const MIGRATIONS: &[&str] = &[
"
    CREATE TABLE meta(key TEXT PRIMARY KEY, value ANY) STRICT, WITHOUT ROWID;
    INSERT INTO meta VALUES('clean', 1), ('last_run', 0);

    -- facts of all runs as they arrive, one row a commit; rows at the front go when nobody needs them
    CREATE TABLE log(seq INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
    -- what was needed of rows of the log that had to go
    CREATE TABLE tails(run INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, entries BLOB NOT NULL,
        PRIMARY KEY(run, first)) STRICT, WITHOUT ROWID;
    -- facts for good; id = run << 24 | position, so that new ones are appended
    CREATE TABLE chunks(id INTEGER PRIMARY KEY, first INTEGER NOT NULL, end INTEGER NOT NULL, batches BLOB NOT NULL)
        STRICT;

    -- what lists show; kept narrow, for text is searched row by row
    CREATE TABLE runs(
        no INTEGER PRIMARY KEY,
        status INTEGER NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER,
        due_at INTEGER,
        -- the latest started_at up to this row: by this a time is found without an index
        latest INTEGER NOT NULL,
        run_id TEXT NOT NULL UNIQUE,
        workflow TEXT NOT NULL,
        version TEXT NOT NULL,
        reason TEXT,
        custom_status TEXT) STRICT;
    CREATE INDEX runs_status ON runs(status);
    CREATE INDEX runs_workflow ON runs(workflow, status);
    CREATE INDEX runs_due ON runs(due_at) WHERE due_at IS NOT NULL;
    -- what only loading needs
    CREATE TABLE starts(run INTEGER PRIMARY KEY, document BLOB NOT NULL, start TEXT NOT NULL) STRICT;

    CREATE TABLE blobs(id INTEGER PRIMARY KEY, hash BLOB NOT NULL UNIQUE, value TEXT NOT NULL) STRICT;
    CREATE TABLE blob_uses(run INTEGER NOT NULL, blob INTEGER NOT NULL, PRIMARY KEY(run, blob)) STRICT, WITHOUT ROWID;
    CREATE INDEX blob_uses_blob ON blob_uses(blob);

    CREATE TABLE documents(hash BLOB PRIMARY KEY, text TEXT NOT NULL) STRICT;
    CREATE TABLE workflows(id TEXT NOT NULL, version TEXT NOT NULL, document BLOB NOT NULL,
        registered_at INTEGER NOT NULL, PRIMARY KEY(id, version)) STRICT, WITHOUT ROWID;
",
"
    -- generations of runs that went on as new; `starts`, `chunks` and `blob_uses` have their numbers as those of runs
    CREATE TABLE former(
        no INTEGER PRIMARY KEY,
        run_id TEXT NOT NULL,
        generation INTEGER NOT NULL,
        workflow TEXT NOT NULL,
        version TEXT NOT NULL,
        started_at INTEGER NOT NULL,
        ended_at INTEGER NOT NULL,
        UNIQUE(run_id, generation)) STRICT;
",
"
    -- each row is one JSON object, so that later versions can add to it
    CREATE TABLE schedules(id TEXT PRIMARY KEY, state TEXT NOT NULL) STRICT, WITHOUT ROWID;
    -- starts that schedules have to make
    CREATE TABLE queued_starts(schedule TEXT NOT NULL, no INTEGER NOT NULL, start TEXT NOT NULL,
        PRIMARY KEY(schedule, no)) STRICT, WITHOUT ROWID;
",
"
    -- attempts that rate limits count, as long as they do
    CREATE TABLE rate_starts(key TEXT NOT NULL, at INTEGER NOT NULL, until INTEGER NOT NULL) STRICT;
    CREATE INDEX rate_starts_until ON rate_starts(until);
",
];

/// The newest format known here.
pub(crate) const NEWEST: u32 = MIGRATIONS.len() as u32;

/// The format of a file that this version can use or bring up to date; 0 if it is empty.
pub(crate) fn format(conn: &Connection) -> Result<u32> {
    let number = |name: &str| conn.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0));
    let format = u32::try_from(number("user_version")?).unwrap_or(u32::MAX);
    let is_ours = number("application_id")? == i64::from(APPLICATION_ID);
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match format {
        0 if tables == 0 => Ok(0),
        1.. if is_ours && format > NEWEST => Err(Fault::TooNew(format)),
        1.. if is_ours => Ok(format),
        _ => Err(Fault::Wrong("it is an SQLite file, but no journal of Jackfield".into())),
    }
}

/// Brings a file up to date, one format at a time, each in a transaction of its own.
pub(crate) fn migrate(conn: &mut Connection, from: u32) -> Result<()> {
    migrate_by(conn, from, MIGRATIONS)
}

fn migrate_by(conn: &mut Connection, from: u32, migrations: &[&str]) -> Result<()> {
    for (step, format) in migrations.iter().zip(1_u32..).skip(from as usize) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", format)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(conn: &Connection) -> i64 {
        conn.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_step_by_step_and_a_failed_step_leaves_the_one_before() {
        let mut conn = Connection::open_in_memory().unwrap();
        let first = "CREATE TABLE a(x); INSERT INTO a VALUES(1);";
        migrate_by(&mut conn, 0, &[first]).unwrap();
        assert_eq!(version(&conn), 1);
        let broken = ["none", "ALTER TABLE a ADD y DEFAULT 2;", "ALTER TABLE a ADD z; DROP TABLE missing;"];
        assert!(migrate_by(&mut conn, 1, &broken).is_err());
        assert_eq!(version(&conn), 2);
        let columns: i64 =
            conn.query_row("SELECT count(*) FROM pragma_table_info('a')", [], |row| row.get(0)).unwrap();
        assert_eq!(columns, 2, "half a step was kept");
        let y: i64 = conn.query_row("SELECT y FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(y, 2);
    }

    #[test]
    fn files_of_others_and_of_later_versions_are_told_apart() {
        let mut conn = Connection::open_in_memory().unwrap();
        assert_eq!(format(&conn).unwrap(), 0);
        migrate(&mut conn, 0).unwrap();
        assert_eq!(format(&conn).unwrap(), NEWEST);
        conn.pragma_update(None, "user_version", NEWEST + 4).unwrap();
        assert!(matches!(format(&conn), Err(Fault::TooNew(found)) if found == NEWEST + 4));
        let other = Connection::open_in_memory().unwrap();
        other.execute_batch("CREATE TABLE t(x)").unwrap();
        assert!(matches!(format(&other), Err(Fault::Wrong(_))));
        other.pragma_update(None, "user_version", 1).unwrap();
        assert!(matches!(format(&other), Err(Fault::Wrong(_))));
    }
}
