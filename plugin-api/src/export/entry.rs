//! The functions of an exported table: each turns C arguments into safe ones, and lets no panic out.

use super::cancel::Waiters;
use super::method::{AnyMethod, Generators};
use crate::abi::host::Table;
use crate::abi::link::{HostLink, Promised};
use crate::abi::{
    JF_ABI_MAJOR, JF_ABI_MINOR, JF_OK, JF_PANICKED, JF_UNSUPPORTED, JfCall, JfCancel, JfCompletion, JfHost,
    JfPlugin, JfResult, JfSlice, JfState, give,
};
use crate::context::{Config, Context};
use crate::manifest::{Manifest, MethodKind};
use crate::{Error, export::config::AnyConfig};
use std::ffi::{CStr, c_char, c_void};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;
use std::sync::Arc;

/// What the export macro makes of its arguments.
pub struct Plugin {
    /// The static manifest.
    pub manifest: &'static [u8],
    /// The methods in its order.
    pub methods: &'static [&'static dyn AnyMethod],
    /// Their kinds.
    pub kinds: &'static [MethodKind],
    /// Reads and describes the configuration.
    pub config: &'static dyn AnyConfig,
}

/// Gives the functions of a table access to their plugin without an argument for it.
pub trait Export: 'static {
    /// The plugin.
    const PLUGIN: &'static Plugin;
}

/// The table of the plugin `E`.
#[must_use]
pub const fn table<E: Export>() -> JfPlugin {
    JfPlugin {
        struct_size: size_of::<JfPlugin>() as u32,
        abi_major: JF_ABI_MAJOR,
        abi_minor: JF_ABI_MINOR,
        manifest: JfSlice::new(E::PLUGIN.manifest),
        describe: describe::<E>,
        create: create::<E>,
        call,
        start,
        destroy,
        get_extension: get_extension::<E>,
    }
}

/// The table of the plugin `E`, ready to be used by a host in the same program.
#[must_use]
pub const fn table_of<E: Export>() -> Table {
    Table::of(const { &table::<E>() })
}

/// One configured use of the plugin; what the host's opaque pointer points to.
struct Instance {
    plugin: &'static Plugin,
    host: NonNull<JfHost>,
    config: Config,
    waiters: Arc<Waiters>,
    #[cfg(feature = "async")]
    runtime: super::runtime::LazyRuntime,
}

/// Runs `body`, which writes its end to `out` and answers the status; so does this, if `body` panics.
#[inline]
fn guard(out: &mut JfResult, body: impl FnOnce(&mut JfResult) -> i32) -> i32 {
    catch_unwind(AssertUnwindSafe(|| body(out))).unwrap_or_else(|panic| panicked(&*panic, out))
}

#[cold]
fn panicked(panic: &(dyn std::any::Any + Send), out: &mut JfResult) -> i32 {
    out.error = give::error(panic_error(panic));
    JF_PANICKED
}

/// Says that the host asked for something that this plugin does not have.
#[cold]
fn unsupported(message: &'static str, out: &mut JfResult) -> i32 {
    out.error = give::error(Error::other(message).permanent());
    JF_UNSUPPORTED
}

/// The message of a panic, as an error.
#[cold]
pub(super) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without a message");
    Error::new("plugin.panic", message)
}

unsafe extern "C" fn describe<E: Export>(out: *mut JfResult) -> i32 {
    // SAFETY: the host passes a result that is its own and outlives the function.
    let out = unsafe { &mut *out };
    guard(out, |out| match full_manifest(E::PLUGIN) {
        Ok(manifest) => give::success(manifest, out),
        Err(error) => give::failure(error, out),
    })
}

fn full_manifest(plugin: &Plugin) -> Result<Vec<u8>, Error> {
    let mut manifest = Manifest::parse(plugin.manifest).map_err(|error| Error::other(error.to_string()))?;
    let mut generators = Generators::default();
    manifest.config = plugin.config.schema(&mut generators);
    for (described, method) in manifest.methods.iter_mut().zip(plugin.methods) {
        let schemas = method.schemas(&mut generators);
        described.params = Some(schemas.params);
        described.output = Some(schemas.output);
    }
    Ok(serde_json::to_vec(&manifest)?)
}

unsafe extern "C" fn create<E: Export>(
    host: *const JfHost,
    config: JfSlice,
    instance: *mut *mut c_void,
    out: *mut JfResult,
) -> i32 {
    // SAFETY: the host passes a result that is its own and outlives the function.
    let out = unsafe { &mut *out };
    // SAFETY: the configuration is valid for as long as the function runs.
    let config = unsafe { config.bytes() };
    guard(out, |out| {
        let Some(host) = NonNull::new(host.cast_mut()) else { return unsupported("there is no host", out) };
        let config = match E::PLUGIN.config.read(config) {
            Ok(config) => config,
            Err(error) => return give::failure(error, out),
        };
        let made = Box::new(Instance {
            plugin: E::PLUGIN,
            host,
            config,
            waiters: Arc::default(),
            #[cfg(feature = "async")]
            runtime: super::runtime::LazyRuntime::default(),
        });
        // SAFETY: the host passes a place for one pointer.
        unsafe { instance.write(Box::into_raw(made).cast()) };
        JF_OK
    })
}

