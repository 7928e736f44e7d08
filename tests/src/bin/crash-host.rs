//! A host that dies where its argument says; see `jackfield_tests::crash`.

fn main() {
    #[cfg(unix)]
    jackfield_tests::crash::live(&std::env::args().nth(1).expect("the argument describes a life"));
}
