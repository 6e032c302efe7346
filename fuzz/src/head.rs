//! Heads of requests and answers, and trailers.

use weir_head::{
    Fields, Framing, HeadError, Limits, Method, Parsed, PathForm, RequestHead, ResponseHead, TargetForm,
    normalise, parse_request, parse_response, parse_trailers, strip_hop_by_hop, write_request,
    write_response,
};

use crate::Target;
use crate::breed::hash;

pub(crate) const TARGET: Target = Target {
    name: "head",
    words: &[
        "GET ",
        "POST ",
        "CONNECT ",
        "OPTIONS * ",
        "HTTP/1.1\r\n",
        "HTTP/1.0",
        "HTTP/1.1 200 OK\r\n",
        "\r\n",
        "\r\n\r\n",
        "Host: a\r\n",
        "Content-Length: ",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding",
        "chunked",
        "gzip, ",
        "Connection: close, ",
        "Expect: 100-continue",
        "http://a/",
        "http://",
        "%2e%2e",
        "/../",
        "%2F",
        "%00",
        "%5C",
        "184467440737095516",
        "+1",
        "0x",
        "\n ",
        "\r\n\t",
        " :",
        ": ",
        "Upgrade: websocket\r\n",
    ],
    run,
};

const LIMITS: Limits = Limits { head_bytes: 4096, target_bytes: 1024, fields: 32 };

fn run(input: &[u8]) -> u64 {
    let request = request(input);
    let answer = answer(input);
    let trailers = trailers(input);
    hash(format!("{request:?} {answer:?} {trailers:?}").as_bytes())
}

/// The outcome of bytes does not depend on how many came at once: no part of a head is a whole head, and where the
/// whole is acceptable its parts are not refused.
fn parts_agree(
    input: &[u8],
    whole: Result<Parsed, HeadError>,
    parse: impl Fn(&[u8]) -> Result<Parsed, HeadError>,
) {
    let Ok(Parsed::Complete(len)) = whole else {
        if whole == Ok(Parsed::Partial) {
            assert_eq!(
                parse(&input[..input.len() / 2]),
                Ok(Parsed::Partial),
                "a part was judged, the whole was not"
            );
        }
        return;
    };
    assert!(len <= input.len(), "more was consumed than came");
    assert_eq!(parse(&input[..len]), whole, "what follows a head changes it");
    for part in [len - 1, len / 2, len / 3] {
        assert_eq!(parse(&input[..part]), Ok(Parsed::Partial), "{part} of {len} bytes");
    }
}

fn request(input: &[u8]) -> Result<String, HeadError> {
    let parse = |bytes: &[u8]| parse_request(bytes, &LIMITS, &mut RequestHead::default());
    let mut head = RequestHead::default();
    let whole = parse_request(input, &LIMITS, &mut head);
    parts_agree(input, whole, parse);
    if !matches!(whole?, Parsed::Complete(_)) {
        return Ok("partial".into());
    }
    let shape = format!("{:?} {:?} {:?} {}", head.form, head.framing, head.version, head.keep_alive);
    let path = normalise(&mut head, PathForm::default());
    if path.is_ok() && head.form != TargetForm::Authority {
        let once = head.path().to_vec();
        normalise(&mut head, PathForm::default()).expect("a normal form has a normal form");
        assert_eq!(head.path(), once, "the normal form of a path is not final");
        // As before it is passed on: the fields of this hop are gone, and `Host` says what the target said.
        let authority =
            if head.authority().is_empty() { b"fuzz".to_vec() } else { head.authority().to_vec() };
        strip_hop_by_hop(&mut head.fields);
        head.fields.set("host", &authority);
        reads_back(&head);
    }
    Ok(format!("{shape} {path:?} {:?}", head.method))
}

/// What is passed on is read by the next one as it was read here.
fn reads_back(head: &RequestHead) {
    let mut bytes = Vec::new();
    write_request(head, &mut bytes);
    bytes.extend_from_slice(b"\r\n");
    let generous = Limits { head_bytes: 1 << 20, target_bytes: 1 << 20, fields: 64 };
    let mut again = RequestHead::default();
    let parsed = parse_request(&bytes, &generous, &mut again);
    let text = String::from_utf8_lossy(&bytes);
    assert_eq!(parsed, Ok(Parsed::Complete(bytes.len())), "{text}");
    assert_eq!(again.framing, head.framing, "{text}");
    assert_eq!(again.method_name(), head.method_name(), "{text}");
    assert_eq!((again.path(), again.query()), (head.path(), head.query()), "{text}");
    strip_hop_by_hop(&mut again.fields);
    let (one, two): (Vec<_>, Vec<_>) = (head.fields.iter().collect(), again.fields.iter().collect());
    assert_eq!(one, two, "{text}");
}

fn answer(input: &[u8]) -> Result<String, HeadError> {
    let parse = |bytes: &[u8]| parse_response(bytes, &LIMITS, Method::Get, &mut ResponseHead::default());
    let mut head = ResponseHead::default();
    let whole = parse_response(input, &LIMITS, Method::Get, &mut head);
    parts_agree(input, whole, parse);
    if !matches!(whole?, Parsed::Complete(_)) {
        return Ok("partial".into());
    }
    strip_hop_by_hop(&mut head.fields);
    let mut bytes = Vec::new();
    write_response(&head, &mut bytes);
    if head.framing == Framing::Chunked {
        bytes.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    let mut again = ResponseHead::default();
    let parsed = parse_response(&bytes, &Limits { head_bytes: 1 << 20, ..LIMITS }, Method::Get, &mut again);
    assert_eq!(parsed, Ok(Parsed::Complete(bytes.len())), "{}", String::from_utf8_lossy(&bytes));
    assert_eq!((again.status, again.framing), (head.status, head.framing));
    Ok(format!("{:?} {}", head.framing, head.status / 100))
}

fn trailers(input: &[u8]) -> Result<Parsed, HeadError> {
    let parse = |bytes: &[u8]| parse_trailers(bytes, &LIMITS, &mut Fields::default());
    let whole = parse(input);
    parts_agree(input, whole, parse);
    whole.map(|parsed| match parsed {
        Parsed::Complete(_) => Parsed::Complete(0),
        Parsed::Partial => Parsed::Partial,
    })
}
