import { RotateSigningKeys } from '../../src/signing-keys/rotate-signing-keys.js';
import { SigningKeys } from '../../src/signing-keys/signing-keys.service.js';
import type { TestIssuer } from '../support/test-issuer.js';

/** A key of the timeline as the admin API answers with it. */
export interface KeyJson {
  readonly kid: string;
  readonly phase: 'next' | 'current' | 'retired';
  readonly published_at: string;
  readonly may_sign_from: string | null;
  readonly signs_from: string | null;
  readonly retired_at: string | null;
  readonly unpublished_at: string | null;
  readonly planned: {
    readonly signs_from: string | null;
    readonly retired_at: string | null;
    readonly unpublished_at: string | null;
  };
  readonly tokens_expire_by: string | null;
  readonly revoked_at: string | null;
  readonly revoked_by: string | null;
  readonly revocation_reason: string | null;
  readonly outage_accepted: boolean;
  readonly acknowledged_by: {
    readonly signing: number;
    readonly publishing: number;
    readonly replicas: number;
  };
  readonly not_acknowledged_by: {
    readonly total: number;
    readonly replicas: readonly { readonly id: string }[];
  };
  readonly trusted_until: string | null;
}

/** What the scheduler does every ten seconds, now. @returns the steps that were taken */
export async function keepKeys(issuer: TestIssuer): Promise<readonly string[]> {
  const { app } = issuer.running;
  const steps = await app.get(RotateSigningKeys).carryOutDue();
  await app.get(SigningKeys).refresh();
  return steps.map(({ step }) => step);
}

export async function timeline(issuer: TestIssuer): Promise<KeyJson[]> {
  const response = await issuer.admin('GET', 'signing_keys');
  if (response.status !== 200) throw new Error(await response.text());
  return ((await response.json()) as { items: KeyJson[] }).items;
}

/** The one key in `phase`. */
export async function keyIn(issuer: TestIssuer, phase: 'next' | 'current'): Promise<KeyJson> {
  const [key] = (await timeline(issuer)).filter((candidate) => candidate.phase === phase);
  if (!key) throw new Error(`no key in phase ${phase}`);
  return key;
}

/** The kids of the key set that validators fetch. */
export async function publishedKids(issuer: { readonly url: string }): Promise<string[]> {
  const response = await fetch(`${issuer.url}/oauth/discovery/keys`);
  return ((await response.json()) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid);
}
