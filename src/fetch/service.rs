//! Peculiarities of instance metadata services.

/// How to send requests to a service. The default fits any web server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// The request method.
    pub method: Method,
    /// Additional statuses that are worth a retry.
    pub retry_statuses: &'static [u16],
    /// How its host is reached.
    pub route: Route,
}

/// A request method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Reads a resource.
    #[default]
    Get,
    /// Creates something, e.g. a token. There is no body.
    Put,
}

/// How a host is reached. Applies to the first hop only, and bypasses proxies unless it is the default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Route {
    /// Like any other host.
    #[default]
    Default,
    /// From a privileged port (1 to 1022), to prove that root sent the request. All attempts use the same port, as long
    /// as it is free.
    PrivilegedPort,
    /// Through an interface: the zone of a link-local IPv6 address. It is neither in the URL nor in the `Host` header.
    Interface(String),
}

impl Service {
    /// Fits any web server.
    pub const DEFAULT: Service = Service {
        method: Method::Get,
        retry_statuses: &[],
        route: Route::Default,
    };
}

impl Method {
    /// The name in an HTTP request.
    pub fn name(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Put => "PUT",
        }
    }
}

impl From<Method> for reqwest::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => reqwest::Method::GET,
            Method::Put => reqwest::Method::PUT,
        }
    }
}
