import type { TestIssuer } from './test-issuer.js';

/** A license as the admin API answers with it. */
export interface LicenseJson {
  readonly id: string;
  readonly license_key?: string;
  readonly plan: string;
  readonly kind: string;
  readonly trial: boolean;
  readonly seats: number;
  readonly starts_on: string;
  readonly expires_on: string;
  readonly licensee: {
    readonly name: string | null;
    readonly email: string | null;
    readonly company: string | null;
  };
  readonly customer_ref: string | null;
  readonly renews_license_id: string | null;
  readonly revoked_at: string | null;
  readonly revocation_reason: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

/** An add-on purchase as the admin API answers with it. */
export interface PurchaseJson {
  readonly id: string;
  readonly license_id: string | null;
  readonly namespace_id: string | null;
  readonly add_on: string;
  readonly quantity: number;
  readonly assigned_seats: number;
  readonly started_at: string | null;
  readonly expires_on: string;
  readonly purchase_xid: string | null;
  readonly trial: boolean;
  readonly voided_at: string | null;
  readonly created_at: string;
  readonly updated_at: string;
}

type Body = Readonly<Record<string, unknown>>;

/** The body of a license that is fine in 2026; a test states what it is about. */
export function licenseBody(about: Body = {}): Body {
  return {
    plan: 'ultimate',
    kind: 'online_cloud',
    seats: 100,
    starts_on: '2026-01-01',
    expires_on: '2027-01-01',
    ...about,
  };
}

/** The body of a purchase that is active in 2026. */
export function purchaseBody(about: Body = {}): Body {
  return {
    add_on: 'duo_enterprise',
    quantity: 50,
    started_at: '2026-01-01',
    expires_on: '2027-01-01',
    ...about,
  };
}

/** Registers a license; `licenseKey` is the generated key, or the one that `about` names. */
export async function registerLicense(
  issuer: TestIssuer,
  about: Body = {},
): Promise<LicenseJson & { readonly licenseKey: string }> {
  const license = (await created(issuer, 'licenses', licenseBody(about))) as LicenseJson;
  return { ...license, licenseKey: license.license_key ?? String(about['license_key']) };
}

/** Records a purchase for a license. */
export async function recordPurchase(
  issuer: TestIssuer,
  licenseId: string,
  about: Body = {},
): Promise<PurchaseJson> {
  const path = `licenses/${licenseId}/add_on_purchases`;
  return (await created(issuer, path, purchaseBody(about))) as PurchaseJson;
}

/** Records a purchase for a namespace, of Duo Pro unless the test says otherwise. */
export async function recordNamespacePurchase(
  issuer: TestIssuer,
  namespace: string,
  about: Body = {},
): Promise<PurchaseJson> {
  const body = purchaseBody({ add_on: 'duo_pro', plan: 'ultimate', ...about });
  return (await created(issuer, `namespaces/${namespace}/add_on_purchases`, body)) as PurchaseJson;
}

/** Gives seats of a purchase to users. */
export async function assignSeats(
  issuer: TestIssuer,
  purchaseId: string,
  ...users: string[]
): Promise<void> {
  await created(issuer, `add_on_purchases/${purchaseId}/seat_assignments`, { user_ids: users });
}

/** Makes an activation code for a license. */
export async function makeActivationCode(
  issuer: TestIssuer,
  licenseId: string,
  about: Body = {},
): Promise<{ readonly id: string; readonly code: string }> {
  const path = `licenses/${licenseId}/activation_codes`;
  return (await created(issuer, path, about)) as { id: string; code: string };
}

/** A license with one active purchase of Duo Enterprise: what most syncs are about. */
export async function registerPaidLicense(
  issuer: TestIssuer,
  about: Body = {},
): Promise<LicenseJson & { readonly licenseKey: string }> {
  const license = await registerLicense(issuer, about);
  await recordPurchase(issuer, license.id);
  return license;
}

async function created(issuer: TestIssuer, path: string, body: Body): Promise<unknown> {
  const response = await issuer.admin('POST', path, body);
  if (response.status === 201) return response.json();
  throw new Error(`POST ${path}: ${response.status} ${await response.text()}`);
}
