//! Files that lines are written to, which are put aside when they are full.

use jackfield_plugin_api::prelude::*;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// A file that lines are written to. When it is full it becomes `PATH.1`, what was that `PATH.2`, and so on.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Log {
    /// The file. What is in it already stays and counts.
    path: PathBuf,
    /// When it is full, in bytes.
    #[serde(default = "max_bytes")]
    #[schemars(range(min = 1))]
    max_bytes: u64,
    /// Full files that are kept beside it; older ones are deleted.
    #[serde(default = "keep")]
    #[schemars(range(max = 1_000))]
    keep: u16,
}

fn max_bytes() -> u64 {
    10 << 20
}

fn keep() -> u16 {
    5
}

/// The open file.
pub(crate) struct Written {
    log: Log,
    file: File,
    len: u64,
}

impl Log {
    /// Opens the file.
    ///
    /// # Errors
    /// `process.log` if it cannot be written.
    pub(crate) fn open(&self) -> Result<Written, Error> {
        let opened = open(&self.path).map_err(|error| failed(&self.path, &error))?;
        let found = opened.metadata().map_err(|error| failed(&self.path, &error))?;
        // a device would be renamed like a file
        if !found.is_file() {
            return Err(failed(&self.path, &io::Error::other("it is no file")).permanent());
        }
        Ok(Written { log: self.clone(), file: opened, len: found.len() })
    }

    /// The name of the file that has been put aside so often.
    fn aside(&self, number: u16) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        if number > 0 {
            name.push(format!(".{number}"));
        }
        name.into()
    }
}

impl Written {
    /// Appends a line; it is in the file when this returns.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Error> {
        self.write(line).map_err(|error| failed(&self.log.path, &error))
    }

    fn write(&mut self, line: &str) -> io::Result<()> {
        let len = line.len() as u64 + 1;
        if self.len > 0 && self.len + len > self.log.max_bytes {
            self.put_aside()?;
        }
        let mut whole = String::with_capacity(line.len() + 1);
        whole.push_str(line);
        whole.push('\n');
        self.file.write_all(whole.as_bytes())?;
        self.len += len;
        Ok(())
    }

    fn put_aside(&mut self) -> io::Result<()> {
        for number in (0..self.log.keep).rev() {
            match fs::rename(self.log.aside(number), self.log.aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        if self.log.keep == 0 {
            fs::remove_file(&self.log.path)?;
        }
        self.file = open(&self.log.path)?;
        self.len = 0;
        Ok(())
    }
}

fn open(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::new("process.log", format!("cannot write the log `{}`: {error}", path.display()))
}
