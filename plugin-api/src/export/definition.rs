//! What `export_plugin!` was told, as a constant, and the static manifest that the compiler makes of it.

use super::json::Writer;
use crate::manifest::{Isolation, MANIFEST_FORMAT, MethodKind, is_method_name, is_plugin_name};

/// A plugin as its author declared it. Each key of `export_plugin!` is a method of this type.
#[derive(Clone, Copy)]
pub struct Definition {
    name: &'static str,
    version: &'static str,
    description: &'static str,
    authors: &'static str,
    license: &'static str,
    homepage: &'static str,
    fs_read: &'static [&'static str],
    fs_write: &'static [&'static str],
    net: bool,
    exec: bool,
    env: &'static [&'static str],
    isolation: Option<Isolation>,
    requires: &'static [(&'static str, &'static str)],
    optional: &'static [(&'static str, &'static str)],
    methods: &'static [MethodDefinition],
}

/// What Cargo knows about the author's crate: the defaults.
#[derive(Clone, Copy)]
pub struct CratePackage {
    /// `CARGO_PKG_VERSION`
    pub version: &'static str,
    /// `CARGO_PKG_DESCRIPTION`
    pub description: &'static str,
    /// `CARGO_PKG_AUTHORS`
    pub authors: &'static str,
    /// `CARGO_PKG_LICENSE`
    pub license: &'static str,
    /// `CARGO_PKG_HOMEPAGE`
    pub homepage: &'static str,
}

/// Declares a setter for each key that simply stores its value.
macro_rules! keys {
    ($($(#[$doc:meta])* $key:ident: $type:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub const fn $key(mut self, $key: $type) -> Self {
            self.$key = $key;
            self
        })*
    };
}

impl Definition {
    /// A plugin without a name and methods.
    #[must_use]
    pub const fn new(package: CratePackage) -> Self {
        Self {
            name: "",
            version: package.version,
            description: package.description,
            authors: package.authors,
            license: package.license,
            homepage: package.homepage,
            fs_read: &[],
            fs_write: &[],
            net: false,
            exec: false,
            env: &[],
            isolation: None,
            requires: &[],
            optional: &[],
            methods: &[],
        }
    }

    keys! {
        /// Plugin id.
        name: &'static str;
        /// Semver version; that of the crate if absent.
        version: &'static str;
        /// One sentence; that of the crate if absent.
        description: &'static str;
        /// `Name <mail>`, several with `:` between; those of the crate if absent.
        authors: &'static str;
        /// SPDX expression; that of the crate if absent.
        license: &'static str;
        /// Address of a page; that of the crate if absent.
        homepage: &'static str;
        /// Paths to read.
        fs_read: &'static [&'static str];
        /// Paths to write.
        fs_write: &'static [&'static str];
        /// Network connections.
        net: bool;
        /// Other programs.
        exec: bool;
        /// Environment variables.
        env: &'static [&'static str];
        /// Names and version ranges of the plugins that it needs.
        requires: &'static [(&'static str, &'static str)];
        /// Names and version ranges of the plugins that it can use.
        optional: &'static [(&'static str, &'static str)];
        /// Its methods.
        methods: &'static [MethodDefinition];
    }

    /// Where it wishes to run.
    #[must_use]
    pub const fn isolation(mut self, isolation: Isolation) -> Self {
        self.isolation = Some(isolation);
        self
    }

    /// Length of the static manifest in bytes.
    #[must_use]
    pub const fn manifest_len(&self) -> usize {
        self.write::<0>().len()
    }

    /// The static manifest.
    #[must_use]
    pub const fn manifest<const LEN: usize>(&self) -> [u8; LEN] {
        self.write::<LEN>().finish()
    }

    const fn write<const LEN: usize>(&self) -> Writer<LEN> {
        assert!(
            is_plugin_name(self.name),
            "export_plugin!: `name` must be set, begin with a letter or `_`, \
            and hold letters, digits, `_` and `-` only"
        );
        assert!(!self.methods.is_empty(), "export_plugin!: a plugin needs at least one method");
        let mut writer = Writer::new();
        writer.raw("{\"manifest\":").number(MANIFEST_FORMAT as u64);
        writer.raw(",\"abi\":{\"min\":1,\"max\":1},\"name\":").string(self.name);
        writer.raw(",\"version\":").string(self.version);
        writer.raw(",\"description\":").string(self.description);
        writer.raw(",\"authors\":[").parts(self.authors, b':');
        writer.raw("],\"license\":").string(self.license);
        writer.raw(",\"homepage\":").string(self.homepage);
        self.write_methods(&mut writer);
        self.write_capabilities(&mut writer);
        match self.isolation {
            Some(Isolation::InProcess) => writer.raw(",\"isolation\":\"in_process\""),
            Some(Isolation::Worker) => writer.raw(",\"isolation\":\"worker\""),
            None => &mut writer,
        };
        self.write_requirements(&mut writer);
        writer.raw("}");
        writer
    }

    const fn write_methods<const LEN: usize>(&self, writer: &mut Writer<LEN>) {
        writer.raw(",\"methods\":[");
        let mut index = 0;
        while index < self.methods.len() {
            writer.comma(index);
            self.methods[index].write(writer);
            index += 1;
        }
        writer.raw("]");
    }

    const fn write_capabilities<const LEN: usize>(&self, writer: &mut Writer<LEN>) {
        writer.raw(",\"capabilities\":{\"fs_read\":[").strings(self.fs_read);
        writer.raw("],\"fs_write\":[").strings(self.fs_write);
        writer.raw("],\"env\":[").strings(self.env);
        writer.raw("],\"net\":").boolean(self.net).raw(",\"exec\":").boolean(self.exec).raw("}");
    }

    const fn write_requirements<const LEN: usize>(&self, writer: &mut Writer<LEN>) {
        writer.raw(",\"requires\":[");
        let mut index = 0;
        while index < self.requires.len() + self.optional.len() {
            let is_optional = index >= self.requires.len();
            let (name, version) =
                if is_optional { self.optional[index - self.requires.len()] } else { self.requires[index] };
            writer.comma(index).raw("{\"name\":").string(name).raw(",\"version\":").string(version);
            writer.raw(",\"optional\":").boolean(is_optional).raw("}");
            index += 1;
        }
        writer.raw("]");
    }
}

