//! The query of a URL that Go's `url.Parse` accepts.

use std::net::IpAddr;

use super::{BadEscape, UrlError, cut, hex, unescape};
use crate::net;

/// The query string of a URL, between the first `?` and the first `#`, escapes and all.
///
/// # Errors
///
/// When Go's `url.Parse` refuses the URL: control characters, a bad escape in the path, the user,
/// the host or the fragment, a host or port that is none, a colon before the first slash of a
/// relative URL.
pub fn raw_query(url: &[u8]) -> Result<&[u8], UrlError> {
    let (url, fragment) = cut(url, b'#');
    if url.iter().any(|byte| *byte < b' ' || *byte == 0x7f) {
        return Err(UrlError::Control);
    }
    if url == b"*" {
        return check_escapes(fragment).map(|()| &url[..0]);
    }
    let (scheme, rest) = split_scheme(url)?;
    let (path, query) = cut(rest, b'?');
    let is_opaque = !scheme.is_empty() && path.first() != Some(&b'/');
    if !is_opaque {
        check_hierarchy(scheme, path)?;
    }
    check_escapes(fragment)?;
    Ok(query)
}

fn check_escapes(text: &[u8]) -> Result<(), UrlError> {
    unescape(text, b'+', BadEscape::Refuse).map(drop)
}

fn split_scheme(url: &[u8]) -> Result<(&[u8], &[u8]), UrlError> {
    for (at, byte) in url.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err(UrlError::MissingScheme),
            b':' => return Ok((&url[..at], &url[at + 1..])),
            _ => break,
        }
    }
    Ok((&[], url))
}

fn check_hierarchy(scheme: &[u8], path: &[u8]) -> Result<(), UrlError> {
    if path.first() != Some(&b'/') && cut(path, b'/').0.contains(&b':') {
        return Err(UrlError::ColonInPath);
    }
    let has_authority = path.starts_with(b"//") && !(scheme.is_empty() && path.starts_with(b"///"));
    if !has_authority {
        return check_escapes(path);
    }
    let rest = &path[2..];
    let end = rest
        .iter()
        .position(|byte| *byte == b'/')
        .unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    match authority.iter().rposition(|byte| *byte == b'@') {
        None => check_host(scheme, authority)?,
        Some(at) => {
            check_host(scheme, &authority[at + 1..])?;
            check_user(&authority[..at])?;
        }
    }
    check_escapes(path)
}

fn check_user(user: &[u8]) -> Result<(), UrlError> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(byte);
    if user.iter().all(allowed) {
        let (name, password) = cut(user, b':');
        check_escapes(name).and_then(|()| check_escapes(password))
    } else {
        Err(UrlError::UserInfo)
    }
}

fn check_host(scheme: &[u8], host: &[u8]) -> Result<(), UrlError> {
    match host.iter().rposition(|byte| *byte == b'[') {
        Some(0) => return check_literal(host),
        Some(_) => return Err(UrlError::Host),
        None => {}
    }
    let first = memchr::memchr(b':', host);
    let last = memchr::memrchr(b':', host);
    let is_http = scheme.eq_ignore_ascii_case(b"http") || scheme.eq_ignore_ascii_case(b"https");
    if let Some(at) = if is_http { first } else { last } {
        check_port(&host[at..])?;
    }
    host_bytes(host, Zone::No).map(drop)
}

/// An IPv6 address in brackets, and a port.
fn check_literal(host: &[u8]) -> Result<(), UrlError> {
    let close = host
        .iter()
        .rposition(|byte| *byte == b']')
        .ok_or(UrlError::Host)?;
    check_port(&host[close + 1..])?;
    let name = &host[1..close];
    let address = match memchr::memmem::find(name, b"%25") {
        Some(at) => [
            host_bytes(&name[..at], Zone::No)?,
            host_bytes(&name[at..], Zone::Yes)?,
        ]
        .concat(),
        None => host_bytes(name, Zone::No)?,
    };
    match net::parse_addr(&address) {
        Some(net::Addr {
            ip: IpAddr::V6(_), ..
        }) => Ok(()),
        _ => Err(UrlError::Host),
    }
}

fn check_port(port: &[u8]) -> Result<(), UrlError> {
    match port {
        [] => Ok(()),
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => Ok(()),
        _ => Err(UrlError::Port),
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Zone {
    Yes,
    No,
}

/// A host with its escapes undone. They may only stand for bytes that are not ASCII; in a zone,
/// also for blanks and for what may stand in a host.
fn host_bytes(text: &[u8], zone: Zone) -> Result<Vec<u8>, UrlError> {
    let stands =
        |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte);
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        rest = tail;
        if *byte != b'%' {
            if byte.is_ascii() && !stands(*byte) {
                return Err(UrlError::Host);
            }
            continue;
        }
        // What is no escape at all is found below.
        if let [high, low, after @ ..] = tail
            && let (Some(high), Some(low)) = (hex(*high), hex(*low))
        {
            let escaped = high << 4 | low;
            let allowed = match zone {
                Zone::No => !escaped.is_ascii(),
                Zone::Yes => escaped == b' ' || stands(escaped),
            };
            if !allowed && !tail.starts_with(b"25") {
                return Err(UrlError::Escape(format!("%{escaped:02X}")));
            }
            rest = after;
        }
    }
    unescape(text, b'+', BadEscape::Refuse)
}
