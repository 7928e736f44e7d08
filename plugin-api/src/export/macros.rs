//! The export macro. It reads its keys one by one, in any order, and writes each as a call of a setter of
//! [`Definition`](super::definition::Definition), so that a misspelt key is an ordinary compile error.

/// Exports functions as a plugin. A library has exactly one.
///
/// ```
/// use jackfield_plugin_api::prelude::*;
///
/// #[derive(Deserialize, JsonSchema)]
/// struct Greet { name: String }
///
/// fn greet(_ctx: &Context, p: Greet) -> Result<String, Error> {
///     Ok(format!("hello {}", p.name))
/// }
///
/// async fn ponder(ctx: Context, p: Greet) -> Result<String, Error> {
///     ctx.info("this may take a while");
///     Ok(p.name)
/// }
///
/// export_plugin! {
///     name: "greeter",
///     description: "says hello",
///     methods: [
///         greet { pure, inline, description: "greets somebody" },
///         ponder { timeout: "30s" },
///         salute = greet { pure },
///     ],
/// }
/// # fn main() {}
/// ```
///
/// | key | value | if absent |
/// |---|---|---|
/// | `name` | plugin id | required |
/// | `version`, `description`, `authors`, `license`, `homepage` | text | as in `Cargo.toml` |
/// | `config` | a type that is `Deserialize + JsonSchema + Send + Sync`, see [`Context::config`](crate::Context::config) | no configuration |
/// | `stateful_config` | the same, of a type that is also [`State`](crate::State), in place of `config` | no state is handed over |
/// | `fs_read`, `fs_write`, `env` | `&["..."]`: paths, variables that it wants to use | none |
/// | `net`, `exec` | `true` if it wants to open connections, to start programs | `false` |
/// | `isolation` | `Isolation::Worker` or `Isolation::InProcess`, a wish | the host decides |
/// | `requires`, `optional` | `&[("table", "^1")]`: other plugins with version ranges | none |
/// | `methods` | `[ function { flags }, name = function { flags } ]` | required |
///
/// | flag of a method | says |
/// |---|---|
/// | `description: "..."` | what it does, in one sentence |
/// | `pure` | no side effects, same input gives the same output |
/// | `idempotent` | calling it twice has the effect of calling it once |
/// | `serial` | at most one call at a time |
/// | `inline` | so cheap and never blocking that the engine's own thread may call it |
/// | `async` | nothing new: an `async fn` is recognised by its form; marks it for the reader |
/// | `timeout: "30s"` | what an attempt may take at most (`ms`, `s`, `m`, `h`) |
#[macro_export]
macro_rules! export_plugin {
    ($($input:tt)*) => {
        $crate::__export_keys! { [] [$crate::export::config::NoConfig] [] $($input)* }
    };
}

