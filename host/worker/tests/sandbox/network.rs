//! Connections: none without `net`, and never to local services.

use crate::actions::Action;
use crate::run;
use std::net::TcpListener;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

const NET: &str = "grant = { net = true }";

#[test]
fn a_worker_connects_only_with_net() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let connect = [Action::Connect(listener.local_addr().unwrap())];
    assert_eq!(run("", &connect).only(), Err(libc::EPERM));
    assert_eq!(run(NET, &connect).only().unwrap(), "connected");
}

#[test]
fn a_worker_has_datagrams_and_names_only_with_net() {
    assert_eq!(run("", &[Action::Udp]).only(), Err(libc::EPERM));
    assert_eq!(run(NET, &[Action::Udp]).only().unwrap(), "bound");
    assert!(run(NET, &[Action::Resolve("localhost".to_owned())]).only().is_ok());
    assert!(run(NET, &[Action::Read("/etc/hosts".into())]).only().is_ok());
    assert_eq!(run("", &[Action::Read("/etc/hosts".into())]).only(), Err(libc::EACCES));
}

#[test]
fn sockets_of_local_services_are_out_of_reach_with_and_without_net() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("service");
    let _by_path = UnixListener::bind(&path).unwrap();
    let name = format!("jackfield-test-{}", std::process::id());
    let _by_name = UnixListener::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    let everything = format!(
        "grant = {{ net = true, exec = true, fs = {{ read = ['{0}'], write = ['{0}'] }} }}",
        dir.path().display()
    );
    for action in [Action::UnixConnect(path), Action::UnixAbstract(name)] {
        for grant in ["", NET, &everything] {
            assert_eq!(run(grant, std::slice::from_ref(&action)).only(), Err(libc::EPERM), "{grant}");
        }
        assert_eq!(run("sandbox = 'off'", &[action]).only().unwrap(), "connected");
    }
}

#[test]
fn pairs_of_streams_stay_and_pairs_of_datagrams_which_could_be_sent_anywhere_go() {
    for grant in ["", NET] {
        assert_eq!(run(grant, &[Action::UnixPair]).only().unwrap(), "sent");
        assert_eq!(run(grant, &[Action::UnixDatagramPair]).only(), Err(libc::EPERM));
        let raw = [libc::AF_UNIX.into(), libc::SOCK_RAW.into(), 0, 0, 0];
        assert_eq!(run(grant, &[Action::Call(libc::SYS_socketpair, raw)]).only(), Err(libc::EPERM));
    }
    assert_eq!(run("sandbox = 'off'", &[Action::UnixDatagramPair]).only().unwrap(), "made");
}

#[test]
fn net_is_ip_and_the_table_of_routes() {
    let socket = |family: i32, kind: i32, protocol: i32| {
        [Action::Call(libc::SYS_socket, [family.into(), kind.into(), protocol.into(), 0, 0])]
    };
    let route = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_ROUTE);
    assert!(run(NET, &route).only().is_ok());
    assert_eq!(run("", &route).only(), Err(libc::EPERM));
    for refused in [
        socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT),
        socket(libc::AF_PACKET, libc::SOCK_RAW, 0),
        socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        socket(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
    ] {
        assert_eq!(run(NET, &refused).only(), Err(libc::EPERM), "{refused:?}");
    }
}
