//! Who is at the other end of a request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use hyper::header::{HeaderMap, HeaderValue};
use overspill_decision::Block;
use overspill_golike::net::parse_ip;

use crate::auth::certificate::Certificate;
use crate::settings::Forwarded;

/// Who connected.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    /// Address of the socket; this machine's for a Unix socket.
    pub(crate) address: IpAddr,
    /// Whether it came over the Unix socket.
    pub(crate) is_local_socket: bool,
    /// What it showed in TLS, signed by whom we trust.
    pub(crate) certificate: Option<Arc<Certificate>>,
}

impl Peer {
    pub(crate) fn of(address: SocketAddr) -> Self {
        Self {
            address: address.ip().to_canonical(),
            is_local_socket: false,
            certificate: None,
        }
    }

    pub(crate) fn of_local_socket() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            is_local_socket: true,
            certificate: None,
        }
    }

    /// Who asks: the peer, or whom a proxy that is believed names. Of several proxies in a row the first that is not
    /// believed is the client.
    pub(crate) fn client(&self, headers: &HeaderMap, forwarded: &Forwarded) -> IpAddr {
        let is_believed = |address: IpAddr| match forwarded {
            Forwarded::Nobody => false,
            Forwarded::Everybody => true,
            Forwarded::Proxies(blocks) => is_in(blocks, address),
        };
        if self.is_local_socket || !is_believed(self.address) {
            return self.address;
        }
        let named = ["x-forwarded-for", "x-real-ip"]
            .into_iter()
            .find_map(|name| named_by(headers.get(name)?, is_believed));
        named.unwrap_or(self.address)
    }
}

/// The client in a list of addresses, each named by the next; none if one of them is no address.
fn named_by(header: &HeaderValue, is_believed: impl Fn(IpAddr) -> bool) -> Option<IpAddr> {
    let mut client = None;
    for text in header.to_str().ok()?.rsplit(',') {
        let address = parse_ip(text.trim().as_bytes())?.to_canonical();
        client = Some(address);
        if !is_believed(address) {
            break;
        }
    }
    client
}

/// Whether an address is in one of the blocks.
pub(crate) fn is_in(blocks: &[Block], address: IpAddr) -> bool {
    let address = Block::of(address);
    blocks.iter().any(|block| block.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(peer: &str, forwarded: &Forwarded, header: Option<&str>) -> String {
        let peer = Peer::of(format!("{peer}:1").parse().unwrap());
        let mut headers = HeaderMap::new();
        if let Some(header) = header {
            headers.insert("x-forwarded-for", HeaderValue::from_str(header).unwrap());
        }
        peer.client(&headers, forwarded).to_string()
    }

    #[test]
    fn only_a_proxy_that_is_believed_names_a_client() {
        let proxies = Forwarded::Proxies(vec![Block::parse("10.0.0.0/8").unwrap()]);
        let named = Some("192.0.2.1, 10.0.0.2");
        assert_eq!(check("10.0.0.1", &Forwarded::Nobody, named), "10.0.0.1");
        assert_eq!(check("10.0.0.1", &proxies, named), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &proxies, None), "10.0.0.1");
        assert_eq!(check("203.0.113.1", &proxies, named), "203.0.113.1");
        assert_eq!(
            check("203.0.113.1", &Forwarded::Everybody, named),
            "192.0.2.1"
        );
    }

    #[test]
    fn what_a_client_puts_before_its_proxy_is_not_believed() {
        let proxies = Forwarded::Proxies(vec![Block::parse("10.0.0.0/8").unwrap()]);
        let forged = Some("127.0.0.1, 192.0.2.1");
        assert_eq!(check("10.0.0.1", &proxies, forged), "192.0.2.1");
        assert_eq!(check("10.0.0.1", &proxies, Some("nonsense")), "10.0.0.1");
    }
}
