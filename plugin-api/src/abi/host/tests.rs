//! Tables that are none must be refused before anything in them is called.

use super::*;
use std::ffi::c_char;

unsafe extern "C" fn describe(_: *mut JfResult) -> i32 {
    77
}

unsafe extern "C" fn create(
    _: *const crate::abi::JfHost,
    _: JfSlice,
    _: *mut *mut c_void,
    out: *mut JfResult,
) -> i32 {
    // SAFETY: the host's result is valid.
    let out = unsafe { &mut *out };
    out.error.message = JfSlice::new(b"no \xff text");
    out.error.details = JfSlice::new(b"{ no json");
    crate::abi::JF_FAILED
}

unsafe extern "C" fn call(_: *mut c_void, _: *const JfCall, _: *mut JfResult) -> i32 {
    JF_OK
}

unsafe extern "C" fn start(_: *mut c_void, _: *const JfCall, _: crate::abi::JfCompletion) -> i32 {
    JF_UNSUPPORTED
}

unsafe extern "C" fn destroy(_: *mut c_void) {}

unsafe extern "C" fn get_extension(_: *const c_char) -> *const c_void {
    std::ptr::null()
}

fn good() -> JfPlugin {
    JfPlugin {
        struct_size: size_of::<JfPlugin>() as u32,
        abi_major: JF_ABI_MAJOR,
        abi_minor: 0,
        manifest: JfSlice::EMPTY,
        describe,
        create,
        call,
        start,
        destroy,
        get_extension,
    }
}

fn table(plugin: JfPlugin) -> Result<Table, TableFault> {
    // SAFETY: the table is leaked, and its functions keep the rules.
    unsafe { Table::from_ptr(Box::leak(Box::new(plugin))) }
}

#[test]
fn a_null_table_and_one_of_another_abi_or_size_are_refused() {
    // SAFETY: null is allowed.
    let null = unsafe { Table::from_ptr(std::ptr::null()) };
    assert_eq!(null.err(), Some(TableFault::Null));
    assert_eq!(table(JfPlugin { abi_major: 2, ..good() }).err(), Some(TableFault::Abi(2)));
    assert_eq!(table(JfPlugin { struct_size: 8, ..good() }).err(), Some(TableFault::Size(8)));
    assert!(table(good()).is_ok());
}

#[test]
fn a_table_with_a_null_function_is_refused() {
    const WORDS: usize = size_of::<JfPlugin>() / size_of::<usize>();
    // SAFETY: both types have the same size, and every table may be looked at as words.
    let words = unsafe { std::mem::transmute::<JfPlugin, [usize; WORDS]>(good()) };
    for missing in 3..WORDS {
        let mut words = words;
        words[missing] = 0;
        let table = Box::leak(Box::new(words)).as_ptr().cast::<JfPlugin>();
        // SAFETY: it has the size of a table, and what it lacks is to be found out.
        assert_eq!(unsafe { Table::from_ptr(table) }.err(), Some(TableFault::NullFunction));
    }
}

#[test]
fn an_unknown_status_and_an_error_with_rubbish_in_it_are_survived() {
    let table = table(good()).unwrap();
    assert!(matches!(table.describe(), Err(CallFault::BadStatus(77))));
    let Err(CallFault::Failed(error)) = table.create("{}", Box::new(|_, _, _| ())) else {
        panic!("the plugin refuses")
    };
    assert_eq!(
        (error.kind(), error.message(), error.details_json()),
        ("plugin.error", "no \u{fffd} text", "")
    );
}
