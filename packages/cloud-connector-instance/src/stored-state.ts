import type { HeldToken } from './held-token.js';
import { asObject, asObjects, asText, asTexts, type JsonObject } from './json.js';

/** Everything that a store keeps. It is plain JSON. */
export interface StoredState {
  /** From an activation or a seat link; null before that. */
  readonly licenseKey: string | null;
  readonly tokens: readonly HeldToken[];
  /**
   * How often the issuer has revoked all tokens. A token of a request that began before the latest
   * revocation is not stored. Clocks do not matter.
   */
  readonly revocations: number;
  /** The catalog of the last sync as it came (contract: four lists of objects). */
  readonly catalog: JsonObject | null;
  readonly availableServices: readonly AvailableService[];
}

/** What GitLab 16.8 to 18.5 calls an available service. */
export interface AvailableService {
  readonly name: string;
  /** ISO 8601; null or in the future: free. */
  readonly serviceStartTime: string | null;
  readonly bundledWith: readonly string[] | null;
}

export const EMPTY_STATE: StoredState = {
  licenseKey: null,
  tokens: [],
  revocations: 0,
  catalog: null,
  availableServices: [],
};

/** Reads what was serialised; null when it is not a state. Members that are unknown are dropped. */
export function parseState(text: string): StoredState | null {
  let parsed: JsonObject | null;
  try {
    parsed = asObject(JSON.parse(text));
  } catch {
    return null;
  }
  if (!parsed || !Array.isArray(parsed['tokens'])) return null;
  const tokens = asObjects(parsed['tokens']).map(heldTokenOf);
  const revocations = parsed['revocations'];
  if (tokens.includes(null) || typeof revocations !== 'number') return null;
  return {
    licenseKey: asText(parsed['licenseKey']),
    tokens: tokens.filter((one) => one !== null),
    revocations,
    catalog: asObject(parsed['catalog']),
    availableServices: availableServicesOf(parsed['availableServices']),
  };
}

export function availableServicesOf(value: unknown): readonly AvailableService[] {
  return asObjects(value).map((one) => ({
    name: asText(one['name']) ?? '',
    serviceStartTime: asText(one['serviceStartTime']),
    bundledWith: Array.isArray(one['bundledWith']) ? asTexts(one['bundledWith']) : null,
  }));
}

function heldTokenOf(value: JsonObject): HeldToken | null {
  const { token, instanceId, realm, issuedAt, notBefore, expiresAt, receivedAt } = value;
  const texts = [token, instanceId, realm].every((one) => typeof one === 'string');
  const numbers = [issuedAt, notBefore, expiresAt, receivedAt].every(Number.isFinite);
  if (!texts || !numbers || !Array.isArray(value['scopes'])) return null;
  return { ...(value as unknown as HeldToken), scopes: asTexts(value['scopes']) };
}
