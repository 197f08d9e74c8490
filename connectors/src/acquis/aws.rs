//! What documents of Amazon's services share.

use std::path::PathBuf;

use super::table::Table;
use crate::aws::Access;
use crate::policy::OnLoss;

/// `aws_profile`, `aws_region`, `aws_endpoint` and `aws_config_dir`.
pub(super) fn access(table: &mut Table<'_>) -> Access {
    let endpoint = table.text_at("aws_endpoint");
    if let Some((address, at)) = &endpoint {
        let is_address = ["http://", "https://"]
            .iter()
            .any(|scheme| address.starts_with(scheme) && address.len() > scheme.len());
        if !is_address || address.contains(char::is_whitespace) {
            let message = format!("{address:?} is no address: write https://host:port");
            table.refuse_at(*at, "aws_endpoint", &message);
        }
    }
    Access {
        profile: table.text("aws_profile"),
        region: table.text("aws_region"),
        endpoint: endpoint.map(|(address, _)| address),
        config_dir: table.text("aws_config_dir").map(PathBuf::from),
    }
}

/// `on_loss`, as for Kafka.
pub(super) fn on_loss(table: &mut Table<'_>) -> OnLoss {
    match table.text("on_loss").as_deref() {
        None | Some("oldest") => OnLoss::Oldest,
        Some("newest") => OnLoss::Newest,
        Some("stop") => OnLoss::Stop,
        Some(other) => {
            let message = format!("{other:?} is none of oldest, newest and stop");
            table.refuse_key("on_loss", &message);
            OnLoss::Oldest
        }
    }
}

/// `start`: whether it says that reading begins with the oldest that is there.
pub(super) fn starts_with_oldest(table: &mut Table<'_>) -> bool {
    match table.text("start").as_deref() {
        None | Some("newest") => false,
        Some("oldest") => true,
        Some(other) => {
            let message = format!("{other:?} is neither oldest nor newest");
            table.refuse_key("start", &message);
            false
        }
    }
}