/// Sorts the keys of `export_plugin!`: setters, configuration, methods.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_keys {
    ([$($set:tt)*] [$($config:tt)*] [$($methods:tt)*] config: $type:ty $(, $($rest:tt)*)?) => {
        $crate::__export_keys! {
            [$($set)*] [$crate::export::config::ConfigOf::<$type>::new()] [$($methods)*] $($($rest)*)?
        }
    };
    ([$($set:tt)*] [$($config:tt)*] [$($methods:tt)*] stateful_config: $type:ty $(, $($rest:tt)*)?) => {
        $crate::__export_keys! {
            [$($set)*] [$crate::export::config::StatefulConfigOf::<$type>::new()] [$($methods)*] $($($rest)*)?
        }
    };
    ([$($set:tt)*] [$($config:tt)*] [] methods: [$($methods:tt)*] $(, $($rest:tt)*)?) => {
        $crate::__export_keys! { [$($set)*] [$($config)*] [$($methods)*] $($($rest)*)? }
    };
    ([$($set:tt)*] [$($config:tt)*] [$($methods:tt)*] $key:ident: $value:expr $(, $($rest:tt)*)?) => {
        $crate::__export_keys! { [$($set)* .$key($value)] [$($config)*] [$($methods)*] $($($rest)*)? }
    };
    ([$($set:tt)*] [$($config:tt)*] []) => {
        compile_error!("export_plugin!: `methods: [...]` is missing or empty");
    };
    ([$($set:tt)*] [$($config:tt)*]
        [$($method:ident $(= $function:path)? $({ $($flags:tt)* })?),* $(,)?]) => {
        #[cfg(panic = "abort")]
        compile_error!("a plugin needs `panic = \"unwind\"`: otherwise one panic would end the whole host");

        struct JackfieldPlugin;

        /// The plugin as a host sees it.
        #[cfg(test)]
        #[allow(dead_code, reason = "a plugin may be tested in other ways")]
        fn exported_plugin() -> $crate::abi::host::Table {
            $crate::export::entry::table_of::<JackfieldPlugin>()
        }

        const _: () = {
            use $crate::export::{config, definition, entry, method};

            const DEFINITION: definition::Definition = definition::Definition::new(definition::CratePackage {
                version: env!("CARGO_PKG_VERSION"),
                description: env!("CARGO_PKG_DESCRIPTION"),
                authors: env!("CARGO_PKG_AUTHORS"),
                license: env!("CARGO_PKG_LICENSE"),
                homepage: env!("CARGO_PKG_HOMEPAGE"),
            })
            $($set)*
            .methods(&[$($crate::__export_flags!(
                [definition::MethodDefinition::new(
                    stringify!($method),
                    method::kind_of($crate::__export_function!($method $($function)?)),
                )]
                $($($flags)*)?
            )),*]);

            // the table points to it, because `#[used]` alone does not keep a section in all toolchains
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__jfmf"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".jfmf"))]
            static MANIFEST: [u8; DEFINITION.manifest_len()] = DEFINITION.manifest();

            static METHODS: &[&dyn method::AnyMethod] =
                &[$(&method::exported($crate::__export_function!($method $($function)?))),*];

            static PLUGIN: entry::Plugin = entry::Plugin {
                manifest: &MANIFEST,
                methods: METHODS,
                kinds: &[$(method::kind_of($crate::__export_function!($method $($function)?))),*],
                config: &$($config)*,
            };

            impl entry::Export for JackfieldPlugin {
                const PLUGIN: &'static entry::Plugin = &PLUGIN;
            }

            #[unsafe(no_mangle)]
            #[expect(non_upper_case_globals, reason = "the ABI gives the name")]
            static jf_plugin_v1: $crate::abi::JfPlugin = entry::table::<JackfieldPlugin>();

            // what `#[export_root_module]` of abi_stable would write, if the author depended on abi_stable
            #[unsafe(export_name = "_1as_0lib_1header_0root_bmodule_bloader")]
            static ROOT_HEADER: $crate::export::root::LibHeader =
                $crate::export::root::header($crate::export::root::constructor::<JackfieldPlugin>);

            #[allow(unused_imports, reason = "a plugin without configuration uses one module less")]
            use config as _;
        };
    };
}

/// The function of a method: named, or of the same name.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_function {
    ($method:ident) => {
        $method
    };
    ($method:ident $function:path) => {
        $function
    };
}

/// Applies the flags of a method one by one.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_flags {
    ([$($built:tt)*]) => { $($built)* };
    ([$($built:tt)*] pure $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.pure()] $($($rest)*)?)
    };
    ([$($built:tt)*] idempotent $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.idempotent()] $($($rest)*)?)
    };
    ([$($built:tt)*] serial $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.serial()] $($($rest)*)?)
    };
    ([$($built:tt)*] inline $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.inline()] $($($rest)*)?)
    };
    ([$($built:tt)*] async $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.asynchronous()] $($($rest)*)?)
    };
    ([$($built:tt)*] description: $text:expr $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.description($text)] $($($rest)*)?)
    };
    ([$($built:tt)*] timeout: $text:expr $(, $($rest:tt)*)?) => {
        $crate::__export_flags!([$($built)*.timeout($text)] $($($rest)*)?)
    };
    ([$($built:tt)*] stream $($rest:tt)*) => {
        compile_error!("export_plugin!: methods that stream are not supported by this version of jackfield-plugin-api")
    };
    ([$($built:tt)*] $flag:ident $($rest:tt)*) => {
        compile_error!(concat!(
            "export_plugin!: unknown flag `", stringify!($flag),
            "`; known are pure, idempotent, serial, inline, async, description: \"...\", timeout: \"30s\""
        ))
    };
}
