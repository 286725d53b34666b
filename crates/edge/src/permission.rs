/// Something that a caller may be allowed to do. Each is a type, so that a route names it in its signature and none can forget to.
pub trait Permission: Send + Sync + 'static {
    /// How API keys, roles, problems and the API description write it: `resource:verb`.
    const NAME: &'static str;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $marker:ident = $name:literal;)*) => {
        $(
            $(#[$doc])*
            #[derive(Debug)]
            pub enum $marker {}

            impl Permission for $marker {
                const NAME: &'static str = $name;
            }
        )*

        /// Every permission that an organisation can give.
        const OF_AN_ORGANISATION: &[&str] = &[$($name),*];
    };
}

permissions! {
    /// See instances.
    InstancesRead = "instances:read";
    /// Create, change, start, stop, restart and delete instances.
    InstancesWrite = "instances:write";
    /// Get into an instance's gateway.
    InstancesAccess = "instances:access";
    /// See operations and their steps.
    OperationsRead = "operations:read";
    /// Cancel operations.
    OperationsCancel = "operations:cancel";
}

/// What a member is within an organisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// May do everything that an organisation can allow. Whoever calls is the owner of their personal organisation.
    Owner,
}

impl Role {
    /// Whether the role allows it. A permission that is not an organisation's to give, such as those of staff, nobody has by a role.
    #[must_use]
    pub fn grants(self, permission: &str) -> bool {
        match self {
            Self::Owner => OF_AN_ORGANISATION.contains(&permission),
        }
    }
}
