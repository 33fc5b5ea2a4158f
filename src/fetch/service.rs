//! What is peculiar about asking a service that describes a machine to itself.

/// How a service is asked. The default is how any server of the web is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Service {
    /// What is done.
    pub method: Method,
    /// Statuses that are worth another attempt, besides those of any server.
    pub again: &'static [u16],
    /// How its host is reached.
    pub route: Route,
}

/// What a request does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Method {
    /// Asks for what is there.
    #[default]
    Get,
    /// Asks for something new, e.g. a token. There is no body.
    Put,
}

/// How a host is reached. Only the first hop goes there like that, and no proxy is asked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Route {
    /// As any.
    #[default]
    Usual,
    /// From a port that only root has (1 to 1022), as proof of who asks. One port serves all attempts, as long as it
    /// is free.
    PrivilegedPort,
    /// By an interface, for hosts that are only known there: the scope of a link-local address of IPv6. It is not in
    /// the URL, nor in the `Host` header.
    Interface(String),
}

impl Service {
    /// As any server of the web is asked.
    pub const USUAL: Service = Service {
        method: Method::Get,
        again: &[],
        route: Route::Usual,
    };
}

impl Method {
    /// As it is written in a request.
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