unsafe extern "C" fn call(instance: *mut c_void, call: *const JfCall, out: *mut JfResult) -> i32 {
    // SAFETY: the host passes what `create` made and has not been destroyed; it is only shared.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: the host keeps the call valid and unchanged until the method returns.
    let seen = unsafe { &*call };
    // SAFETY: the host passes a result that is its own and outlives the function.
    let out = unsafe { &mut *out };
    // SAFETY: the parameters are valid for as long as the call.
    let params = unsafe { seen.params.bytes() };
    // SAFETY: the instance outlives the context, which ends with this function, and which the method only borrows.
    let config = unsafe { Promised::new(&*instance.config) };
    // SAFETY: as above.
    let waiters = unsafe { Promised::new(&*instance.waiters) };
    // SAFETY: as above; so does the call.
    let link = unsafe { HostLink::new(instance.host, NonNull::from(seen)) };
    guard(out, |out| {
        let index = seen.method_index as usize;
        let Some(method) = instance.plugin.methods.get(index) else {
            return unsupported("there is no such method", out);
        };
        if instance.plugin.kinds.get(index) == Some(&MethodKind::Async) {
            return unsupported("the method is asynchronous: start it", out);
        }
        method.call(&Context::lent(link, config, waiters), params, out)
    })
}

unsafe extern "C" fn start(instance: *mut c_void, call: *const JfCall, completion: JfCompletion) -> i32 {
    // SAFETY: as in `call`.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: the host keeps the call valid and unchanged until the completion.
    let seen = unsafe { &*call };
    begin(instance, seen, completion)
}

#[cfg(not(feature = "async"))]
fn begin(_: &Instance, _: &JfCall, _: JfCompletion) -> i32 {
    JF_UNSUPPORTED
}

#[cfg(feature = "async")]
fn begin(instance: &Instance, call: &JfCall, completion: JfCompletion) -> i32 {
    use super::runtime::{Completer, spawn};
    use crate::context::SharedCall;

    let index = call.method_index as usize;
    let Some(method) = instance.plugin.methods.get(index) else { return JF_UNSUPPORTED };
    if instance.plugin.kinds.get(index) != Some(&MethodKind::Async) {
        return JF_UNSUPPORTED;
    }
    // SAFETY: the parameters are valid until the completion, and are not looked at after this function.
    let params = unsafe { call.params.bytes() };
    // SAFETY: both stay valid until the completion; the completer cuts the link before that.
    let link = unsafe { HostLink::new(instance.host, NonNull::from(call)) };
    let shared = SharedCall::new(link, instance.waiters.clone());
    let completer = Completer::new(completion, shared.clone());
    let begun = catch_unwind(AssertUnwindSafe(|| {
        let runtime = instance.runtime.get()?;
        let context = Context::shared(shared, instance.config.clone());
        Ok((runtime, method.start(context, params)?))
    }));
    match begun {
        Ok(Ok((runtime, answer))) => spawn(&runtime, answer, completer),
        Ok(Err(error)) => completer.fail(error),
        Err(panic) => completer.panic(&*panic),
    }
    JF_OK
}

unsafe extern "C" fn destroy(instance: *mut c_void) {
    // SAFETY: the host passes what `create` made, once, when no call is left.
    let instance = unsafe { Box::from_raw(instance.cast::<Instance>()) };
    // a panic in the destructor of a configuration ends here: the instance is gone either way
    let _ = catch_unwind(AssertUnwindSafe(|| drop(instance)));
}

/// Every plugin of this crate can be told by a function that a call is to stop; to one that does not wait for that it means
/// nothing.
static CANCEL: JfCancel = JfCancel { struct_size: size_of::<JfCancel>() as u32, reserved: 0, cancel };

unsafe extern "C" fn cancel(instance: *mut c_void, call: *const JfCall) {
    // SAFETY: the host passes what `create` made and has not been destroyed; it is only shared.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // a callback's panic ends in there
    instance.waiters.cancel(call.addr());
}

/// Of plugins that have state.
static STATE: JfState = JfState {
    struct_size: size_of::<JfState>() as u32,
    reserved: 0,
    save: save_state,
    restore: restore_state,
};

unsafe extern "C" fn save_state(instance: *mut c_void, out: *mut JfResult) -> i32 {
    // SAFETY: the host passes what `create` made and has not been destroyed; it is only shared.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: the host passes a result that is its own and outlives the function.
    let out = unsafe { &mut *out };
    guard(out, |out| match instance.plugin.config.save(&instance.config) {
        Ok(state) => give::success(state, out),
        Err(error) => give::failure(error, out),
    })
}

unsafe extern "C" fn restore_state(instance: *mut c_void, state: JfSlice, out: *mut JfResult) -> i32 {
    // SAFETY: as in `save_state`.
    let instance = unsafe { &*instance.cast::<Instance>() };
    // SAFETY: as in `save_state`.
    let out = unsafe { &mut *out };
    // SAFETY: the state is valid for as long as the function runs.
    let state = unsafe { state.bytes() };
    guard(out, |out| match instance.plugin.config.restore(&instance.config, state) {
        Ok(()) => JF_OK,
        Err(error) => give::failure(error, out),
    })
}

unsafe extern "C" fn get_extension<E: Export>(id: *const c_char) -> *const c_void {
    if id.is_null() {
        return std::ptr::null();
    }
    // SAFETY: the host passes a name that is terminated.
    let id = unsafe { CStr::from_ptr(id) };
    match id.to_bytes() {
        b"jf.cancel/1" => (&raw const CANCEL).cast(),
        b"jf.state/1" if E::PLUGIN.config.has_state() => (&raw const STATE).cast(),
        _ => std::ptr::null(),
    }
}
