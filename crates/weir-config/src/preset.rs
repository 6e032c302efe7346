//! Configurations for those who have none yet.

/// The configuration of `weir up` with no file: an echo service, and routes to try a limit and a breaker with.
pub fn embedded_default() -> &'static str {
    include_str!("default.yaml")
}

/// The configuration of `weir up URL`: everything goes to that address. Fails, saying why, where `url` is not
/// `http://HOST[:PORT]` or `https://HOST[:PORT]`.
pub fn proxy_to(url: &str) -> Result<String, String> {
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme.to_ascii_lowercase(), rest),
        None => return Err(format!("`{url}` is no URL: write http://{url} or https://{url}")),
    };
    let port = match &*scheme {
        "http" => 80,
        "https" => 443,
        _ => return Err(format!("`{scheme}` is not spoken: write http:// or https://")),
    };
    let host = rest.strip_suffix('/').unwrap_or(rest);
    if let Some(at) = host.find(['/', '?', '#']) {
        return Err(format!(
            "`{}` is left over: the address ends after the host, and paths are passed on as they are",
            &host[at..]
        ));
    }
    if host.contains('@') {
        return Err("a user in the URL is not supported".into());
    }
    let with_port = |host: &str| {
        let has_port = host
            .rsplit_once(':')
            .is_some_and(|(_, p)| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
        if has_port { host.to_owned() } else { format!("{host}:{port}") }
    };
    let endpoint = if host.ends_with(']') { format!("{host}:{port}") } else { with_port(host) };
    if weir_model::EndpointAddress::parse(&endpoint).is_none() {
        return Err(format!("`{host}` is no host with a port, as in localhost:3000"));
    }
    let tls = if scheme == "https" { "    tls: { verify: system }\n" } else { "" };
    // Over TLS the other side mostly serves several names and goes by `Host`.
    let rewrite = if scheme == "https" { "    rewrite: { host: endpoint }\n" } else { "" };
    Ok(format!(
        "# Everything that arrives at 127.0.0.1:8080 goes to {scheme}://{endpoint}.\n\
         version: 1\n\
         admin: {{ address: 127.0.0.1:9901 }}\n\
         store: {{}}\n\
         listeners:\n\
         \x20 - name: web\n\
         \x20   address: 127.0.0.1:8080\n\
         routes:\n\
         \x20 - name: all\n\
         \x20   service: upstream\n\
         {rewrite}\
         services:\n\
         \x20 upstream:\n\
         \x20   endpoints: [\"{endpoint}\"]\n\
         {tls}"
    ))
}