/// A method as its author declared it. Each flag in `export_plugin!` is a method of this type.
#[derive(Clone, Copy)]
pub struct MethodDefinition {
    name: &'static str,
    kind: MethodKind,
    description: &'static str,
    pure: bool,
    idempotent: bool,
    serial: bool,
    timeout_ms: Option<u64>,
}

impl MethodDefinition {
    /// A method with the kind that its function has by its form.
    #[must_use]
    pub const fn new(name: &'static str, kind: MethodKind) -> Self {
        let name = without_raw_mark(name);
        assert!(
            is_method_name(name),
            "export_plugin!: a method's name must hold ASCII letters, digits and `_` only"
        );
        Self { name, kind, description: "", pure: false, idempotent: false, serial: false, timeout_ms: None }
    }

    keys! {
        /// One sentence.
        description: &'static str;
    }

    /// No side effects, same input gives the same output.
    #[must_use]
    pub const fn pure(mut self) -> Self {
        self.pure = true;
        self
    }

    /// Calling it twice has the effect of calling it once.
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.idempotent = true;
        self
    }

    /// At most one call at a time.
    #[must_use]
    pub const fn serial(mut self) -> Self {
        self.serial = true;
        self
    }

    /// Cheap and never blocking.
    #[must_use]
    pub const fn inline(mut self) -> Self {
        assert!(
            matches!(self.kind, MethodKind::Blocking),
            "export_plugin!: an `async fn` cannot be `inline`"
        );
        self.kind = MethodKind::Inline;
        self
    }

    /// Says what the form of the function says already.
    #[must_use]
    pub const fn asynchronous(self) -> Self {
        assert!(
            matches!(self.kind, MethodKind::Async),
            "export_plugin!: a method marked `async` must be an `async fn`"
        );
        self
    }

    /// What an attempt may take at most: a number and `ms`, `s`, `m` or `h`.
    #[must_use]
    pub const fn timeout(mut self, timeout: &str) -> Self {
        self.timeout_ms = Some(milliseconds(timeout));
        self
    }

    const fn write<const LEN: usize>(&self, writer: &mut Writer<LEN>) {
        let kind = match self.kind {
            MethodKind::Blocking => "blocking",
            MethodKind::Inline => "inline",
            MethodKind::Async => "async",
            MethodKind::Stream => "stream",
        };
        writer.raw("{\"name\":").string(self.name).raw(",\"kind\":").string(kind);
        writer.raw(",\"description\":").string(self.description);
        writer.raw(",\"pure\":").boolean(self.pure).raw(",\"idempotent\":").boolean(self.idempotent);
        writer.raw(",\"serial\":").boolean(self.serial);
        if let Some(timeout_ms) = self.timeout_ms {
            writer.raw(",\"timeout_ms\":").number(timeout_ms);
        }
        writer.raw("}");
    }
}

/// `r#try` is called `try` in workflows.
const fn without_raw_mark(name: &'static str) -> &'static str {
    match name.as_bytes() {
        [b'r', b'#', ..] => name.split_at(2).1,
        _ => name,
    }
}

const fn milliseconds(text: &str) -> u64 {
    let bytes = text.as_bytes();
    let mut number: u64 = 0;
    let mut index = 0;
    while index < bytes.len() && bytes[index].is_ascii_digit() {
        number = number * 10 + (bytes[index] - b'0') as u64;
        index += 1;
    }
    assert!(index > 0, "export_plugin!: `timeout` must begin with a whole number, as in \"30s\"");
    let unit = match bytes.split_at(index).1 {
        b"ms" => 1,
        b"s" => 1_000,
        b"m" => 60_000,
        b"h" => 3_600_000,
        _ => panic!("export_plugin!: `timeout` must end in `ms`, `s`, `m` or `h`, as in \"30s\""),
    };
    number * unit
}
