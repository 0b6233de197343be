//! `DATABASE_URL` may name an address of IPv6, or a folder with a socket.

use std::net::Ipv6Addr;

use store::{Session, connect};
use tokio::net::{TcpListener, TcpStream};

use crate::text;

/// Hands one connection at an address of IPv6 on to `server`.
async fn forward_one(listener: TcpListener, server: String) {
    let (mut client, _) = listener.accept().await.unwrap();
    let mut server = TcpStream::connect(server).await.unwrap();
    tokio::io::copy_bidirectional(&mut client, &mut server).await.ok();
}

#[tokio::test]
async fn an_address_of_ipv6_is_connected_to() {
    let url = sandbox::fresh_database().unwrap();
    let (login, place) = url.split_once('@').unwrap();
    let (server, database) = place.split_once('/').unwrap();
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).await.expect("this host has IPv6");
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(forward_one(listener, server.to_owned()));
    let url = format!("{login}@[::1]:{port}/{database}");
    let mut connection = connect(&url, Session::Batch).await.unwrap();
    let one: i32 = sqlx::query_scalar("SELECT 1").fetch_one(&mut connection).await.unwrap();
    assert_eq!(one, 1);
}

#[tokio::test]
async fn what_refuses_is_named_as_it_was_connected_to() {
    for (url, place) in [
        ("postgres://me@[::1]:1/db", "me@[::1]:1/db"),
        ("postgres://me@%2Fno%2Fsuch%2Ffolder/db", "me@/no/such/folder/.s.PGSQL.5432/db"),
    ] {
        let error = text(&connect(url, Session::Control).await.unwrap_err());
        assert!(error.contains(place) && !error.contains("localhost"), "{url}: {error}");
        assert!(!error.contains("lookup"), "{url}: {error}");
    }
}

#[tokio::test]
async fn an_answer_of_the_server_does_not_name_a_line_of_its_source() {
    let url = sandbox::fresh_database().unwrap();
    let wrong = url.replace("telecom_user:", "nobody_we_know:");
    let error = text(&connect(&wrong, Session::Control).await.unwrap_err());
    assert!(error.contains("nobody_we_know") && !error.contains("at line"), "{error}");
}
