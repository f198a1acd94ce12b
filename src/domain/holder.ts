/** An instance, by the id of its row, or every instance of a license. Their tokens come from syncs. */
export type LicenseHolder = { readonly licenseId: string } | { readonly instanceId: string };

/** A user or a namespace of the platform, by the platform's own id. Their tokens are self-issued. */
export type PlatformHolder = { readonly userId: string } | { readonly namespaceId: string };

/** For whom a token is. */
export type Holder = LicenseHolder | PlatformHolder;

/** For whom an add-on purchase is. */
export type PurchaseHolder = Extract<Holder, { licenseId: string } | { namespaceId: string }>;
