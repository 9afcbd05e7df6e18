//! Trailers of a request: none that frames, routes or authorises goes on.

use super::{BEHIND, arena, breaks_off, chunked, one_in_step, post};

#[tokio::test]
async fn sm_23_no_trailer_stands_in_for_a_header() {
    let world = arena().start().await;
    let headers = "TE: trailers\r\nTrailer: Authorization, Host, Content-Length, Transfer-Encoding, X_Api_Key\r\n\
                   Transfer-Encoding: chunked\r\n";
    let trailers = "Authorization: Bearer evil\r\nHost: evil.test\r\nContent-Length: 9\r\n\
                    Transfer-Encoding: chunked\r\nX_Api_Key: evil\r\nX-Unannounced: evil\r\n";
    let bytes = post(headers, format!("0\r\n{trailers}\r\n"));
    let seen = one_in_step(&world, bytes, b"").await;
    assert_eq!(seen.body.trailers, []);
    assert_eq!(seen.head.value("trailer"), None);
    let received = world.upstream("api.a.test").connections()[0]
        .received
        .bytes();
    assert!(!String::from_utf8_lossy(&received).contains("evil"));
    world.finish().await;
}

#[tokio::test]
async fn trailers_that_are_no_fields_break_the_body_off() {
    let world = arena().start().await;
    for trailers in [
        "no colon\r\n\r\n",
        ": no name\r\n\r\n",
        "Name : x\r\n\r\n",
        " Folded: x\r\n\r\n",
        "A: x\r\n folded\r\n\r\n",
        "A: x\0\r\n\r\n",
        "A: x\rB: y\r\n\r\n",
        "A: x\nB: y\r\n\r\n",
    ] {
        breaks_off(&world, chunked(format!("1\r\nx\r\n0\r\n{trailers}"))).await;
    }
    let many: String = (0..200).map(|n| format!("X-{n}: x\r\n")).collect();
    breaks_off(&world, chunked(format!("0\r\n{many}\r\n"))).await;
    let long = format!("X: {}\r\n", "x".repeat(20 << 10));
    breaks_off(&world, chunked(format!("0\r\n{long}\r\n"))).await;
    world.finish().await;
}

/// To whom a bare line feed ends a line, the trailers end before [`BEHIND`].
#[tokio::test]
async fn trailers_end_at_an_empty_line_in_full() {
    let world = arena().start().await;
    for end in ["X-Sum: 1\n\n", "\n"] {
        let body = format!("1\r\nx\r\n0\r\n{end}{BEHIND}");
        let bytes = post("Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n", body);
        one_in_step(&world, bytes, b"x").await;
    }
    world.finish().await;
}
