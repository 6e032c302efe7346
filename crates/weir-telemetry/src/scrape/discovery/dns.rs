//! Targets that DNS names: addresses (A and AAAA) with a port that was configured, or services (SRV), which have one.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Duration;

use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;
use hickory_resolver::proto::rr::rdata::SRV;
use weir_model::DnsDiscovery;
use weir_signal::Labels;

use super::labels;

/// How long one look-up may take.
const TIME_MAX: Duration = Duration::from_secs(10);

const NAME: &str = "__meta_dns_name";
const SRV_TARGET: &str = "__meta_dns_srv_record_target";
const SRV_PORT: &str = "__meta_dns_srv_record_port";

/// Targets of a name, in a stable order. A name that does not exist, or has no such records, has none.
///
/// # Errors
/// Nobody could say whether it has any.
pub(super) async fn look_up(dns: &DnsDiscovery) -> Result<Vec<Labels>, String> {
    let resolver = resolver().ok_or("no name server is configured on this system")?;
    let found = async {
        match dns.port {
            Some(port) => addresses(resolver, &dns.name, port).await,
            None => services(resolver, &dns.name).await,
        }
    };
    let mut found = tokio::time::timeout(TIME_MAX, found)
        .await
        .map_err(|_| format!("no name server answered within {TIME_MAX:?}"))??;
    found.sort();
    found.dedup();
    Ok(found)
}

async fn addresses(resolver: &TokioResolver, name: &str, port: u16) -> Result<Vec<Labels>, String> {
    let found = match resolver.lookup_ip(name).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    Ok(found.iter().map(|address| labels(&address_and_port(address, port), &[(NAME, name)])).collect())
}

fn address_and_port(address: IpAddr, port: u16) -> String {
    std::net::SocketAddr::new(address, port).to_string()
}

async fn services(resolver: &TokioResolver, name: &str) -> Result<Vec<Labels>, String> {
    let found = match resolver.srv_lookup(name).await {
        Ok(found) => found,
        Err(error) if error.is_no_records_found() => return Ok(Vec::new()),
        Err(error) => return Err(error.to_string()),
    };
    let services = found.answers().iter().filter_map(|record| match &record.data {
        RData::SRV(service) => Some(service),
        _ => None,
    });
    Ok(services.map(|service| service_labels(name, service)).collect())
}

fn service_labels(name: &str, service: &SRV) -> Labels {
    let (host, port) = (service.target.to_ascii(), service.port);
    let address = format!("{}:{port}", host.trim_end_matches('.'));
    labels(&address, &[(NAME, name), (SRV_TARGET, &host), (SRV_PORT, &port.to_string())])
}

fn resolver() -> Option<&'static TokioResolver> {
    static RESOLVER: OnceLock<Option<TokioResolver>> = OnceLock::new();
    let build = || match TokioResolver::builder_tokio().and_then(hickory_resolver::ResolverBuilder::build) {
        Ok(resolver) => Some(resolver),
        Err(error) => {
            tracing::warn!(%error, "name resolution is not available: targets cannot be found by DNS");
            None
        }
    };
    RESOLVER.get_or_init(build).as_ref()
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::Name;

    use super::*;

    #[test]
    fn records_become_labels_as_with_prometheus() {
        let service = SRV::new(1, 2, 9100, Name::from_ascii("a.example.").unwrap());
        assert_eq!(
            service_labels("_x._tcp.example", &service).to_string(),
            concat!(
                r#"{__address__="a.example:9100", __meta_dns_name="_x._tcp.example", "#,
                r#"__meta_dns_srv_record_port="9100", __meta_dns_srv_record_target="a.example."}"#
            )
        );
        assert_eq!(address_and_port("::1".parse().unwrap(), 80), "[::1]:80");
        assert_eq!(address_and_port("127.0.0.1".parse().unwrap(), 80), "127.0.0.1:80");
    }
}
