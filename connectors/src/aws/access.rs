//! Who one is, and where.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};

/// Longest that a connection may take to come about.
const CONNECT_MOST: Duration = Duration::from_secs(5);
/// Longest that an answer may take to begin,
const ANSWER_MOST: Duration = Duration::from_secs(30);
/// and to be there; of what is pushed only its head.
const WHOLE_MOST: Duration = Duration::from_secs(60);

/// Who one is to the service, and where that is. What is not said here comes from the environment, the files of
/// the user and the machine, in the order of Amazon's tools.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Access {
    /// `aws_profile`: section of the files.
    pub profile: Option<String>,
    /// `aws_region`.
    pub region: Option<String>,
    /// `aws_endpoint`: an address in place of the service's own.
    pub endpoint: Option<String>,
    /// `aws_config_dir`: directory of the files `config` and `credentials`.
    pub config_dir: Option<PathBuf>,
}

impl Access {
    /// Settings of a client. Nobody is asked yet who one is, but a machine may be asked where it is.
    pub(crate) async fn settings(&self) -> SdkConfig {
        let client = aws_smithy_http_client::Builder::new()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_MOST)
            .read_timeout(ANSWER_MOST)
            .operation_attempt_timeout(WHOLE_MOST)
            .build();
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .http_client(client)
            // What fails is counted and tried again here.
            .retry_config(RetryConfig::disabled())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .timeout_config(timeouts);
        if let Some(region) = &self.region {
            loader = loader.region(Region::new(region.clone()));
        }
        if let Some(profile) = &self.profile {
            loader = loader.profile_name(profile);
        }
        if let Some(endpoint) = &self.endpoint {
            loader = loader.endpoint_url(endpoint);
        }
        if let Some(dir) = &self.config_dir {
            let mut files = EnvConfigFiles::builder();
            for (kind, name) in [
                (EnvConfigFileKind::Config, "config"),
                (EnvConfigFileKind::Credentials, "credentials"),
            ] {
                // One of them will do; one that is named and not there would be an error.
                let file = dir.join(name);
                if file.is_file() {
                    files = files.with_file(kind, file);
                }
            }
            loader = loader.profile_files(files.build());
        }
        loader.load().await
    }
}
