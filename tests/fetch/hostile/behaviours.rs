//! How servers misbehave, and how a run has to end.

use super::server::{Client, Handler};
use crate::common::gzip::gzipped;
use std::sync::Arc;
use std::time::Duration;

/// One kind of behaviour.
pub struct Behaviour {
    /// For messages.
    pub name: &'static str,
    /// The scheme of the URL.
    pub scheme: &'static str,
    /// The compression in the config.
    pub compression: Option<&'static str>,
    /// The hash in the config.
    pub hash: Option<&'static str>,
    /// The server.
    pub server: Handler,
    /// The expected result of the run.
    pub outcome: Outcome,
}

/// The result of a run.
pub enum Outcome {
    /// The file is written with these bytes.
    Success(&'static [u8]),
    /// The run fails with this cause, and without a file.
    Failure(&'static str),
}

const PAUSE: Duration = Duration::from_millis(50);
const OK: &str = "HTTP/1.1 200 OK\r\n";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
const OUT_OF_TIME: &str = "unable to fetch resource in time";

fn behaviour(
    name: &'static str,
    outcome: Outcome,
    handler: impl Fn(&mut Client, usize) + Send + Sync + 'static,
) -> Behaviour {
    Behaviour {
        name,
        scheme: "http",
        compression: None,
        hash: None,
        server: Arc::new(handler),
        outcome,
    }
}

/// A server that reads the request, sends this response, and closes the connection.
fn responds(name: &'static str, outcome: Outcome, answer: impl Into<Vec<u8>>) -> Behaviour {
    let answer = answer.into();
    behaviour(name, outcome, move |client, _| {
        client.read_request();
        client.send(&answer);
    })
}

fn response(body: &[u8]) -> Vec<u8> {
    let head = format!("{OK}Content-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

fn with_gzip(behaviour: Behaviour) -> Behaviour {
    Behaviour {
        compression: Some("gzip"),
        ..behaviour
    }
}

fn over_tls(behaviour: Behaviour) -> Behaviour {
    Behaviour {
        scheme: "https",
        ..behaviour
    }
}

/// All behaviours.
pub fn all() -> Vec<Behaviour> {
    [
        connections(),
        heads(),
        lengths(),
        bodies(),
        redirects(),
        statuses(),
        gzip(),
        tls(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn connections() -> Vec<Behaviour> {
    use Outcome::{Failure, Success};
    vec![
        behaviour("closes at once", Failure(OUT_OF_TIME), |_, _| {}),
        behaviour("resets", Failure(OUT_OF_TIME), |client, _| {
            client.send("HTTP/1.1 2");
        }),
        behaviour(
            "never says anything",
            Failure("no response headers within 1 s"),
            |client, _| {
                client.stay();
            },
        ),
        behaviour(
            "reads and never answers",
            Failure("no response headers within 1 s"),
            |client, _| {
                client.read_request();
                client.stay();
            },
        ),
        behaviour(
            "closes half before the head is complete",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.read_request();
                client.send("HTTP/1.1 200 OK\r\nContent-Le");
                client.close_half();
            },
        ),
        behaviour("comes to its senses", Success(b"fine"), |client, number| {
            if number > 2 {
                client.read_request();
                client.send(response(b"fine"));
            }
        }),
        behaviour(
            "sends a second answer nobody asked for",
            Success(b"one"),
            |client, _| {
                client.read_request();
                client.send([response(b"one"), response(b"two")].concat());
            },
        ),
    ]
}

fn heads() -> Vec<Behaviour> {
    use Outcome::Failure;
    let status = |name, line: &str| responds(name, Failure(OUT_OF_TIME), format!("{line}\r\n\r\n"));
    vec![
        behaviour(
            "slow head",
            Failure("no response headers within 1 s"),
            |client, _| {
                client.read_request();
                client.send(OK);
                client.send_for_ever("X", PAUSE);
            },
        ),
        behaviour("head without end", Failure(OUT_OF_TIME), |client, _| {
            client.read_request();
            client.send(OK);
            client.send_for_ever(format!("X: {}\r\n", "y".repeat(4000)), Duration::ZERO);
        }),
        responds("line of two MiB in the head", Failure(OUT_OF_TIME), {
            format!("{OK}X: {}\r\n\r\n", "y".repeat(2 << 20))
        }),
        responds("ten thousand lines in the head", Failure(OUT_OF_TIME), {
            format!("{OK}{}\r\n", "X: y\r\n".repeat(10_000))
        }),
        status("no status", "HTTP/1.1"),
        status("status that is not a number", "HTTP/1.1 okay"),
        status("status out of range", "HTTP/1.1 99999 Much"),
        status("status below zero", "HTTP/1.1 -200 OK"),
        status("another protocol", "SSH-2.0-OpenSSH_9.2p1"),
        status("a version nobody knows", "HTTP/7.3 200 OK"),
        responds("no head at all", Failure(OUT_OF_TIME), "just text\n"),
        responds("zeros", Failure(OUT_OF_TIME), vec![0; 100_000]),
        responds(
            "line without colon",
            Failure(OUT_OF_TIME),
            format!("{OK}nonsense\r\n\r\n"),
        ),
        responds(
            "NUL in a header",
            Failure(OUT_OF_TIME),
            format!("{OK}X: a\0b\r\n\r\n"),
        ),
        responds(
            "space in a header name",
            Failure(OUT_OF_TIME),
            format!("{OK}X Y: z\r\n\r\n"),
        ),
        behaviour(
            "preface of HTTP/2 that was not asked for",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.read_request();
                client.send([0, 0, 0, 4, 0, 0, 0, 0, 0]);
            },
        ),
        behaviour(
            "interim answers for ever",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.read_request();
                client.send_for_ever("HTTP/1.1 100 Continue\r\n\r\n", Duration::from_millis(1));
            },
        ),
    ]
}

fn lengths() -> Vec<Behaviour> {
    use Outcome::{Failure, Success};
    let length = |name, outcome, text: &str| {
        responds(
            name,
            outcome,
            format!("{OK}Content-Length: {text}\r\n\r\nabcde"),
        )
    };
    vec![
        length("length below zero", Failure(OUT_OF_TIME), "-5"),
        length("length that is not a number", Failure(OUT_OF_TIME), "five"),
        length(
            "length beyond all numbers",
            Failure(OUT_OF_TIME),
            "99999999999999999999999",
        ),
        length(
            "two lengths",
            Failure(OUT_OF_TIME),
            "5\r\nContent-Length: 4",
        ),
        length("longer than announced", Success(b"abc"), "3"),
        length(
            "shorter than announced",
            Failure("announced 9 bytes, 5 came"),
            "9",
        ),
        length(
            "almost endless by its own word",
            Failure("was cut off"),
            "9000000000000000000",
        ),
        responds(
            "packed on its way",
            Failure("transfer coding \"gzip\""),
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        ),
        responds(
            "chunk of nonsense",
            Failure("was cut off"),
            format!("{CHUNKED}zz\r\nabc\r\n0\r\n\r\n"),
        ),
        responds("chunk beyond all numbers", Failure("was cut off"), {
            format!("{CHUNKED}FFFFFFFFFFFFFFFFF\r\nabc")
        }),
        responds(
            "chunks without end mark",
            Failure("was cut off"),
            format!("{CHUNKED}3\r\nabc\r\n"),
        ),
        responds("chunk longer than it says", Failure("was cut off"), {
            format!("{CHUNKED}2\r\nabcdef\r\n0\r\n\r\n")
        }),
        behaviour(
            "chunk extension without end",
            Failure("was cut off"),
            |client, _| {
                client.read_request();
                client.send(format!("{CHUNKED}3;"));
                client.send_for_ever("x".repeat(4000), Duration::from_millis(1));
            },
        ),
        behaviour(
            "trailers without end",
            Failure("was cut off"),
            |client, _| {
                client.read_request();
                client.send(format!("{CHUNKED}3\r\nabc\r\n0\r\n"));
                client.send_for_ever(
                    format!("X: {}\r\n", "y".repeat(4000)),
                    Duration::from_millis(1),
                );
            },
        ),
    ]
}

fn bodies() -> Vec<Behaviour> {
    use Outcome::Failure;
    vec![
        behaviour("slow body", Failure("bytes so far"), |client, _| {
            client.read_request();
            client.send(format!("{OK}Content-Length: 100000\r\n\r\n"));
            client.send_for_ever("x", PAUSE);
        }),
        behaviour("endless body", Failure("bytes so far"), |client, _| {
            client.read_request();
            client.send(format!("{OK}\r\n"));
            client.send_for_ever(vec![b'x'; 64 << 10], Duration::from_millis(10));
        }),
        behaviour("endless chunks", Failure("bytes so far"), |client, _| {
            client.read_request();
            client.send(CHUNKED);
            client.send_for_ever("1\r\nx\r\n", Duration::from_millis(1));
        }),
        behaviour(
            "no body after the head",
            Failure("bytes so far"),
            |client, _| {
                client.read_request();
                client.send(format!("{OK}Content-Length: 5\r\n\r\n"));
                client.stay();
            },
        ),
        behaviour(
            "half-closed in the body",
            Failure("announced 9 bytes, 3 came"),
            |client, _| {
                client.read_request();
                client.send(format!("{OK}Content-Length: 9\r\n\r\nabc"));
                client.close_half();
            },
        ),
        behaviour("reset in the body", Failure("was cut off"), |client, _| {
            // An unread byte makes the kernel reset the connection instead of closing it.
            client.read_some();
            client.send(format!("{OK}Content-Length: 9\r\n\r\nabc"));
        }),
        behaviour(
            "something else after every break",
            Failure("the content had changed"),
            |client, number| {
                client.read_request();
                client.send(format!(
                    "{OK}Content-Length: 9\r\n\r\n{number}{number}{number}"
                ));
            },
        ),
        Behaviour {
            hash: Some("sha256-ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            ..responds(
                "tampered by one byte",
                Failure("hash verification failed"),
                response(b"abd"),
            )
        },
    ]
}

fn redirects() -> Vec<Behaviour> {
    use Outcome::Failure;
    let to = |name, cause, location: &str| {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n");
        responds(name, Failure(cause), answer)
    };
    vec![
        behaviour(
            "redirects to itself for ever",
            Failure("more than 20 redirects"),
            |client, _| {
                let own = client.own_address();
                let answer = format!(
                    "HTTP/1.1 302 Found\r\nLocation: http://{own}/again\r\nContent-Length: 0\r\n\r\n"
                );
                while !client.read_request().is_empty() && client.send(&answer) {}
            },
        ),
        to(
            "redirect to a file",
            "neither http nor https",
            "file:///etc/passwd",
        ),
        to("redirect to data", "neither http nor https", "data:,abc"),
        to("redirect to nonsense", "is not a URL", "http://[/"),
        to("redirect to nobody", OUT_OF_TIME, "http://127.0.0.1:1/"),
        responds("redirect to nowhere", Failure("302 Found"), {
            "HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"
        }),
        responds("redirect with a header inside", Failure(OUT_OF_TIME), {
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/%0d%0aX: y\rz\r\nContent-Length: 0\r\n\r\n"
        }),
    ]
}

fn statuses() -> Vec<Behaviour> {
    use Outcome::{Failure, Success};
    let status = |name, cause, line: &str, headers: &str| {
        let answer = format!("HTTP/1.1 {line}\r\n{headers}Content-Length: 6\r\n\r\nsecret");
        responds(name, Failure(cause), answer)
    };
    vec![
        status("500 storm", "the server answered 500", "500 Oops", ""),
        status(
            "503 and a date of nonsense",
            "the server answered 503",
            "503 Busy",
            "Retry-After: soon\r\n",
        ),
        status(
            "429 and an hour",
            "the server answered 429",
            "429 Slow down",
            "Retry-After: 3600\r\n",
        ),
        status(
            "429 and no time",
            "429 Too Many Requests",
            "429 Slow down",
            "",
        ),
        status("404", "resource not found", "404 Gone fishing", ""),
        status(
            "401",
            "401 Unauthorized",
            "401 Who",
            "WWW-Authenticate: Basic\r\n",
        ),
        status("407", "407 Proxy Authentication Required", "407 Who", ""),
        status(
            "a part nobody asked for",
            "206 Partial Content",
            "206 Part",
            "",
        ),
        status(
            "not modified since never",
            "304 Not Modified",
            "304 Same",
            "",
        ),
        status(
            "status nobody knows",
            "the server answered 799",
            "799 What",
            "",
        ),
        status(
            "success of a kind nobody knows",
            "failed to fetch resource",
            "299 Well",
            "",
        ),
        responds(
            "another protocol from here on",
            Failure("101 Switching Protocols"),
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        ),
        behaviour("429 once", Success(b"abc"), |client, number| {
            client.read_request();
            match number {
                1 => client.send(
                    "HTTP/1.1 429 Slow\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
                ),
                _ => client.send(response(b"abc")),
            };
        }),
    ]
}

fn gzip() -> Vec<Behaviour> {
    use Outcome::Failure;
    let cause = "cannot decompress";
    let mut wrong_sum = gzipped(b"abc");
    let length = wrong_sum.len();
    wrong_sum[length - 6] ^= 1;
    let garbage = [gzipped(b"abc"), b"garbage".to_vec()].concat();
    let body = |name, bytes: Vec<u8>| with_gzip(responds(name, Failure(cause), response(&bytes)));
    // A megabyte of this decompresses to a gigabyte; a server can send it for ever.
    let bomb = gzipped(vec![0; 8 << 20]);
    vec![
        body("garbage for gzip", b"no gzip at all".to_vec()),
        body("nothing for gzip", Vec::new()),
        body("half a gzip", gzipped([b'x'; 10_000])[..20].to_vec()),
        body("gzip with a wrong sum", wrong_sum),
        body("gzip and garbage", garbage),
        with_gzip(behaviour(
            "gzip bomb",
            Failure("bytes so far"),
            move |client, _| {
                client.read_request();
                client.send(format!("{OK}\r\n"));
                client.send_for_ever(&bomb, Duration::from_millis(100));
            },
        )),
    ]
}

fn tls() -> Vec<Behaviour> {
    use Outcome::Failure;
    // An alert record: level fatal (2), then the description.
    let alert = |which: u8| vec![21, 3, 3, 0, 2, 2, which];
    let after_hello = |name, cause, bytes: Vec<u8>| {
        over_tls(behaviour(name, Failure(cause), move |client, _| {
            client.read_some();
            client.send(&bytes);
            client.stay();
        }))
    };
    vec![
        after_hello(
            "TLS alert: handshake failure",
            "HandshakeFailure",
            alert(40),
        ),
        after_hello(
            "TLS alert: unrecognised name",
            "UnrecognisedName",
            alert(112),
        ),
        after_hello(
            "plain text for TLS",
            OUT_OF_TIME,
            b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
        ),
        after_hello(
            "record beyond the largest",
            OUT_OF_TIME,
            vec![22, 3, 3, 255, 255, 1, 2, 3],
        ),
        over_tls(behaviour(
            "closes after the hello",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.read_some();
            },
        )),
        over_tls(behaviour(
            "no answer to the hello",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.stay();
            },
        )),
        over_tls(behaviour(
            "empty records for ever",
            Failure(OUT_OF_TIME),
            |client, _| {
                client.read_some();
                client.send_for_ever([22, 3, 3, 0, 0], Duration::from_millis(1));
            },
        )),
    ]
}
