//! The host's side of extensions.

use super::{CallFault, Instance, Table, outcome};
use crate::abi::{Buffer, JfCall, JfCancel, JfResult, JfSlice, JfState};
use std::ffi::{CStr, c_void};
use std::ptr::NonNull;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

/// How every extension begins: size, reserved, then functions.
const HEAD_WORDS: usize = size_of::<u64>() / size_of::<usize>();

impl Table {
    /// A table of the plugin's, if it has it, all of it, and no function of it is null.
    ///
    /// # Safety
    /// `T` is the extension of this name: a size, 32 bits, and functions.
    unsafe fn extension<T: Copy>(&self, id: &CStr) -> Option<&'static T> {
        // SAFETY: the function is one of the table, and the name is terminated.
        let found = unsafe { (self.0.get_extension)(id.as_ptr()) };
        let found = NonNull::new(found.cast_mut())?;
        // SAFETY: every extension begins with its size.
        let size = unsafe { found.cast::<u32>().read() };
        if (size as usize) < size_of::<T>() {
            return None;
        }
        let words = size_of::<T>() / size_of::<usize>();
        // SAFETY: it has this size; a function pointer in C may be null, so they are looked at as words first.
        let words = unsafe { std::slice::from_raw_parts(found.cast::<usize>().as_ptr(), words) };
        if words[HEAD_WORDS..].contains(&0) {
            return None;
        }
        // SAFETY: promised by the caller; extensions are constant data of a plugin that stays loaded.
        Some(unsafe { found.cast::<T>().as_ref() })
    }

    /// How its calls are told to stop by a function (`jf.cancel/1`); `None` if they only look at the flag.
    #[must_use]
    pub fn cancel(&self) -> Option<CancelFunction> {
        // SAFETY: this is its type.
        unsafe { self.extension::<JfCancel>(c"jf.cancel/1") }.map(|table| CancelFunction(table.cancel))
    }

    /// Whether its instances hand their state over to other versions (`jf.state/1`).
    #[must_use]
    pub fn has_state(&self) -> bool {
        self.state().is_some()
    }

    fn state(&self) -> Option<&'static JfState> {
        // SAFETY: this is its type.
        unsafe { self.extension::<JfState>(c"jf.state/1") }
    }
}

impl Instance {
    /// The state of this instance as JSON; `None` if the plugin hands none over.
    ///
    /// # Errors
    /// If the plugin fails or panics.
    pub fn save_state(&self) -> Option<Result<Buffer, CallFault>> {
        let state = self.table.state()?;
        let mut out = JfResult::EMPTY;
        // SAFETY: the function is one of the extension, the instance is alive, and `out` outlives the function.
        let status = unsafe { (state.save)(self.raw, &raw mut out) };
        Some(outcome(status, out))
    }

    /// Takes the state of another version over, before the first call; `None` if the plugin takes none.
    ///
    /// # Errors
    /// If the plugin cannot use it, or panics.
    pub fn restore_state(&self, saved: &[u8]) -> Option<Result<(), CallFault>> {
        let state = self.table.state()?;
        let mut out = JfResult::EMPTY;
        // SAFETY: as above; the state outlives the function.
        let status = unsafe { (state.restore)(self.raw, JfSlice::new(saved), &raw mut out) };
        Some(outcome(status, out).map(drop))
    }
}

/// The function of a plugin that tells a call to stop.
#[derive(Clone, Copy)]
pub struct CancelFunction(unsafe extern "C" fn(*mut c_void, *const JfCall));

/// Tells one call to stop by the plugin's function, while it lasts.
pub struct Canceller {
    function: CancelFunction,
    state: Mutex<State>,
    told: Condvar,
}

#[derive(Default)]
struct State {
    running: Option<RunningCall>,
    /// The thread that is in the plugin's function.
    teller: Option<ThreadId>,
    is_told: bool,
}

#[derive(Clone, Copy)]
struct RunningCall {
    instance: *mut c_void,
    call: *const JfCall,
}

// SAFETY: both are only handed to the plugin's function, which may be called from any thread.
unsafe impl Send for RunningCall {}

impl Canceller {
    /// For one call of a plugin that has this function.
    #[must_use]
    pub fn new(function: CancelFunction) -> Self {
        Self { function, state: Mutex::default(), told: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The call begins; it is alive until [`Canceller::end`].
    pub(super) fn begin(&self, instance: *mut c_void, call: *const JfCall) {
        self.lock().running = Some(RunningCall { instance, call });
    }

    /// The call has ended. Waits for the plugin's function, unless that has ended it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.running = None;
        let own = std::thread::current().id();
        while state.teller.is_some_and(|teller| teller != own) {
            state = self.told.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Tells the call to stop, once; nothing if it has not begun or has ended. Its flag is to be set before.
    pub fn cancel(&self) {
        let mut state = self.lock();
        let Some(RunningCall { instance, call }) = state.running.filter(|_| !state.is_told) else { return };
        state.is_told = true;
        state.teller = Some(std::thread::current().id());
        drop(state);
        // SAFETY: instance and call are alive until `end` returns, which waits for this, or is called by the plugin's function
        // itself, which then knows that they have ended.
        unsafe { (self.function.0)(instance, call) };
        self.lock().teller = None;
        self.told.notify_all();
    }
}
