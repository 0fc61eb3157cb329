//! The identity of a machine on GCS and Azure. The client asks for it where no variable has credentials, and a machine
//! that has none is not worth the time of the retries.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use object_store::client::{HttpError, HttpErrorKind, HttpRequest, HttpResponse};

use super::credentials::CredentialError;

/// A service that gives a machine its identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityService {
    Google,
    Azure,
}

impl IdentityService {
    /// The service that a request is for. It is known by its path and by the header that every such request has.
    pub fn asked_by(request: &HttpRequest) -> Option<IdentityService> {
        let (path, headers) = (request.uri().path(), request.headers());
        let is_google = headers.contains_key("metadata-flavor") && path.starts_with("/computeMetadata/");
        let is_azure = headers.contains_key("metadata") && path == "/metadata/identity/oauth2/token";
        match (is_google, is_azure) {
            (true, _) => Some(IdentityService::Google),
            (_, true) => Some(IdentityService::Azure),
            _ => None,
        }
    }

    /// What to set where there is no identity.
    fn advice(self) -> &'static str {
        match self {
            IdentityService::Google => {
                "no Google credentials: set GOOGLE_APPLICATION_CREDENTIALS to the file of a key, or run `gcloud auth \
                 application-default login`, or give the machine a service account; for a public bucket set \
                 `storage.anonymous_input = true` or GOOGLE_SKIP_SIGNATURE=true"
            }
            IdentityService::Azure => {
                "no Azure credentials: set AZURE_STORAGE_CONNECTION_STRING, AZURE_STORAGE_ACCOUNT_KEY or \
                 AZURE_STORAGE_SAS_TOKEN, or give the machine a managed identity; for a public container set \
                 `storage.anonymous_input = true` or AZURE_SKIP_SIGNATURE=true"
            }
        }
    }
}

/// Whether a machine has an identity, as far as its service was asked.
#[derive(Debug, Default)]
pub(super) struct MachineIdentity {
    was_given: AtomicBool,
}

impl MachineIdentity {
    /// Takes the answer of a service, and makes that of a machine without an identity an error that is not tried again.
    /// Once the service has given one, its failures pass.
    ///
    /// # Errors
    /// That of `answer`; [`CredentialError::NoIdentity`] as its cause if the machine has no identity.
    pub fn judge(
        &self,
        asked: IdentityService,
        answer: Result<HttpResponse, HttpError>,
    ) -> Result<HttpResponse, HttpError> {
        let why = match &answer {
            Ok(response) if response.status().is_success() => {
                self.was_given.store(true, Relaxed);
                return answer;
            }
            Ok(response) if matches!(response.status().as_u16(), 400 | 403 | 404) => {
                format!("which answers {}", response.status().as_u16())
            }
            Err(error) if matches!(error.kind(), HttpErrorKind::Connect | HttpErrorKind::Timeout) => {
                "which does not answer".to_owned()
            }
            _ => return answer,
        };
        if self.was_given.load(Relaxed) {
            return answer;
        }
        let error = CredentialError::NoIdentity { advice: asked.advice(), why };
        Err(HttpError::new(HttpErrorKind::Unknown, error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::causes::cause_of;

    fn request(path: &str, header: &'static str) -> HttpRequest {
        let mut request = HttpRequest::new(String::new().into());
        *request.uri_mut() = format!("http://169.254.169.254{path}").parse().unwrap();
        request.headers_mut().insert(header, "true".parse().unwrap());
        request
    }

    fn response(status: u16) -> Result<HttpResponse, HttpError> {
        let mut response = HttpResponse::new(String::new().into());
        *response.status_mut() = status.try_into().unwrap();
        Ok(response)
    }

    fn refused() -> Result<HttpResponse, HttpError> {
        Err(HttpError::new(HttpErrorKind::Connect, std::io::Error::other("refused")))
    }

    fn is_missing(answer: Result<HttpResponse, HttpError>) -> bool {
        answer.is_err_and(|error| {
            cause_of::<CredentialError>(&error).is_some_and(|cause| !cause.is_transient())
        })
    }

    #[test]
    fn a_request_for_an_identity_has_its_path_and_its_header() {
        let google = "/computeMetadata/v1/instance/service-accounts/default/token";
        let azure = "/metadata/identity/oauth2/token";
        for (path, header, expected) in [
            (google, "metadata-flavor", Some(IdentityService::Google)),
            (azure, "metadata", Some(IdentityService::Azure)),
            (google, "range", None),
            (azure, "range", None),
            ("/bucket/computeMetadata/1.jpg", "metadata-flavor", None),
        ] {
            assert_eq!(IdentityService::asked_by(&request(path, header)), expected, "{path} {header}");
        }
    }

    #[test]
    fn a_machine_has_no_identity_if_its_service_is_not_there_or_refuses() {
        for (answer, expected) in [
            (refused(), true),
            (response(404), true),
            (response(400), true),
            (response(403), true),
            (response(429), false),
            (response(503), false),
            (response(200), false),
        ] {
            let shown = format!("{:?}", answer.as_ref().map(|response| response.status()));
            let judged = MachineIdentity::default().judge(IdentityService::Google, answer);
            assert_eq!(is_missing(judged), expected, "{shown}");
        }
    }

    #[test]
    fn a_service_that_has_given_an_identity_is_asked_again() {
        let identity = MachineIdentity::default();
        assert!(identity.judge(IdentityService::Azure, response(200)).is_ok());
        assert!(!is_missing(identity.judge(IdentityService::Azure, refused())));
        assert!(!is_missing(identity.judge(IdentityService::Azure, response(404))));
    }
}
