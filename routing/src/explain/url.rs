//! A request as people write it: a URL, and header lines.

use std::str::FromStr;

use super::Speech;

/// A URL as a client would use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Url {
    /// What the client speaks.
    pub speech: Speech,
    /// The host it looks up; an IPv6 address without its brackets.
    pub host: String,
    /// The port it dials.
    pub port: u16,
    /// The Host it sends.
    pub authority: String,
    /// Path and query.
    pub path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(url: &str) -> Result<Self, String> {
        let (scheme, rest) = url.split_once("://").ok_or("write SCHEME://HOST[:PORT][/PATH]")?;
        let (speech, default) = match scheme {
            "http" => (Speech::Http1, Some(80)),
            "h2c" | "grpc" => (Speech::Http2, Some(80)),
            "https" | "tls" => (Speech::Tls, Some(443)),
            "tcp" => (Speech::Tcp, None),
            other => return Err(format!("{other:?} is not one of http, h2c, grpc, https, tls, tcp")),
        };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        let path = path.split('#').next().unwrap_or_default();
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| format!("{port:?} is not a port"))?))
            }
            _ => (authority, None),
        };
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() {
            return Err("it has no host".to_owned());
        }
        let port = port.or(default).filter(|port| *port > 0).ok_or("it has no port")?;
        Ok(Self { speech, host: host.to_owned(), port, authority: authority.to_owned(), path })
    }
}

/// One header line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// In lower case.
    pub name: String,
    /// Without the blanks around it.
    pub value: String,
}

impl FromStr for Header {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (name, value) = line.split_once(':').ok_or("write NAME: VALUE")?;
        if name.trim().is_empty() {
            return Err("it has no name".to_owned());
        }
        Ok(Self { name: name.trim().to_ascii_lowercase(), value: value.trim().to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn given_a_url_then_its_parts_are_what_a_client_would_use() {
        for (url, host, port, authority, path) in [
            ("http://echo:8080/cart?x=1", "echo", 8080, "echo:8080", "/cart?x=1"),
            ("http://echo", "echo", 80, "echo", "/"),
            ("http://echo?x", "echo", 80, "echo", "/?x"),
            ("http://[::1]:81/a#b", "::1", 81, "[::1]:81", "/a"),
            ("https://echo.shop/", "echo.shop", 443, "echo.shop", "/"),
            ("tcp://db:5432", "db", 5432, "db:5432", "/"),
        ] {
            let target: Url = url.parse().expect(url);
            assert_eq!((&*target.host, target.port, &*target.authority, &*target.path), (host, port, authority, path));
        }
        for url in ["echo", "ftp://echo", "http://", "http://echo:x/", "http://echo:0/", "tcp://db"] {
            assert!(url.parse::<Url>().is_err(), "{url}");
        }
    }
}
