//! How every crate lists its reasons: stable words that people search for in docs/reasons.md.

/// Defines an enum of reasons: `ALL` of them, and the word of each, which is its name.
#[macro_export]
macro_rules! reasons {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$meaning:meta])* $reason:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$meaning])* $reason,)+
        }

        impl $name {
            /// All of them, in the order of the source.
            pub const ALL: &'static [$name] = &[$($name::$reason,)+];

            /// `CamelCase`, as in reasons of Kubernetes conditions.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $($name::$reason => stringify!($reason),)+
                }
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.write_str(self.as_str())
            }
        }
    };
}
