//! Arguments of the page: where it leads for longer ranges.

use clap::Args;

/// Where dashboards are; the page links to them.
#[derive(Args, Clone, Debug, Default)]
pub struct LinkArgs {
    /// Where the page links to for longer ranges: Grafana's address, as http://HOST:3000 [default: no link]
    #[arg(long, env = "GRAFANA_URL", value_name = "URL", value_parser = parse_web_address)]
    pub grafana_url: Option<String>,
    /// The same for Superset, as http://HOST:8088 [default: no link]
    #[arg(long, env = "SUPERSET_URL", value_name = "URL", value_parser = parse_web_address)]
    pub superset_url: Option<String>,
}

/// A link that does something else when it is clicked, as `javascript:` does, is no address.
fn parse_web_address(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    match host.is_some_and(|host| !host.is_empty() && !host.starts_with('/')) {
        true => Ok(text.to_owned()),
        false => Err("write an address of the web, like http://localhost:3000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_host_of_the_web() {
        for (text, is_address) in [
            ("http://localhost:3000", true),
            ("https://grafana.example/d/telecom?from=now-7d", true),
            ("javascript:alert(1)", false),
            ("https://", false),
            ("http:///d", false),
            ("localhost:3000", false),
            ("", false),
        ] {
            assert_eq!(parse_web_address(text).is_ok(), is_address, "{text:?}");
        }
    }
}
